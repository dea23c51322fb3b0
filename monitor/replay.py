"""What would the monitor have said of these files? The code of production, on a store of its own."""

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from consumers.ingest import IngestResult, ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from monitor.detection.tick import look
from monitor.production.items import DAY_US, EPOCH
from monitor.result import EventCounts, Report
from monitor.settings import Settings

LAST_EVENT = "SELECT MAX(time_us) FROM event"


def replay(
    paths: Sequence[str],
    settings: Settings,
    *,
    now: dt.datetime,
    read: Callable[[int], None] | None = None,
    stage: Callable[[str], None] | None = None,
) -> Report:
    """Replay event files in event time, ticking once a day up to the midnight after the last event.

    now: no look is later than this, so that a day which has not closed is decided no sooner than by a tick.
    read: told the bytes read from the files. stage: told in words what begins. The files are not changed and nothing
    stays behind. Raises SourceError for a file that cannot be read.
    """
    with ingested(paths, settings, read) as (store, result):
        if stage:
            stage("looking at every day")
        report = look(store, settings, after_last_event(store, now), replayed=True).report
        return replace(report, events=_counted(report.events, result))


@contextmanager
def ingested(
    paths: Sequence[str], settings: Settings, read: Callable[[int], None] | None = None
) -> Iterator[tuple[EventStore, IngestResult]]:
    """A store of its own that holds these files and is gone after the block. Raises SourceError."""
    with (
        tempfile.TemporaryDirectory(prefix="reward-drift-") as folder,
        EventStore.open(Path(folder) / "store") as store,
    ):
        source = JsonlSource(paths, limit=settings.limits.event_bytes, progress=read)
        yield store, ingest(source, store, event_bytes=settings.limits.event_bytes)


def after_last_event(store: EventStore, now: dt.datetime) -> dt.datetime:
    """The midnight (UTC) after the newest event, or `now` if sooner; the first midnight of all without events."""
    with store.engine.connect() as connection:
        newest = connection.execute(text(LAST_EVENT)).scalar()
    midnight = EPOCH + dt.timedelta(days=newest // DAY_US + 1 if newest is not None else 0)
    return min(midnight, now)


def _counted(counts: EventCounts, result: IngestResult) -> EventCounts:
    appended = result.appended
    return replace(counts, duplicate=appended.duplicate, conflict=appended.conflict, rejected=appended.rejected)
