"""How do a person's words leave the records that were kept aside? Those that mention the person lose their bytes."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.emptied import emptied_record
from consumers.mentions import Mentions

_rejected, _conflict, _event = (SQLModel.metadata.tables[name] for name in ("rejected", "conflict", "event"))
_RECORDS = 50  # read at once, of up to 64 KiB each


def empty_rejected(connection: Connection, mentions: Mentions) -> int:
    """Empty the rejected events that mention the user, and say so in their status; how many.

    Reason, place and size stay. What was replayed stays replayed: it is counted among the events.
    """
    count = 0
    for row in _kept(connection, _rejected):
        if mentions.found_in(row.raw) or mentions.found_in(row.detail.encode()):
            status = "erased" if row.status == "open" else row.status
            change = update(_rejected).where(_rejected.c.id == row.id).values(status=status, **emptied_record(row.raw))
            count += connection.execute(change).rowcount
    return count


def empty_conflicts(connection: Connection, events: frozenset[int], mentions: Mentions) -> int:
    """Empty the other contents of the user's events, and whatever else mentions the user; how many."""
    same_identity = (_event.c.source == _conflict.c.source) & (_event.c.event_id == _conflict.c.event_id)
    rows = connection.execute(select(_conflict.c.id, _event.c.seq).join(_event, same_identity))
    theirs = {number for number, seq in rows if seq in events}
    count = 0
    for row in _kept(connection, _conflict):
        if row.id in theirs or mentions.found_in(row.raw):
            change = update(_conflict).where(_conflict.c.id == row.id).values(raw=b"")
            count += connection.execute(change).rowcount
    return count


def _kept(connection: Connection, table: Table) -> Iterator[Any]:
    """Rows that still have bytes, a few at a time, in order of their ids."""
    last = 0
    while True:
        query = select(table).where(table.c.id > last, func.length(table.c.raw) > 0).order_by(table.c.id)
        rows = connection.execute(query.limit(_RECORDS)).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id
