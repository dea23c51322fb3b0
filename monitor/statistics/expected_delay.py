"""How long does the detector take to see a shift of a given size?

After a shift the log of each series' and bet's evidence is close to a Brownian path with drift g and variance v a day,
g and v being those of the log factors a day. With restart mass 1 a day its e-SR value X obeys
dX = (1 + (g + v/2) X) dt + sqrt(v) X dW, so the mean time until X first reaches e^l has the derivative

    dT/dl = (2/v) f(l),   f' = 1 - (a + (2/v) e^-l) f,   a = 2 g / v,

and the companion e-CUSUM, a path held above 0, first reaches e^h after h/g - (1 - e^(-a h)) / (a g). Both are inverted
to the level reached by day t. Levels times their weights are added over series and bets, and the delay is the day on
which the sum reaches the threshold and a companion its floor. Half a day is added because one looks at the day's close.
Assumption: units alike and independent, equally many each day; the watch began, or its evidence was small, when the
shift came. The levels of several bets at their mean times stand for their sum, which is an approximation; its error
against simulation stands in the tests.
Sources: Shiryaev 1963 (the value as a diffusion), Taylor 1975 (the path held above 0), Annals of Probability 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.detector import BET_WEIGHTS, BETS, COMPANION_FLOOR, log_factors

Array = NDArray[np.float64]

STEP = 0.15
LEVELS = np.arange(-3.0, 18.0, STEP)  # logs of e-SR values, in units of one day's mass
HEIGHTS = np.linspace(0.0, 6.0, 61)  # logs of companions
DAYS = np.geomspace(0.02, 20_000.0, 400)


@dataclass(frozen=True)
class Growth:
    """How one series grows after a shift: mean and variance of its log factors a day, shape (bets,); its mass a day."""

    mean: Array
    variance: Array
    weight: float


def growth(effects: Array, chances: Array, allowance: float, weight: float, units_a_day: float) -> Growth:
    """Growth of a series whose units are alike and independent.

    effects: shape (n,), what one unit's effect may be, in [-1, 1]; chances: shape (n,), how likely each is. weight:
    restart mass a day, above 0. units_a_day: units with an outcome. Raises ValueError for effects out of range.

    >>> fair = growth(np.array([-0.5, 0.5]), np.array([0.5, 0.5]), 0.0, 1.0, 100)
    >>> fair.mean.round(1).tolist()
    [-0.0, -0.1, -0.5, -2.0, -8.7]
    """
    factors = log_factors(effects, np.array([allowance]))
    mean = chances @ factors
    variance = chances @ (factors - mean) ** 2
    return Growth(units_a_day * mean, np.maximum(units_a_day * variance, 1e-12), weight)


def expected_delay(series: Sequence[Growth], thresholds: Sequence[float]) -> Array:
    """Expected days from a shift to the close of the day on which the summed statistic reaches each threshold.

    thresholds: A, in days. At least one day; infinite where no bet's evidence grows (what crosses then, does so by
    chance), or not in 50 years.
    Returns shape (thresholds,).

    >>> effects = np.array([-0.25, 0.75])
    >>> before, after = (growth(effects, np.array([1 - p, p]), 0.01, 1.0, 100) for p in (0.25, 0.31))
    >>> expected_delay([after], [30.0, 365.0]).round(1).tolist(), expected_delay([before], [365.0]).tolist()
    ([4.8, 9.0], [inf])
    """
    if not any((one.mean > 0).any() for one in series):
        return np.full(len(thresholds), np.inf)
    mean, variance = (np.concatenate([getattr(one, name) for one in series]) for name in ("mean", "variance"))
    weights = np.array([one.weight for one in series])
    total = weights @ _mixed(_times_of_levels(mean, variance), LEVELS, _of_whole_days(mean))
    backed = min(_first(values, COMPANION_FLOOR) for values in _mixed(_times_of_heights(mean, variance), HEIGHTS))
    days = [max(_first(total, threshold), backed) for threshold in thresholds]
    return np.maximum(1.0, np.array(days) + 0.5)


def _times_of_levels(mean: Array, variance: Array) -> Array:
    """Mean days until each series' and bet's e-SR value first reaches each of LEVELS; shape (series * bets, levels)."""
    pace, drift = 2 / variance, 2 * mean / variance
    inverse = pace[:, None] * np.exp(-LEVELS)
    decay = drift[:, None] * STEP - np.diff(inverse, axis=1)
    decay[decay == 0] = 1e-12
    slopes = np.empty_like(inverse)
    slopes[:, 0] = 1 / (inverse[:, 0] + np.maximum(drift, 0.0))
    with np.errstate(over="ignore"):  # a level that is as good as never reached
        kept, fresh = np.exp(-decay), -STEP * np.expm1(-decay) / decay
        for place in range(1, LEVELS.size):
            slopes[:, place] = slopes[:, place - 1] * kept[:, place - 1] + fresh[:, place - 1]
        middles = (slopes[:, 1:] + slopes[:, :-1]) / 2
        times = np.cumsum(middles, axis=1) * STEP * pace[:, None] + np.exp(LEVELS[0])
    return np.concatenate([np.full((mean.size, 1), np.exp(LEVELS[0])), times], axis=1)


def _of_whole_days(rates: Array) -> Array:
    """Log of how much more a day's mass brings that comes in the morning and not bit by bit."""
    size = np.maximum(np.abs(rates), 1e-6)
    result: Array = np.log(size) - np.log(-np.expm1(-size)) + np.minimum(rates, 0.0)
    return result


def _times_of_heights(mean: Array, variance: Array) -> Array:
    """Mean days until each companion first reaches each of HEIGHTS; shape (series * bets, heights)."""
    drift = np.where(np.abs(2 * mean / variance) < 1e-4, 1e-4, 2 * mean / variance)[:, None]
    with np.errstate(over="ignore"):
        times: Array = 2 / variance[:, None] * (HEIGHTS + np.expm1(-drift * HEIGHTS) / drift) / drift
    return times


def _mixed(times: Array, levels: Array, shifts: Array | None = None) -> Array:
    """Mixture over the bets of e^level by each of DAYS, shape (series, days). times: when each level is reached."""
    reached = np.stack([np.interp(DAYS, row, levels) for row in times])
    if shifts is not None:
        reached += shifts[:, None]
    result: Array = BET_WEIGHTS @ np.exp(reached).reshape(-1, BETS.size, DAYS.size)
    return result


def _first(values: Array, bound: float) -> float:
    """The day on which rising values reach a bound; infinite if they do not."""
    if values[-1] < bound:
        return float("inf")
    return float(np.exp(np.interp(np.log(bound), np.log(values), np.log(DAYS))))
