"""How far may the frozen baseline be off? Without this allowance every false-alert promise breaks."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

WEEKEND = (5, 6)
LEAST_UNITS = 30
NOTABLE_BIAS = 0.001


def reference_error(
    effects: Array, outcomes: Array, cells: Codes, units: Codes, users: Codes, cohorts: Codes, days: Codes
) -> tuple[float, float, int]:
    """Standard error of the traffic-weighted mean effect in the reference; its bias; how many units stand behind it.

    All arguments: shape (reference items,). effects: the score of each item against its own baseline, so that its mean
    is the part the baseline could not fit (shrinkage): returned as bias when it exceeds 0.1 point, never below zero.
    The variance is that of unit means; of sums over users where those vary more (users return); of the weekday or the
    weekend mix of cohorts where that is larger; plus what one success and one failure more would add to each fitted
    cell, so that an all-success cell never claims zero error.
    Assumption: users are independent. Source: cluster-robust variance of a mean, Liang and Zeger 1986.

    >>> rng = np.random.default_rng(0); n = 2000; worked = (rng.random(n) < 0.7).astype(float); codes = np.arange(n)
    >>> residual, zero = worked.mean() - worked, codes * 0
    >>> error, bias, count = reference_error(residual, worked, zero, codes, codes, zero, codes % 7)
    >>> round(error, 3), bias, count
    (0.01, 0.0, 2000)
    """
    if not effects.size:
        return 1.0, 0.0, 0
    unit, index = np.unique(units, return_inverse=True)
    sizes = np.bincount(index)
    means = np.bincount(index, effects) / sizes
    mean = float(means.mean())
    n = unit.size
    first = np.unique(index, return_index=True)[1]
    squared = max(_squares((means - mean) * weight, users[first]) for weight in _mixes(cohorts[first], days[first]))
    error = float(np.sqrt(squared + _unseen(outcomes, cells))) / n
    return error, mean if mean > NOTABLE_BIAS else 0.0, n


def _squares(deviations: Array, users: Codes) -> float:
    """Sum of squares, of units or of users' sums, whichever is larger."""
    _, index = np.unique(users, return_inverse=True)
    return max(float(deviations @ deviations), float((np.bincount(index, deviations) ** 2).sum()))


def _mixes(cohorts: Codes, days: Codes) -> list[Array]:
    """Weight of each unit under the mix of cohorts overall, on weekdays and on weekends."""
    _, index = np.unique(cohorts, return_inverse=True)
    overall = np.bincount(index) / index.size
    weekend = np.isin((days + 3) % 7, WEEKEND)
    weights = [np.ones(index.size)]
    for part in (weekend, ~weekend):
        if part.sum() >= LEAST_UNITS:
            share = np.bincount(index[part], minlength=overall.size) / part.sum()
            weights.append((share / overall)[index])
    return weights


def _unseen(outcomes: Array, cells: Codes) -> float:
    """Squared error that one success and one failure more would add, summed over the fitted cells."""
    known = ~np.isnan(outcomes)
    _, index = np.unique(cells[known], return_inverse=True)
    if not index.size:
        return 0.0
    values = outcomes[known]
    n, total, squares = (np.bincount(index, weights) for weights in (np.ones(values.size), values, values**2))
    seen = squares - total**2 / n
    padded = n * ((squares + 1) / (n + 2) - ((total + 1) / (n + 2)) ** 2)
    return float(np.maximum(padded - seen, 0.0).sum())
