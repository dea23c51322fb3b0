"""The command that reads Kafka, as a process of its own, against a real broker and real databases."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import BAD, line
from tests.end_to_end.command import PROGRAM, reward_drift, reward_drift_process
from tests.postgres import Server, fresh_database

SETTINGS = """\
outcome: {{metric: task_success}}
kafka:
  bootstrap: ["{bootstrap}"]
  topics: [{topic}]
  group: {topic}
  session_timeout_seconds: 6
  batch_records: 100
"""
WORDS = "zanzibar"  # stands for what a person said, wherever a person may say something
PATIENCE = 120.0


class Reader:
    """`reward-drift consume` at work."""

    def __init__(self, settings: Path, store: object, *more: str) -> None:
        place = ["--settings", str(settings), "--store", str(store), "--listen", "127.0.0.1:0"]
        self.errors = settings.parent / f"errors-{time.monotonic_ns()}"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen([*PROGRAM, "consume", *place, *more], stderr=errors)

    @property
    def said(self) -> str:
        return self.errors.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.said.splitlines()]

    def get(self, page: str) -> tuple[int, str]:
        """Status and body of a page; the status is 0 while nobody answers."""
        told = next((row["listening"] for row in self.log if "listening" in row), None)
        if told is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://{told}/{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.get("metrics")[1])
        return {
            " ".join(
                [sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()) if value)]
            ): sample.value
            for family in families
            for sample in family.samples
        }

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def reading(settings: Path, store: object, *more: str) -> Iterator[Reader]:
    reader = Reader(settings, store, *more)
    try:
        yield reader
    finally:
        reader.process.kill()
        reader.process.wait()


def until(is_so: Callable[[], Any], reader: Reader) -> None:
    """Wait for it; the reader must live."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert reader.process.poll() is None, f"the reader ended with {reader.process.returncode}: {reader.said}"
        assert time.monotonic() < end, f"it did not come about; the reader said: {reader.said}"
        time.sleep(0.05)


def write_settings(folder: Path, broker: Broker, topic: str) -> Path:
    path = folder / "reward-drift.yaml"
    path.write_text(SETTINGS.format(bootstrap=broker.bootstrap, topic=topic))
    return path


def events(count: int, start: int = 0) -> list[bytes]:
    return [line("score", id=f"e-{number}") for number in range(start, start + count)]


def test_a_topic_is_read_to_its_present_end(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic(2)
    broker.produce(topic, events(250))
    broker.produce(topic, events(30, start=240), partition=1)
    settings, store = write_settings(tmp_path, broker, topic), tmp_path / "store.sqlite"
    with reading(settings, store, "--drain") as reader:
        assert reader.process.wait(PATIENCE) == 0, reader.said
    with EventStore.open(store) as opened:
        assert (opened.counts().events, opened.counts().rejected_open) == (270, 0)
    told = reader.log[-1]
    assert (told["event"], told["accepted"], told["duplicate"]) == ("stopped", 270, 10)


def test_an_outage_of_the_database_is_waited_out_told_and_rejects_nothing(
    broker: Broker, postgres_server: Server, tmp_path: Path
) -> None:
    topic = broker.topic()
    settings = write_settings(tmp_path, broker, topic)
    with fresh_database(postgres_server.admin_url) as store, reading(settings, store) as reader:
        accepted = "rewarddrift_events_total result=accepted type=rewarddrift.score.v1"
        broker.produce(topic, events(150))
        until(lambda: reader.metrics().get(accepted) == 150, reader)
        until(lambda: reader.get("readyz")[0] == 200, reader)
        assert json.loads(reader.get("readyz")[1]) == {"ok": True, "reasons": []}

        postgres_server.stop()
        broker.produce(topic, events(150, start=150))
        until(lambda: reader.get("readyz")[0] == 503, reader)
        assert "the database is away: " in reader.get("readyz")[1]
        assert reader.get("healthz")[0] == 200, "waiting is no reason to be restarted"
        postgres_server.start()
        until(lambda: reader.metrics()[accepted] == 300, reader)
        until(lambda: reader.get("readyz")[0] == 200, reader)
        assert reader.metrics()["rewarddrift_database_retries_total"] >= 1

        postgres_server.stop()
        broker.produce(topic, events(150, start=300))
        until(lambda: reader.get("readyz")[0] == 503, reader)
        assert reader.stop() == 0, "a request to stop is heard while waiting, too"
        postgres_server.start()
        with reading(settings, store, "--drain") as successor:
            assert successor.process.wait(PATIENCE) == 0, successor.said
        with EventStore.open(store) as opened:
            counts = opened.counts()
        assert (counts.events, counts.conflicts, counts.rejected_open) == (450, 0, 0)


def test_a_flood_halts_reading_within_a_batch_and_until_a_person_has_closed_it(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic()
    broker.produce(
        topic, [*events(50), *(b"%s %d" % (WORDS.encode(), number) for number in range(1000)), *events(5, 50)]
    )
    settings, store = write_settings(tmp_path, broker, topic), tmp_path / "store.sqlite"
    for _ in ("at once", "still"):
        with reading(settings, store) as reader:
            assert reader.process.wait(PATIENCE) == 4, reader.said
        told = reader.log[-1]["event"]
        assert re.search(rf"kafka:{topic}/0: reading has stopped: 5\d\d events in a row were rejected", told)
        assert "`reward-drift incidents close 1 --note ...`" in told
        with EventStore.open(store) as opened:
            assert 500 <= opened.counts().rejected_open <= 600
    listed = reward_drift("incidents", "list", "--store", store, "--json").json["incidents"]
    assert [(row["id"], row["kind"], row["closed_at"]) for row in listed] == [(1, "flood", None)]
    assert reward_drift("incidents", "close", 1, "--note", " ", "--store", store).code == 2
    assert reward_drift("incidents", "close", 1, "--note", "producer rolled back", "--store", store).code == 0
    again = reward_drift("incidents", "close", 1, "--note", "again", "--store", store)
    assert (again.code, "no open incident 1" in again.err) == (2, True)
    assert reward_drift("incidents", "list", "--store", store).out == "no open incident\n"
    assert "producer rolled back" in reward_drift("incidents", "list", "--all", "--store", store).out
    with reading(settings, store, "--drain") as reader:
        assert reader.process.wait(PATIENCE) == 0, reader.said
    with EventStore.open(store) as opened:
        assert (opened.counts().events, opened.counts().rejected_open) == (55, 1000)


def test_no_word_of_a_person_is_in_logs_or_metrics(broker: Broker, tmp_path: Path) -> None:
    said = {
        "response": {"prompt": WORDS, "response": WORDS, "user": WORDS, "cohort": {WORDS: WORDS}, WORDS: WORDS},
        "feedback": {"comment": WORDS, "correction": WORDS, "actor": {"id": WORDS, "role": "end_user"}},
        "outcome": {"metric": WORDS},
        "score": {"value": WORDS},
        "preference": {"choice": WORDS},
    }
    values = [line(kind, id=f"{WORDS}-{kind}", source=WORDS, changes=changes) for kind, changes in said.items()]
    values += [line("outcome", id=f"{WORDS}-outcome", source=WORDS, changes={"response_id": WORDS})]
    values += [
        line("response", id=WORDS, type=WORDS),
        line("score", id=WORDS * 100),
        WORDS.encode(),
        *(bad for bad, _ in BAD.values() if len(bad) < 1_000_000),
    ]
    topic = broker.topic()
    broker.produce(topic, values, key=WORDS.encode(), headers=[(WORDS, WORDS.encode())])
    settings, store = write_settings(tmp_path, broker, topic), tmp_path / "store.sqlite"
    with reading(settings, store) as reader:
        until(lambda: reader.metrics().get(f"rewarddrift_consumer_lag_records partition=0 topic={topic}") == 0, reader)
        page = reader.get("metrics")[1]
        assert reader.stop() == 0
    for text in (page, reader.said):
        assert WORDS not in text
    families = {family.name for family in text_string_to_metric_families(page)}
    assert {
        "rewarddrift_events",
        "rewarddrift_rejected",
        "rewarddrift_consumer_lag_records",
        "rewarddrift_last_fetch_timestamp_seconds",
        "rewarddrift_last_success_timestamp_seconds",
        "rewarddrift_build_info",
    } <= families
    rows = reader.log
    assert rows[0]["event"] == "reading"
    assert rows[-1]["event"] == "stopped"
    assert rows[-1]["rejected"] > 5
    with EventStore.open(store) as opened:
        assert opened.counts().conflicts == 1


def test_what_cannot_be_started_is_wrong_usage(tmp_path: Path) -> None:
    settings = tmp_path / "reward-drift.yaml"
    settings.write_text("outcome: {metric: task_success}\n")
    store = tmp_path / "store.sqlite"
    ran = reward_drift("consume", "--settings", settings, "--store", store)
    assert (ran.code, "no section kafka" in ran.err) == (2, True)
    settings.write_text(SETTINGS.format(bootstrap="127.0.0.1:1", topic="t"))
    for address in ("9464", ":9464", "localhost", "127.0.0.1:x", "127.0.0.1:70000", "0.0.0.0"):
        ran = reward_drift("consume", "--settings", settings, "--store", store, "--listen", address)
        assert (ran.code, "there is no login" in ran.err) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = reward_drift_process("consume", "--settings", settings, "--store", store, "--listen", address)
    assert (ran.code, "name another address or port" in ran.err) == (2, True)
    ran = reward_drift_process("consume", "--settings", settings, "--store", tmp_path / "no" / "store.sqlite")
    assert (ran.code, "cannot be used as a store" in ran.err) == (2, True)


def test_the_second_signal_ends_the_process_at_once() -> None:
    waits = (
        "import time; from monitor.commands.common import stop_on_signal; asked = stop_on_signal()\n"
        "print('ready', flush=True)\n"
        "while not asked(): time.sleep(0.01)\n"
        "print('asked', flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for word in ("ready\n", "asked\n"):
            assert process.stdout.readline() == word
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
