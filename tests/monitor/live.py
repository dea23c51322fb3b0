"""A loop lived through day by day: events come in, the monitor ticks, everything it knows is saved and read again."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import text

from consumers.store import EventStore
from monitor.result import Alert, Report
from monitor.service import tick_store
from monitor.settings import Settings
from tests.monitor.events import DAY, Event, put, told_on

Lateness = Callable[[Event], int]


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def tick_at(store: EventStore, settings: Settings, as_of: dt.datetime, receivers: Sequence[str] = ()) -> Report:
    return tick_store(store, settings, as_of, as_of, receivers)


def live(
    store: EventStore,
    settings: Settings,
    events: Iterable[Event],
    *,
    late: Lateness = lambda event: 0,
    receivers: Sequence[str] = (),
    every: int = 1,
) -> Report:
    """Ingest each day's events, those of `late` so many days later, and tick at each midnight after (or some)."""
    by_day: dict[dt.date, list[Event]] = {}
    for event in events:
        by_day.setdefault(told_on(event) + late(event) * DAY, []).append(event)
    report = None
    for number, day in enumerate(sorted(by_day)):
        put(store, by_day[day])
        if number % every == 0 or day == max(by_day):
            report = tick_at(store, settings, midnight(day + DAY), receivers)
    assert report is not None
    return report


def told(alerts: Iterable[Alert]) -> list[tuple[Any, ...]]:
    """What is compared of alerts: severity, slice, moment, check, attribution, state."""
    return sorted((a.severity, tuple(a.slice.items()), a.fired_at, a.check, a.attribution, a.state) for a in alerts)


def found(report: Report) -> dict[tuple[Any, ...], Any]:
    return {(one.check, tuple(one.slice.items())): one for one in report.findings}


def query(store: EventStore, statement: str) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]
