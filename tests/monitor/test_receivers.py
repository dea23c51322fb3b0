"""Does every receiver get what its own API asks for, over real HTTP and TLS?"""

import datetime as dt
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.oncall.receivers.alertmanager import AlertmanagerReceiver
from monitor.oncall.receivers.apprise import AppriseReceiver
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.pagerduty import PagerDutyReceiver
from monitor.oncall.receivers.port import DeliveryFailed, Message
from monitor.oncall.receivers.slack import SlackReceiver
from monitor.oncall.receivers.webhook import WebhookReceiver
from monitor.result import plain_json
from tests.monitor.fake_sinks import Step, certificate, sink
from tests.monitor.messages import ALERT, NOW, here, message

LINKS = {"open": "https://drift.example.org/a/7", "runbook": "https://drift.example.org/r/decouple"}
PAGE = ("[PAGE] Reward up, users worse: support-bot", "reward +9.1 pt  task success -4.0 pt", "DO: freeze")
SECRET = "s3cret"
LATER = ALERT.fired_at + dt.timedelta(days=2)


def told(one: Message) -> Any:
    """What PagerDuty gets."""
    with sink(202) as place:
        PagerDutyReceiver(here(place.url), "R" * 32).send(one)
        return place.json()[0]


def test_pagerduty_is_triggered_with_all_that_a_pager_shows() -> None:
    event = told(message(page=PAGE, links=LINKS))
    assert (event["routing_key"], event["event_action"], event["dedup_key"]) == ("R" * 32, "trigger", "abc:1")
    payload = event["payload"]
    assert payload["summary"] == PAGE[0]
    assert (payload["severity"], payload["source"], payload["group"]) == ("critical", "support", ALERT.check)
    assert payload["timestamp"] == plain_json(ALERT.fired_at)
    assert payload["custom_details"]["lines"] == list(PAGE)
    assert {"href": LINKS["runbook"], "text": "runbook"} in event["links"]


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("fired", "trigger"),
        ("raised", "trigger"),
        ("reminder", "trigger"),
        ("unacked", "trigger"),
        ("digest", "trigger"),
        ("test", "trigger"),
        ("acked", "acknowledge"),
        ("resolved", "resolve"),
        ("superseded", "resolve"),
    ],
)
def test_one_pagerduty_incident_lives_under_one_key(kind: str, action: str) -> None:
    event = told(message(kind=kind))
    assert (event["event_action"], event["dedup_key"]) == (action, "abc:1")


def test_pagerduty_gets_no_summary_and_no_key_that_it_would_refuse() -> None:
    event = told(message(key="k" * 300, page=("é" * 2000,)))
    assert len(event["payload"]["summary"]) == 1024
    assert len(event["dedup_key"]) <= 255
    assert event["dedup_key"] != told(message(key="k" * 301))["dedup_key"]


def alerts(one: Message, now: dt.datetime = LATER, token: str | None = None) -> tuple[Any, Any]:
    with sink() as place:
        AlertmanagerReceiver(here(place.url), token, lambda: now).send(one)
        return place.json()[0], place.requests[0].headers


def test_alertmanager_gets_identity_as_labels_and_the_rest_as_annotations() -> None:
    (alert,), headers = alerts(message(page=PAGE, links=LINKS, severity="ticket"), token="t0ken")
    assert alert["labels"] == {
        "alertname": ALERT.check,
        "severity": "ticket",
        "service": "support",
        "cohort": "tier=enterprise",
        "fingerprint": "abc",
    }
    assert alert["annotations"]["summary"] == PAGE[0]
    assert alert["annotations"]["description"] == "\n".join(PAGE)
    assert alert["annotations"]["runbook_url"] == LINKS["runbook"]
    assert alert["generatorURL"] == LINKS["open"]
    assert alert["startsAt"] == plain_json(ALERT.fired_at)
    assert dt.datetime.fromisoformat(alert["endsAt"]) > LATER + dt.timedelta(days=1)
    assert headers["authorization"] == "Bearer t0ken"


def labels(one: Message) -> dict[str, str]:
    return {alert["labels"]["severity"]: alert["labels"] for alert in alerts(one)[0]}


def test_alertmanager_labels_do_not_move_while_an_episode_lives() -> None:
    fired = labels(message(kind="fired", page=("n=5",)))["page"]
    for kind in ("acked", "unacked", "reminder", "resolved"):
        later = message(kind=kind, page=("n=9",), at=NOW + dt.timedelta(days=3), note="acked by Ann")
        assert labels(later)["page"] == fired


def test_an_ack_reaches_alertmanager_as_an_annotation_of_an_alert_that_stays_open() -> None:
    (*_, alert), _ = alerts(message(kind="acked", note="acked by Ann until 13:00"))
    assert alert["annotations"]["acked"] == "acked by Ann until 13:00"
    assert dt.datetime.fromisoformat(alert["endsAt"]) > LATER


def test_a_resolved_alert_ends_now_under_every_severity_it_may_have_had() -> None:
    found = {alert["labels"]["severity"]: alert["endsAt"] for alert in alerts(message(kind="resolved"), LATER)[0]}
    assert found == dict.fromkeys(("ticket", "warning", "page"), plain_json(LATER))


def test_no_alert_ends_before_it_began() -> None:
    before = ALERT.fired_at - dt.timedelta(days=1)
    for alert in alerts(message(kind="resolved"), before)[0]:
        assert alert["startsAt"] <= alert["endsAt"]


def test_an_alert_that_grew_severer_ends_its_milder_self() -> None:
    found = {alert["labels"]["severity"]: alert["endsAt"] for alert in alerts(message(kind="raised"))[0]}
    assert found["ticket"] == found["warning"] == plain_json(LATER)
    assert dt.datetime.fromisoformat(found["page"]) > LATER


def test_alertmanager_groups_by_itself_and_gets_the_members_of_a_combined_message() -> None:
    members = (message("a:1", severity="ticket").alert, message("b:2", "resolved", severity="ticket").alert)
    found = {alert["labels"]["fingerprint"]: alert["endsAt"] for alert in alerts(message("g:1", members=members))[0]}
    assert found["b"] == plain_json(LATER)
    assert dt.datetime.fromisoformat(found["a"]) > LATER
    assert set(found) == {"a", "b"}


def slack(one: Message) -> Any:
    with sink() as place:
        SlackReceiver(here(place.url)).send(one)
        return place.json()[0]


def test_slack_gets_a_text_for_the_notification_and_blocks_to_read() -> None:
    body = slack(message(page=PAGE, links=LINKS))
    assert body["text"] == PAGE[0]
    head, rest, links = body["blocks"]
    assert head["text"] == {"type": "mrkdwn", "text": f"*{PAGE[0]}*", "verbatim": True}
    assert rest["text"]["text"] == "\n".join(PAGE[1:])
    assert f"<{LINKS['runbook']}|runbook>" in links["elements"][0]["text"]


def test_nothing_that_a_user_wrote_calls_a_slack_channel() -> None:
    body = json.dumps(slack(message(page=("cohort <!channel> & <https://evil.example|click>", "<@U1>"))))
    assert not any(call in body for call in ("<!", "<@", "<http"))


@pytest.mark.parametrize("kind", ["fired", "resolved", "acked", "test", "digest"])
def test_a_message_without_a_page_still_has_a_text(kind: str) -> None:
    assert slack(message(kind=kind))["text"]
    assert slack(message(kind=kind))["text"].startswith("[PAGE]" if kind == "fired" else f"[{kind.upper()}]")


def test_no_slack_section_is_too_long() -> None:
    body = slack(message(page=("x" * 9000, *["y" * 2000] * 4)))
    assert max(len(block["text"]["text"]) for block in body["blocks"]) <= 3000


def test_a_webhook_gets_a_signed_cloud_event() -> None:
    with sink(204) as place:
        WebhookReceiver(here(place.url), SECRET, clock=lambda: 1_767_225_600.5).send(message(page=PAGE))
        (request,) = place.requests
    assert (request.path, request.headers["content-type"]) == ("/alerts", "application/cloudevents+json")
    stamp, signature = (part.partition("=")[2] for part in request.headers["x-rewarddrift-signature"].split(","))
    assert stamp == "1767225600"
    assert signature == hmac.new(SECRET.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    event = request.json()
    assert (event["specversion"], event["type"], event["time"]) == ("1.0", "rewarddrift.alert.v1", plain_json(NOW))
    assert (event["data"]["dedup_key"], event["data"]["kind"], event["data"]["page"]) == ("abc:1", "fired", list(PAGE))
    assert event["data"]["alert"]["severity"] == "page"


def test_a_webhook_without_a_secret_is_not_signed_and_what_happens_next_is_another_event() -> None:
    with sink() as place:
        receiver = WebhookReceiver(here(place.url), None)
        for one in (message(), message(), message(kind="reminder", at=NOW + dt.timedelta(hours=1))):
            receiver.send(one)
        first, again, later = (made["id"] for made in place.json())
        assert "x-rewarddrift-signature" not in place.requests[0].headers
    assert first == again != later


def test_apprise_carries_the_lines_to_a_place_of_the_long_tail() -> None:
    with sink() as place:
        url = place.url.replace("http://", "json://")
        AppriseReceiver(url, allow_private=True).send(message(page=PAGE, links=LINKS))
        body = place.json()[0]
    assert body["title"] == PAGE[0]
    assert body["message"].split("\n") == [*PAGE[1:], *(f"{name}: {link}" for name, link in LINKS.items())]


@pytest.mark.parametrize("step", [500, 302, "hang", "reset"])
def test_apprise_that_did_not_deliver_is_a_failed_delivery(step: Step) -> None:
    with sink(script=[(step, {"Location": "/elsewhere"})]) as place:
        url = place.url.replace("http://", "json://") + "?rto=0.2"
        with pytest.raises(DeliveryFailed):
            AppriseReceiver(url, allow_private=True, timeout_seconds=2).send(message())
        assert len(place.requests) == 1


def test_apprise_refuses_what_it_does_not_know_without_telling_the_url() -> None:
    with pytest.raises(DeliveryFailed) as told:
        AppriseReceiver("nosuch://s3cret").service()
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_answer_of_success_means_that_it_was_taken(status: int) -> None:
    with sink(status) as place:
        WebhookReceiver(here(place.url), None).send(message())


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (413, True), (422, True), (401, False), (404, False), (429, False), (500, False)],
)
def test_what_is_wrong_with_the_message_is_final_and_what_may_be_mended_is_not(status: int, is_final: bool) -> None:
    with sink(status) as place, pytest.raises(DeliveryFailed) as told:
        PagerDutyReceiver(here(place.url), "R" * 32).send(message())
    assert (told.value.final, str(told.value)) == (is_final, f"HTTP {status}")


@pytest.mark.parametrize("step", ["hang", "drip"])
def test_a_receiver_that_never_comes_to_its_status_is_left_in_time(step: Step) -> None:
    with sink(script=[step]) as place, pytest.raises(DeliveryFailed, match="ReadTimeout"):
        WebhookReceiver(here(place.url, seconds=0.3), None).send(message())


def test_a_body_without_end_is_not_read() -> None:
    with sink(script=["endless"]) as place:
        WebhookReceiver(here(place.url), None).send(message())


def test_tls_names_the_host_and_dials_the_address_that_was_checked(tmp_path: Path) -> None:
    shown, trusted = certificate(tmp_path, "hooks.example.org")
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with sink(tls=shown) as place:
        url = place.url.replace("127.0.0.1", "hooks.example.org")
        endpoint = Endpoint(url, allow_private=True, resolve=resolve, tls=trusted)
        WebhookReceiver(endpoint, None).send(message())
        assert place.names == ["hooks.example.org"]
        assert place.requests[0].headers["host"] == url.removeprefix("https://").removesuffix("/alerts")
    assert asked == ["hooks.example.org"]


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_certificate_that_is_not_trusted_gets_nothing(tmp_path: Path, wrong: str) -> None:
    shown, trusted = certificate(tmp_path, "hooks.example.org")
    name = "other.example.org" if wrong == "name" else "hooks.example.org"
    with sink(tls=shown) as place:
        endpoint = Endpoint(
            place.url.replace("127.0.0.1", name),
            allow_private=True,
            resolve=lambda host, port: ["127.0.0.1"],
            tls=trusted if wrong == "name" else None,
        )
        with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
            WebhookReceiver(endpoint, None).send(message())
        assert place.requests == []
