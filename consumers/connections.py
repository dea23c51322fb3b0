"""What does a connection to each database need before it is used?"""

import sqlite3
import time
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from consumers.mendable import Mendable

BUSY_SECONDS = 60  # how long a writer waits for another one before it fails

# A server that is gone is noticed within about half a minute, even by a statement that waits for its answer.
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "reward-drift",
}


class DatabaseUnsuitable(Mendable):
    """This database cannot hold a store; the message says why and what to do."""


def open_sqlite(url: URL) -> Engine:
    """Committed means on disk: WAL with synchronous=FULL. Readers never wait for the writer."""
    in_memory = url.database in (None, "", ":memory:")
    engine = create_engine(url, **({"poolclass": StaticPool} if in_memory else {}))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_postgres(url: URL) -> Engine:
    """READ COMMITTED; a connection that died in the pool is replaced before it is used.

    Raises DatabaseUnsuitable if the driver is not installed.
    """
    if find_spec("psycopg") is None:
        raise DatabaseUnsuitable("PostgreSQL needs a driver: pip install 'reward-drift-monitor[postgres]'")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        connect_args={name: value for name, value in _NETWORK.items() if name not in url.query},
    )
    event.listen(engine, "connect", _check_encoding)
    return engine


def _check_encoding(connection: Any, _record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        name = connection.info.dbname
        connection.close()
        raise DatabaseUnsuitable(f"database {name!r} is encoded in {encoding}: create it with ENCODING 'UTF8'")


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
