"""How do rows get into PostgreSQL fast? By binary COPY straight into their tables.

COPY knows no ON CONFLICT. Where a batch brings an identity that is known, its COPY fails as a whole, and the identities
go by way of a table of the connection's own; what was read before often comes in long stretches, so that the next
batches of the connection take that way at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Dialect, MetaData, Table, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.batch_rows import identity_rows
from consumers.intake import Arrival
from consumers.rows import Row

_event = SQLModel.metadata.tables["event"]
_staged = Table("staged_event", MetaData(), *(Column(column.name, column.type) for column in _event.columns))
_CREATE_STAGED = "CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (LIKE event) ON COMMIT DELETE ROWS"
_WARY_BATCHES = 20  # that take the slow way after one that had to
_COPIED_AS = {"BIGINT": "int8", "VARCHAR": "text", "FLOAT": "float8", "BOOLEAN": "bool", "BYTEA": "bytea"}


def insert_identities(connection: Connection, first: int, arrivals: Sequence[Arrival]) -> int:
    """Number events from `first` and insert those whose identity is new; returns how many they were."""
    wary = connection.info.get("wary_batches", 0)
    if not wary and _insert_all(connection, first, arrivals):
        return len(arrivals)
    inserted = _insert_new(connection, first, arrivals)
    connection.info["wary_batches"] = max(wary - 1, 0) if inserted == len(arrivals) else _WARY_BATCHES
    return inserted


def _insert_all(connection: Connection, first: int, arrivals: Sequence[Arrival]) -> bool:
    """Insert every identity; False, with none of them inserted, if any was known."""
    try:
        with connection.begin_nested():
            _copy(connection, _event, identity_rows(first, arrivals))
    except IntegrityError:
        return False
    return True


def _insert_new(connection: Connection, first: int, arrivals: Sequence[Arrival]) -> int:
    """Insert the identities that are new, the first of equal ones; returns how many they were."""
    connection.exec_driver_sql(_CREATE_STAGED)
    connection.exec_driver_sql("DELETE FROM staged_event")
    _copy(connection, _staged, identity_rows(first, arrivals))
    return connection.execute(_merge(), execution_options={"preserve_rowcount": True}).rowcount


def insert_rows(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert whole rows, in the order of the table's columns."""
    _copy(connection, SQLModel.metadata.tables[table], rows)


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with _usual_errors(connection), driver.cursor() as cursor, cursor.copy(_copy_statement(table)) as copy:
        copy.set_types(_types(table, connection.dialect))
        for row in rows:
            copy.write_row(row)


@contextmanager
def _usual_errors(connection: Connection) -> Iterator[None]:
    """Turn the driver's errors into those that every other statement raises."""
    driver: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as fault:
        gone = connection.dialect.is_disconnect(fault, connection.connection.dbapi_connection, None)
        if gone:
            connection.invalidate(fault)
        raise DBAPIError.instance("COPY", None, fault, driver.Error, connection_invalidated=gone) from fault


@cache
def _copy_statement(table: Table) -> str:
    return f"COPY {table.name} FROM STDIN (FORMAT BINARY)"


@cache
def _types(table: Table, dialect: Dialect) -> list[str]:
    return [_COPIED_AS[column.type.compile(dialect)] for column in table.columns]


@cache
def _merge() -> Insert:
    columns = [column.name for column in _event.columns]
    in_order = select(_staged).order_by(_staged.c.seq)
    return insert(_event).from_select(columns, in_order).on_conflict_do_nothing()
