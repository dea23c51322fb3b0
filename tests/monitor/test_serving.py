"""Does the canary prove what it is to prove, is what is told bounded, and is a checkpoint scored where it may be?"""

import datetime as dt
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consumers.canary import newest_canary, send_canary
from consumers.store import EventStore
from judges.emitted import store_events
from monitor.detection.state import MonitorState
from monitor.gate.records import read_records, write_record
from monitor.gate.result import Decision, GateReport
from monitor.gate.run import NoSuchCheckpoint, run_gate
from monitor.oncall.lifecycle import keep_alerts
from monitor.oncall.outbox import read_waiting
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import DeliveryFailed
from monitor.production.items import microseconds
from monitor.serving.deadman import canary_arrives, pass_canary
from monitor.serving.gating import sides
from monitor.serving.jobs import jobs_of
from monitor.serving.lease import migrated
from monitor.serving.metrics import _gates
from monitor.serving.pulses import Pulses
from monitor.serving.scoring import waiting
from monitor.serving.turns import Work
from monitor.settings import Settings, parse_settings
from monitor.status import status_of
from monitor.web.app import create_app
from tests.consumers.examples import line
from tests.monitor.test_gate_records import without_triggers

LOOP = "loop"
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
OLDEST = 120 * SECOND


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as opened:
        MonitorState(migrated(opened.engine))
        yield opened


@pytest.fixture
def settings() -> Settings:
    return parse_settings("loop: loop\noutcome: {metric: task_success}\n")


def rules(store: EventStore, settings: Settings, pulses: Pulses, now: dt.datetime) -> None:
    (job,) = (one for one in jobs_of(settings, Path("reward-drift.yaml"), pulses) if one.name == "rules")
    job.do(Work(store, now, 1, microseconds(now), lambda: None))


def arrived(store: EventStore, now: dt.datetime = NOW, outside: Endpoint | None = None) -> bool:
    return canary_arrives(store.engine, LOOP, now, outside, OLDEST)


def test_a_canary_arrives_once_and_only_by_every_step(store: EventStore, settings: Settings) -> None:
    pulses = Pulses(["work"], 60, 60)
    rules(store, settings, pulses, NOW)
    assert not arrived(store), "nothing was sent"
    send_canary(store, LOOP, NOW)
    assert not arrived(store), "the rules did not see it"
    rules(store, settings, pulses, NOW)
    assert arrived(store)
    rules(store, settings, pulses, NOW)
    assert not arrived(store), "an old one proves nothing"


def test_a_silent_thread_holds_the_canary_back(store: EventStore, settings: Settings) -> None:
    clock = [0.0]
    pulses = Pulses(["work", "web"], 60, 900, lambda: clock[0])
    send_canary(store, LOOP, NOW)
    clock[0] = 61
    pulses.beat("web")
    rules(store, settings, pulses, NOW)
    assert not arrived(store)
    assert pulses.silent() == ["thread work silent for 61 s"]
    with pulses.busy("work"):
        clock[0] += 800
        pulses.beat("web")
        assert pulses.silent() == [], "a long job may take its time"
        rules(store, settings, pulses, NOW)
        clock[0] += 101
        pulses.beat("web")
        assert pulses.silent() == ["thread work silent for 901 s"]
    assert arrived(store)


def test_a_process_that_stood_still_as_a_whole_has_no_silent_thread() -> None:
    clock = [0.0]
    pulses = Pulses(["work", "web"], 60, 900, lambda: clock[0])
    clock[0] = 70
    assert len(pulses.silent()) == 2
    pulses.forgive()
    assert pulses.silent() == []


def test_a_canary_that_took_too_long_pings_nobody(store: EventStore) -> None:
    send_canary(store, LOOP, NOW)
    pass_canary(store.engine, LOOP, NOW)
    assert not arrived(store, NOW + OLDEST + SECOND)


def test_a_watcher_that_does_not_take_the_ping_is_asked_again(store: EventStore) -> None:
    send_canary(store, LOOP, NOW)
    pass_canary(store.engine, LOOP, NOW)
    with pytest.raises(DeliveryFailed):
        arrived(store, outside=Endpoint("http://127.0.0.1:9/ping", allow_private=True))
    with pytest.raises(DeliveryFailed):
        arrived(store, outside=Endpoint("http://127.0.0.1:9/ping"))
    assert arrived(store)


def test_canaries_are_counted_nowhere_and_do_not_pile_up(store: EventStore, settings: Settings) -> None:
    for number in range(5):
        send_canary(store, LOOP, NOW + number * SECOND)
        pass_canary(store.engine, LOOP, NOW + number * SECOND)
    send_canary(store, "another loop", NOW)
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM event")).scalar_one() == 2
        newest = newest_canary(connection, LOOP)
    assert newest is not None
    assert store.counts().events == 0
    assert len(read_waiting(store.engine)) == 1
    keep_alerts(store.engine, settings, NOW, NOW, ())
    state = status_of(store, settings, NOW)
    assert (state["state"] == "quiet", state["events"]) == (False, {}), (
        "silence is not health because of our own events"
    )
    assert "rewarddrift.evaluation.v1" not in state["freshness"]


def checkpoint(store: EventStore, name: str, source: str = "/training", **more: Any) -> None:
    event = line("checkpoint", id=f"{name}-{sorted(more.items())}", changes={"checkpoint": name, **more})
    assert store_events(store, source, [event]).accepted == 1


def test_only_artefacts_below_the_folder_of_the_settings_are_scored(store: EventStore, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    for folder in (root / "a", root / "b", tmp_path / "outside"):
        folder.mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "outside")
    named = {
        "a": "a", "b": str(root / "b"), "escape": "../outside", "absolute": str(tmp_path / "outside"), "link": "link",
        "gone": "gone", "remote": "s3://bucket/a", "odd": "a\u2028b",
    }  # fmt: skip
    for name, artifact in named.items():
        checkpoint(store, name, artifact=artifact)
    assert [one.checkpoint for one in waiting(store, LOOP, root, NOW)] == ["a", "b"]


def test_the_gate_tries_the_newest_candidate_beside_what_serves(store: EventStore) -> None:
    assert sides(store, LOOP) == (None, None)
    checkpoint(store, "c-1", stage="serving")
    checkpoint(store, "c-2", stage="candidate")
    checkpoint(store, "c-3", stage="candidate")
    assert sides(store, LOOP) == ("c-3", "c-1")
    checkpoint(store, "c-3", stage="serving")
    assert sides(store, LOOP) == ("c-2", "c-3")


def test_a_record_that_was_edited_gives_no_gate_a_reference_and_no_scrape_a_verdict(store: EventStore) -> None:
    checkpoint(store, "c-3", stage="candidate")
    for name, decision, at in (("c-1", Decision.GO, NOW), ("c-2", Decision.NO_GO, NOW + SECOND)):
        report = GateReport(decision, name, "c-0", LOOP, at, "offline", 0.05, (), ())
        write_record(store.engine, report, partial(dt.datetime.astimezone, at))
    without_triggers(store.engine, """UPDATE gate_record SET content = replace(content, '"NO-GO"', '"GO"')""")
    assert sides(store, LOOP) == ("c-3", "c-1")
    assert [one.value for one in list(_gates(store.engine, LOOP))[1].samples] == [NOW.timestamp()]
    without_triggers(store.engine, "UPDATE gate_record SET recorded_us = recorded_us + 1")
    assert sides(store, LOOP) == ("c-3", None)
    assert list(_gates(store.engine, LOOP)) == []


def gate(store: EventStore, place: Path, slot: dt.datetime) -> str:
    settings = parse_settings(
        f"loop: {LOOP}\noutcome: {{metric: task_success}}\nserve: {{reports: {place.parent}/reports}}\n"
    )
    (job,) = (one for one in jobs_of(settings, place, Pulses([], 60, 60)) if one.name == "gate")
    return job.do(Work(store, NOW, 1, microseconds(slot), lambda: None))


def test_a_slot_of_the_gate_is_one_record_however_often_it_is_done_again(store: EventStore, tmp_path: Path) -> None:
    checkpoint(store, "c-1", stage="serving")
    checkpoint(store, "c-2", stage="candidate")
    place, reports = tmp_path / "reward-drift.yaml", tmp_path / "reports"
    reports.write_text("in the way: the run ends after its record and before its report")
    with pytest.raises(OSError, match="reports"):
        gate(store, place, NOW)
    reports.unlink()
    told = [gate(store, place, NOW), gate(store, place, NOW), gate(store, place, NOW + 7 * dt.timedelta(days=1))]
    assert [one.partition(": ")[2] for one in told] == [f"c-2 beside c-1, record {number}" for number in (1, 1, 2)]
    assert sorted(file.name for file in reports.iterdir()) == ["gate-1.json", "gate-2.json"]
    (first, _) = read_records(store.engine, LOOP)
    assert json.loads((reports / "gate-1.json").read_text()) == first.report


def test_a_decision_whose_slot_cannot_be_noted_is_not_on_record(store: EventStore, tmp_path: Path) -> None:
    checkpoint(store, "c-1", stage="serving")
    checkpoint(store, "c-2", stage="candidate")
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE gate_slot"))
        connection.execute(
            text("CREATE TABLE gate_slot (loop VARCHAR, slot_us BIGINT, record SMALLINT, odd INTEGER NOT NULL)")
        )
    with pytest.raises(IntegrityError):
        gate(store, tmp_path / "reward-drift.yaml", NOW)
    assert read_records(store.engine, LOOP) == []


def test_a_gate_names_no_canary_among_the_checkpoints_it_knows(store: EventStore, settings: Settings) -> None:
    send_canary(store, LOOP, NOW)
    with pytest.raises(NoSuchCheckpoint, match="the events name no checkpoint at all"):
        run_gate(store, settings, "c-1", "c-2", NOW)


class Told:
    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons

    def metrics(self) -> bytes:
        return b"rewarddrift_leader 1.0\n"

    def alive(self) -> list[str]:
        return self.reasons

    def ready(self) -> list[str]:
        return self.reasons


@pytest.mark.parametrize(("reasons", "status"), [([], 200), (["thread look silent for 70 s"], 503)])
def test_pages_for_machines(reasons: list[str], status: int) -> None:
    beats: list[None] = []
    with TestClient(create_app(Told(reasons), lambda: beats.append(None))) as client:
        assert client.get("/metrics").text == "rewarddrift_leader 1.0\n"
        for page in ("/healthz", "/readyz"):
            answer = client.get(page)
            assert (answer.status_code, answer.json()) == (status, {"ok": not reasons, "reasons": reasons})
        assert client.get("/docs").status_code == 404
    assert beats
