"""How did reward and outcome move under each checkpoint, from daily sums alone?

The book sums the outcome of each checkpoint by itself, the reward by slice and day. So a reward change, and what a
cohort saw, is told of the days on which a checkpoint had traffic (almost) to itself; of one that shared its days with
others all along, only where it was watched as an arm of its own.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from consumers.mendable import Mendable
from monitor.check import Interval, Slice
from monitor.detection.book import SeriesBook, SeriesKey
from monitor.detection.guard import NAME as GUARD
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.production.curve import CHECK as CURVE
from monitor.production.curve import SERIES
from monitor.production.items import date_of
from monitor.snapshot import slice_name
from monitor.statistics.intervals import mean_interval
from monitor.telling.explain import DECOUPLING_CHECK, flipped

ALONE = 0.95  # share of a day's units from which on the day is a checkpoint's own
NORMAL = 1.96
SHARED = "shared every day with other checkpoints: the reward, and cohorts, are not told apart"

Days = NDArray[np.bool_]


class UnknownCheckpoint(Mendable):
    """Nothing is known of a checkpoint of this name."""


@dataclass(frozen=True)
class Change:
    """Reward and outcome of one part of the traffic against the reference; new minus reference, plus is better.

    slice: {} for all traffic. units: with an outcome. Intervals are 95% and hold the reference's own error.
    """

    slice: Slice
    units: int
    reward: Interval
    outcome: Interval


@dataclass(frozen=True)
class Service:
    """What is known of one checkpoint in production, from units matured so far.

    first, last: days on which they matured. own_days: days it had to itself. note: why something is missing, else "".
    """

    checkpoint: str
    first: dt.date
    last: dt.date
    own_days: int
    whole: Change
    note: str


def last_memory(engine: Engine, loop: str) -> Memory | None:
    """What the last look left: sums and comparisons; None before the first, and where no reference is there yet."""
    kept = MonitorState(engine).load(loop)
    return kept if isinstance(kept, Memory) else None


def services(memory: Memory) -> list[Service]:
    """Every monitored checkpoint with a matured unit, in the order in which they began to serve."""
    book, counts = memory.book, _counts(memory.book)
    total = np.sum(list(counts.values()), axis=0)
    found = [_service(book, key, mine, total) for key, mine in counts.items() if mine.any()]
    return sorted(found, key=lambda one: (one.first, one.last, one.checkpoint))


def cohorts_of(memory: Memory, checkpoint: str) -> list[Change]:
    """How each cohort fared on the days that a checkpoint had to itself, the largest loss of outcome first."""
    book, counts = memory.book, _counts(memory.book)
    total = np.sum(list(counts.values()), axis=0)
    mine = next((days for key, days in counts.items() if book.info[key].slice["checkpoint"] == checkpoint), None)
    return [] if mine is None else sorted(_cohorts(book, _own(mine, total)), key=_by_loss)


def _counts(book: SeriesBook) -> dict[SeriesKey, NDArray[np.float64]]:
    """Units by day of each checkpoint's series."""
    keys = [key for key in book.keys if key.check == CURVE and key.series == SERIES]
    return {key: book.cells[:, book.column[key], 0] for key in keys}


def _own(mine: NDArray[np.float64], total: NDArray[np.float64]) -> Days:
    return (mine > 0) & (mine >= ALONE * total)


def _service(book: SeriesBook, key: SeriesKey, mine: NDArray[np.float64], total: NDArray[np.float64]) -> Service:
    name = book.info[key].slice["checkpoint"]
    served, own = np.flatnonzero(mine), _own(mine, total)
    arm = SeriesKey(DECOUPLING_CHECK, "A4", slice_name({"checkpoint": name}))
    everywhere = np.ones(book.days, bool)
    whole = Change(
        slice={},
        units=int(mine.sum()),
        reward=_change(book, arm, everywhere) if arm in book.column else _change(book, _reward_of({}), own),
        outcome=flipped(_change(book, key, everywhere)),
    )
    return Service(
        checkpoint=name,
        first=date_of(book.first_day + int(served[0])),
        last=date_of(book.first_day + int(served[-1])),
        own_days=int(own.sum()),
        whole=whole,
        note="" if own.any() else SHARED,
    )


def _cohorts(book: SeriesBook, own: Days) -> Iterator[Change]:
    for key in book.keys:
        part = book.info[key].slice
        mine = (key.check, key.series) == (DECOUPLING_CHECK, "A2") and key.slice not in ("", GUARD)
        if mine and "checkpoint" not in part:
            units = int(book.cells[own, book.column[key], 0].sum())
            if units:
                yield Change(part, units, _change(book, _reward_of(part), own), flipped(_change(book, key, own)))


def _reward_of(part: Slice) -> SeriesKey:
    return SeriesKey(DECOUPLING_CHECK, "A4", slice_name(part))


def _by_loss(change: Change) -> tuple[bool, float, str]:
    value = change.outcome.value
    return value is None, value or 0.0, slice_name(change.slice)


def _change(book: SeriesBook, key: SeriesKey, days: Days) -> Interval:
    """Mean effect of a series over some days; half-widths of the units' and of the reference's error add in squares."""
    if key not in book.column:
        return Interval()
    n, total, squares = book.cells[days, book.column[key], :3].sum(axis=0)
    if not n:
        return Interval()
    value, low, high = mean_interval(int(n), float(total), float(squares))
    reach = float(np.hypot((high - low) / 2, NORMAL * book.info[key].baseline_error))
    return Interval(value, max(value - reach, -1.0), min(value + reach, 1.0))
