"""How does a batch get into the tables? Inside a transaction of the caller's, first event of an identity wins."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Table, func, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from consumers import append_postgres, append_sqlite
from consumers.batch_rows import own_rows
from consumers.claims import check_claim
from consumers.emptied import content_mark, emptied_events, holds
from consumers.files import Position
from consumers.incidents import add_incident
from consumers.intake import Appended, Arrival, Intake
from consumers.rows import Row
from consumers.sources import Refusal

RAW_BYTES = 1 << 16  # how much is kept of a record that was rejected or in conflict
_LOOKUP = 400  # identities in one query

_event, _rejected, _conflict = (SQLModel.metadata.tables[name] for name in ("event", "rejected", "conflict"))


class Writer(Protocol):
    """The fast way into one kind of database."""

    def insert_identities(self, connection: Connection, first: int, arrivals: Sequence[Arrival]) -> int: ...
    def insert_rows(self, connection: Connection, table: str, rows: Sequence[Row]) -> None: ...


_WRITERS: Mapping[str, Writer] = {"sqlite": append_sqlite, "postgresql": append_postgres}


def append_intake(connection: Connection, intake: Intake, received_at_us: int) -> Appended:
    """Write events, rejections, conflicts, incidents and the source's position.

    Raises ClaimLost and what the database raises.
    """
    if intake.claim is not None:
        check_claim(connection, intake.claim)
    for found in intake.incidents:
        add_incident(connection, intake.source, found, received_at_us)
    accepted, known = _insert_events(connection, intake.arrivals)
    conflicts = _insert_conflicts(connection, known, received_at_us)
    for refusal in intake.refusals:
        _insert_rejected(connection, intake.source, refusal, received_at_us)
    if intake.position is not None:
        _save_position(connection, intake.source, intake.position, received_at_us)
    split = Counter([arrival.purpose for arrival in accepted if arrival.purpose is not None])
    return Appended(
        accepted=len(accepted),
        duplicate=len(known) - conflicts,
        conflict=conflicts,
        rejected=len(intake.refusals),
        by_type=Counter([arrival.event.type for arrival in accepted]),
        purposes=_totals((purpose.purpose, count) for purpose, count in split.items()),
        by_rule=_totals((purpose.rule, count) for purpose, count in split.items()),
        rejected_by_reason=Counter(refusal.reason for refusal in intake.refusals),
    )


def _insert_events(connection: Connection, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
    """Number and insert events with their rows: (those that were new, those whose identity was known), in order."""
    if not arrivals:
        return [], []
    writer = _WRITERS[connection.dialect.name]
    first = (connection.execute(select(func.max(_event.c.seq))).scalar() or 0) + 1
    numbered = list(enumerate(arrivals, start=first))
    known: list[Arrival] = []
    if writer.insert_identities(connection, first, arrivals) < len(arrivals):
        new = set(connection.execute(select(_event.c.seq).where(_event.c.seq >= first)).scalars())
        known = [arrival for seq, arrival in numbered if seq not in new]
        numbered = [(seq, arrival) for seq, arrival in numbered if seq in new]
    for table, rows in own_rows(numbered).items():
        writer.insert_rows(connection, table, rows)
    return [arrival for _, arrival in numbered], known


def _insert_conflicts(connection: Connection, known: Sequence[Arrival], received_at_us: int) -> int:
    """Keep the events whose content differs from the one stored under their identity; return how many they are."""
    digests = dict(_stored_digests(connection, known))
    others = [arrival for arrival in known if digests[arrival.event.source, arrival.event.id] != arrival.digest]
    erased = emptied_events(connection, [(arrival.event.source, arrival.event.id) for arrival in others])
    rows = [
        {
            "source": arrival.event.source,
            "event_id": arrival.event.id,
            "digest": arrival.digest,
            "raw": b"" if (arrival.event.source, arrival.event.id) in erased else arrival.raw[:RAW_BYTES],
            "received_at_us": received_at_us,
        }
        for arrival in others
    ]
    _insert_new(connection, _conflict, rows)
    return len(others)


def _stored_digests(connection: Connection, known: Sequence[Arrival]) -> Iterator[tuple[tuple[str, str], bytes]]:
    identity = tuple_(_event.c.source, _event.c.event_id)
    for start in range(0, len(known), _LOOKUP):
        wanted = [(arrival.event.source, arrival.event.id) for arrival in known[start : start + _LOOKUP]]
        query = select(_event.c.source, _event.c.event_id, _event.c.digest).where(identity.in_(wanted))
        for source, event_id, digest in connection.execute(query):
            yield (source, event_id), digest


def _insert_rejected(connection: Connection, source: str, refusal: Refusal, received_at_us: int) -> None:
    """One row per place. Other bytes at a known place (a stream has no memory of its places) get a row of their own."""
    raw = refusal.record.raw[:RAW_BYTES]
    row = {
        "source": source,
        "position": refusal.record.position,
        "reason": refusal.reason,
        "detail": refusal.detail,
        "raw": raw,
        "raw_size": refusal.record.size,
        "received_at_us": received_at_us,
        "status": "open",
    }
    if not _insert_new(connection, _rejected, [row]):
        here = (_rejected.c.source == source) & (_rejected.c.position == row["position"])
        stored, detail = connection.execute(select(_rejected.c.raw, _rejected.c.detail).where(here)).one()
        if not holds(stored, detail, raw):
            mark = content_mark(raw)
            _insert_new(connection, _rejected, [{**row, "position": f"{row['position']}, content {mark}"}])


def _insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows unless they violate a unique key; return how many went in."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).inline().on_conflict_do_nothing()
    return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


def _save_position(connection: Connection, source: str, position: Position, updated_at_us: int) -> None:
    connection.execute(
        text(
            "INSERT INTO source_position VALUES (:source, :position, :updated_at_us) ON CONFLICT (source)"
            " DO UPDATE SET position = excluded.position, updated_at_us = excluded.updated_at_us"
        ),
        {"source": source, "position": json.dumps(position), "updated_at_us": updated_at_us},
    )


def _totals(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for name, count in counts:
        totals[name] += count
    return dict(totals)
