"""Readers of Kafka for tests: in a thread where that is enough, in a process of their own where they are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from consumers import intake
from consumers.ingest import IngestResult, ingest
from consumers.kafka import KafkaSource, Polled
from consumers.kafka_settings import KafkaSettings
from consumers.sources import Record
from consumers.store import EventStore
from tests.broker import Broker

KILLER = b"kills whoever reads it"


def settings(broker: Broker, *topics: str, **changes: Any) -> KafkaSettings:
    """Short times, so that a dead member is noticed soon."""
    values = {"bootstrap": [broker.bootstrap], "topics": topics, "group": topics[0], "session_timeout_seconds": 6}
    return KafkaSettings.model_validate({**values, **changes})


def until(happened: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for it; a failure names no time that a fast machine would have needed."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def query(store: EventStore, sql: str) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def event_ids(store: EventStore) -> set[str]:
    return {row[0] for row in query(store, "SELECT event_id FROM event")}


class Reading:
    """A reader in a thread, with a connection of its own to the store at `path`."""

    def __init__(self, path: Path, wanted: KafkaSettings) -> None:
        self.store = EventStore.open(path)
        self.polled: list[Polled] = []
        self.result = IngestResult()
        self.fault: Exception | None = None
        self._stop = threading.Event()
        self.source = KafkaSource(wanted, self.store, stop=self._stop.is_set, on_poll=self.polled.append)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = ingest(self.source, self.store)
        except Exception as fault:
            self.fault = fault

    def partitions(self) -> int:
        return len(self.polled[-1].partitions) if self.polled else 0

    def silent_seconds(self) -> float:
        return time.time() - (self.polled[-1].fetched_at or 0)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.store.close()

    def ended(self) -> bool:
        return not self._thread.is_alive()


@contextmanager
def reading(path: Path, wanted: KafkaSettings) -> Iterator[Reading]:
    """A reader that is stopped in good order at the end; what it raised is raised then."""
    reader = Reading(path, wanted)
    try:
        yield reader
    finally:
        reader.stop()
    if reader.fault is not None:
        raise reader.fault


def read_all(path: Path, wanted: KafkaSettings, count: int) -> IngestResult:
    """Read until the store has seen so many events and rejections; return what this run did."""
    with reading(path, wanted) as reader:
        sql = "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM rejected)"
        until(lambda: query(reader.store, sql)[0][0] >= count or reader.ended())
    return reader.result


def start_process(path: Path, wanted: KafkaSettings, **options: Any) -> "subprocess.Popen[bytes]":
    """The same in a process of its own; it dies of records that hold KILLER, and stops after `count` events."""
    arguments = [sys.executable, "-W", "ignore", "-m", "tests.consumers.kafka_reading", str(path)]
    return subprocess.Popen([*arguments, wanted.model_dump_json(), json.dumps(options)])


def _die_of_killers() -> None:
    parse = intake.parse_record

    def parse_or_die(record: Record, limit: int) -> Any:
        if KILLER in record.raw:
            os.kill(os.getpid(), signal.SIGKILL)
        return parse(record, limit)

    intake.parse_record = parse_or_die


def main() -> None:
    path, wanted, options = sys.argv[1:]
    _die_of_killers()
    count = json.loads(options).get("count", sys.maxsize)
    with EventStore.open(path) as store:
        sql = "SELECT count(*) FROM event"
        source = KafkaSource(
            KafkaSettings.model_validate_json(wanted), store, stop=lambda: query(store, sql)[0][0] >= count
        )
        ingest(source, store)


if __name__ == "__main__":
    main()
