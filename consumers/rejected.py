"""What waits among the rejected events, and what becomes of one when it is tried again?"""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.append import append_intake
from consumers.intake import Appended, Intake, parse_record
from consumers.mendable import Mendable
from consumers.sources import Record, Refusal

_table = SQLModel.metadata.tables["rejected"]


class ReplayRefused(Mendable):
    """Only the first bytes of the event were kept, so it cannot be tried again without corrected ones; or it spoke of
    a person who was erased, and cannot be tried again at all."""

    def __init__(self, event: "RejectedEvent") -> None:
        why = f"had {event.raw_size} bytes and only {len(event.raw)} were kept: give its bytes"
        if event.status == "erased":
            why = "was erased with the person it spoke of: it cannot be tried again"
        super().__init__(f"rejected event {event.id} {why}")


@dataclass(frozen=True)
class RejectedEvent:
    """An event that could not be accepted. Times are microseconds since 1970-01-01 UTC.

    raw: its first bytes; raw_size: how many it had. status: "open", "replayed" or "erased".
    """

    id: int
    source: str
    position: str
    reason: str
    detail: str
    raw: bytes
    raw_size: int
    received_at_us: int
    status: str
    replayed_at_us: int | None


def read_rejected(connection: Connection, limit: int, reason: str | None, status: str | None) -> list[RejectedEvent]:
    """The oldest ones first; None means any reason or status."""
    query = select(_table).order_by(_table.c.id).limit(limit)
    if reason is not None:
        query = query.where(_table.c.reason == reason)
    if status is not None:
        query = query.where(_table.c.status == status)
    return [_from_row(row) for row in connection.execute(query).mappings()]


def open_numbers(connection: Connection, reason: str) -> list[int]:
    """Ids of the events that wait under this reason, oldest first."""
    waiting = (_table.c.reason == reason) & (_table.c.status == "open")
    return list(connection.execute(select(_table.c.id).where(waiting).order_by(_table.c.id)).scalars())


def read_rejected_one(connection: Connection, rejected_id: int) -> RejectedEvent:
    """Raises KeyError for an unknown id."""
    row = connection.execute(select(_table).where(_table.c.id == rejected_id)).mappings().one_or_none()
    if row is None:
        raise KeyError(f"there is no rejected event {rejected_id}")
    return _from_row(row)


def replay_rejected(connection: Connection, rejected_id: int, raw: bytes | None, now_us: int) -> Appended:
    """Parse and append it inside the caller's transaction; see EventStore.replay_rejected."""
    event = read_rejected_one(connection, rejected_id)
    if event.status == "replayed":
        return Appended()
    if event.status == "erased" or (raw is None and event.raw_size > len(event.raw)):
        raise ReplayRefused(event)
    content = event.raw if raw is None else raw
    outcome = parse_record(Record(content, event.position, len(content)))
    if isinstance(outcome, Refusal):
        _change(connection, rejected_id, reason=outcome.reason, detail=outcome.detail)
        return Appended(rejected=1, rejected_by_reason={outcome.reason: 1})
    _change(connection, rejected_id, status="replayed", replayed_at_us=now_us)
    return append_intake(connection, Intake(event.source, None, [outcome], []), now_us)


def _change(connection: Connection, rejected_id: int, **values: str | int) -> None:
    connection.execute(update(_table).where(_table.c.id == rejected_id).values(**values))


def _from_row(row: RowMapping) -> RejectedEvent:
    return RejectedEvent(**row)
