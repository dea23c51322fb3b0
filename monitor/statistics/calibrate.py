"""What outcome did a reward mean in the reference?

A calibrator is a curve m_g(r) = E[outcome | reward = r, cohort g], fitted once on the reference and frozen: the mean
outcome of each level where levels are few (thumbs), else of bins of equal size. Such means have no shape to be wrong
in, and none to gain by: a monotone or logistic curve leans up where a selected policy lives. Each cohort's means are
shrunk to the pooled curve m moved by the cohort's own distance d_g from it:
m_g(r) = (n_g(r) o_g(r) + 20 (m(r) + d_g)) / (n_g(r) + 20), where d_g sums the cohort's o - m over n_g + 20.

Sources: Zadrozny and Elkan 2001, ICML (calibration by the means of bins); Efron and Morris 1975, J. Am. Stat. Assoc.
70:311 (shrinkage of many means); Bross 1958, Biometrics 14:18 (mid-ranks in a reference).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHRINKAGE = 20.0  # pooled pseudo-units behind every cell of a cohort
FEW_LEVELS = 10
MOST_BINS = 20
BIN_UNITS = 30
COHORT_BIN_UNITS = 10  # shrinkage lends a cohort's bin what it lacks
CELL_STRIDE = 1000  # cell number = cohort code * stride + bin; codes start at -1


@dataclass(frozen=True)
class Curve:
    """A piecewise linear function through its knots, flat beyond both ends.

    rewards, values: mean reward and fitted value of each bin. support: reference units in it. lean: how far shrinkage
    moved the value up from the bin's own mean outcome.
    """

    rewards: Array
    values: Array
    support: Array
    lean: Array

    def __call__(self, rewards: Array) -> Array:
        """Value at each reward; shape as given."""
        result: Array = np.interp(rewards, self.rewards, self.values)
        return result

    def nearest(self, rewards: Array) -> NDArray[np.int64]:
        """Number of the knot nearest to each reward; the first one for NaN."""
        middles = (self.rewards[1:] + self.rewards[:-1]) / 2
        return np.searchsorted(middles, np.nan_to_num(rewards, nan=-np.inf))


@dataclass(frozen=True)
class Calibrator:
    """m_g(r): one curve a cohort, the pooled curve for a cohort the reference did not know."""

    pooled: Curve
    cohorts: Mapping[int, Curve]

    def expected(self, rewards: Array, cohorts: NDArray[np.int64]) -> Array:
        """Outcome to expect of each reward in its cohort; shape (n,). NaN rewards give NaN."""
        values = self.pooled(rewards)
        for curve, mine in self._own(cohorts):
            values[mine] = curve(rewards[mine])
        return np.where(np.isnan(rewards), np.nan, values)

    def cells(self, rewards: Array, cohorts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the fitted value that decides each expectation: items of one cohort near one knot share it."""
        numbers = self.pooled.nearest(rewards)
        for curve, mine in self._own(cohorts):
            numbers[mine] = curve.nearest(rewards[mine])
        return cohorts * CELL_STRIDE + numbers

    def _own(self, cohorts: NDArray[np.int64]) -> Iterator[tuple[Curve, NDArray[np.int64]]]:
        """Each curve of a cohort with the places of its items, sorted once for all of them."""
        order = np.argsort(cohorts, kind="stable")
        ordered = cohorts[order]
        for cohort, curve in self.cohorts.items():
            begin, end = np.searchsorted(ordered, [cohort, cohort + 1])
            yield curve, order[begin:end]

    def leans(self) -> dict[int, float]:
        """How far shrinkage moved each cohort's fitted values up, by cell number."""
        return {
            cohort * CELL_STRIDE + number: float(lean)
            for cohort, curve in self.cohorts.items()
            for number, lean in enumerate(curve.lean)
        }


def fit_calibrator(rewards: Array, outcomes: Array, cohorts: NDArray[np.int64]) -> Calibrator:
    """Fit on reference units: rewards, outcomes and cohort codes, each of shape (n,), finite.

    Where there are more than 10 levels, all units make up to 20 bins of at least 30, a cohort's at most as many of at
    least 10. Assumption: the reference is not monitored itself. Guarantee: the value of a bin, less its lean, is the
    unbiased mean of the units in it, so that its error is known at any mix. Raises ValueError without a unit.

    >>> thumbs, worked = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    >>> fit_calibrator(thumbs, worked, np.zeros(4, np.int64)).pooled(np.array([0.0, 1.0])).tolist()
    [0.5, 1.0]
    """
    if not rewards.size:
        raise ValueError("a calibrator needs at least one reference unit")
    few = np.unique(rewards).size <= FEW_LEVELS
    pooled = _means(rewards, outcomes, _levels(rewards) if few else _bins(rewards, MOST_BINS, BIN_UNITS))
    curves = {}
    for cohort in np.unique(cohorts):
        mine = rewards[cohorts == cohort]
        index = _levels(mine) if few else _bins(mine, pooled.rewards.size, COHORT_BIN_UNITS)
        curves[int(cohort)] = _shrunk(mine, outcomes[cohorts == cohort], index, pooled)
    return Calibrator(pooled, curves)


def _means(rewards: Array, outcomes: Array, index: NDArray[np.int64]) -> Curve:
    """Mean outcome of each bin at its mean reward."""
    support = np.bincount(index).astype(float)
    means = np.bincount(index, outcomes) / support
    return Curve(np.bincount(index, rewards) / support, means, support, np.zeros(support.size))


def _levels(rewards: NDArray[np.generic]) -> NDArray[np.int64]:
    index: NDArray[np.int64] = np.unique(rewards, return_inverse=True)[1]
    return index


def _bins(rewards: Array, most: int, units: int) -> NDArray[np.int64]:
    """Bin of each reward: equally many in each, equal rewards always together."""
    count = int(np.clip(rewards.size // units, 1, most))
    edges = np.quantile(rewards, np.arange(1, count) / count)
    return _levels(np.searchsorted(edges, rewards, side="right"))


def _shrunk(rewards: Array, outcomes: Array, index: NDArray[np.int64], pooled: Curve) -> Curve:
    """Means of one cohort, shrunk to the pooled curve moved by its own distance from it, both outcomes in [0, 1]."""
    own, expected = _means(rewards, outcomes, index), pooled(rewards)
    moved = float((outcomes - expected).sum()) / (rewards.size + SHRINKAGE)
    target = np.clip(np.bincount(index, expected) / own.support + moved, 0.0, 1.0)
    lean = SHRINKAGE * (target - own.values) / (own.support + SHRINKAGE)
    return Curve(own.rewards, own.values + lean, own.support, lean)


def mid_ranks(reference: Array, rewards: Array) -> Array:
    """Share of reference rewards below each reward, ties counted half: the common scale of a continuous scorer.

    Returns values in [0, 1]; NaN stays NaN. Raises ValueError for an empty reference.

    >>> mid_ranks(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 9.0])).tolist()
    [0.5, 1.0]
    """
    if not reference.size:
        raise ValueError("mid-ranks need at least one reference reward")
    ordered = np.sort(reference)
    below, upto = (np.searchsorted(ordered, rewards, side=side) for side in ("left", "right"))
    return np.where(np.isnan(rewards), np.nan, (below + upto) / 2 / ordered.size)


def slope(x: Array, y: Array, cohorts: NDArray[np.int64]) -> float:
    """Least-squares slope of y on x within cohorts; 0 when x does not vary.

    >>> slope(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.5, 0.8]), np.array([0, 0, 1, 1])).__round__(3)
    0.3
    """
    _, index = np.unique(cohorts, return_inverse=True)
    counts = np.bincount(index)
    dx = x - (np.bincount(index, x) / counts)[index]
    dy = y - (np.bincount(index, y) / counts)[index]
    spread = float(dx @ dx)
    return float(dx @ dy) / spread if spread > 0 else 0.0
