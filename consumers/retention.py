"""What is too old to be kept? Words and kept bytes go by age, in short transactions; rows and counts stay."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Table, bindparam, delete, func, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.database import writing
from consumers.emptied import emptied_record, has_words
from consumers.store import EventStore
from consumers.wipe import overwrite_deleted

_event, _text, _rejected, _conflict = (
    SQLModel.metadata.tables[name] for name in ("event", "text", "rejected", "conflict")
)
_TEXTS, _RECORDS = 1000, 50  # in one transaction; a record has up to 64 KiB

Pause = Callable[[float], None]


@dataclass(frozen=True)
class Expired:
    """How many events lost their words, and how many rejected and conflicting records their bytes."""

    texts: int
    rejected: int
    conflicts: int


def expire(
    store: EventStore,
    texts_before_us: int,
    records_before_us: int,
    *,
    dry_run: bool = False,
    pause: Pause = time.sleep,
) -> Expired:
    """Remove texts of events that happened, and bytes of records that were received, before these moments.

    Both in microseconds since 1970-01-01 UTC. May be stopped at any time and called again, beside a running ingest:
    after each transaction it rests as long as that took. dry_run: only count.
    """
    rest = None if dry_run else _Rest(store, pause)
    return Expired(
        texts=_expire_texts(store, texts_before_us, rest),
        rejected=_expire_records(store, _rejected, records_before_us, rest),
        conflicts=_expire_records(store, _conflict, records_before_us, rest),
    )


class _Rest:
    """Writes in short transactions and leaves the store to others for as long as each took."""

    def __init__(self, store: EventStore, pause: Pause) -> None:
        self._engine, self._pause = store.engine, pause

    def write(self, change: Executable, rows: Sequence[dict[str, Any]] = ()) -> None:
        began = time.monotonic()
        with writing(self._engine) as connection:
            overwrite_deleted(connection)
            connection.execute(change, rows or None)
        self._pause(time.monotonic() - began)


def _expire_texts(store: EventStore, before_us: int, rest: _Rest | None) -> int:
    old = select(_text.c.seq).join(_event, _event.c.seq == _text.c.seq)
    old = old.where(_event.c.time_us < before_us, has_words(), _text.c.seq > bindparam("last"))
    count = last = 0
    while numbers := _read(store, old.order_by(_text.c.seq).limit(_TEXTS), last):
        seqs = [row.seq for row in numbers]
        if rest is not None:
            rest.write(delete(_text).where(_text.c.seq.in_(seqs)))
        count, last = count + len(seqs), seqs[-1]
    return count


def _expire_records(store: EventStore, table: Table, before_us: int, rest: _Rest | None) -> int:
    columns = table.c
    old = select(columns.id, columns.raw).where(
        columns.received_at_us < before_us, func.length(columns.raw) > 0, columns.id > bindparam("last")
    )
    count = last = 0
    while rows := _read(store, old.order_by(columns.id).limit(_RECORDS), last):
        changes = [{"number": row.id, **_without_bytes(table, row.raw)} for row in rows]
        if rest is not None:
            rest.write(update(table).where(columns.id == bindparam("number")), changes)
        count, last = count + len(rows), rows[-1].id
    return count


def _without_bytes(table: Table, raw: bytes) -> dict[str, bytes | str]:
    return emptied_record(raw) if table is _rejected else {"raw": b""}


def _read(store: EventStore, query: Any, last: int) -> Sequence[Any]:
    with store.engine.connect() as connection:
        return connection.execute(query, {"last": last}).all()
