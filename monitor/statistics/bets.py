"""How strongly do bounded units speak for a mean below, or above, a value, when nothing asymptotic may be trusted?

A mixture of fixed bets against the null: `bounded.betting_upper` turned round, for units that repeat or weigh
differently. What labels of unequal chance say is weighed by 1 / chance, scaled so that no bet can lose more than its
stake; that keeps the mean of each factor at most 1 under the null.
Assumption: units are independent; weights are known by design and at most 1.
Guarantee: each bound is missed, and each p-value below alpha under its null, with chance at most alpha at any n.
Source: Waudby-Smith and Ramdas 2024, arXiv:2010.09686 (capital process).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from monitor.statistics.bounded import STAKES

Array = NDArray[np.float64]

NEAR = 1e-12


@dataclass(frozen=True)
class Bets:
    """Units as distinct values in [-1, 1], how often each came, and its weight in (0, 1]; all of shape (kinds,)."""

    values: Array
    counts: Array
    weights: Array

    @property
    def value(self) -> float:
        """The weighted mean."""
        share = self.counts * self.weights
        return float(share @ self.values / share.sum())

    def ends(self, alpha: float) -> tuple[float, float]:
        """One-sided bounds of the mean, each missed with chance at most alpha, at any n.

        >>> [round(end, 3) for end in bets(np.zeros(200)).ends(0.05)]
        [-0.028, 0.028]
        """
        turned = Bets(-self.values, self.counts, self.weights)
        return -turned._upper(alpha), self._upper(alpha)

    def p_values(self, tolerance: float) -> tuple[float, float]:
        """p of "the mean is at most the tolerance", and of "at least": 1 / capital, valid at any n.

        >>> [round(p, 4) for p in bets(np.zeros(200)).p_values(0.03)]
        [1.0, 0.0394]
        """
        turned = Bets(-self.values, self.counts, self.weights)
        against = (turned._log_capital(-tolerance), self._log_capital(tolerance))
        harm, safe = (float(np.exp(-max(capital, 0.0))) for capital in against)
        return harm, safe

    def _log_capital(self, mean: float) -> float:
        gains = self.weights * (mean - self.values) / (1 - mean)
        grown = np.log1p(np.multiply.outer(STAKES, gains)) @ self.counts
        return float(np.logaddexp.reduce(grown) - np.log(len(STAKES)))

    def _upper(self, alpha: float) -> float:
        def beyond(mean: float) -> float:
            return self._log_capital(mean) + float(np.log(alpha))

        least, step = self.value, (1 - self.value) / (1 + float(self.counts @ self.weights))
        while beyond(min(least + step, 1 - NEAR)) < 0:
            if least + step >= 1 - NEAR:
                return 1.0
            least, step = least + step, 2 * step
        return float(optimize.brentq(beyond, least, min(least + step, 1 - NEAR), xtol=1e-10))


def bets(effects: Array, chances: Array | None = None) -> Bets:
    """Bets on units, weighed by 1 / chance where they were drawn with different chances.

    effects: shape (n,), n >= 1, in [-1, 1]. chances: shape (n,), in (0, 1].

    >>> bets(np.array([0.0, 1.0, 0.0])).counts.tolist(), bets(np.ones(2), np.array([0.5, 0.25])).weights.tolist()
    ([2.0, 1.0], [0.5, 1.0])
    """
    if chances is not None:
        return Bets(effects, np.ones(effects.size), chances.min() / chances)
    values, counts = np.unique(effects, return_counts=True)
    return Bets(values, counts.astype(np.float64), np.ones(values.size))
