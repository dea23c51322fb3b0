"""What does the detector need to remember of each series and day? Sums that merge: nothing about single people."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.check import Measurement, Slice
from monitor.snapshot import slice_name
from monitor.statistics.detector import BETS, daily_log_sums
from monitor.statistics.reference_error import QUANTILE

Array = NDArray[np.float64]

ALLOWANCE_DAYS = 7  # weekdays and weekends have their own
FIELDS = 3 + BETS.size  # n, total, squares, then one log sum a bet


class SeriesKey(NamedTuple):
    """A series: which check, which score, which slice."""

    check: str
    series: str
    slice: str


@dataclass(frozen=True)
class SeriesInfo:
    """What is known of a series beside its sums. allowance: mean of its last week's units; each day has its own."""

    slice: Slice
    tolerance: float
    allowance: float
    baseline_error: float
    baseline_units: int
    needs: str
    note: str = ""
    level: float | None = None


@dataclass
class SeriesBook:
    """Daily sums of every series from `first_day` on.

    cells: shape (days, series, 3 + bets): n, total, squares and the log sums; zeros on a day without units.
    Adding days of two books adds their cells.
    """

    first_day: int
    keys: list[SeriesKey] = field(default_factory=list)
    info: dict[SeriesKey, SeriesInfo] = field(default_factory=dict)
    cells: Array = field(default_factory=lambda: np.zeros((0, 0, FIELDS)))
    column: dict[SeriesKey, int] = field(init=False)  # where each series stands in `keys` and `cells`

    def __post_init__(self) -> None:
        self.column = {key: number for number, key in enumerate(self.keys)}

    @property
    def days(self) -> int:
        """How many days the book spans."""
        return int(self.cells.shape[0])

    def write(
        self,
        measured: Iterable[tuple[str, Measurement]],
        material_harm: float,
        since: int,
        until: int,
        broken: Collection[str] = (),
    ) -> None:
        """Replace days [since, until) by these measurements; series not measured keep nothing in those days.

        broken: checks that raised; their series keep what they had.
        """
        measured = [(name, m) for name, m in measured if not m.exact]
        for name, measurement in measured:
            self._know(name, measurement, material_harm)
        self._stretch(until)
        replaced = [key.check not in broken for key in self.keys]
        self.cells[since - self.first_day :, replaced] = 0.0
        for name, measurement in measured:
            key = SeriesKey(name, measurement.series, slice_name(measurement.slice))
            inside = (measurement.days >= since) & (measurement.days < until)
            effects, days = measurement.effects[inside], measurement.days[inside]
            allowances = material_harm + measurement.baseline_allowance[inside]
            distinct, logs = daily_log_sums(effects, days, allowances)
            index = np.searchsorted(distinct, days)
            column = self.cells[distinct - self.first_day, self.column[key]]
            column[:, 0] = np.bincount(index, minlength=distinct.size)
            column[:, 1] = np.bincount(index, effects, distinct.size)
            column[:, 2] = np.bincount(index, effects**2, distinct.size)
            column[:, 3:] = logs
            self.cells[distinct - self.first_day, self.column[key]] = column

    def sums(self, key: SeriesKey, since: int | None = None) -> tuple[int, float, float]:
        """n, total and squares of a series from day `since` on (all days, if None)."""
        if key not in self.column:
            return 0, 0.0, 0.0
        start = max((since or self.first_day) - self.first_day, 0)
        n, total, squares = self.cells[start:, self.column[key], :3].sum(axis=0)
        return int(n), float(total), float(squares)

    def _know(self, name: str, measured: Measurement, material_harm: float) -> None:
        key = SeriesKey(name, measured.series, slice_name(measured.slice))
        if key not in self.info:
            self.column[key] = len(self.keys)
            self.keys.append(key)
        known = self.info[key].allowance if key in self.info else material_harm + QUANTILE * measured.baseline_error
        latest = measured.baseline_allowance[measured.days > measured.days.max(initial=0) - ALLOWANCE_DAYS]
        self.info[key] = SeriesInfo(
            slice=dict(measured.slice),
            tolerance=measured.tolerance,
            allowance=material_harm + float(latest.mean()) if latest.size else known,
            baseline_error=measured.baseline_error,
            baseline_units=measured.baseline_units,
            needs=measured.needs,
            note=measured.note,
            level=measured.baseline_level,
        )

    def _stretch(self, until: int) -> None:
        grown = self.empty(max(until - self.first_day, self.days))
        grown[: self.days, : self.cells.shape[1]] = self.cells
        self.cells = grown

    def empty(self, days: int) -> Array:
        """Cells of so many days on which nothing happened."""
        return np.zeros((days, len(self.keys), FIELDS))
