"""Between which values does a mean lie, from sums that merge?

Everything here needs only n, the sum and the sum of squares of independent units in [-1, 1].
"""

import numpy as np
from scipy import stats

ENOUGH_UNITS = 30
ENOUGH_VARIATION = 10.0  # sum of squared deviations: for a binary outcome, about ten expected failures


def mean_interval(n: int, total: float, squares: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent units with its two-sided interval: (value, low, high).

    n, total, squares: count, sum and sum of squares of the units.
    The t interval where it can be trusted (at least 30 units and a sum of squared deviations of 10: with fewer
    failures it misses the truth far too often), else the empirical Bernstein bound, valid at any n.
    Raises ValueError for n < 1 or values that are not finite.
    Source: Maurer and Pontil 2009, arXiv:0907.3740, theorem 4 (rescaled to a range of 2).

    >>> [round(v, 3) for v in mean_interval(400, 200.0, 200.0)]
    [0.5, 0.451, 0.549]
    """
    if n < 1 or not np.isfinite([total, squares]).all():
        raise ValueError(f"need at least one finite unit, got n={n}, total={total}, squares={squares}")
    mean = total / n
    deviations = max(squares - n * mean * mean, 0.0)
    if n >= ENOUGH_UNITS and deviations >= ENOUGH_VARIATION:
        quantile = float(stats.t.ppf((1 + confidence) / 2, n - 1))
        reach = quantile * float(np.sqrt(deviations / (n - 1) / n))
    else:
        reach = empirical_bernstein(n, deviations, confidence)
    return mean, max(mean - reach, -1.0), min(mean + reach, 1.0)


def empirical_bernstein(n: int, deviations: float, confidence: float = 0.95) -> float:
    """Half-width of the two-sided empirical Bernstein interval for units in [-1, 1].

    deviations: sum of squared deviations from the mean. Valid for independent units at any n; 2 at n = 1.
    Source: Maurer and Pontil 2009, arXiv:0907.3740, theorem 4: sqrt(2 V ln(2/a)/n) + 14 ln(2/a) / (3 (n - 1)).

    >>> round(empirical_bernstein(1000, 250.0), 4)
    0.0673
    """
    if n < 2:
        return 2.0
    log_term = np.log(4 / (1 - confidence))
    return float(min(2.0, np.sqrt(2 * deviations / (n - 1) * log_term / n) + 14 * log_term / (3 * (n - 1))))
