"""The command that reads Kafka, as a process of its own, against a real broker and real databases."""

import contextlib
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import BAD, line
from tests.end_to_end.command import PROGRAM, reward_drift
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
PATIENCE = 40.0


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


def test_a_topic_is_read_to_its_end_once_however_often(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic(2)
    broker.produce(topic, events(250))
    broker.produce(topic, events(30, start=240), partition=1)
    settings, store = write_settings(tmp_path, broker, topic), tmp_path / "store.sqlite"
    with reading(settings, store, "--drain") as first:
        assert first.process.wait(PATIENCE) == 0, first.said
    with reading(settings, store, "--drain") as second:
        assert second.process.wait(PATIENCE) == 0, second.said
    with EventStore.open(store) as opened:
        assert (opened.counts().events, opened.counts().rejected_open) == (270, 0)
    told, again = (reader.log[-1] for reader in (first, second))
    assert (told["event"], told["accepted"], told["duplicate"]) == ("stopped", 270, 10)
    assert (again["event"], again["accepted"], again["duplicate"]) == ("stopped", 0, 0)
