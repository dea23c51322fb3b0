"""Is the newest checkpoint past the peak, whichever law of over-optimisation holds? (A5)

One law alone calls honest loops over-optimised: fitted to an outcome that rises and then stays (12 checkpoints, errors
of .4 points), the best-of-n law saw it fall in all of 400 runs, both laws together still in .89 (one look, level .05).
So a fall is shown when every law that the data do not reject sees it and a straight line through the later half of the
checkpoints falls too. Then it is .01.

Sources: Gao, Schulman, Hilton 2022, arXiv:2210.10760, section 3.1 (both laws); Berger 1982, Technometrics 24 (a claim
that needs every test to agree is as safe as each).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from monitor.statistics.over_optimisation import BEST_OF_N, RL, Curve, fit_curve

Array = NDArray[np.float64]

LAWS = {"best of n": BEST_OF_N, "RL": RL}
MISFIT = 0.01  # a law rejected at this level has no say
FEWEST_LATER = 3


@dataclass(frozen=True)
class PastPeak:
    """What the laws say of the newest checkpoint.

    law, curve: the law that fits best; None when both are rejected. p_laws: the largest one-sided p-value of "the
    outcome does not fall here" over the laws not rejected, 1 when none is left. p_plain: the same without a law, over
    the later half of the checkpoints.
    """

    law: str | None
    curve: Curve | None
    p_laws: float
    p_plain: float

    @property
    def p(self) -> float:
        """The larger of both.

        Guarantee: at most alpha with chance alpha, for normal errors of known variance, if the outcome does not fall
        over the later half, whatever law holds; or if the newest checkpoint is not past the peak of a law that holds.
        """
        return max(self.p_laws, self.p_plain)


def past_peak(distance: Array, outcome: Array, errors: Array, shape_only: bool = False) -> PastPeak:
    """Ask both laws and none of the newest checkpoint, the last one given.

    Arguments as in fit_curve, which says what raises ValueError; the newest at distance 0 raises it too.

    >>> distance = np.linspace(0, 4, 9)
    >>> found = past_peak(distance, 0.5 + distance * (0.2 - 0.04 * distance), np.full(9, 0.01))
    >>> found.law, found.p < 0.001
    ('best of n', True)
    """
    curves = {name: fit_curve(distance, outcome, errors, law, shape_only) for name, law in LAWS.items()}
    holding = {name: curve for name, curve in curves.items() if curve.misfit > MISFIT}
    best = max(holding, key=lambda name: holding[name].misfit, default=None)
    return PastPeak(
        law=best,
        curve=holding[best] if best else None,
        p_laws=max((curve.slope().p_past_peak for curve in holding.values()), default=1.0),
        p_plain=_later_fall(distance, outcome, errors),
    )


def _later_fall(distance: Array, outcome: Array, errors: Array) -> float:
    """One-sided p-value of "a straight line through the later half of the distances does not fall"."""
    later = np.argsort(distance, kind="stable")[-max(FEWEST_LATER, (distance.size + 1) // 2) :]
    weights = errors[later] ** -2.0
    centred = distance[later] - np.average(distance[later], weights=weights)
    spread = float(weights @ centred**2)
    return float(ndtr((weights * centred) @ outcome[later] / np.sqrt(spread))) if spread > 0 else 1.0
