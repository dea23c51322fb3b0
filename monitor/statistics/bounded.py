"""Between which values does a mean of bounded units lie when nothing asymptotic may be trusted?

Three methods, chosen by `mean_bounds`: exact binomial for declared 0/1 outcomes, a t interval where there are enough
units and enough variation, else the betting bounds, valid at any n. Assumption of all: units are independent and have
one mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION

Array = NDArray[np.float64]

STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
HALVINGS = 30


@dataclass(frozen=True)
class Bounds:
    """A mean with equal-tailed bounds: each end alone is a one-sided bound at half of the error.

    n: labels used. effective: labels that would say as much without a judge. method: "exact", "t", "betting" or
    "judged" (prediction-powered).
    """

    value: float
    low: float
    high: float
    n: int
    effective: float
    method: str


def mean_bounds(effects: Array, confidence: float = 0.95, binary: bool = False) -> Bounds:
    """Bounds of the mean of independent units, by the method their number and variation allow.

    effects: shape (n,), in [-1, 1]. binary: the units can only be 0 or 1 (declared, since pairs in {-1, 0, 1} may show
    no -1 by chance). t needs 30 units and a sum of squared deviations of 10, and leaves room for skewness.
    Guarantee: coverage of at least `confidence` for exact and betting at any n; about that for t.
    Raises ValueError for no units, units that are not finite or out of range, or a confidence outside (0, 1).
    Sources: Clopper and Pearson 1934 (`exact_interval`); Johnson 1978 (`tail_reaches`); Waudby-Smith and Ramdas 2024
    (`betting_upper`).

    >>> mean_bounds(np.zeros(20)).method, mean_bounds(np.tile([0.0, 1.0], 30)).method
    ('betting', 't')
    >>> found = mean_bounds(np.ones(5), binary=True)
    >>> found.value, round(found.low, 3), found.high, found.method
    (1.0, 0.478, 1.0, 'exact')
    """
    effects, alpha = _units(effects, 0.0 if binary else -1.0), 1 - _share(confidence)
    n, mean = effects.size, float(effects.mean())
    centred = effects - mean
    if binary:
        if not np.isin(effects, (0.0, 1.0)).all():
            raise ValueError("binary units must be 0 or 1")
        low, high = exact_interval(int(effects.sum()), n, confidence)
        return Bounds(mean, low, high, n, n, "exact")
    if n >= ENOUGH_UNITS and centred @ centred >= ENOUGH_VARIATION:
        error = float(np.sqrt(centred @ centred / (n - 1) / n))
        down, up = tail_reaches(n - 1, float((centred**3).sum()) / n**3 / error**3, alpha / 2)
        return Bounds(mean, max(mean - down * error, -1.0), min(mean + up * error, 1.0), n, n, "t")
    high = float(betting_upper(effects, alpha / 2))
    return Bounds(mean, -float(betting_upper(-effects, alpha / 2)), high, n, n, "betting")


def tail_reaches(freedom: float, skewness: float, alpha: float) -> tuple[float, float]:
    """How many standard errors a t interval reaches down and up.

    freedom: degrees of freedom. skewness: that of the estimate itself (of one unit / sqrt(n)). The second-order
    correction only ever widens: estimated from few rare units, it would else cut the wrong side short.
    Guarantee: each tail misses with chance at most alpha, up to terms of order 1/n.
    Raises ValueError for less than one degree of freedom, skewness that is not finite, or alpha outside (0, 1).
    Source: Johnson 1978, JASA 73 (modified t tests); Hall 1992, JRSS B 54 (removal of skewness).

    >>> [round(reach, 3) for reach in tail_reaches(99, -0.2, 0.05)]
    [1.878, 1.66]
    """
    if not (freedom >= 1 and np.isfinite(skewness)):
        raise ValueError(f"need one degree of freedom and a finite skewness, got {freedom} and {skewness}")
    quantile = float(special.stdtrit(freedom, 1 - _share(alpha)))
    shift = skewness * (2 * quantile**2 + 1) / 6
    return quantile + max(-shift, 0.0), quantile + max(shift, 0.0)


def betting_upper(effects: Array, alpha: float = 0.05) -> Array:
    """Upper bound of the mean of units in [-1, 1].

    effects: shape (..., n), each row one sample. Returns shape (...). The bound is the largest m with

        mean_c prod_i (1 + c (m - y_i) / (1 - m)) < 1 / alpha,   c in STAKES

    each factor has mean at most 1 if E y >= m and grows with m, so bisection finds it. For a lower bound negate y.
    Guarantee: missed with chance at most alpha, at any n.
    Raises ValueError for no units, units that are not finite or out of range, or alpha outside (0, 1).
    Source: Waudby-Smith and Ramdas 2024, arXiv:2010.09686 (capital process), with a mixture of fixed bets.

    >>> round(float(betting_upper(np.zeros(200))), 3), round(float(betting_upper(np.ones(9))), 3)
    (0.028, 1.0)
    """
    effects = _units(effects)
    limit = np.log(len(STAKES)) - np.log(_share(alpha))
    low, high = effects.mean(axis=-1), np.ones(effects.shape[:-1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        gain = (middle[..., None] - effects) / np.maximum(1 - middle, 1e-15)[..., None]
        capital = np.logaddexp.reduce([np.log1p(stake * gain).sum(axis=-1) for stake in STAKES])
        low, high = np.where(capital < limit, middle, low), np.where(capital < limit, high, middle)
    return high


def exact_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a chance from independent 0/1 outcomes: (low, high).

    Guarantee: each end is missed with chance at most (1 - confidence) / 2, at any n and any true chance; the mid-p
    variant is narrower and breaks that promise. Raises ValueError unless 0 <= successes <= n and n >= 1.
    Source: Clopper and Pearson 1934, Biometrika 26.

    >>> [round(end, 4) for end in exact_interval(0, 10)]
    [0.0, 0.3085]
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"need 0 <= successes <= n and n >= 1, got {successes} of {n}")
    tail = (1 - _share(confidence)) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high


def _units(effects: Array, least: float = -1.0) -> Array:
    effects = np.asarray(effects, dtype=np.float64)
    if not effects.size:
        raise ValueError("need at least one unit")
    if not ((effects >= least) & (effects <= 1)).all():
        raise ValueError(f"units must be finite and lie in [{least:g}, 1]")
    return effects


def _share(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"confidence and alpha must lie in (0, 1), got {value}")
    return value
