"""What did not get in, what is missing, and how far was each source read?"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from consumers.database import reading
from consumers.incidents import Incident, read_incidents
from consumers.rejected import RejectedEvent
from monitor.oncall.freshness import Stage, read_stages
from monitor.oncall.intake import lost
from monitor.production.items import EPOCH
from monitor.settings import Settings

SHOWN = 50
NEWEST_SEQ = "SELECT MAX(seq) FROM event"
REASONS = """
    SELECT reason, COUNT(*) AS number, MAX(received_at_us) AS newest_us FROM rejected
    WHERE status = 'open' GROUP BY reason ORDER BY number DESC, reason
"""
REJECTED = "SELECT * FROM rejected WHERE status = 'open' ORDER BY id DESC LIMIT :limit"
CONFLICTS = "SELECT COUNT(*) FROM conflict"
SOURCES = "SELECT source, position, updated_at_us FROM source_position ORDER BY updated_at_us DESC LIMIT :limit"


@dataclass(frozen=True)
class Reason:
    """How many events wait under a reason, and when the newest of them came."""

    reason: str
    number: int
    newest: dt.datetime


@dataclass(frozen=True)
class Gap:
    """An incident of the intake. lost: which places, in words."""

    incident: Incident
    noticed: dt.datetime
    closed: dt.datetime | None
    lost: str


@dataclass(frozen=True)
class Source:
    """How far a source was read, and how long ago that was."""

    name: str
    position: str
    read: dt.datetime
    lag: dt.timedelta


@dataclass(frozen=True)
class Data:
    """newest_number: of the event that was accepted last. rejected: the newest ones that wait."""

    newest_number: int
    reasons: Sequence[Reason]
    rejected: Sequence[RejectedEvent]
    conflicts: int
    gaps: Sequence[Gap]
    sources: Sequence[Source]
    stages: Sequence[Stage]


def data_told(engine: Engine, settings: Settings, now: dt.datetime) -> Data:
    """Read it; no query is longer for more events."""
    with reading(engine) as connection:
        incidents = read_incidents(connection, open_only=False)
        rejected = connection.execute(text(REJECTED), {"limit": SHOWN}).mappings()
        return Data(
            newest_number=connection.execute(text(NEWEST_SEQ)).scalar() or 0,
            reasons=[
                Reason(row.reason, row.number, _moment(row.newest_us)) for row in connection.execute(text(REASONS))
            ],
            rejected=[RejectedEvent(**{**row, "raw": bytes(row["raw"])}) for row in rejected],
            conflicts=int(connection.execute(text(CONFLICTS)).scalar_one()),
            gaps=[_gap(one) for one in sorted(incidents, key=_open_first)[:SHOWN]],
            sources=_sources(connection, now),
            stages=read_stages(connection, settings, now),
        )


def _sources(connection: Connection, now: dt.datetime) -> list[Source]:
    rows = connection.execute(text(SOURCES), {"limit": SHOWN})
    return [
        Source(
            row.source,
            _place(row.position),
            _moment(row.updated_at_us),
            max(now - _moment(row.updated_at_us), dt.timedelta()),
        )
        for row in rows
    ]


def _place(position: str) -> str:
    """
    >>> _place('{"inode": 7, "offset": 96210, "line": 1201}'), _place('{"offset": 96210, "topic_id": "x"}')
    ('line 1,201', 'offset 96,210')
    """
    told = json.loads(position)
    return next((f"{key} {told[key]:,}" for key in ("line", "offset", "seq") if key in told), position)


def _gap(one: Incident) -> Gap:
    closed = None if one.closed_at_us is None else _moment(one.closed_at_us)
    return Gap(one, _moment(one.noticed_at_us), closed, lost(one))


def _open_first(one: Incident) -> tuple[bool, int]:
    return one.closed_at_us is not None, -one.id


def _moment(time_us: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=time_us)
