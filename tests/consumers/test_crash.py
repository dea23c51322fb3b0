"""A real ingest process is killed, again and again, and started again: nothing lost, nothing doubled."""

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from tests.consumers.contents import contents, fresh_store
from tests.consumers.examples import line
from tests.postgres import fresh_database

LINES = 160
KILLS_BY_STATEMENT = {"sqlite": 100, "postgresql": 30}
KILLS_BY_TIME = {"sqlite": 20, "postgresql": 10}

Fresh = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Fresh:
    """Gives the URL of an empty store, each time another one; copied, because migrating takes longer."""
    if kind == "postgresql":
        admin_url, template = (request.getfixturevalue(name) for name in ("postgres_admin_url", "migrated_postgres"))
        return lambda: fresh_database(admin_url, template)

    @contextmanager
    def fresh_file() -> Iterator[str]:
        path = tmp_path / f"{uuid.uuid4().hex}.sqlite"
        fresh_store(tmp_path / "template.sqlite", path).close()
        yield f"sqlite:///{path}"

    return fresh_file


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


def test_killed_at_any_statement_loses_and_doubles_nothing(kind: str, fresh: Fresh, file: Path) -> None:
    """Each child dies before its n-th step of about 700: BEGIN, statement, single row, COMMIT."""
    chance = random.Random(1)

    def die(store: EventStore) -> None:
        left = chance.randint(1, 500)

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        _before_each_step(kind, store, count)

    _kill_until(KILLS_BY_STATEMENT[kind], fresh, file, die, lambda child: None)


def test_killed_at_any_time_loses_and_doubles_nothing(kind: str, fresh: Fresh, file: Path) -> None:
    chance = random.Random(2)
    whole = _seconds_of_a_whole_ingest(fresh, file)

    def kill(child: int) -> None:
        time.sleep(chance.uniform(0, whole))
        os.kill(child, signal.SIGKILL)

    _kill_until(KILLS_BY_TIME[kind], fresh, file, lambda store: None, kill)


def _before_each_step(kind: str, store: EventStore, count: Callable[..., None]) -> None:
    if kind == "sqlite":
        event.listen(store.engine, "checkout", lambda connection, *_: connection.set_trace_callback(count))
        return
    for name in ("begin", "before_cursor_execute", "commit"):
        event.listen(store.engine, name, count)
    write_row = psycopg.Copy.write_row

    def counted(copy: Any, row: Any) -> None:
        count()
        write_row(copy, row)

    psycopg.Copy.write_row = counted  # type: ignore[method-assign] # in a process of its own, soon dead


def _kill_until(
    kills: int, fresh: Fresh, file: Path, prepare: Callable[[EventStore], None], kill: Callable[[int], None]
) -> None:
    """Kill ingests of one store after another, each until complete or enough were killed; finish and compare each."""
    with fresh() as url, EventStore.open(url) as store:
        ingest(JsonlSource([file], batch_size=25), store)
        expected = contents(store)
    while kills > 0:
        with fresh() as url:
            while kills > 0 and _run_child(url, file, prepare, kill) == -signal.SIGKILL:
                kills -= 1
            assert _run_child(url, file, lambda store: None, lambda child: None) == 0
            with EventStore.open(url) as store:
                assert contents(store) == expected
                if store.engine.dialect.name == "sqlite":
                    with store.engine.connect() as connection:
                        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def _seconds_of_a_whole_ingest(fresh: Fresh, file: Path) -> float:
    """So long a child lives on this machine when nobody kills it: kills must fall within it, wherever the test runs."""
    with fresh() as url:
        began = time.monotonic()
        assert _run_child(url, file, lambda store: None, lambda child: None) == 0
        return time.monotonic() - began


def _run_child(url: str, file: Path, prepare: Callable[[EventStore], None], kill: Callable[[int], None]) -> int:
    """Ingest in a process of its own; returns its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            store = EventStore.open(url)
            prepare(store)
            ingest(JsonlSource([file], batch_size=25), store)
        except BaseException:
            os._exit(1)
        os._exit(0)
    kill(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code
