"""What outcome did a reward mean in the reference?

A calibrator is a curve m_g(r) = E[outcome | reward = r, cohort g], fitted once on the reference and frozen. Few levels
(thumbs) get their cell means; continuous rewards get isotonic regression over bins of equal size, since isotonic
regression on single units overshoots at the top, which is where a selected policy lives. Each cohort's curve is shrunk
to the pooled one: m_g(r) = (n_g(r) o_g(r) + 20 m(r)) / (n_g(r) + 20).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

Array = NDArray[np.float64]

SHRINKAGE = 20.0  # pooled pseudo-units behind every cell of a cohort
FEW_LEVELS = 10
MOST_BINS = 20
BIN_UNITS = 30
CELL_STRIDE = 1000  # cell number = cohort code * stride + block; codes start at -1


@dataclass(frozen=True)
class Curve:
    """A piecewise linear function through its knots, flat beyond both ends.

    blocks: number of the fitted value at each knot; neighbours that isotonic regression pooled share one. support:
    reference units behind that value. lean: how far shrinkage moved it up from the curve's own fit.
    """

    rewards: Array
    values: Array
    blocks: NDArray[np.int64]
    support: Array
    lean: Array

    def __call__(self, rewards: Array) -> Array:
        """Value at each reward; shape as given."""
        result: Array = np.interp(rewards, self.rewards, self.values)
        return result

    def nearest(self, rewards: Array) -> NDArray[np.int64]:
        """Number of the fitted value at the knot nearest to each reward; the first one for NaN."""
        middles = (self.rewards[1:] + self.rewards[:-1]) / 2
        return self.blocks[np.searchsorted(middles, np.nan_to_num(rewards, nan=-np.inf))]


@dataclass(frozen=True)
class Calibrator:
    """m_g(r): one curve a cohort, the pooled curve for a cohort the reference did not know."""

    pooled: Curve
    cohorts: Mapping[int, Curve]

    def expected(self, rewards: Array, cohorts: NDArray[np.int64]) -> Array:
        """Outcome to expect of each reward in its cohort; shape (n,). NaN rewards give NaN."""
        values = self.pooled(rewards)
        for cohort, curve in self.cohorts.items():
            mine = cohorts == cohort
            values[mine] = curve(rewards[mine])
        return np.where(np.isnan(rewards), np.nan, values)

    def cells(self, rewards: Array, cohorts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the fitted value that decides each expectation: items of one cohort near one knot share it."""
        numbers = self.pooled.nearest(rewards)
        for cohort, curve in self.cohorts.items():
            mine = cohorts == cohort
            numbers[mine] = curve.nearest(rewards[mine])
        return cohorts * CELL_STRIDE + numbers

    def leans(self) -> dict[int, float]:
        """How far shrinkage moved each cohort's fitted values up, by cell number."""
        return {
            cohort * CELL_STRIDE + int(block): float(lean)
            for cohort, curve in self.cohorts.items()
            for block, lean in zip(curve.blocks, curve.lean, strict=True)
        }


def fit_calibrator(rewards: Array, outcomes: Array, cohorts: NDArray[np.int64]) -> Calibrator:
    """Fit on reference units: rewards, outcomes and cohort codes, each of shape (n,), finite.

    Assumption: the reference is not monitored itself. Raises ValueError without a unit.
    Source: Barlow et al. 1972 (isotonic regression by pool-adjacent-violators).

    >>> thumbs, worked = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    >>> fit_calibrator(thumbs, worked, np.zeros(4, np.int64)).pooled(np.array([0.0, 1.0])).tolist()
    [0.5, 1.0]
    """
    if not rewards.size:
        raise ValueError("a calibrator needs at least one reference unit")
    monotone = np.unique(rewards).size > FEW_LEVELS
    pooled = fit_curve(rewards, outcomes, monotone)
    curves = {}
    for cohort in np.unique(cohorts):
        mine = cohorts == cohort
        curves[int(cohort)] = _shrunk(fit_curve(rewards[mine], outcomes[mine], monotone), pooled)
    return Calibrator(pooled, curves)


def fit_curve(rewards: Array, outcomes: Array, monotone: bool) -> Curve:
    """Mean outcome by reward level, or where asked non-decreasing means of bins of equal size."""
    index = _bins(rewards) if monotone else np.unique(rewards, return_inverse=True)[1]
    support = np.bincount(index).astype(float)
    knots, means = np.bincount(index, rewards) / support, np.bincount(index, outcomes) / support
    blocks = np.arange(knots.size)
    if monotone:
        fitted = isotonic_regression(means, weights=support)
        sizes = np.diff(fitted.blocks)
        means, blocks = fitted.x, np.repeat(np.arange(sizes.size), sizes)
        support = np.bincount(blocks, support)[blocks]
    return Curve(knots, means, blocks.astype(np.int64), support, np.zeros(knots.size))


def _bins(rewards: Array) -> NDArray[np.int64]:
    """Bin of each reward: equally many in each, equal rewards always together."""
    count = int(np.clip(rewards.size // BIN_UNITS, 1, MOST_BINS))
    edges = np.quantile(rewards, np.arange(1, count) / count)
    return np.unique(np.searchsorted(edges, rewards, side="right"), return_inverse=True)[1]


def _shrunk(curve: Curve, pooled: Curve) -> Curve:
    values = (curve.support * curve.values + SHRINKAGE * pooled(curve.rewards)) / (curve.support + SHRINKAGE)
    return Curve(curve.rewards, values, curve.blocks, curve.support, values - curve.values)


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
