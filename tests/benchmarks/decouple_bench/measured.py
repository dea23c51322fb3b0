"""What would the checks measure of a run? The product's own arithmetic on arrays, without a store and tables.

Calibrator, scores, reference error and allowance by day are the product's functions; only the way from events to them
is left out. A test holds it against the whole way: frame, baseline, snapshot and checks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.check import Measurement
from monitor.detection.book import SeriesBook, SeriesKey
from monitor.production.baseline import COHORT_UNITS, Baseline, Window, fit_baseline
from monitor.production.items import DAY_US
from monitor.settings import Settings
from monitor.snapshot import unit_means
from monitor.statistics import scores
from monitor.statistics.attribution import Stream, label_shares, name_label
from monitor.statistics.pairs import disjoint_pairs
from monitor.statistics.reference_error import ReferenceError, allowance_by_day, reference_error
from tests.benchmarks.decouple_bench.scenarios import FIRST_DAY, Array, Codes

DECOUPLING, ASSOCIATION = "reward_outcome_decoupling", "reward_outcome_association"
MATERIAL, WORTH, TOLERANCE = 0.005, 0.1, 0.02
SETTINGS = Settings.model_validate(
    {
        "outcome": {"metric": "task_success", "horizon": "1d"},
        "reference": {"checkpoint": "ckpt-00"},
        "cohorts": ["tier"],
        "unit": "response",
    }
)
TIERS = np.array([f'{{"tier":"{name}"}}' for name in "abcde"], dtype=object)
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """Items of one run, shape (items,). day: 0 is the first of `reference_days`. cohort: codes from 0; unit: items of
    one user and day share it. outcome: NaN where nobody labelled it.
    """

    day: Codes
    cohort: Codes
    reward: Array
    outcome: Array
    unit: Codes
    reference_days: int

    @cached_property
    def before(self) -> Flags:
        """Whether an item is of the reference."""
        return self.day < self.reference_days

    @cached_property
    def baseline(self) -> Baseline:
        """The product's baseline, fitted on the reference alone."""
        mine = np.flatnonzero(self.before)
        frame = pd.DataFrame(
            {
                "response_id": mine,
                "unit": self.unit[mine],
                "user": self.unit[mine],
                "checkpoint": "ckpt-00",
                "cohort": TIERS[self.cohort[mine]],
                "time_us": (FIRST_DAY + self.day[mine]) * DAY_US,
                "day": FIRST_DAY + self.day[mine],
                "reward": self.reward[mine],
                "outcome": self.outcome[mine],
                "unscoreable": False,
                "propensity": np.nan,
                "second": np.nan,
            }
        )
        start = FIRST_DAY * DAY_US
        window = Window("ckpt-00", start, start + self.reference_days * DAY_US, False, ended=True)
        return fit_baseline(frame, window, SETTINGS, None)

    @property
    def material(self) -> float:
        """The harm nobody would act on: more where the reference's weeks differ by themselves."""
        return MATERIAL if self.baseline.overdispersion <= 1 else max(MATERIAL, 0.01)

    @cached_property
    def effects(self) -> Mapping[str, Array]:
        """The scores of every item; NaN where its outcome is missing, but for A4."""
        base, reward, outcome, cohort = self.baseline, self.reward, self.outcome, self.cohort
        assert base.expects is not None
        loss, gain = base.mean_outcome[cohort], base.mean_reward[cohort]
        return {
            "A1": scores.calibration_residual(base.expects.expected(reward, cohort), outcome),
            "A2": scores.outcome_loss(loss, outcome),
            "A7": scores.unearned_reward(reward, gain, outcome, loss, WORTH),
            "A4": scores.reward_gain(reward, gain),
        }

    @cached_property
    def _cells(self) -> Codes:
        assert self.baseline.expects is not None
        return self.baseline.expects.cells(self.reward, self.cohort)

    @cached_property
    def _leans(self) -> Mapping[int, float]:
        assert self.baseline.expects is not None
        return self.baseline.expects.leans()

    @cached_property
    def _alone(self) -> bool:
        """Whether each item is a unit of its own."""
        return bool((np.diff(self.unit) > 0).all())

    def measure(self, score: str, part: int | None = None) -> tuple[str, Measurement]:
        """One series, as the decoupling check measures it; part: of this cohort alone."""
        known = ~np.isnan(self.effects[score]) & (True if part is None else self.cohort == part)
        early, late = known & self.before, known & ~self.before
        cells = self._cells if score == "A1" else self.cohort
        leans = self._leans if score == "A1" else {}
        error = reference_error(
            self.effects[score][early], self.outcome[early], cells[early], self.unit[early], self.unit[early],
            self.cohort[early], FIRST_DAY + self.day[early], leans,
        )  # fmt: skip
        days, values = self._units(self.effects[score], late)
        distinct, allowances = allowance_by_day(error, FIRST_DAY + self.day[late], cells[late])
        return DECOUPLING, _measurement(score, part, values, days, error, allowances[np.searchsorted(distinct, days)])

    def measure_pairs(self, parts: Sequence[int | None]) -> Iterator[tuple[str, Measurement]]:
        """A3, as the association check measures it: pairs within cohort and day, so that each cohort owns its own."""
        (early, _, early_cohort), (late, days, cohort) = self._pairs(self.before), self._pairs(~self.before)
        for part in parts:
            hits, mine = (early, slice(None)) if part is None else (early[early_cohort == part], cohort == part)
            n, total = hits.size, float(hits.sum())
            share = (total + 1) / (n + 2)
            error = ReferenceError(float(np.sqrt(share * (1 - share) / max(n, 1))), 0.0, n, {})
            values = (total / n if n else 0.5) - late[mine]
            allowances = np.full(values.size, error.allowance())
            yield ASSOCIATION, _measurement("A3", part, values, FIRST_DAY + days[mine], error, allowances)

    def _units(self, effects: Array, mine: Flags) -> tuple[Codes, Array]:
        if self._alone:
            return FIRST_DAY + self.day[mine], effects[mine]
        _, days, values = unit_means(self.unit, FIRST_DAY + self.day, effects, mine)
        return days, values

    def _pairs(self, mine: Flags) -> tuple[Array, Codes, Codes]:
        """Concordance, day and cohort of each pair. One number tells day and cohort, so that one sort serves all."""
        mine = mine & ~np.isnan(self.outcome)
        size = int(self.cohort.max()) + 1
        day, lot = self.day[mine] * size + self.cohort[mine], self.unit[mine]
        reward, outcome = self.reward[mine], self.outcome[mine]
        if not self._alone:
            lot, day, outcome = unit_means(self.unit[mine], day, outcome, np.ones(day.size, bool))
            reward = unit_means(self.unit[mine], self.day[mine], reward, np.ones(reward.size, bool))[2]
        hits, where = disjoint_pairs(reward, outcome > self.baseline.split, np.zeros(day.size, np.int64), day, lot)
        return hits, where // size, where % size

    def named(self, book: SeriesBook, until: int, warned: int) -> tuple[str, str]:
        """(attribution, leading label) at the close of a monitored day, for an alert of day `warned`; all traffic."""
        base = self.baseline
        loss, reward = _stream(book, "A2", until), _stream(book, "A4", until)
        shares = label_shares(loss, reward, base.gain, base.reverse, WORTH, base.overdispersion)
        return name_label(shares, until - warned)

    def parts(self) -> list[int | None]:
        """All traffic, then each cohort with a series of its own."""
        return [None, *("abcde".index(value) for value in self.baseline.traffic["tier"])]

    def book(self, measured: Iterable[tuple[str, Measurement]], days: int) -> SeriesBook:
        """The book of these measurements, of a run of so many days."""
        book = SeriesBook(FIRST_DAY + self.reference_days)
        book.write(measured, self.material, book.first_day, FIRST_DAY + days)
        return book


def tier(part: int | None) -> dict[str, str]:
    """The slice of a cohort; none: all traffic."""
    return {} if part is None else {"tier": "abcde"[part]}


def _measurement(
    score: str, part: int | None, values: Array, days: Codes, error: ReferenceError, allowances: Array
) -> Measurement:
    kept = slice(None) if error.units >= COHORT_UNITS else slice(0)
    return Measurement(
        slice=tier(part),
        effects=values[kept],
        days=days[kept],
        tolerance=TOLERANCE,
        series=score,
        baseline_error=error.error,
        baseline_allowance=allowances[kept],
        baseline_units=error.units,
    )


def _stream(book: SeriesBook, score: str, until: int) -> Stream:
    key = SeriesKey(DECOUPLING, score, "")
    n, total, squares = book.cells[: until + 1, book.column[key], :3].T
    variance = squares.sum() / n.sum() - (total.sum() / n.sum()) ** 2
    return Stream(n, total, float(variance), book.info[key].baseline_error)
