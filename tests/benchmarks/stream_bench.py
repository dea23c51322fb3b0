"""How fast does a topic become rows? Against a bare poll loop, and against what one would write first.

    python -m tests.benchmarks.stream_bench --events 300000

Every reader is a process of its own over the same topics (a broker that speaks Kafka's protocol, and a PostgreSQL that
waits for its disk, both on this machine). Clocks start with the first record polled. Rely on the ratios.
"""

import argparse
import contextlib
import functools
import json
import multiprocessing
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition

from consumers.ingest import ingest
from consumers.intake import parse_batch
from consumers.kafka import KafkaSource
from consumers.kafka_settings import KafkaSettings
from consumers.store import EventStore
from tests.benchmarks import results_file
from tests.benchmarks.first_attempt import write_as_one_would_first
from tests.benchmarks.ingest_bench import SENTENCE, _event
from tests.broker import OwnBroker
from tests.postgres import Server, find_binaries, fresh_database

BATCH = 2000
OUTAGE_PER_SECOND = 1000  # events a second that go on arriving while the backlog of an outage is read
FETCH = {"max_poll_records": BATCH, "fetch_max_bytes": 50 << 20, "max_partition_fetch_bytes": 8 << 20}
TARGET = (
    "rows and offsets in one PostgreSQL transaction at >= 0.35 of the bare poll loop (stretch 0.45) and >= 3x of the"
    " first attempt; the backlog of an hour at 1,000 events/s gone within 6 minutes; memory flat over 1,000,000 events"
)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="events of each comparison")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=600_000, help="events that wait when the outage ends")
    options = parser.parse_args()
    with servers() as (broker, server):
        rounds = [compare(broker, server, options.events, seed) for seed in range(options.rounds)]
        rows = [_median(rounds, name) for name in rounds[0]]
        backlog = drain_backlog(broker, server, options.backlog)
    bare = next(row["events_per_second"] for row in rows if row["reader"] == "bare poll loop")
    for row in rows:
        row["of_the_bare_loop"] = round(row["events_per_second"] / bare, 3)
    results_file.save(
        "stream",
        "From a topic into rows",
        TARGET,
        rows,
        {"broker": "tansu 0.6.0 (Apache Kafka was not run)", "events": options.events, **backlog},
    )


@contextlib.contextmanager
def servers() -> Iterator[tuple[OwnBroker, Server]]:
    """A broker and a PostgreSQL with its ordinary, durable settings."""
    binaries = find_binaries()
    assert binaries is not None, "PostgreSQL is not installed"
    server = Server(binaries, options=())
    with tempfile.TemporaryDirectory() as folder:
        broker = OwnBroker(Path(folder))
        broker.start()
        try:
            yield broker, server
        finally:
            broker.kill()
            server.remove()


def compare(broker: OwnBroker, server: Server, events: int, seed: int) -> dict[str, dict[str, Any]]:
    """One round over one topic of two partitions: reader -> events a second, and where its time went."""
    topic = fill(broker, events, seed, partitions=2)
    read = functools.partial(_in_own_process, broker.bootstrap, topic, events)
    found = {
        "bare poll loop": read(_poll),
        "polled and parsed": read(_parse),
    }
    for name, work in {"ours, PostgreSQL": _store, "first attempt, PostgreSQL": write_as_one_would_first}.items():
        with fresh_database(server.admin_url) as url:
            found[name] = read(work, url)
    with tempfile.TemporaryDirectory() as folder:
        found["ours, SQLite"] = read(_store, f"sqlite:///{folder}/store.sqlite")
    with fresh_database(server.admin_url) as url:
        found["ours, PostgreSQL, 2 consumers"] = _two_consumers(broker, events, seed, url)
    broker.delete(topic)
    return found


def drain_backlog(broker: OwnBroker, server: Server, backlog: int) -> dict[str, Any]:
    """What an outage left is read while events go on arriving."""
    topic = fill(broker, backlog, seed=9, partitions=2)
    arriving, done = random.Random(10), threading.Event()

    def produce() -> None:
        with contextlib.closing(broker.producer(linger_ms=20)) as producer:
            number = backlog
            while not done.wait(0.1):
                for value in make_events(OUTAGE_PER_SECOND // 10, arriving, number):
                    producer.send(topic, value, partition=number % 2)
                    number += 1

    thread = threading.Thread(target=produce)
    thread.start()
    with fresh_database(server.admin_url) as url:
        found = _in_own_process(broker.bootstrap, topic, backlog, _store, url)
    done.set()
    thread.join()
    rate = found["events_per_second"]
    hour = 3600 * OUTAGE_PER_SECOND / (rate - OUTAGE_PER_SECOND)
    return {
        "backlog_events": backlog,
        "arriving_per_second_meanwhile": OUTAGE_PER_SECOND,
        "backlog_read_in_seconds": round(backlog / rate, 1),
        "minutes_for_an_hours_backlog_at_this_rate": round(hour / 60, 1),
        "resident_mib_at_a_tenth_half_and_end": found["resident_mib"],
    }


def fill(broker: OwnBroker, events: int, seed: int, partitions: int, first: int = 0) -> str:
    """A topic with so many events, dealt to its partitions in turn. first: number of the first event."""
    topic = broker.topic(partitions)
    chance = random.Random(seed)
    with contextlib.closing(broker.producer(linger_ms=50, batch_size=256 << 10)) as producer:
        for number, value in enumerate(make_events(events, chance, first)):
            producer.send(topic, value, partition=number % partitions)
        producer.flush()
    return topic


def make_events(count: int, chance: random.Random, first: int) -> Iterator[bytes]:
    """Responses with their feedback, outcomes and scores, about 0.9 kB each."""
    words = SENTENCE.split(" ")
    texts = [" ".join(chance.choices(words, k=chance.randint(60, 330))) for _ in range(200)]
    for number in range(first, first + count):
        yield msgspec.json.encode(_event(number, chance, texts))


def _poll(bootstrap: str, topic: str, events: int, progress: Callable[[int], None]) -> dict[str, float]:
    """A consumer that throws away what it polls."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **FETCH)
    partitions = [TopicPartition(topic, number) for number in range(2)]
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, 0)
    seen = 0
    while seen < events:
        seen += sum(map(len, consumer.poll(1000).values()))
        progress(seen)
    consumer.close()
    return {}


class _Forgetful:
    """A store for a reader that stores nothing."""

    def __init__(self) -> None:
        self._store = EventStore.open(":memory:")
        self.claim, self.suspect, self.let_go = self._store.claim, self._store.suspect, self._store.let_go


def _parse(bootstrap: str, topic: str, events: int, progress: Callable[[int], None]) -> dict[str, float]:
    """Our source and parser, without a store."""
    seen, spent = 0, {"parse": 0.0}
    source = KafkaSource(_settings(bootstrap, topic), _Forgetful(), stop=lambda: seen >= events)
    for batch in source.batches(lambda _: None):
        began = time.perf_counter()
        parse_batch(batch)
        spent["parse"] += time.perf_counter() - began
        seen += len(batch.records)
        progress(seen)
    return spent


def _store(bootstrap: str, topic: str, events: int, progress: Callable[[int], None], url: str) -> dict[str, float]:
    """The product's own loop."""
    seen, spent = 0, {"store": 0.0}
    with EventStore.open(url) as store:
        append = store.append

        def timed(intake: Any) -> Any:
            nonlocal seen
            progress(seen)
            began = time.perf_counter()
            appended = append(intake)
            spent["store"] += time.perf_counter() - began
            seen += appended.accepted + appended.duplicate
            progress(seen)
            return appended

        store.append = timed  # type: ignore[method-assign]
        ingest(KafkaSource(_settings(bootstrap, topic), store, stop=lambda: seen >= events), store)
    return spent


def _settings(bootstrap: str, topic: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=[bootstrap], topics=[topic], group=f"bench-{random.getrandbits(40)}")


def _two_consumers(broker: OwnBroker, events: int, seed: int, url: str) -> dict[str, Any]:
    """Two processes with half of the events each; the clock starts when both have their first ones.

    Each has a topic of its own, so that the measurement does not hang on how soon a group shares its partitions.
    """
    EventStore.open(url).close()
    context = multiprocessing.get_context("spawn")
    began, ended = context.Value("d", 0.0), context.Value("d", 0.0)
    both, half = context.Barrier(2), events // 2
    topics = [fill(broker, half, seed, partitions=1, first=first) for first in (0, half)]
    readers = [
        context.Process(target=_share, args=(broker.bootstrap, topic, half, url, both, began, ended))
        for topic in topics
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    with EventStore.open(url) as store:
        assert store.counts().events == 2 * half, store.counts()
    for topic in topics:
        broker.delete(topic)
    return {"events_per_second": round(2 * half / (ended.value - began.value)), "peak_mib": 0, "spent": {}}


def _share(bootstrap: str, topic: str, events: int, url: str, both: Any, began: Any, ended: Any) -> None:
    seen = 0
    with EventStore.open(url) as store:
        append = store.append

        def counted(intake: Any) -> Any:
            nonlocal seen
            if not seen and intake.arrivals:
                both.wait(60)
                with began.get_lock():
                    began.value = began.value or time.time()
            appended = append(intake)
            seen += appended.accepted
            with ended.get_lock():
                ended.value = max(ended.value, time.time())
            return appended

        store.append = counted  # type: ignore[method-assign]
        ingest(KafkaSource(_settings(bootstrap, topic), store, stop=lambda: seen >= events), store)


def _in_own_process(bootstrap: str, topic: str, events: int, work: Callable[..., Any], *more: str) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, bootstrap, topic, events, work, *more))
    process.start()
    sender.close()
    found: dict[str, Any] = receiver.recv()
    process.join()
    return found


def _report(sender: Any, bootstrap: str, topic: str, events: int, work: Callable[..., Any], *more: str) -> None:
    """Run one reader; its clock runs from the first records it reports to the last."""
    marks: list[tuple[float, float, int]] = []
    resident: dict[int, int] = {}

    def progress(seen: int) -> None:
        marks.append((time.perf_counter(), time.process_time(), seen))
        for share in (1, 5, 10):
            if seen >= events * share / 10 and share not in resident:
                resident[share] = _resident_mib()

    spent = work(bootstrap, topic, events, progress, *more)
    first = next(mark for mark in marks if mark[2] > 0 or mark is marks[0])
    last = marks[-1]
    seconds, seen = last[0] - first[0], last[2] - first[2]
    sender.send(
        {
            "events_per_second": round(seen / seconds),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "spent": {name: round(value / seconds, 2) for name, value in spent.items()},
            "processor": round((last[1] - first[1]) / seconds, 2),
            "resident_mib": list(resident.values()),
        }
    )


def _resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def _median(rounds: list[dict[str, dict[str, Any]]], name: str) -> dict[str, Any]:
    """The round whose rate is the middle one."""
    found = sorted((one[name] for one in rounds), key=lambda one: one["events_per_second"])[len(rounds) // 2]
    return {
        "reader": name,
        "events_per_second": found["events_per_second"],
        "time_spent": json.dumps(found["spent"]),
        "peak_mib": found["peak_mib"],
    }


if __name__ == "__main__":
    main()
