"""How do numbers leave the judges? As events like anybody's, so that the monitor reads them in one way only.

The same facts give the same event, byte for byte: telling them twice adds nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from consumers.canonical import canonical_json
from consumers.chunks import in_chunks
from consumers.intake import Appended, parse_batch
from consumers.sources import Batch, Record
from consumers.store import EventStore

BATCH = 1000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def envelope(source: str, event_id: str, kind: str, time_us: int, data: Mapping[str, Any]) -> bytes:
    """A CloudEvent in JSON. kind: response, score, outcome, preference or checkpoint.

    >>> import json
    >>> json.loads(envelope("/s", "e-1", "score", 0, {"value": 1.5}))["time"]
    '1970-01-01T00:00:00Z'
    """
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"rewarddrift.{kind}.v1",
        "time": (_EPOCH + dt.timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return canonical_json(event).encode()


def store_events(store: EventStore, source: str, events: Iterable[bytes]) -> Appended:
    """Add events to a store, as if they had been read from somewhere."""
    done = Appended()
    for some in in_chunks(events, BATCH):
        records = [Record(raw, f"event {number}", len(raw)) for number, raw in enumerate(some)]
        done += store.append(parse_batch(Batch(source, records, None)))
    return done
