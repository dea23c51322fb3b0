"""Can receivers be named in the settings without a secret in them, and is every mistake told?"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.store import EventStore
from monitor.commands.doctor_receivers import receiver_rows
from monitor.detection.state import MonitorState
from monitor.oncall.deliver import deliver
from monitor.oncall.receivers.alertmanager import REFRESH
from monitor.oncall.receivers.configured import ReceiverUnusable, configured_receivers
from monitor.settings import Settings, SettingsError, parse_settings
from tests.monitor.events import in_memory
from tests.monitor.fake_sinks import Step, sink
from tests.monitor.live import query
from tests.monitor.messages import NOW, enqueued, message

HEAD = "outcome: {metric: m}\nreceivers:\n"


@pytest.fixture
def store() -> Iterator[EventStore]:
    with in_memory() as store:
        MonitorState(store.engine)
        yield store


def parsed(*receivers: str) -> Settings:
    return parse_settings(HEAD + "".join(f"  - {{{one}}}\n" for one in receivers))


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        ("name: a, kind: slack, url: 'https://hooks.slack.com/services/T0/B0/x'", "can send there"),
        ("name: a, kind: apprise, url: 'mailtos://example.org'", "can send there"),
        ("name: a, kind: webhook, url: 'https://user:pw@example.org/'", "password"),
        ("name: a, kind: webhook, url: 'https://example.org/?key=x'", "token"),
        ("name: a, kind: webhook, url: 'https://example.org/hooks/a8f3kd92ls01mv83hf72'", "token"),
        ("name: a, kind: webhook", "needs url"),
        ("name: a, kind: pagerduty", "needs secret_env"),
        ("name: a, kind: pagerduty, secret: abc", "unknown key"),
        ("name: a, kind: pager", "Input should be"),
        ("name: a, kind: stdout, fallback: b", "none of the receivers"),
        ("name: a, kind: stdout, fallback: a", "the receiver itself"),
        ("name: a, kind: stdout, severities: []", "at least 1"),
        ("name: a, kind: stdout, timeout_seconds: 0", "greater than 0"),
        ("name: a, kind: webhook, url_env: HOME", "pattern"),
        ("name: a, kind: webhook, url_env: REWARD_DRIFT_A, url_file: /a", "one of url"),
        ("name: a/b, kind: stdout", "pattern"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_without_the_secret(receiver: str, told: str) -> None:
    with pytest.raises(SettingsError) as fault:
        parsed(receiver)
    assert told in str(fault.value)
    assert "reward-drift.yaml:" in str(fault.value)
    assert not any(secret in str(fault.value) for secret in ("a8f3kd92ls01mv83hf72", "user:pw", "T0/B0"))


def test_two_receivers_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="two receivers are named a"):
        parsed("name: a, kind: stdout", "name: a, kind: stdout")


def test_every_kind_is_made_from_the_environment_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REWARD_DRIFT_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("REWARD_DRIFT_STDOUT", raising=False)
    monkeypatch.setenv("REWARD_DRIFT_KEY", "R" * 32)
    monkeypatch.setenv("REWARD_DRIFT_SLACK", "https://hooks.slack.com/services/T0/B0/x")
    (tmp_path / "mail").write_text("mailtos://user:pw@example.org\n")
    routes = configured_receivers(
        parsed(
            "name: pager, kind: pagerduty, secret_env: REWARD_DRIFT_KEY, severities: [page], fallback: chat",
            "name: chat, kind: slack, url_env: REWARD_DRIFT_SLACK",
            "name: manager, kind: alertmanager, url: 'https://alertmanager.example.org'",
            "name: hook, kind: webhook, url: 'https://example.org/alerts', secret_env: REWARD_DRIFT_KEY",
            f"name: mail, kind: apprise, url_file: '{tmp_path / 'mail'}'",
            "name: out, kind: stdout",
        ).receivers
    )
    assert list(routes) == ["pager", "chat", "manager", "hook", "mail", "out"]
    assert (routes["pager"].severities, routes["pager"].fallback) == (("page",), "chat")
    assert [name for name, route in routes.items() if route.refresh] == ["manager"]
    assert routes["manager"].refresh == REFRESH


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        ("name: a, kind: slack, url_env: REWARD_DRIFT_ABSENT", "REWARD_DRIFT_ABSENT is not set"),
        ("name: a, kind: slack, url_file: /nowhere/at/all", "/nowhere/at/all cannot be read"),
        ("name: a, kind: slack, url_env: REWARD_DRIFT_PLAIN", "not https"),
        ("name: a, kind: apprise, url_env: REWARD_DRIFT_PLAIN", "none that Apprise knows"),
    ],
)
def test_a_receiver_that_cannot_be_used_is_told_without_its_secret(
    receiver: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REWARD_DRIFT_ABSENT", raising=False)
    monkeypatch.setenv("REWARD_DRIFT_PLAIN", "htpp://s3cret.example.org/x")
    with pytest.raises(ReceiverUnusable, match="receivers: a: ") as fault:
        configured_receivers(parsed(receiver).receivers)
    assert told in str(fault.value)
    assert "s3cret" not in str(fault.value)


def test_what_the_environment_alone_asks_for_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_DRIFT_WEBHOOK_URL", "http://127.0.0.1:1/x")
    monkeypatch.setenv("REWARD_DRIFT_STDOUT", "1")
    assert set(configured_receivers()) == {"webhook", "stdout"}


def test_receivers_are_shown_without_secrets() -> None:
    first, second = parsed(
        "name: pager, kind: pagerduty, secret_env: REWARD_DRIFT_KEY, severities: [page], fallback: chat",
        "name: chat, kind: slack, url_env: REWARD_DRIFT_SLACK",
    ).receivers
    assert str(first) == "pager: pagerduty, page only, then chat"
    assert str(second) == "chat: slack at REWARD_DRIFT_SLACK"


def test_doctor_tells_which_receivers_are_usable_and_which_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REWARD_DRIFT_WEBHOOK_URL", "http://127.0.0.1:1/s3cret")
    monkeypatch.delenv("REWARD_DRIFT_ABSENT", raising=False)
    settings, path = tmp_path / "s.yaml", tmp_path / "store"
    settings.write_text(
        HEAD + "  - {name: chat, kind: slack, url_env: REWARD_DRIFT_ABSENT}\n  - {name: o, kind: stdout}\n"
    )
    with EventStore.open(path) as store:
        MonitorState(store.engine)
        enqueued(store, message(), "webhook")
        deliver(store.engine, configured_receivers(), NOW, lambda line: None)
    rows = receiver_rows(settings, str(path))
    assert [row["state"] for row in rows] == ["MEND", "ok", "MEND"]
    assert "REWARD_DRIFT_ABSENT is not set" in rows[0]["told"]
    assert "takes nothing since 2026-01-01 00:00 UTC (1 failures)" in rows[2]["told"]
    assert "s3cret" not in str(rows)


def test_doctor_says_how_to_name_a_receiver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REWARD_DRIFT_WEBHOOK_URL", "REWARD_DRIFT_STDOUT"):
        monkeypatch.delenv(name, raising=False)
    (row,) = receiver_rows(tmp_path / "absent.yaml", str(tmp_path / "absent"))
    assert (row["state"], row["what"]) == ("none", "receivers")


@pytest.mark.parametrize("step", [200, 400, 500, 302, "reset", "hang"])
def test_no_fault_brings_a_secret_into_a_message_a_log_or_the_database(
    step: Step, store: EventStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = ("s1ackt0ken", "r0ut1ngk3y", "s1gn1ng", "b3ar3r", "appr1sepw")
    with sink(script=[step] * 5) as place, caplog.at_level(logging.DEBUG):
        monkeypatch.setenv("REWARD_DRIFT_SLACK", place.url + "/s1ackt0ken")
        monkeypatch.setenv("REWARD_DRIFT_PAGER", place.url + "/v2")
        monkeypatch.setenv("REWARD_DRIFT_APPRISE", place.url.replace("http://", "json://user:appr1sepw@") + "?rto=0.3")
        for name in ("r0ut1ngk3y", "s1gn1ng", "b3ar3r"):
            monkeypatch.setenv(f"REWARD_DRIFT_{name.upper()}", name)
        there, near = "url_env: REWARD_DRIFT_PAGER", "allow_private: true, timeout_seconds: 0.3"
        routes = configured_receivers(
            parsed(
                f"name: chat, kind: slack, url_env: REWARD_DRIFT_SLACK, {near}",
                f"name: pager, kind: pagerduty, {there}, secret_env: REWARD_DRIFT_R0UT1NGK3Y, {near}",
                f"name: hook, kind: webhook, {there}, secret_env: REWARD_DRIFT_S1GN1NG, {near}",
                f"name: manager, kind: alertmanager, {there}, secret_env: REWARD_DRIFT_B3AR3R, {near}",
                f"name: mail, kind: apprise, url_env: REWARD_DRIFT_APPRISE, {near}",
            ).receivers
        )
        enqueued(store, message(), *routes)
        told: list[str] = []
        deliver(store.engine, routes, NOW, told.append)
        kept = str(query(store, "SELECT * FROM outbox")) + str(query(store, "SELECT * FROM receiver_health"))
    assert len(place.requests) >= 5
    everywhere = kept + str(told) + caplog.text + str(routes)
    assert [secret for secret in secrets if secret in everywhere] == []
