"""When is a job due? Slots are moments on a grid or as of cron, the same for every process that asks."""

import datetime as dt
from collections.abc import Iterator
from typing import Protocol

from monitor.serving.schedule import next_of_cron


class Slots(Protocol):
    """The moments at which a job is due. All times in microseconds since 1970-01-01 UTC."""

    def after(self, slot_us: int) -> int:
        """The first slot after this moment."""
        ...

    def start(self, now_us: int) -> int:
        """After which moment a job that was never done is due."""
        ...


class PeriodSlots:
    """Multiples of a period since 1970-01-01 UTC.

    >>> PeriodSlots(dt.timedelta(seconds=10)).after(25_000_000)
    30000000
    """

    def __init__(self, period: dt.timedelta) -> None:
        self._us = period // dt.timedelta(microseconds=1)

    def after(self, slot_us: int) -> int:
        return (slot_us // self._us + 1) * self._us

    def start(self, now_us: int) -> int:
        """At once: with the slot before now."""
        return now_us - self._us


class CronSlots:
    """Five fields as of cron, in one time zone. What falls into an hour that clocks skip is
    due an hour later; what has an hour of its own that they repeat is due once.
    """

    def __init__(self, crontab: str, zone: str) -> None:
        self._next = next_of_cron(crontab, zone)

    def after(self, slot_us: int) -> int:
        return self._next(slot_us)

    def start(self, now_us: int) -> int:
        """At the next slot."""
        return now_us


def cron_slots(crontab: str, zone: str) -> CronSlots:
    """Raises ValueError for what is not five fields as of cron."""
    return CronSlots(crontab, zone)


def slots_of(when: dt.timedelta | str, zone: str) -> Slots:
    """The slots of a time as settings write it."""
    return PeriodSlots(when) if isinstance(when, dt.timedelta) else CronSlots(when, zone)


def due(slots: Slots, last_us: int, now_us: int) -> Iterator[int]:
    """Every slot after the last one that is not after now, the oldest first.

    >>> list(due(PeriodSlots(dt.timedelta(seconds=10)), 10_000_000, 35_000_000))
    [20000000, 30000000]
    """
    slot = slots.after(last_us)
    while slot <= now_us:
        yield slot
        slot = slots.after(slot)
