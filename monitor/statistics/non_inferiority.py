"""Is the candidate at most a margin worse than the reference, from paired labels?

Effect d = Y_reference - Y_candidate on the same prompt, positive is worse. GO when the upper bound is below the margin,
NO-GO when the lower bound is above it, else INCONCLUSIVE: failing to show harm is never GO. Each end of the interval is
one-sided at alpha.
Assumption: the labelled prompts are a random sample of the traffic, chosen without sight of the outcome.
Guarantee: each wrong answer has chance about alpha, whatever the judges are worth.
Sources: Schuirmann 1987, Journal of Pharmacokinetics 15 (one-sided margins); Angelopoulos et al. 2023, arXiv:2311.01453
(variance with a judge).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.bounded import Bounds
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.statistics.label_budget import effective_labels, seen_correlation
from monitor.statistics.prediction_powered import judged_bounds

Array = NDArray[np.float64]
Decision = Literal["GO", "NO-GO", "INCONCLUSIVE"]

ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class MarginTest:
    """The answer, its bounds, and what would settle it if the candidate were truly better by `better`.

    needed: labels for GO with power .8, None if no number would do. power: chance of GO with the labels there are.
    visible: smallest true harm that would have been called NO-GO with power .8. All three by normal approximation.
    """

    decision: Decision
    bounds: Bounds
    needed: int | None
    power: float
    visible: float


def margin_test(
    effects: Array, judged: Array, unlabelled: Array, margin: float, better: float = 0.0, alpha: float = ALPHA
) -> MarginTest:
    """Compare a candidate with its reference on paired labels, with the judges' help where it can be trusted.

    effects: shape (n,), d in [-1, 1], a random sample of prompts. judged: shape (n,) or (n, judges), the judges' own d
    on the same prompts. unlabelled: their d on further prompts of the same traffic (N = 0: none). margin, better: share
    in [0, 1) and [0, 1]. Raises ValueError for no labels, values out of range, or alpha outside (0, 0.5).

    >>> ties = margin_test(np.zeros(40), np.zeros(40), np.zeros(0), margin=0.03)
    >>> ties.decision, ties.bounds.method
    ('INCONCLUSIVE', 'betting')
    """
    _checked(margin, better, alpha, POWER)
    bounds = judged_bounds(effects, judged, unlabelled, confidence=1 - 2 * alpha)
    n, others = bounds.n, len(unlabelled)
    squares = float(((np.asarray(effects) - np.mean(effects)) ** 2).sum())
    deviation = min(1.0, np.sqrt((squares + 1) / n))  # one discordant pair more: ties alone must not promise anything
    correlation = seen_correlation(n, others, bounds.effective)
    decision: Decision = "GO" if bounds.high < margin else "NO-GO" if bounds.low > margin else "INCONCLUSIVE"
    return MarginTest(
        decision,
        bounds,
        needed=labels_needed(margin, deviation, correlation, others, better, alpha) if margin + better > 0 else None,
        power=power_at(n, margin, deviation, correlation, others, better, alpha),
        visible=visible_harm(n, margin, deviation, correlation, others, alpha),
    )


def labels_needed(
    margin: float,
    deviation: float,
    correlation: float = 0.0,
    unlabelled: int = 0,
    better: float = 0.0,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int:
    """Labels for GO with this power when the candidate is truly better by `better`; at least 30.

    deviation: standard deviation of d. correlation: of the judge's d with d. unlabelled: N, fixed. With
    C = ((z_alpha + z_power) deviation / (margin + better))^2, n = C (1 - correlation^2 N / (n + N)) is the positive
    root of n^2 + (N - C) n - C (1 - correlation^2) N = 0.
    Raises ValueError for values out of range, or margin + better <= 0, which no number of labels can show.

    >>> [labels_needed(0.03, 0.2**0.5, rho, 10_000) for rho in (0, 0.5, 0.7, 0.85)]
    [1374, 1064, 748, 422]
    """
    _checked(margin, better, alpha, power)
    if not (margin + better > 0 and np.isfinite(deviation) and deviation >= 0):
        raise ValueError(f"need margin + better > 0 and a finite deviation, got {margin + better} and {deviation}")
    if not (abs(correlation) <= 1 and unlabelled >= 0):
        raise ValueError(f"need |correlation| <= 1 and unlabelled >= 0, got {correlation} and {unlabelled}")
    alone = ((_quantile(1 - alpha) + _quantile(power)) * deviation / (margin + better)) ** 2
    slope = alone - unlabelled
    n = (slope + np.sqrt(slope**2 + 4 * alone * (1 - correlation**2) * unlabelled)) / 2
    return max(ENOUGH_UNITS, int(np.ceil(n)))


def power_at(
    n: int,
    margin: float,
    deviation: float,
    correlation: float = 0.0,
    unlabelled: int = 0,
    better: float = 0.0,
    alpha: float = ALPHA,
) -> float:
    """Chance of GO with n labels when the candidate is truly better by `better`, in [0, 1] (normal approximation).

    Arguments and errors as of `labels_needed`; n >= 1; better may be negative (a candidate that is worse).

    >>> round(power_at(1374, 0.03, 0.2**0.5), 2), round(power_at(1374, 0.03, 0.2**0.5, better=-0.03), 2)
    (0.8, 0.05)
    """
    _checked(margin, abs(better), alpha, POWER)
    error = _error(n, deviation, correlation, unlabelled)
    if error == 0:
        return float(margin + better > 0)
    return float(special.ndtr((margin + better) / error - _quantile(1 - alpha)))


def visible_harm(
    n: int,
    margin: float,
    deviation: float,
    correlation: float = 0.0,
    unlabelled: int = 0,
    alpha: float = ALPHA,
    power: float = POWER,
) -> float:
    """Smallest true harm that n labels would call NO-GO with this power: a share, 1.0 at most.

    Arguments and errors as of `labels_needed`; n >= 1.

    >>> round(visible_harm(1374, 0.03, 0.2**0.5), 3), round(visible_harm(1374, 0.0, 0.2**0.5, 0.85, 10_000), 3)
    (0.06, 0.018)
    """
    _checked(margin, 0.0, alpha, power)
    error = _error(n, deviation, correlation, unlabelled)
    return min(1.0, margin + (_quantile(1 - alpha) + _quantile(power)) * error)


def _error(n: int, deviation: float, correlation: float, unlabelled: int) -> float:
    if not (np.isfinite(deviation) and deviation >= 0):
        raise ValueError(f"need a finite deviation of at least 0, got {deviation}")
    return float(deviation / np.sqrt(effective_labels(n, unlabelled, correlation)))


def _quantile(share: float) -> float:
    return float(special.ndtri(share))


def _checked(margin: float, better: float, alpha: float, power: float) -> None:
    if not (0 <= margin < 1 and 0 <= better <= 1):
        raise ValueError(f"margin must lie in [0, 1), better in [0, 1], got {margin} and {better}")
    if not (0 < alpha < 0.5 and 0.5 <= power < 1):
        raise ValueError(f"alpha must lie in (0, 0.5), power in [0.5, 1), got {alpha} and {power}")
