"""How do we reach the database? One engine, one way to write, numbered migrations."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import StaticPool

BUSY_SECONDS = 60  # how long a writer waits for another one before it fails with "database is locked"

Step = Callable[[Connection], None]


class DatabaseTooNew(Exception):  # noqa: N818 - a noun of the domain
    """The database was migrated by a newer release than this one."""

    def __init__(self, chain: str, number: int, known: int) -> None:
        super().__init__(
            f"this database is at step {number} of {chain!r}, this release knows {known}: install a newer release"
        )


def open_engine(url_or_path: str | Path) -> Engine:
    """An engine for a SQLite file (path or sqlite:/// URL), or ":memory:" for a store that ends with the engine.

    Committed means on disk: WAL with synchronous=FULL, so that neither a killed process nor a power cut takes a
    committed batch back. Readers never wait for the writer; writers wait for each other up to BUSY_SECONDS.
    """
    url = _url(url_or_path)
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    in_memory = url.database in (None, "", ":memory:")
    engine = create_engine(url, **({"poolclass": StaticPool} if in_memory else {}))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction, committed at the end of the block, rolled back by an exception.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE): what was read inside is still true when it commits.
    """
    with engine.connect() as connection:
        connection = connection.execution_options(write_transaction=True)
        with connection.begin():
            yield connection


def migrate(engine: Engine, chain: str, steps: Sequence[Step]) -> None:
    """Bring the chain's tables to the newest step: each missing step in one transaction, in order.

    Steps are appended and never edited. Of several starters one migrates while the others wait. A killed migration goes
    on where it stopped. Raises DatabaseTooNew when the database knows more steps than we do.
    """
    if _applied(engine, chain, len(steps)) == len(steps):
        return
    with writing(engine) as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS migration (chain VARCHAR NOT NULL PRIMARY KEY, number INTEGER NOT NULL)")
        )
        connection.execute(text("INSERT INTO migration VALUES (:chain, 0) ON CONFLICT DO NOTHING"), {"chain": chain})
    for number, step in enumerate(steps, start=1):
        with writing(engine) as connection:
            if _number(connection, chain) < number:
                step(connection)
                connection.execute(
                    text("UPDATE migration SET number = :number WHERE chain = :chain"),
                    {"chain": chain, "number": number},
                )


def _applied(engine: Engine, chain: str, known: int) -> int:
    """Steps applied so far; read without the write lock, so that opening never waits for a running ingest."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "migration"):
            return 0
        number = _number(connection, chain)
    if number > known:
        raise DatabaseTooNew(chain, number, known)
    return number


def _number(connection: Connection, chain: str) -> int:
    found = connection.execute(text("SELECT number FROM migration WHERE chain = :chain"), {"chain": chain}).scalar()
    return found or 0


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        return make_url(url_or_path)
    return URL.create("sqlite", database=str(url_or_path))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not before each INSERT
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _enter_wal(connection)


def _enter_wal(connection: Any) -> None:
    """Switching the journal does not wait for others as other statements do: of two first openers one must retry."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write_transaction")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
