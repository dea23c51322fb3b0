"""What did the reference lead us to expect of an item of this cell?

A cell is whatever an expectation may depend on: a difficulty class, a cohort, a human verdict together with a cue.
Sources: Cochran 1977, Sampling Techniques, theorem 5.3 (error of a stratified mean); Laplace 1814 (rule of succession,
(k + 1) / (n + 2)).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class CellMeans:
    """Mean and number of reference values by cell, and over all cells."""

    means: Mapping[int, float]
    units: Mapping[int, int]
    pooled: float

    def expected(self, cells: Codes) -> Array:
        """Reference mean of each item's cell, shape as given; the pooled mean for a cell the reference did not know."""
        return np.array([self.means.get(int(cell), self.pooled) for cell in cells.ravel()]).reshape(cells.shape)

    def error(self, cells: Codes) -> float:
        """Standard error of the mean expectation at the mix of these items: sqrt(sum_c mix_c^2 s_c^2 / n_c).

        s_c^2 = p (1 - p) with p = (k + 1) / (n + 2), so that an all-success cell does not claim zero error; it bounds
        the variance of any value in [0, 1]. An unknown cell counts as one unit with p = 1/2.
        cells: any shape. Raises ValueError without an item.
        """
        if not cells.size:
            raise ValueError("the error of an expectation needs at least one item")
        known, counts = np.unique(cells, return_counts=True)
        units = np.array([self.units.get(int(cell), 0) for cell in known], dtype=float)
        means = np.array([self.means.get(int(cell), 0.5) for cell in known])
        chance = (means * units + 1) / (units + 2)
        mix = counts / cells.size
        return float(np.sqrt(np.sum(mix**2 * chance * (1 - chance) / np.maximum(units, 1))))


def fit_cell_means(values: Array, cells: Codes) -> CellMeans:
    """Means of reference values by cell.

    values: shape (n,), in [0, 1]; cells: shape (n,), codes. Assumption: the reference is not monitored itself and its
    units are independent. Raises ValueError for no value, unequal shapes or values outside [0, 1].

    >>> fitted = fit_cell_means(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 7]))
    >>> fitted.expected(np.array([0, 7, 3])).round(3).tolist(), round(fitted.error(np.array([0, 7])), 3)
    ([0.5, 1.0, 0.667], 0.295)
    """
    if not values.size or values.shape != cells.shape:
        raise ValueError(f"need two equal, non-empty shapes, got {values.shape} and {cells.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("values must be finite and lie in [0, 1]")
    known, index = np.unique(cells, return_inverse=True)
    units = np.bincount(index)
    means = np.bincount(index, values) / units
    codes = [int(cell) for cell in known]
    return CellMeans(
        means=dict(zip(codes, means.tolist(), strict=True)),
        units=dict(zip(codes, units.tolist(), strict=True)),
        pooled=float(values.mean()),
    )
