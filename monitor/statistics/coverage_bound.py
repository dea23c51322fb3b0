"""What could the judgments that failed still say? Worst-case bounds of a win rate or an agreement, and of a difference.

A judge that fails on a model's worst answers does not improve that model: a judgment that failed stays in the
denominator, and may be anything. Two rates whose coverage differs by more than 2 points are not compared at all.

Assumption: none about why a judgment failed. Judgments are one a unit, in [0, 1], NaN where one failed.
Source: Manski 1990, Am. Econ. Rev. 80:319 (bounds for what is missing).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_APART = 0.02  # difference of coverage up to which two rates are compared


@dataclass(frozen=True)
class Covered:
    """A rate with what is open of it, all in [0, 1].

    value: among judgments with a verdict, None without one. least, most: of all `offered`, whatever the failed ones
    would have said. coverage: share with a verdict.
    """

    value: float | None
    least: float
    most: float
    coverage: float
    offered: int


def covered(judged: Array) -> Covered:
    """Bounds of a mean judgment over all that were offered.

    judged: shape (offered,), 1 won (or agreed), .5 tie, 0 lost, NaN failed. Guarantee: the mean of all offered lies in
    [least, most], whatever failed and why. Raises ValueError for none offered or values outside [0, 1].

    >>> covered(np.array([1.0, 1.0, 0.0, np.nan]))
    Covered(value=0.6666666666666666, least=0.5, most=0.75, coverage=0.75, offered=4)
    """
    told = judged[~np.isnan(judged)]
    if not judged.size or not ((told >= 0) & (told <= 1)).all():
        raise ValueError("need at least one judgment, each in [0, 1] or NaN")
    total, offered = float(told.sum()), judged.size
    value = total / told.size if told.size else None
    return Covered(value, total / offered, (total + offered - told.size) / offered, told.size / offered, offered)


def difference_bounds(new: Covered, old: Covered) -> tuple[float, float]:
    """Least and most by which the rate of `new` may lie above that of `old`, in [-1, 1].

    Guarantee: as of `covered`, for both at once.

    >>> difference_bounds(covered(np.array([1.0, np.nan])), covered(np.array([0.0, 1.0])))
    (0.0, 0.5)
    """
    return new.least - old.most, new.most - old.least


def comparable(new: Covered, old: Covered) -> bool:
    """Whether two coverages lie at most 2 points apart; beyond that a comparison is INCONCLUSIVE.

    >>> full, nearly = (covered(np.append(np.ones(100 - n), np.full(n, np.nan))) for n in (0, 2))
    >>> comparable(full, nearly), comparable(full, covered(np.append(np.ones(97), np.full(3, np.nan))))
    (True, False)
    """
    return abs(new.coverage - old.coverage) <= MOST_APART + 1e-9
