"""What went wrong with a source as a whole? Gaps in what was read, reasons to stop reading, refused artefacts.

An incident is recorded in the transaction that moves the position past it, so that there is no silent reset. It stays
open until a person closes it with a note; while one of the STOPPING kinds is open, its source is not read.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, select, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata

_table = SQLModel.metadata.tables["incident"]

EXPIRED = "expired"  # the broker no longer had what comes next: deleted by retention before it was read
RECREATED = "recreated"  # the topic came back empty or shorter, or is another one of the same name
TRUNCATED = "truncated"  # a file or partition was cut back behind what was read of it, or the file replaced
ARTIFACT_REJECTED = "artifact_rejected"  # a checkpoint or other file of weights was refused, and so not scored
FLOOD = "flood"  # too many events in a row, or too large a share, had to be rejected
STOPPING = frozenset({FLOOD})


class UnknownIncident(Exception):  # noqa: N818 - a noun of the domain
    """There is no such incident, or it is closed already."""

    def __init__(self, incident_id: int) -> None:
        super().__init__(f"there is no open incident {incident_id}; `reward-drift incidents list` shows them")


@dataclass(frozen=True)
class Found:
    """An incident as it was noticed. lost_from, lost_until: first place lost, first place read again; None: unknown."""

    kind: str
    detail: str
    lost_from: int | None = None
    lost_until: int | None = None


@dataclass(frozen=True)
class Incident:
    """An incident on record. Times are microseconds since 1970-01-01 UTC; closed_at_us and note: None while open."""

    id: int
    source: str
    kind: str
    lost_from: int | None
    lost_until: int | None
    detail: str
    noticed_at_us: int
    closed_at_us: int | None
    note: str | None


def add_incident(connection: Connection, source: str, found: Found, now_us: int) -> None:
    """Record it inside the caller's transaction, unless the same is open already: a batch may be stored twice."""
    what = {
        "source": source,
        "kind": found.kind,
        "lost_from": found.lost_from,
        "lost_until": found.lost_until,
        "detail": found.detail,
    }
    same = and_(_table.c.closed_at_us.is_(None), *(_table.c[name] == value for name, value in what.items()))
    if connection.execute(select(_table.c.id).where(same)).first() is None:
        connection.execute(insert(_table).values(noticed_at_us=now_us, **what))


def read_incidents(connection: Connection, *, open_only: bool, source: str | None = None) -> list[Incident]:
    """The oldest first. source: of this one alone; None: of all."""
    query = select(_table).order_by(_table.c.id)
    if open_only:
        query = query.where(_table.c.closed_at_us.is_(None))
    if source is not None:
        query = query.where(_table.c.source == source)
    return [Incident(**row) for row in connection.execute(query).mappings()]


def close_incident(connection: Connection, incident_id: int, note: str, now_us: int) -> None:
    """Close it with a note of what was found and done. Raises UnknownIncident."""
    here = (_table.c.id == incident_id) & _table.c.closed_at_us.is_(None)
    if connection.execute(update(_table).where(here).values(closed_at_us=now_us, note=note)).rowcount == 0:
        raise UnknownIncident(incident_id)
