"""A real ingest process is killed, again and again, and started again: nothing lost, nothing doubled."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, text

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from tests.consumers.contents import contents, fresh_store
from tests.consumers.examples import line

LINES = 160
KILLS_BY_STATEMENT = 100
KILLS_BY_TIME = 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Events of several types, some of them twice, some in conflict, some bad."""
    lines = []
    for number in range(LINES):
        kind = ("response", "feedback", "outcome", "score")[number % 4]
        lines.append(line(kind, id=f"e-{number}"))
        if number % 20 == 0:
            lines += [b"bad line %d" % number, lines[-1]]
        if number % 40 == 0:
            lines.append(line(kind, id=f"e-{number}", changes={"response_id": "other"}))
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_killed_at_any_statement_loses_and_doubles_nothing(tmp_path: Path, file: Path) -> None:
    """Each child dies before its n-th statement, every BEGIN, single INSERT and COMMIT being one of about 700."""
    chance = random.Random(1)

    def die(store: EventStore) -> None:
        left = chance.randint(1, 500)

        def count(_statement: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(store.engine, "checkout")
        def trace(connection: sqlite3.Connection, *_: object) -> None:
            connection.set_trace_callback(count)

    _kill_until(KILLS_BY_STATEMENT, tmp_path, file, die, lambda child: None)


def test_killed_at_any_time_loses_and_doubles_nothing(tmp_path: Path, file: Path) -> None:
    chance = random.Random(2)
    whole = _seconds_of_a_whole_ingest(tmp_path, file)

    def kill(child: int) -> None:
        time.sleep(chance.uniform(0, whole))
        os.kill(child, signal.SIGKILL)

    _kill_until(KILLS_BY_TIME, tmp_path, file, lambda store: None, kill)


def _kill_until(
    kills: int, tmp_path: Path, file: Path, prepare: Callable[[EventStore], None], kill: Callable[[int], None]
) -> None:
    """Kill ingests of one store after another, each until complete or enough were killed; finish and compare each."""
    template = tmp_path / "template.sqlite"
    with fresh_store(template, tmp_path / "unkilled.sqlite") as store:
        ingest(JsonlSource([file], batch_size=25), store)
        expected = contents(store)
    stores = 0
    while kills > 0:
        path = tmp_path / f"{stores}.sqlite"
        fresh_store(template, path).close()
        stores += 1
        while kills > 0 and _run_child(path, file, prepare, kill) == -signal.SIGKILL:
            kills -= 1
        assert _run_child(path, file, lambda store: None, lambda child: None) == 0
        with EventStore.open(path) as store:
            assert contents(store) == expected
            with store.engine.connect() as connection:
                assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def _seconds_of_a_whole_ingest(tmp_path: Path, file: Path) -> float:
    """So long a child lives on this machine when nobody kills it: kills must fall within it, wherever the test runs."""
    path = tmp_path / "whole.sqlite"
    fresh_store(tmp_path / "template.sqlite", path).close()
    began = time.monotonic()
    assert _run_child(path, file, lambda store: None, lambda child: None) == 0
    return time.monotonic() - began


def _run_child(path: Path, file: Path, prepare: Callable[[EventStore], None], kill: Callable[[int], None]) -> int:
    """Ingest in a process of its own; returns its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            store = EventStore.open(path)
            prepare(store)
            ingest(JsonlSource([file], batch_size=25), store)
        except BaseException:
            os._exit(1)
        os._exit(0)
    kill(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code
