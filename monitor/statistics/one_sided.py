"""Which bounds does a mean have at any level, and which p-values go with them?

Each source turns one way of inference round, so that a p-value is below alpha exactly where the bound at alpha lies
beyond the tolerance. `bets.Bets` is one more. Levels outside (0, 1) and fewer than one degree of freedom are refused:
each raises ValueError as `tail_reaches` and `exact_interval` do.
Assumption: units are independent with one mean; a baseline's error is normal with a known deviation.
Guarantee: each bound is missed with chance at most alpha for exact ones, about that for t.
Sources: Johnson 1978, JASA 73 (modified t tests); Clopper and Pearson 1934, Biometrika 26.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.bounded import exact_interval, tail_reaches
from monitor.statistics.prediction_powered import Estimate

Array = NDArray[np.float64]

FOR_BASELINE = 0.1  # share of alpha spent on the baseline's error where errors cannot be added
HALVINGS = 60


class Source(Protocol):
    """Something that has one-sided bounds at any level, and the p-values that go with them."""

    def ends(self, alpha: float) -> tuple[float, float]:
        """Lower and upper bound, each at alpha."""

    def p_values(self, tolerance: float) -> tuple[float, float]:
        """p of "at most the tolerance", and of "at least"."""


@dataclass(frozen=True)
class Studentised:
    """t bounds with room for skewness (`bounded.tail_reaches`), and the p-values they turn round to."""

    estimate: Estimate

    def ends(self, alpha: float) -> tuple[float, float]:
        """Lower and upper bound, each at alpha below a half."""
        one = self.estimate
        down, up = tail_reaches(one.freedom, one.skewness, alpha)
        error = float(np.sqrt(one.variance))
        return one.value - down * error, one.value + up * error

    def p_values(self, tolerance: float) -> tuple[float, float]:
        """p of "at most the tolerance", and of "at least"."""
        one = self.estimate
        reach = (tolerance - one.value) / float(np.sqrt(one.variance))
        sides = np.array([-1.0, 1.0])
        harm, safe = tail_chance(sides * reach, sides * one.skewness, np.full(2, one.freedom)).tolist()
        return harm, safe


@dataclass(frozen=True)
class Exact:
    """Effects top - O of 0/1 outcomes O with this many successes among n."""

    top: float
    successes: int
    n: int

    def ends(self, alpha: float) -> tuple[float, float]:
        """Lower and upper bound, each at alpha."""
        low, high = exact_interval(self.successes, self.n, 1 - 2 * alpha)
        return self.top - high, self.top - low

    def p_values(self, tolerance: float) -> tuple[float, float]:
        """p of "at most the tolerance", and of "at least"; 0 where no chance of success would give such a mean."""
        chance = self.top - tolerance
        if not 0 <= chance <= 1:
            return (1.0, 0.0) if chance < 0 else (0.0, 1.0)
        more = special.bdtrc(self.successes - 1, self.n, chance) if self.successes else 1.0
        return float(special.bdtr(self.successes, self.n, chance)), float(more)


@dataclass(frozen=True)
class Conceding:
    """Bounds of a source, moved outward by what its baseline may be off; alpha is split between the two."""

    source: Source
    error: float

    def ends(self, alpha: float) -> tuple[float, float]:
        """Lower and upper bound, each at alpha."""
        low, high = self.source.ends((1 - FOR_BASELINE) * alpha)
        room = self._room(alpha)
        return low - room, high + room

    def p_values(self, tolerance: float) -> tuple[float, float]:
        """The smallest alpha at which the bound would lie beyond the tolerance, on either side."""
        found = []
        for side, sign in enumerate((-1, 1)):
            low, high = -50.0, 0.0  # log alpha
            for _ in range(HALVINGS):
                alpha = float(np.exp((low + high) / 2))
                moved = float(np.clip(tolerance - sign * self._room(alpha), -1 + 1e-9, 1 - 1e-9))
                shown = self.source.p_values(moved)[side] <= (1 - FOR_BASELINE) * alpha
                low, high = (low, (low + high) / 2) if shown else ((low + high) / 2, high)
            found.append(float(np.exp(high)))
        return found[0], found[1]

    def _room(self, alpha: float) -> float:
        return self.error * -float(special.ndtri(FOR_BASELINE * alpha))


def conceding(source: Source, error: float) -> Source:
    """The same source with room for a baseline's standard error: added to t's own, else by a share of alpha.

    error: at least 0; 0 leaves the source as it is.

    >>> one = Studentised(Estimate(0.0, 0.0003, 0.0, 99, 100, 100.0, 9.0))
    >>> [round(end, 4) for end in conceding(one, 0.01).ends(0.05)]
    [-0.0331, 0.0331]
    >>> round(conceding(Exact(0.9, 90, 100), 0.01).ends(0.05)[1], 4)
    0.0915
    """
    if not error:
        return source
    if not isinstance(source, Studentised):
        return Conceding(source, error)
    return Studentised(with_error(source.estimate, error))


def with_error(estimate: Estimate, error: float) -> Estimate:
    """The estimate with a further independent error, normal and known; its own variance must be positive.

    >>> one = Estimate(0.1, 0.0004, 0.3, 50.0, 51, 51.0, 9.0)
    >>> found = with_error(one, 0.02)
    >>> round(found.variance, 4), round(found.skewness, 3), found.freedom
    (0.0008, 0.106, 200.0)
    """
    variance = estimate.variance + error**2
    less = estimate.variance / variance
    return replace(
        estimate, variance=variance, skewness=estimate.skewness * less**1.5, freedom=estimate.freedom / less**2
    )


def tail_chance(reach: Array, skewness: Array, freedom: Array) -> Array:
    """Chance beyond so many standard errors: the inverse of `tail_reaches`, straight on below a quantile of 0.

    reach, skewness, freedom: shapes that go together; freedom at least 1. Raises nothing.

    >>> np.round(tail_chance(np.array([1.66, 1.878]), np.array([-0.2, 0.2]), np.array([99, 99])), 3).tolist()
    [0.05, 0.05]
    """
    room = np.maximum(skewness, 0.0) / 6
    plain = reach - room
    bent = (np.sqrt(1 + 8 * room * np.maximum(plain, 0.0)) - 1) / np.maximum(4 * room, 1e-300)
    result: Array = special.stdtr(freedom, -np.where((room > 0) & (plain > 0), bent, plain))
    return result
