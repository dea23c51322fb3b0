"""Is the baseline's claimed error honest, and which calibrator asks least for it? Measured where the truth is known.

`python -m tests.benchmarks.calibrator_table --runs 200` writes tests/benchmarks/results/calibrator_table.{json,md}
(curves) and calibrator_table_days.{json,md} (weekdays and weekends).
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from typing import Any

import numpy as np
from scipy.special import expit

from monitor.statistics.calibrate import Calibrator, fit_calibrator, mid_ranks
from monitor.statistics.reference_error import QUANTILE, allowance_by_day, is_weekend, reference_error
from tests.benchmarks.refused_calibrators import isotonic, logistic
from tests.benchmarks.results_file import save
from tests.worlds import SUCCESS, WEEKDAY, WEEKEND

Array = np.ndarray
CURVES: dict[str, Callable[[Array, Array], Array]] = {
    "logistic": lambda reward, cohort: expit(-0.4 + 1.8 * reward),
    "saturating": lambda reward, cohort: 0.4 + 0.4 * np.minimum(reward / 0.4, 1),
    "step": lambda reward, cohort: 0.4 + 0.4 * (reward > 0.5),
    "flat": lambda reward, cohort: np.full(reward.shape, 0.65),
    "rising in half the cohorts": lambda reward, cohort: np.where(cohort % 2, 0.6, 0.4 + 0.4 * reward),
}
MOVED = {1: np.zeros(1), 4: np.array([0.12, 0.04, -0.04, -0.12])}  # what a cohort adds to the curve
MIXES = {"reference": 1.0, "best of 16": 1 / 16}  # rewards are uniform, to this power
POINTS = (np.arange(200) + 0.5) / 200
FOLDS = 5
ALL = slice(None)
CONTINUOUS, THUMBS, OUTCOME = "A1, continuous", "A1, thumbs", "A2"


def truth(curve: str, cohorts: int, raw: Array, cohort: Array) -> Array:
    """The chance of success at a raw reward in a cohort."""
    return CURVES[curve](raw, cohort) + MOVED[cohorts][cohort]


@dataclass(frozen=True)
class Reference:
    """Labelled units of a reference with a known truth: raw reward, its rank, cohort and outcome; every unit a user."""

    curve: str
    cohorts: int
    raw: Array
    rank: Array
    cohort: Array
    outcome: Array

    def fit(self, mine: Array | slice = ALL) -> Calibrator:
        return fit_calibrator(self.rank[mine], self.outcome[mine], self.cohort[mine])

    def cross_fitted(self) -> Array:
        """Expectation of each unit by a calibrator that has not seen it."""
        fold, expected = np.arange(self.rank.size) % FOLDS, np.empty(self.rank.size)
        for each in range(FOLDS):
            mine = fold == each
            expected[mine] = self.fit(~mine).expected(self.rank[mine], self.cohort[mine])
        return expected


def draw_reference(curve: str, labels: int, cohorts: int, rng: np.random.Generator) -> Reference:
    raw, cohort = rng.random(labels), rng.integers(0, cohorts, labels)
    outcome = (rng.random(labels) < truth(curve, cohorts, raw, cohort)).astype(float)
    return Reference(curve, cohorts, raw, mid_ranks(raw, raw), cohort, outcome)


def by_cells(of: Reference, fitted: Calibrator, expected: Array | None = None) -> dict[str, Array]:
    """By mix: bias of the mean expectation, mean squared error over the mix, what is conceded.

    expected: the reference's own expectations, by which the residuals are told; the calibrator's where None.
    """
    residual = (fitted.expected(of.rank, of.cohort) if expected is None else expected) - of.outcome
    units, cells = np.arange(of.rank.size), fitted.cells(of.rank, of.cohort)
    error = reference_error(residual, of.outcome, cells, units, units, of.cohort, units % 7, fitted.leans())
    found = {}
    for mix, power in MIXES.items():
        drawn, group = np.tile(POINTS**power, of.cohorts), np.repeat(np.arange(of.cohorts), POINTS.size)
        later = mid_ranks(of.raw, drawn)
        off = fitted.expected(later, group) - truth(of.curve, of.cohorts, drawn, group)
        days, cells = np.repeat([4, 5], drawn.size), np.tile(fitted.cells(later, group), 2)
        found[mix] = np.array([off.mean(), (off**2).mean(), allowance_by_day(error, days, cells)[1][1]])
    return found


def by_logistic(of: Reference) -> dict[str, Array]:
    """The same for a logistic curve a cohort, whose error is that of its coefficients."""
    shaped, found = logistic(of.rank, of.outcome, of.cohort), {}
    for mix, power in MIXES.items():
        drawn = POINTS**power
        told = [shaped.told(mid_ranks(of.raw, drawn), group) for group in range(of.cohorts)]
        real = [truth(of.curve, of.cohorts, drawn, np.full(drawn.size, group)) for group in range(of.cohorts)]
        off = np.array([values for values, _, _ in told]) - real
        error = np.sqrt(sum(variance for _, variance, _ in told)) / of.cohorts
        lean = max(float(np.mean([lean for _, _, lean in told])), 0.0)
        found[mix] = np.array([off.mean(), (off**2).mean(), QUANTILE * error + lean])
    return found


def all_four(of: Reference) -> dict[str, dict[str, Array]]:
    bins = of.fit()
    return {
        "bins": by_cells(of, bins),
        "isotonic": by_cells(of, isotonic(of.rank, of.outcome, of.cohort)),
        "logistic": by_logistic(of),
        "cross-fitted": by_cells(of, bins, of.cross_fitted()),
    }


def summed_up(drawn: list[Array]) -> dict[str, float]:
    """Over references: bias, root mean squared error, what is conceded (points), share of references it covers.

    slack: what is conceded beyond the bias that is there, which a harm must exceed.
    """
    bias, squared, allowance = np.array(drawn).T
    return {
        "bias": 100 * float(bias.mean()),
        "rmse": 100 * float(np.sqrt(squared.mean())),
        "concedes": 100 * float(allowance.mean()),
        "slack": 100 * float((allowance - bias).mean()),
        "covers": float((bias <= allowance).mean()),
    }


def curve_rows(setting: tuple[str, int, int], runs: int) -> list[dict[str, Any]]:
    curve, labels, cohorts = setting
    rng = np.random.default_rng([labels, cohorts])
    drawn = [all_four(draw_reference(curve, labels, cohorts, rng)) for _ in range(runs)]
    return [
        {"curve": curve, "labels": labels, "cohorts": cohorts, "mix": mix}
        | {name: _told(summed_up([each[name][mix] for each in drawn])) for name in drawn[0]}
        for mix in MIXES
    ]


def _told(found: dict[str, float]) -> str:
    shown = f"bias {found['bias']:+.1f}, rmse {found['rmse']:.1f}, concedes {found['concedes']:.1f}"
    return f"{shown}, slack {found['slack']:.1f}, covers {found['covers']:.3f}"


def one_week(series: str, labels: int, rng: np.random.Generator) -> Array:
    """Bias on weekdays and weekends, what is conceded there; what one rule for all days would concede (two rules)."""
    day = np.arange(labels) * 56 // labels
    cohort = _cohorts(day, rng)
    raw = rng.random(labels)
    outcome = (rng.random(labels) < _chance(series, raw, cohort)).astype(float)
    fitted = _calibrator(series, raw, outcome, cohort)
    rank, units = _reward(series, raw, raw), np.arange(labels)
    residual = fitted.expected(rank, cohort) - outcome
    error = reference_error(residual, outcome, fitted.cells(rank, cohort), units, units, cohort, day, fitted.leans())
    later = np.repeat(np.arange(70, 100), 100)
    drawn, group = rng.random(later.size), _cohorts(later, rng)
    days, allowances = allowance_by_day(error, later, fitted.cells(_reward(series, raw, drawn), group))
    each, groups = np.tile(POINTS, 4), np.repeat(np.arange(4), POINTS.size)
    off = fitted.expected(_reward(series, raw, each), groups) - _chance(series, each, groups)
    by_cohort = off.reshape(4, -1).mean(axis=1)
    kinds = [allowances[is_weekend(days) == weekend][-1] for weekend in (False, True)]
    rules = error.allowance(), max(error.allowance(), *error.allowances(np.array([4, 2])))
    return np.array([WEEKDAY @ by_cohort, WEEKEND @ by_cohort, *kinds, *rules])


def _cohorts(day: Array, rng: np.random.Generator) -> Array:
    shares = np.where(is_weekend(day)[:, None], WEEKEND, WEEKDAY)
    return (rng.random(day.size)[:, None] > np.cumsum(shares, axis=1)).sum(axis=1).clip(0, 3)


def _chance(series: str, raw: Array, cohort: Array) -> Array:
    return SUCCESS[cohort] + 0.24 * ((raw > 0.4) - 0.6 if series == THUMBS else raw - 0.5)


def _reward(series: str, reference: Array, raw: Array) -> Array:
    if series == OUTCOME:
        return np.zeros(raw.size)  # one level: the calibrator is the cohort's shrunk mean
    return (raw > 0.4).astype(float) if series == THUMBS else mid_ranks(reference, raw)


def _calibrator(series: str, raw: Array, outcome: Array, cohort: Array) -> Calibrator:
    return fit_calibrator(_reward(series, raw, raw), outcome, cohort)


def day_runs(series: str, labels: int, runs: int) -> dict[str, float]:
    """Coverage of weekdays, weekends and whole weeks; what is conceded; the same for one rule on all days."""
    rng = np.random.default_rng(labels)
    drawn = np.array([one_week(series, labels, rng) for _ in range(runs)]).T
    weekday, weekend, on_weekday, on_weekend, whole, larger = drawn
    week = np.array([5, 2]) / 7
    return {
        "weekday": float((weekday <= on_weekday).mean()),
        "weekend": float((weekend <= on_weekend).mean()),
        "week": float((week @ drawn[:2] <= week @ drawn[2:4]).mean()),
        "weekday concedes": 100 * float(on_weekday.mean()),
        "weekend concedes": 100 * float(on_weekend.mean()),
        "whole mix: weekend": float((weekend <= whole).mean()),
        "larger on all days: concedes": 100 * float(larger.mean()),
    }


def day_row(setting: tuple[str, int], runs: int) -> dict[str, Any]:
    found = day_runs(*setting, runs)
    told = {name: f"{value:.2f}" if "concedes" in name else f"{value:.3f}" for name, value in found.items()}
    return {"series": setting[0], "labels": setting[1], **told}


def curve_settings() -> Iterator[tuple[str, int, int]]:
    for curve, labels, cohorts in product(CURVES, (100, 300, 1000, 5000), (1, 4)):
        if cohorts > 1 or not curve.startswith("rising"):
            yield curve, labels, cohorts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    with ProcessPoolExecutor(2) as workers:
        curves = list(workers.map(partial(curve_rows, runs=runs), curve_settings()))
        days = list(
            workers.map(partial(day_row, runs=runs), product((CONTINUOUS, THUMBS, OUTCOME), (100, 300, 1000, 5000)))
        )
    details = {"references": runs, "Monte_Carlo_error": f"{np.sqrt(0.95 * 0.05 / runs):.3f} at .95"}
    meaning = "bias of the mean, rmse of the curve, allowance and slack (allowance less bias) in points"
    target = "the allowance covers the bias in at least .95 of references, with the least slack"
    save("calibrator_table", "Calibrators", target, list(chain(*curves)), details | {"figures": meaning})
    save("calibrator_table_days", "Allowance of weekdays and weekends", target.split(",")[0], days, details)


if __name__ == "__main__":
    main()
