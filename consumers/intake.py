"""What became of the records of one batch? Events with their purpose, and rejections with their reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from consumers.canonical import content_digest
from consumers.claims import Claim
from consumers.events import EVENT_BYTES, Event, Feedback, parse_event
from consumers.files import Position
from consumers.incidents import Found
from consumers.purpose import Purpose, classify_purpose
from consumers.rejection import EventRejected
from consumers.sources import Batch, Record, Refusal


class Arrival(Struct, frozen=True, gc=False):
    """A valid event as it goes to the store. purpose: of feedback; None for every other type. place: of its record."""

    event: Event
    digest: bytes
    purpose: Purpose | None
    raw: bytes
    place: str


@dataclass(frozen=True, slots=True)
class Intake:
    """What one batch brought, ready to be stored together with the source's position after it. Fields as of `Batch`.

    refused: which records of the batch the refusals were, counted from 0, rising; what was not read comes after them.
    """

    source: str
    position: Position | None
    arrivals: Sequence[Arrival]
    refusals: Sequence[Refusal]
    claim: Claim | None = None
    incidents: Sequence[Found] = ()
    refused: Sequence[int] = ()


@dataclass(frozen=True)
class Appended:
    """What happened to events. The four counts add up to the records offered.

    duplicate: known (source, id), same content: no effect. conflict: known (source, id), other content: the first one
    stays, this one is kept aside. by_type, purposes and by_rule count accepted events only.
    """

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    purposes: Mapping[str, int] = field(default_factory=dict)
    by_rule: Mapping[str, int] = field(default_factory=dict)
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Appended") -> "Appended":
        return Appended(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.conflict + other.conflict,
            self.rejected + other.rejected,
            _sum(self.by_type, other.by_type),
            _sum(self.purposes, other.purposes),
            _sum(self.by_rule, other.by_rule),
            _sum(self.rejected_by_reason, other.rejected_by_reason),
        )


def parse_batch(batch: Batch, limit: int = EVENT_BYTES) -> Intake:
    """Parse all records of a batch, in order; limit: most bytes of one event."""
    outcomes = [parse_record(record, limit) for record in batch.records]
    arrivals = [outcome for outcome in outcomes if type(outcome) is Arrival]
    refusals = [outcome for outcome in outcomes if type(outcome) is Refusal]
    refused = [number for number, outcome in enumerate(outcomes) if type(outcome) is Refusal] if refusals else []
    refusals += batch.unread
    refused += range(len(outcomes), len(outcomes) + len(batch.unread))
    return Intake(batch.source, batch.position, arrivals, refusals, batch.claim, batch.incidents, refused)


def parse_record(record: Record, limit: int = EVENT_BYTES) -> Arrival | Refusal:
    """Parse one record and, if it is feedback, decide its purpose. Never raises for what a record holds."""
    raw, place, size = record
    try:
        event = parse_event(raw, limit=limit, size=size)
    except EventRejected as rejection:
        return Refusal(record, rejection.reason, rejection.detail)
    data = event.data
    purpose = classify_purpose(data) if type(data) is Feedback else None
    return Arrival(event, content_digest(event), purpose, raw, place)


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in sorted({*left, *right})}
