"""At which checkpoint did a series of effects begin to be worse?

The checkpoints in the order in which they began to serve, each with the sums of its own units: of every checkpoint the
likelihood that the mean effect rose with it and stayed. It needs no clock, so that it tells checkpoints apart that
serve within one day.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def change_shares(units: Array, totals: Array, variance: float, reference_units: float) -> Array:
    """Share of the likelihood that each checkpoint was the first one that was worse; they sum to 1.

    units, totals: number of units and sum of their effects by checkpoint, shape (checkpoints,), in order of service.
    variance: of one unit's effect. reference_units: units behind the frozen baseline; they count as units of mean 0
    before the first checkpoint, so that an error of the baseline is not blamed on it.
    Assumption: the mean rises once and stays; both means unknown, independent units. A drift in many steps has no such
    checkpoint: the largest share then falls on one in its middle. Where no later mean is higher, all shares are equal.
    Raises ValueError for unequal or empty shapes, negative counts, or a variance or reference not positive.
    Source: Hinkley 1970, Biometrika 57:1 (maximum likelihood of a change point).

    >>> change_shares(np.array([50.0, 50.0, 50.0]), np.array([1.0, 9.0, 11.0]), 0.2, 400.0).round(2).tolist()
    [0.06, 0.91, 0.03]
    """
    if units.shape != totals.shape or not units.size:
        raise ValueError(f"need two equal, non-empty shapes, got {units.shape} and {totals.shape}")
    if not ((units >= 0).all() and variance > 0 and reference_units > 0):
        raise ValueError("counts must not be negative; variance and reference units must be positive")
    later, later_total = np.cumsum(units[::-1])[::-1], np.cumsum(totals[::-1])[::-1]
    before, before_total = reference_units + units.sum() - later, totals.sum() - later_total
    rise = np.maximum(later_total / np.maximum(later, 1.0) - before_total / before, 0.0)
    logs = rise**2 / (2 * variance) * later * before / (later + before)
    weights = np.exp(logs - logs.max())
    shares: Array = weights / weights.sum()
    return shares
