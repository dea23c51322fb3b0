"""How does a batch get into the tables? Inside a transaction of the caller's, first event of an identity wins."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from sqlalchemy import Connection, func, insert, select, text, tuple_
from sqlalchemy.dialects import sqlite
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.canonical import canonical_json
from consumers.claims import check_claim
from consumers.files import Position
from consumers.incidents import add_incident
from consumers.intake import Appended, Arrival, Intake
from consumers.rows import KINDS, NO_WORDS, Row
from consumers.sources import Refusal

RAW_BYTES = 1 << 16  # how much is kept of a record that was rejected or in conflict
_LOOKUP = 400  # identities in one query

_event = SQLModel.metadata.tables["event"]
_rejected = SQLModel.metadata.tables["rejected"]

Numbered = Sequence[tuple[int, Arrival]]


def append_intake(connection: Connection, intake: Intake, received_at_us: int) -> Appended:
    """Write events, rejections, conflicts, incidents and the source's position.

    Raises ClaimLost and what the database raises.
    """
    if intake.claim is not None:
        check_claim(connection, intake.claim)
    for found in intake.incidents:
        add_incident(connection, intake.source, found, received_at_us)
    accepted, known = _insert_events(connection, intake.arrivals)
    by_type = _insert_rows(connection, accepted)
    conflicts = _insert_conflicts(connection, known, received_at_us)
    for refusal in intake.refusals:
        _insert_rejected(connection, intake.source, refusal, received_at_us)
    if intake.position is not None:
        _save_position(connection, intake.source, intake.position, received_at_us)
    split = Counter([arrival.purpose for _, arrival in accepted if arrival.purpose is not None])
    return Appended(
        accepted=len(accepted),
        duplicate=len(known) - conflicts,
        conflict=conflicts,
        rejected=len(intake.refusals),
        by_type=by_type,
        purposes=_totals((purpose.purpose, count) for purpose, count in split.items()),
        by_rule=_totals((purpose.rule, count) for purpose, count in split.items()),
        rejected_by_reason=Counter(refusal.reason for refusal in intake.refusals),
    )


def _insert_events(connection: Connection, arrivals: Sequence[Arrival]) -> tuple[Numbered, Sequence[Arrival]]:
    """(new events with their sequence numbers, events whose identity was known), each in order of arrival."""
    if not arrivals:
        return [], []
    first = (connection.execute(select(func.max(_event.c.seq))).scalar() or 0) + 1
    numbered = list(enumerate(arrivals, start=first))
    identities = [(seq, a.event.source, a.event.id, a.event.type, a.event.time_us, a.digest) for seq, a in numbered]
    if _insert(connection, "event", identities) == len(arrivals):
        return numbered, []
    new = set(connection.execute(select(_event.c.seq).where(_event.c.seq >= first)).scalars())
    return (
        [(seq, arrival) for seq, arrival in numbered if seq in new],
        [arrival for seq, arrival in numbered if seq not in new],
    )


def _insert_rows(connection: Connection, accepted: Numbered) -> dict[str, int]:
    """Insert the typed and text rows of new events; return how many events there were of each type."""
    rows: dict[str, list[Row]] = {}
    words: list[Row] = []
    for seq, arrival in accepted:
        event = arrival.event
        kind = KINDS[event.type]
        rows.setdefault(event.type, []).append(kind.row(seq, event.time_us, event.data, arrival.purpose))
        said = kind.words(event.data)
        if said is not None or event.extra is not None:
            words.append((seq, *(said or NO_WORDS), None if event.extra is None else canonical_json(event.extra)))
    for type_name, batch in rows.items():
        _insert(connection, KINDS[type_name].table, batch)
    _insert(connection, "text", words)
    return {type_name: len(batch) for type_name, batch in rows.items()}


def _insert_conflicts(connection: Connection, known: Sequence[Arrival], received_at_us: int) -> int:
    """Keep the events whose content differs from the one stored under their identity; return how many they are."""
    digests = dict(_stored_digests(connection, known))
    others = [arrival for arrival in known if digests[arrival.event.source, arrival.event.id] != arrival.digest]
    _insert(
        connection,
        "conflict",
        [(None, a.event.source, a.event.id, a.digest, a.raw[:RAW_BYTES], received_at_us) for a in others],
    )
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
    position = refusal.record.position
    row = (refusal.reason, refusal.detail, raw, refusal.record.size, received_at_us, "open", None)
    if not _insert(connection, "rejected", [(None, source, position, *row)]):
        here = (_rejected.c.source == source) & (_rejected.c.position == position)
        if connection.execute(select(_rejected.c.raw).where(here)).scalar() != raw:
            mark = hashlib.blake2b(raw, digest_size=6).hexdigest()
            _insert(connection, "rejected", [(None, source, f"{position}, content {mark}", *row)])


def _save_position(connection: Connection, source: str, position: Position, updated_at_us: int) -> None:
    connection.execute(
        text(
            "INSERT INTO source_position VALUES (:source, :position, :updated_at_us) ON CONFLICT (source)"
            " DO UPDATE SET position = excluded.position, updated_at_us = excluded.updated_at_us"
        ),
        {"source": source, "position": json.dumps(position), "updated_at_us": updated_at_us},
    )


def _insert(connection: Connection, table: str, rows: list[Row]) -> int:
    """Insert whole rows unless they violate a unique key; return how many went in."""
    return connection.exec_driver_sql(_statement(table), rows).rowcount if rows else 0


def _totals(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for name, count in counts:
        totals[name] += count
    return dict(totals)


@cache
def _statement(table: str) -> str:
    return f"{insert(SQLModel.metadata.tables[table]).compile(dialect=sqlite.dialect())} ON CONFLICT DO NOTHING"
