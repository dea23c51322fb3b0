"""How do rows get into PostgreSQL fast? By binary COPY; identities by way of a table of the connection's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Dialect, MetaData, Table, bindparam, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.batch_rows import identity_rows
from consumers.intake import Arrival
from consumers.rows import Row

_event = SQLModel.metadata.tables["event"]
_staged = Table("staged_event", MetaData(), *(Column(column.name, column.type) for column in _event.columns))
_CREATE_STAGED = "CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (LIKE event) ON COMMIT DELETE ROWS"
_COPIED_AS = {"BIGINT": "int8", "VARCHAR": "text", "FLOAT": "float8", "BOOLEAN": "bool", "BYTEA": "bytea"}


def stage(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Bring the identities of a batch to the server, numbered from 0; the transaction can do it before its turn."""
    connection.exec_driver_sql(_CREATE_STAGED)
    connection.exec_driver_sql("DELETE FROM staged_event")
    _copy(connection, _staged, identity_rows(0, arrivals))


def insert_identities(connection: Connection, first: int, arrivals: Sequence[Arrival]) -> int:
    """Number the staged events from `first` and insert those whose identity is new; returns how many they were."""
    options = {"preserve_rowcount": True}
    return connection.execute(_merge(), {"first": first}, execution_options=options).rowcount


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
    numbered = select(bindparam("first") + _staged.c.seq, *list(_staged.columns)[1:]).order_by(_staged.c.seq)
    return insert(_event).from_select(columns, numbered).on_conflict_do_nothing()
