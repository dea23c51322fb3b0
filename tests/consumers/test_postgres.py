"""What holds on PostgreSQL alone: turns to write, outages, migrations that are killed."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from consumers import connections, turns
from consumers.connections import DatabaseUnsuitable
from consumers.database import migrate, open_engine, reading, writing
from consumers.intake import Intake, parse_batch
from consumers.migrations import CHAIN, MIGRATIONS
from consumers.sources import Batch, Record
from consumers.store import EventStore
from tests.consumers.examples import line
from tests.postgres import Server, fresh_database

fork = multiprocessing.get_context("fork")


@pytest.fixture
def store(postgres_url: str) -> Iterator[EventStore]:
    with EventStore.open(postgres_url) as store:
        yield store


def batch(*names: str) -> Intake:
    records = [Record(line("score", id=name), f"line {name}", 1) for name in names]
    return parse_batch(Batch("/file", records, {"last": names[-1]}))


def in_child(work: Callable[[], None]) -> multiprocessing.process.BaseProcess:
    child = fork.Process(target=work)
    child.start()
    return child


def wait_until_stopped(child: multiprocessing.process.BaseProcess) -> None:
    pid, status = os.waitpid(child.pid or 0, os.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status)) == (child.pid, True)


def test_rows_appear_in_the_order_of_their_numbers(postgres_url: str) -> None:
    """Three writers at once; whoever reads on from the largest number it has seen misses none."""
    EventStore.open(postgres_url).close()

    def write(number: int) -> None:
        with EventStore.open(postgres_url) as store:
            for n in range(40):
                store.append(batch(f"{number}-{n}-a", f"{number}-{n}-b"))

    writers = [in_child(lambda number=number: write(number)) for number in range(3)]  # type: ignore[misc]
    seen: list[int] = []
    with EventStore.open(postgres_url) as store:
        while any(writer.is_alive() for writer in writers) or len(seen) < 240:
            with reading(store.engine) as connection:
                query = text("SELECT seq FROM event WHERE seq > :last ORDER BY seq")
                seen += connection.execute(query, {"last": seen[-1] if seen else 0}).scalars()
            assert all(writer.exitcode in (None, 0) for writer in writers)
        assert seen == list(range(1, 241))


def test_a_writer_stopped_between_two_statements_loses_its_turn(
    store: EventStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "IDLE_SECONDS", 1)

    def stop_in_the_middle() -> None:
        with EventStore.open(postgres_url) as mine, writing(mine.engine) as connection:
            connection.execute(text("DELETE FROM event"))
            os.kill(os.getpid(), signal.SIGSTOP)

    store.append(batch("a"))
    child = in_child(stop_in_the_middle)
    wait_until_stopped(child)
    assert store.append(batch("b")).accepted == 1
    os.kill(child.pid or 0, signal.SIGCONT)
    child.join()
    assert child.exitcode == 1, "it learns that its transaction is gone"
    assert store.counts().events == 2


def test_a_writer_stopped_within_a_copy_loses_its_turn(
    store: EventStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "IDLE_SECONDS", 1)
    monkeypatch.setattr(turns, "WAIT_SECONDS", 2)

    def stop_in_the_middle() -> None:
        with EventStore.open(postgres_url) as mine, writing(mine.engine) as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy("COPY score FROM STDIN") as copy:
                copy.write(b"1\t")
                os.kill(os.getpid(), signal.SIGSTOP)

    child = in_child(stop_in_the_middle)
    wait_until_stopped(child)
    with caplog.at_level(logging.WARNING), pytest.raises(OperationalError, match="lock timeout"):
        store.append(batch("a"))
    assert "a stopped process kept the turn to write" in caplog.text
    assert store.append(batch("a")).accepted == 1
    os.kill(child.pid or 0, signal.SIGCONT)
    child.join()
    assert child.exitcode == 1
    assert store.counts().events == 1


def test_reading_does_not_wait_for_the_writer_and_sees_one_moment(store: EventStore, postgres_url: str) -> None:
    store.append(batch("a"))
    with EventStore.open(postgres_url) as other, reading(other.engine) as reader:
        count = text("SELECT count(*) FROM score")
        assert reader.execute(count).scalar() == 1
        with writing(store.engine) as connection:
            connection.execute(text("DELETE FROM score"))
            assert other.counts().events == 1
        assert reader.execute(count).scalar() == 1
    assert store.counts().events == 0


@pytest.mark.parametrize("moment", ["SAVEPOINT", "DELETE FROM staged_event", "INSERT INTO event", "COMMIT"])
def test_server_that_dies_within_a_batch_leaves_nothing_of_it(postgres_server: Server, moment: str) -> None:
    with fresh_database(postgres_server.admin_url) as url, EventStore.open(url) as store:
        store.append(batch("a"))
        died = []

        def die(*_: Any) -> None:
            if not died:
                died.append(moment)
                postgres_server.stop()

        def die_before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith(moment):
                die()

        name, listener = ("commit", die) if moment == "COMMIT" else ("before_cursor_execute", die_before)
        event.listen(store.engine, name, listener)
        with pytest.raises(OperationalError):
            store.append(batch("a", "b", "c"))
        event.remove(store.engine, name, listener)
        assert died
        postgres_server.start()
        assert (store.counts().events, store.position("/file")) == (1, {"last": "a"})
        assert store.append(batch("a", "b", "c")).accepted == 2


def test_batches_with_and_without_known_events_by_turns_lose_and_double_nothing(store: EventStore) -> None:
    """After a known event the next batches take the slow way, and then the fast one again."""
    for number in range(30):
        fresh, known = f"fresh-{number}", f"fresh-{max(number - 1, 0)}"
        names = [fresh, fresh, f"other-{number}"] + [known] * (number % 7 == 3)
        appended = store.append(batch(*names))
        assert (appended.accepted, appended.duplicate) == (2, len(names) - 2)
    for number in range(25):
        assert store.append(batch(f"late-{number}")).accepted == 1
    assert store.counts().events == 85


def test_database_that_is_not_there_is_told_without_the_password(postgres_admin_url: str) -> None:
    secret = postgres_admin_url.replace("postgres@", "nobody:topsecret@").replace("/postgres", "/nowhere")
    for url in (
        secret,
        "postgresql://me:topsecret@127.0.0.1:1/x",
        "postgres://me:topsecret@[::1]:1/x?connect_timeout=1",
    ):
        with pytest.raises(OperationalError) as caught:
            EventStore.open(url)
        shown = "".join(str(fault) for fault in (caught.value, caught.value.orig, open_engine(url)))
        assert "topsecret" not in shown


def test_missing_driver_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "find_spec", lambda name: None)
    with pytest.raises(DatabaseUnsuitable, match=r"pip install 'reward-drift-monitor\[postgres\]'"):
        EventStore.open("postgresql://localhost/x")


def test_other_databases_and_encodings_are_refused(postgres_admin_url: str, postgres_url: str) -> None:
    with pytest.raises(DatabaseUnsuitable, match="not mysql://"):
        EventStore.open("mysql://localhost/x")
    name = f"{postgres_url.rsplit('/', 1)[1]}_latin"
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnsuitable, match="is encoded in LATIN1: create it with ENCODING 'UTF8'"):
        EventStore.open(postgres_admin_url.rsplit("/", 1)[0] + f"/{name}")
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name}")  # type: ignore[arg-type]


def test_migration_killed_at_any_statement_goes_on_where_it_stopped(postgres_admin_url: str) -> None:
    """Each starter dies before its n-th statement; the last one finds what an unkilled migration leaves."""
    kills = 0
    for deadly in range(1, 100, 5):
        with fresh_database(postgres_admin_url) as url:
            child = in_child(lambda url=url, deadly=deadly: _migrate_and_die(url, deadly))  # type: ignore[misc]
            child.join()
            kills += child.exitcode == -signal.SIGKILL
            with EventStore.open(url) as store, reading(store.engine) as connection:
                assert store.append(batch("a")).accepted == 1
                assert connection.execute(text("SELECT number FROM migration")).scalars().all() == [len(MIGRATIONS)]
            if child.exitcode == 0:
                break
    assert kills > 8


def _migrate_and_die(url: str, deadly: int) -> None:
    engine = open_engine(url)
    left = deadly

    @event.listens_for(engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(engine, CHAIN, MIGRATIONS)
    os._exit(0)


def test_migration_of_a_full_store_is_killed_and_done_once_while_starters_wait(postgres_url: str) -> None:
    """100,000 rows of the first release; the starter that widens its columns is killed, then three start at once."""
    engine = open_engine(postgres_url)
    migrate(engine, CHAIN, MIGRATIONS[:1])
    with writing(engine) as connection:
        for statement in (
            "INSERT INTO event SELECT n, '/old', 'e-' || n, 'rewarddrift.response.v1', n, '\\x00' FROM {rows}",
            "INSERT INTO response (seq, time_us, response_id, checkpoint, environment, length, output_tokens)"
            " SELECT n, n, 'r-' || n, 'c', 'production', n, 2147483647 FROM {rows}",
        ):
            connection.execute(text(statement.format(rows="generate_series(1, 100000) AS n")))
    engine.dispose()
    killed = in_child(lambda: _migrate_and_die_after(postgres_url, "ALTER TABLE response"))
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    start = fork.Barrier(3)
    starters = [in_child(lambda: _start(postgres_url, start)) for _ in range(3)]
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0, 0]
    with EventStore.open(postgres_url) as store, store.engine.connect() as connection:
        found = connection.execute(text("SELECT count(*), sum(length), max(output_tokens) FROM response")).one()
        assert tuple(found) == (100_000, 100_000 * 100_001 // 2, 2**31 - 1)
        types = text(
            "SELECT data_type FROM information_schema.columns WHERE table_name = 'response' AND column_name = 'length'"
        )
        assert connection.execute(types).scalars().all() == ["bigint"]
        assert store.append(batch("new")).accepted == 1


def _migrate_and_die_after(url: str, statement: str) -> None:
    engine = open_engine(url)

    @event.listens_for(engine, "after_cursor_execute")
    def die(_connection: Any, _cursor: Any, executed: str, *_: Any) -> None:
        if executed.startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(engine, CHAIN, MIGRATIONS)


def _start(url: str, start: Any) -> None:
    start.wait()
    with EventStore.open(url) as store:
        store.counts()
