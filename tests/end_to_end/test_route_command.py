"""`route` and `doctor` as a user meets them, against a real broker."""

import gc
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.kafka_producer import KafkaPublisher
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line
from tests.end_to_end.command import PROGRAM, reward_drift

KAFKA_ROWS = ("crc32c", "kafka", "topics", "routed", "group")


class Loop:
    """A folder with settings, a store, and topics of its own."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.store = folder / "store.sqlite"
        self.settings = folder / "reward-drift.yaml"
        self.events = broker.topic()
        self.routed = {purpose: broker.topic() for purpose in ("curation", "reward", "debugging")}
        self.write(broker.bootstrap)

    def write(self, bootstrap: str, **changes: Any) -> None:
        kafka = {"bootstrap": [bootstrap], "topics": [self.events], "routed": self.routed} | changes
        self.settings.write_text(json.dumps({"outcome": {"metric": "task_success"}, "kafka": kafka}))

    def add(self, name: str, lines: list[bytes]) -> None:
        path = self.folder / f"{name}.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        assert reward_drift("ingest", path, "--store", self.store, "-q").code == 0

    @property
    def options(self) -> tuple[object, ...]:
        return ("--settings", self.settings, "--store", self.store)


@pytest.fixture
def loop(tmp_path: Path, broker: Broker) -> Loop:
    return Loop(tmp_path, broker)


def test_route_tells_what_it_published_and_withheld_and_the_next_run_adds_nothing(loop: Loop) -> None:
    anchored = line("feedback", id="f-2", changes={"response_id": "r-2"})
    anchor = line("outcome", changes={"response_id": "r-2", "anchor_set": "audit"})
    loop.add("events", [line("response"), line("feedback"), anchor, anchored])

    first = reward_drift("route", *loop.options, "--json")
    second = reward_drift("route", *loop.options)

    assert first.json == {
        "published": {loop.routed["reward"]: 1},
        "withheld": {"anchored: held out for measuring": 1},
    }
    assert second.out == "0 events published, 0 withheld\n"


def test_route_follows_the_store_and_stops_when_asked(loop: Loop) -> None:
    loop.add("first", [line("feedback", id="f-1")])
    command = [*PROGRAM, "route", *map(str, loop.options), "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as router:
        _until(lambda: _position(loop) == 1)
        loop.add("second", [line("feedback", id="f-2"), line("feedback", id="f-3")])
        _until(lambda: _position(loop) == 3)
        router.send_signal(signal.SIGTERM)
        out, _ = router.communicate(timeout=120)

    assert router.returncode == 0
    assert json.loads(out)["published"] == {loop.routed["reward"]: 3}


def test_route_without_a_broker_is_a_fault_of_the_machine(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KafkaPublisher.__init__.__kwdefaults__, "delivery_seconds", 0.5)
    loop.add("events", [line("feedback")])
    loop.write("127.0.0.1:1")

    ran = reward_drift("route", *loop.options)

    assert ran.code == 4
    assert f"{loop.routed['reward']}: not published" in ran.err
    gc.collect()  # sockets left open are to be found here


def test_route_without_brokers_in_the_settings_says_what_to_add(loop: Loop) -> None:
    loop.settings.write_text("outcome: {metric: task_success}")
    ran = reward_drift("route", *loop.options)
    assert ran.code == 2
    assert "kafka.bootstrap" in ran.err


def test_doctor_finds_brokers_topics_and_group(loop: Loop) -> None:
    found = _kafka_rows(loop)
    assert {what: state for what, (state, _) in found.items()} == dict.fromkeys(found, "ok")
    assert list(found) == ["crc32c", "kafka", "topics", "routed", "group"]


def test_doctor_names_the_topic_that_is_not_there_and_how_to_make_it(loop: Loop, broker: Broker) -> None:
    loop.write(broker.bootstrap, topics=[loop.events, "absent"])
    state, told = _kafka_rows(loop)["topics"]
    assert state == "MEND"
    assert told == f"absent is not there: kafka-topics.sh --bootstrap-server {broker.bootstrap} --create --topic absent"


def test_doctor_asks_for_no_topic_of_routed_feedback_for_nobody_has_to_route(loop: Loop, broker: Broker) -> None:
    loop.write(broker.bootstrap, routed={"curation": None, "reward": "absent", "debugging": None})
    state, told = _kafka_rows(loop)["routed"]
    assert state == "none"
    assert told.startswith("absent is not there")


def test_doctor_names_the_broker_that_does_not_answer(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.kafka_reach.WAIT_SECONDS", 0.5)
    loop.write("127.0.0.1:1")
    state, told = _kafka_rows(loop)["kafka"]
    assert state == "MEND"
    assert told.startswith("127.0.0.1:1: no answer")
    gc.collect()


def test_doctor_asks_for_the_password_that_is_missing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARD_DRIFT_KAFKA_PASSWORD", raising=False)
    signed = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "me"}
    loop.write("127.0.0.1:1", security=signed)
    state, told = _kafka_rows(loop)["kafka"]
    assert state == "MEND"
    assert "REWARD_DRIFT_KAFKA_PASSWORD" in told


def _kafka_rows(loop: Loop) -> dict[str, tuple[str, str]]:
    rows = reward_drift("doctor", *loop.options, "--json").json["checks"]
    return {row["what"]: (row["state"], row["told"]) for row in rows if row["what"] in KAFKA_ROWS}


def _position(loop: Loop) -> int:
    """How far the router got; it is the only source here that is no file."""
    with EventStore.open(loop.store) as store, store.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT position FROM source_position WHERE source LIKE 'route:%'").scalar()
    return 0 if found is None else json.loads(found)["seq"]


def _until(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)
