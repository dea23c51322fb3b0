"""Readers of one group are stopped for longer than their session, continued, killed, joined and left by others."""

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from multiprocessing.context import ForkServerProcess

from consumers.store import EventStore
from tests.broker import Broker
from tests.soak.rig import (
    Plan,
    fill,
    forbid_steps_back,
    held,
    messages,
    offset,
    processes,
    settings,
    start,
    steps_back,
    wait_until,
)

PARTITIONS = 6
SESSION_SECONDS = 6
LOST_SECONDS = 60  # within which a group that has not lost its way lets everybody in
NAMES_A_CYCLE = 120


def stop_and_continue(
    broker: Broker, fresh: Callable[[], AbstractContextManager[str]], cycles: int, seed: int, slow_commits: float = 0.0
) -> Mapping[str, int]:
    """Let three readers share a topic that fills meanwhile; stop one at a time. PostgreSQL only.

    Each cycle stops one reader in the middle of its work for longer than its session, in which the others take over its
    partitions, and continues it; after every third one leaves or is killed and another joins. slow_commits: so many
    seconds at most are slept inside some transactions, so that rebalances meet open ones. The test broker may never
    forget a member that went away while it was joining, and then lets nobody in: all readers then begin a new group,
    which is counted; where they go on, the database says.
    Returns counts of what happened. Raises AssertionError if anything is lost, doubled, or a position moves back.
    """
    chance = random.Random(seed)
    topic, told = broker.topic(PARTITIONS), messages(NAMES_A_CYCLE * (cycles + 1), seed)
    happened = {"stopped": 0, "left": 0, "joined": 0, "new_groups": 0}
    with fresh() as url, fresh() as quiet:
        EventStore.open(url).close()
        forbid_steps_back(url)
        ends: dict[int, int] = {}

        def join() -> ForkServerProcess:
            group = f"soak-{happened['new_groups']}-{topic}"
            chosen = settings(broker, topic, group, session_timeout_seconds=SESSION_SECONDS)
            return start(Plan(chosen.model_dump_json(), url, None, slow_commits=slow_commits))

        def wait_for_all() -> None:
            with EventStore.open(url) as store:

                def is_read() -> bool:
                    return all(offset(store, topic, part) >= end for part, end in ends.items())

                if not _within(LOST_SECONDS, is_read):
                    happened["new_groups"] += 1
                    for number in range(len(readers)):
                        _end(readers[number], signal.SIGTERM)
                        readers[number] = join()
                wait_until(is_read, "everything")

        with processes() as readers:
            readers += [join() for _ in range(3)]
            _add(broker, topic, told[cycles * NAMES_A_CYCLE :], ends)
            for cycle in range(cycles):
                wait_for_all()
                _add(broker, topic, told[cycle * NAMES_A_CYCLE : (cycle + 1) * NAMES_A_CYCLE], ends)
                _freeze(chance.choice(readers), chance.uniform(SESSION_SECONDS + 1, SESSION_SECONDS + 4))
                happened["stopped"] += 1
                if cycle % 3 == 2:
                    wait_for_all()
                    number = chance.randrange(3)
                    _end(readers[number], signal.SIGTERM if number else signal.SIGKILL)
                    readers[number] = join()
                    happened["left"] += 1
                    happened["joined"] += 1
                assert all(reader.is_alive() for reader in readers), "a reader ended by itself"
            wait_for_all()
        others = settings(broker, topic, f"quiet-{uuid.uuid4().hex[:8]}")
        alone = start(Plan(others.model_dump_json(), quiet, ends, alone=True))
        alone.join()
        expected, found = held(quiet), held(url)
        for table, rows in expected.items():
            assert found[table] == rows, f"{table}: {len(rows)} rows expected, {len(found[table])} found"
        assert steps_back(url) == 0, "a position moved back"
    broker.delete(topic)
    return happened


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def _add(broker: Broker, topic: str, told: list[list[bytes]], ends: dict[int, int]) -> None:
    for partition, added in fill(broker, topic, PARTITIONS, told).items():
        ends[partition] = ends.get(partition, 0) + added


def _freeze(reader: ForkServerProcess, seconds: float) -> None:
    _signal(reader, signal.SIGSTOP)
    time.sleep(seconds)
    _signal(reader, signal.SIGCONT)


def _end(reader: ForkServerProcess, number: signal.Signals) -> None:
    _signal(reader, number)
    reader.join()


def _signal(reader: ForkServerProcess, number: signal.Signals) -> None:
    assert reader.pid is not None
    os.kill(reader.pid, number)
