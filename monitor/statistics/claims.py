"""How strong is the evidence that a mean lies beyond a bound, from daily sums alone?

For an effect y >= -1 and a bet 0 < b < 1, 1 + b y >= exp(b y - psi(b) y^2) with psi(b) = -log(1 - b) - b. So, while the
mean effect of each day given the past is at most c,

    exp(b (sum y - n c) - psi(b) sum y^2)

is a supermartingale from 1. It needs three sums a day, which the book keeps of every series, for any bound and for
both signs. Against the product of 1 + b (y - c) it loses b / 3 of the variance term.

Sources: Fan, Grama, Liu 2015, arXiv:1210.7234 (the inequality); Howard et al. 2020, arXiv:1808.03204.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BETS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])  # the smallest for claims that nothing changed
CURVATURE = -np.log1p(-BETS) - BETS  # psi


@dataclass(frozen=True)
class DailySums:
    """n, total and squares of one series' effects in [-1, 1] by day, shape (days,) each."""

    n: Array
    total: Array
    squares: Array

    def __neg__(self) -> "DailySums":
        return DailySums(self.n, -self.total, self.squares)


def start_masses(days: int, deployments: Collection[int]) -> Array:
    """What each day gets of the mass of 1 that evidence may start with; shape (days,).

    Half goes to deployments, 1/(2 k (k + 1)) to the k-th, half to days alike, so that a harm that came with a
    checkpoint is charged for checkpoints and not for days. deployments: indices of days; day 0, the last decision, is
    the first.

    >>> start_masses(3, [2]).round(3).tolist()
    [0.5, 0.083, 0.125]
    """
    number = np.arange(1, days + 1)
    masses = 0.5 / (number * (number + 1))
    for rank, day in enumerate(sorted({0, *deployments}), start=1):
        masses[day] += 0.5 / (rank * (rank + 1))
    return masses


def log_evidence(sums: DailySums, bound: float, masses: Array) -> Array:
    """Log e-value, by the day it starts on, that from there to the last day the mean effect exceeds a bound.

    masses: shape (days,), what each day may start with, fixed before the day; they sum to at most 1. Returns shape
    (days,); the mass is in it, so that a start may be chosen by looking at these.
    Assumption: given the past, each day's mean effect is at most the bound while the claim is wrong; nothing else.
    Guarantee: with probability at most alpha is there ever, at the close of any day, a start from which the claim is
    wrong and its e-value 1/alpha (Ville 1939 for each start, and the sum of the masses).

    >>> sums = DailySums(np.full(20, 100.0), np.full(20, 5.0), np.full(20, 25.0))
    >>> [float(np.exp(log_evidence(sums, bound, start_masses(20, [])).max()).round(2)) for bound in (0.01, 0.09)]
    [23.1, 0.05]
    """
    logs = np.outer(sums.total - sums.n * bound, BETS) - np.outer(sums.squares, CURVATURE)
    since = np.cumsum(logs[::-1], axis=0)[::-1]
    with np.errstate(divide="ignore"):
        result: Array = np.logaddexp.reduce(since, axis=1) - np.log(BETS.size) + np.log(masses)
    return result


def blend(many: DailySums, few: DailySums, weight: float) -> DailySums:
    """Sums of effects whose daily mean is weight * mean(many) + (1 - weight) * mean(few).

    Units of `few` are units of `many` too, so that n(few) <= n(many) on every day. weight: in [0, 1].
    Each unit of `many` counts n(few) / n(many) of its weight; the squares are bounded, whatever ties a unit's two
    effects (Cauchy and Schwarz), so that evidence from them errs on the safe side.

    >>> blended = blend(DailySums(*np.array([[4.0], [2.0], [1.0]])), DailySums(*np.array([[2.0], [0.0], [0.5]])), 0.5)
    >>> float(blended.n[0]), float(blended.total[0] / blended.n[0])
    (2.0, 0.25)
    """
    share = weight * few.n / np.maximum(many.n, 1.0)
    rest = 1 - weight
    return DailySums(
        few.n,
        share * many.total + rest * few.total,
        (share + rest) * (share * many.squares + rest * few.squares),
    )
