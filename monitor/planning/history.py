"""What does a whole history look like under given settings, with nothing written to it?"""

import datetime as dt
from dataclasses import dataclass, replace

import pandas as pd

from consumers.mendable import Mendable
from consumers.store import EventStore
from monitor.check import load_checks
from monitor.detection.book import SeriesBook
from monitor.detection.memory import Memory
from monitor.detection.tick import follow, look, measure
from monitor.production.items import load_items
from monitor.replay import after_last_event
from monitor.result import Report
from monitor.settings import Settings
from monitor.snapshot import Snapshot
from monitor.telling.explain import Case


class NothingToLookBackOn(Mendable):
    """The history holds no usable reference under these settings; the message says what is missing."""


@dataclass(frozen=True)
class History:
    """A history as a look at its end sees it: what it tells, what the detector remembers, every item at hand.

    The path is walked day by day against the frozen reference, so that one look at the end says what daily ticks would
    have said. Nobody resolved anything in it: an episode stays open from its first alert on.
    """

    report: Report
    memory: Memory
    snapshot: Snapshot
    case: Case

    @property
    def settings(self) -> Settings:
        """The settings under which it is looked at."""
        return self.snapshot.settings

    def with_items(self, frame: pd.DataFrame) -> "History":
        """The same history with other items after the reference, watched anew; its report is still the old one."""
        old = self.memory
        items = replace(self.snapshot.items, frame=frame)
        snapshot = replace(self.snapshot, items=items, errors=dict(old.errors))
        memory = Memory(old.baseline, SeriesBook(old.book.first_day), errors=snapshot.errors, arms=old.arms)
        measure(snapshot, memory, memory.book.first_day, load_checks().values())
        return replace(self, memory=memory, snapshot=snapshot, case=follow(snapshot, memory, replayed=False))


def recall(store: EventStore, settings: Settings, now: dt.datetime) -> History:
    """Look at a store as of the midnight after its last event, or `now` if sooner, reading only.

    Raises NothingToLookBackOn without a usable reference.
    """
    as_of = after_last_event(store, now)
    seen = look(store, settings, as_of)
    if seen.memory is None or not seen.memory.baseline.units:
        raise NothingToLookBackOn(seen.report.notes[-1])
    found = seen.memory
    items = load_items(store.engine, settings, as_of, revision=found.baseline.revision)
    snapshot = Snapshot(as_of, settings, items, found.baseline, store.engine, found.arms, found.errors)
    memory = Memory(found.baseline, found.book, errors=found.errors, arms=found.arms, told=found.told)
    return History(seen.report, memory, snapshot, follow(snapshot, memory, replayed=False))
