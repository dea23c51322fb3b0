"""How do a person's words leave the records that were kept aside? Those that mention the person lose their bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.chunks import in_chunks
from consumers.emptied import emptied_record
from consumers.mentions import Mentions

_rejected, _conflict, _event = (SQLModel.metadata.tables[name] for name in ("rejected", "conflict", "event"))
_RECORDS = 50  # read at once, of up to 64 KiB each


@dataclass(frozen=True)
class Searched:
    """Ids of the rejected and the conflicting records that mention somebody, and the last ones looked at."""

    rejected: frozenset[int] = frozenset()
    conflicts: frozenset[int] = frozenset()
    last_rejected: int = 0
    last_conflict: int = 0


def search_records(connection: Connection, mentions: Mentions, before: Searched) -> Searched:
    """Go on with a search behind what was looked at before."""
    quotes = lru_cache(1000)(lambda detail: mentions.found_in(detail.encode()))  # the same few, over and over
    rejected, conflicts = set(before.rejected), set(before.conflicts)
    last_rejected, last_conflict = before.last_rejected, before.last_conflict
    for row in _kept(connection, _rejected, last_rejected):
        last_rejected = row.id
        if mentions.found_in(row.raw) or quotes(row.detail):
            rejected.add(row.id)
    for row in _kept(connection, _conflict, last_conflict):
        last_conflict = row.id
        if mentions.found_in(row.raw):
            conflicts.add(row.id)
    return Searched(frozenset(rejected), frozenset(conflicts), last_rejected, last_conflict)


def empty_rejected(connection: Connection, ids: frozenset[int]) -> int:
    """Empty rejected events, and say so in their status; how many.

    Reason, place and size stay. What was replayed stays replayed: it is counted among the events.
    """
    change = update(_rejected).where(_rejected.c.id == bindparam("number"))
    count = 0
    for numbers in in_chunks(sorted(ids), _RECORDS):
        rows = connection.execute(select(_rejected).where(_rejected.c.id.in_(numbers), _has_bytes(_rejected))).all()
        changes = [
            {"number": row.id, "status": "erased" if row.status == "open" else row.status, **emptied_record(row.raw)}
            for row in rows
        ]
        if changes:
            connection.execute(change, changes)
        count += len(changes)
    return count


def empty_conflicts(connection: Connection, ids: frozenset[int], events: frozenset[int]) -> int:
    """Empty these conflicting records, and the other contents of these events; how many."""
    same_identity = (_event.c.source == _conflict.c.source) & (_event.c.event_id == _conflict.c.event_id)
    rows = connection.execute(select(_conflict.c.id, _event.c.seq).join(_event, same_identity))
    theirs = {number for number, seq in rows if seq in events}
    count = 0
    for numbers in in_chunks(sorted(ids | theirs)):
        here = _conflict.c.id.in_(numbers) & _has_bytes(_conflict)
        count += connection.execute(update(_conflict).where(here).values(raw=b"")).rowcount
    return count


def _kept(connection: Connection, table: Table, last: int) -> Iterator[Any]:
    """Rows behind the last one that still have bytes, a few at a time, in order of their ids."""
    while True:
        query = select(table).where(table.c.id > last, _has_bytes(table)).order_by(table.c.id)
        rows = connection.execute(query.limit(_RECORDS)).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def _has_bytes(table: Table) -> Any:
    return func.length(table.c.raw) > 0
