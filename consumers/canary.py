"""Does an event get all the way? One of our own goes through the same door as everybody's and is counted nowhere.

It is an evaluation of no checkpoint, under a source of its own. Only the newest one of a loop is kept.
"""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.canonical import canonical_json
from consumers.database import writing
from consumers.intake import parse_batch
from consumers.sources import Batch, Record

if TYPE_CHECKING:
    from consumers.store import EventStore

TYPE = "rewarddrift.evaluation.v1"
SUITE = "reward-drift canary"
SOURCES = "/reward-drift/canary/"  # of all loops

_event, _evaluation = (SQLModel.metadata.tables[name] for name in ("event", "evaluation"))


@dataclass(frozen=True)
class Canary:
    """The newest one. seq: its number in the store. time_us: when it was made, microseconds since 1970-01-01 UTC."""

    seq: int
    time_us: int


def send_canary(store: "EventStore", loop: str, now: dt.datetime) -> None:
    """Append one as any event is appended, then remove those before it."""
    data = {"checkpoint": SUITE, "suite": SUITE, "category": loop, "metric": "canary", "value": 1.0}
    event = {
        "specversion": "1.0",
        "id": now.isoformat(),
        "source": source_of(loop),
        "type": TYPE,
        "time": now.isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    raw = canonical_json(event).encode()
    store.append(parse_batch(Batch(source_of(loop), [Record(raw, "canary", len(raw))], None)))
    with writing(store.engine) as connection:
        newest = newest_canary(connection, loop)
        if newest is not None:
            _forget_before(connection, loop, newest.seq)


def newest_canary(connection: Connection, loop: str) -> Canary | None:
    """The newest one of a loop that is in the store."""
    query = select(_event.c.seq, _event.c.time_us).where(_event.c.source == source_of(loop))
    found = connection.execute(query.order_by(_event.c.seq.desc()).limit(1)).first()
    return None if found is None else Canary(found.seq, found.time_us)


def source_of(loop: str) -> str:
    """The source of a loop's canaries."""
    return SOURCES + loop


def _forget_before(connection: Connection, loop: str, seq: int) -> None:
    mine = select(_event.c.seq).where(_event.c.source == source_of(loop), _event.c.seq < seq)
    old = list(connection.execute(mine).scalars())
    for table in (_evaluation, _event):
        connection.execute(delete(table).where(table.c.seq.in_(old)))
