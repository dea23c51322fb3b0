"""How do rows get into SQLite fast? By the driver's executemany, with a statement compiled once."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import sqlite
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.batch_rows import identity_rows
from consumers.intake import Arrival
from consumers.rows import Row


def insert_identities(connection: Connection, first: int, arrivals: Sequence[Arrival]) -> int:
    """Number events from `first` and insert those whose identity is new; returns how many they were."""
    return _insert(connection, "event", identity_rows(first, arrivals))


def insert_rows(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert whole rows, in the order of the table's columns."""
    _insert(connection, table, rows)


def _insert(connection: Connection, table: str, rows: Sequence[Row]) -> int:
    return connection.exec_driver_sql(_statement(table), list(rows)).rowcount


@cache
def _statement(table: str) -> str:
    return f"{insert(SQLModel.metadata.tables[table]).compile(dialect=sqlite.dialect())} ON CONFLICT DO NOTHING"
