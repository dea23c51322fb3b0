"""Between which values does a mean lie, from sums that merge?

Everything here needs only n, the sum and the sum of squares of units in [-1, 1]. Assumption: they are independent and
have one mean. Source: Maurer and Pontil 2009, arXiv:0907.3740, theorem 4 (rescaled to a range of 2).
"""

import numpy as np
from scipy.special import stdtrit

ENOUGH_UNITS = 30
ENOUGH_VARIATION = 10.0  # sum of squared deviations: for a binary outcome, about ten expected failures


def mean_interval(n: int, total: float, squares: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of units with its two-sided interval: (value, low, high), all in [-1, 1].

    n, total, squares: count, sum and sum of squares of the units.
    The t interval where it can be trusted (at least 30 units and a sum of squared deviations of 10: with fewer
    failures it misses the truth far too often), else the empirical Bernstein bound.
    Guarantee: coverage about `confidence` by t, at least that by Bernstein at any n.
    Raises ValueError for n < 1, sums that are not finite, or a confidence outside (0, 1).

    >>> [round(v, 3) for v in mean_interval(400, 200.0, 200.0)]
    [0.5, 0.451, 0.549]
    """
    if n < 1 or not np.isfinite([total, squares]).all():
        raise ValueError(f"need at least one finite unit, got n={n}, total={total}, squares={squares}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    mean = total / n
    deviations = max(squares - n * mean * mean, 0.0)
    if n >= ENOUGH_UNITS and deviations >= ENOUGH_VARIATION:
        quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
        reach = quantile * float(np.sqrt(deviations / (n - 1) / n))
    else:
        reach = empirical_bernstein(n, deviations, confidence)
    return mean, max(mean - reach, -1.0), min(mean + reach, 1.0)


def empirical_bernstein(n: int, deviations: float, confidence: float = 0.95) -> float:
    """Half-width of the two-sided empirical Bernstein interval: sqrt(2 V ln(2/a)/n) + 14 ln(2/a) / (3 (n - 1)).

    deviations: sum of squared deviations from the mean, V (n - 1). a: the error of one end. Guarantee: coverage of at
    least `confidence` at any n; 2 at n = 1.

    >>> round(empirical_bernstein(1000, 250.0), 4)
    0.0673
    """
    if n < 2:
        return 2.0
    log_term = np.log(4 / (1 - confidence))
    return float(min(2.0, np.sqrt(2 * deviations / (n - 1) * log_term / n) + 14 * log_term / (3 * (n - 1))))
