"""How did reward and outcome change against the reference, over time? From daily sums, a few numbers a day."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.check import Interval
from monitor.detection.book import SeriesKey
from monitor.detection.daily import DailySums
from monitor.production.items import EPOCH, date_of
from monitor.settings import Settings
from monitor.statistics.intervals import mean_interval
from monitor.telling.explain import DECOUPLING_CHECK, flipped
from monitor.web.tables import Table

MOST_POINTS = 30
CHECKPOINTS = "SELECT checkpoint, MIN(time_us) AS at_us FROM checkpoint GROUP BY checkpoint ORDER BY 2, 1"


@dataclass(frozen=True)
class Point:
    """Days [first, last], and over them the mean change against the reference: plus is better, with its interval."""

    first: dt.date
    last: dt.date
    reward_units: int
    reward: Interval
    outcome_units: int
    outcome: Interval


@dataclass(frozen=True)
class Mark:
    """From this day on answers of a checkpoint count."""

    checkpoint: str
    day: dt.date


@dataclass(frozen=True)
class Changes:
    """days: how many each point spans."""

    points: Sequence[Point]
    marks: Sequence[Mark]
    days: int

    @property
    def table(self) -> Table:
        """The points as numbers, changes in shares of one."""
        columns = ["first day", "last day"]
        for name in ("reward", "outcome"):
            columns += [f"{name} change", f"{name} low", f"{name} high", f"{name} units"]
        rows = [
            [
                one.first,
                one.last,
                *(one.reward.value, one.reward.low, one.reward.high, one.reward_units),
                *(one.outcome.value, one.outcome.low, one.outcome.high, one.outcome_units),
            ]
            for one in self.points
        ]
        return Table(columns, rows)


def read_changes(connection: Connection, settings: Settings, slice_name: str = "") -> Changes:
    """Of all traffic, or of one slice. Nothing before the first look, or of a slice that has no series."""
    sums = DailySums.of(connection, settings.loop)
    if sums is None:
        return Changes([], [], 0)
    wanted = [SeriesKey(DECOUPLING_CHECK, name, slice_name) for name in ("A4", "A2")]
    daily = sums.read(connection, wanted)
    span = len(daily)
    days = 7 * max(1, -(-span // (7 * MOST_POINTS))) if span > 2 * MOST_POINTS else max(1, span // MOST_POINTS)
    points = _points(sums.first_day, daily[:, 0], daily[:, 1], days)
    return Changes(points, _marks(connection, settings) if points else [], days)


def _points(first: int, reward: NDArray[np.float64], outcome: NDArray[np.float64], days: int) -> list[Point]:
    points = []
    for start in range(0, len(reward), days):
        gained, lost = reward[start : start + days].sum(axis=0), outcome[start : start + days].sum(axis=0)
        if gained[0] or lost[0]:
            last = min(start + days, len(reward)) - 1
            points.append(
                Point(
                    date_of(first + start),
                    date_of(first + last),
                    int(gained[0]),
                    _interval(gained),
                    int(lost[0]),
                    flipped(_interval(lost)),
                )
            )
    return points


def _interval(sums: NDArray[np.float64]) -> Interval:
    n, total, squares = int(sums[0]), float(sums[1]), float(sums[2])
    return Interval(*mean_interval(n, total, squares)) if n else Interval()


def _marks(connection: Connection, settings: Settings) -> list[Mark]:
    rows = connection.execute(text(CHECKPOINTS)).all()
    return [Mark(row.checkpoint, (EPOCH + dt.timedelta(microseconds=row.at_us) + settings.wait).date()) for row in rows]
