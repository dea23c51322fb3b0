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
NAMES_A_CYCLE = 120


def stop_and_continue(
    broker: Broker, fresh: Callable[[], AbstractContextManager[str]], cycles: int, seed: int, slow_commits: float = 0.0
) -> Mapping[str, int]:
    """Let three readers share a topic that fills meanwhile; stop one at a time. PostgreSQL only.

    Each cycle stops one reader in the middle of its work for longer than its session, in which the others take over its
    partitions, and continues it; after every third one leaves or is killed and another joins. slow_commits: so many
    seconds at most are slept inside some transactions, so that rebalances meet open ones. A cycle begins when all is
    read: the test broker never forgets a member that went away while it was joining, and then lets nobody in.
    Returns counts of what happened. Raises AssertionError if anything is lost, doubled, or a position moves back.
    """
    chance = random.Random(seed)
    topic, told = broker.topic(PARTITIONS), messages(NAMES_A_CYCLE * (cycles + 1), seed)
    happened = {"stopped": 0, "left": 0, "joined": 0}
    with fresh() as url, fresh() as quiet:
        EventStore.open(url).close()
        forbid_steps_back(url)
        chosen = settings(broker, topic, f"soak-{uuid.uuid4().hex[:8]}", session_timeout_seconds=SESSION_SECONDS)
        plan = Plan(chosen.model_dump_json(), url, None, slow_commits=slow_commits)
        ends: dict[int, int] = {}
        with processes() as readers:
            readers += [start(plan) for _ in range(3)]
            _add(broker, topic, told[cycles * NAMES_A_CYCLE :], ends)
            for cycle in range(cycles):
                _wait_for_all(url, topic, ends)
                _add(broker, topic, told[cycle * NAMES_A_CYCLE : (cycle + 1) * NAMES_A_CYCLE], ends)
                _freeze(chance.choice(readers), chance.uniform(SESSION_SECONDS + 1, SESSION_SECONDS + 4))
                happened["stopped"] += 1
                if cycle % 3 == 2:
                    _wait_for_all(url, topic, ends)
                    _replace(readers, chance.randrange(3), plan)
                    happened["left"] += 1
                    happened["joined"] += 1
                assert all(reader.is_alive() for reader in readers), "a reader ended by itself"
            _wait_for_all(url, topic, ends)
        others = settings(broker, topic, f"quiet-{uuid.uuid4().hex[:8]}")
        alone = start(Plan(others.model_dump_json(), quiet, ends, alone=True))
        alone.join()
        expected, found = held(quiet), held(url)
        for table, rows in expected.items():
            assert found[table] == rows, f"{table}: {len(rows)} rows expected, {len(found[table])} found"
        assert steps_back(url) == 0, "a position moved back"
    broker.delete(topic)
    return happened


def _wait_for_all(url: str, topic: str, ends: dict[int, int]) -> None:
    with EventStore.open(url) as store:
        wait_until(lambda: all(offset(store, topic, part) >= end for part, end in ends.items()), "everything")


def _add(broker: Broker, topic: str, told: list[list[bytes]], ends: dict[int, int]) -> None:
    for partition, added in fill(broker, topic, PARTITIONS, told).items():
        ends[partition] = ends.get(partition, 0) + added


def _freeze(reader: ForkServerProcess, seconds: float) -> None:
    _signal(reader, signal.SIGSTOP)
    time.sleep(seconds)
    _signal(reader, signal.SIGCONT)


def _replace(readers: list[ForkServerProcess], number: int, plan: Plan) -> None:
    """One leaves (the half of them killed), another joins."""
    leaving = readers[number]
    _signal(leaving, signal.SIGTERM if number else signal.SIGKILL)
    leaving.join()
    readers[number] = start(plan)


def _signal(reader: ForkServerProcess, number: signal.Signals) -> None:
    assert reader.pid is not None
    os.kill(reader.pid, number)
