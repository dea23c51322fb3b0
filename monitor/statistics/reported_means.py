"""How far apart are two means of which only a value, a standard error or a number of items was reported?

Each is a mean of items in [0, 1], plus is better; effects are old minus new, positive is worse.
Assumption: the items of each are independent. Where both answered the same items the answers tend to go together, which
makes the interval wider than it need be.
Sources: Hoeffding 1963, J. Am. Stat. Assoc. 58:13 (bounds from a mean and a number alone); Welch 1938, Biometrika 29
(two means with errors of their own).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION

HALVINGS = 50


@dataclass(frozen=True)
class Reported:
    """A mean in [0, 1], with its standard error and the number of items behind it; None where that was not told."""

    mean: float
    error: float | None = None
    n: int | None = None


def reported_gap(old: Reported, new: Reported, confidence: float = 0.95) -> tuple[float, float, float] | None:
    """old - new with its two-sided interval: (value, low, high), in [-1, 1]; None if neither error nor number is told.

    By normal quantile where both have a standard error that can be trusted (told without a number of items, or at least
    30 items and a sum of squared deviations of 10), else by Chernoff's bound of each from its number of items, the
    error shared between the two. Guarantee: coverage of at least `confidence` by Chernoff at any n, about that by the
    normal quantile. Raises ValueError for a mean outside [0, 1], an error below 0 or fewer than one item.

    >>> [round(end, 3) for end in reported_gap(Reported(0.8, 0.01), Reported(0.75, 0.012))]
    [0.05, 0.019, 0.081]
    >>> [round(end, 3) for end in reported_gap(Reported(1.0, n=50), Reported(1.0, n=50))]
    [0.0, -0.084, 0.084]
    >>> reported_gap(Reported(0.8), Reported(0.7, 0.01))
    """
    for one in (old, new):
        if not (0 <= one.mean <= 1 and (one.error is None or one.error >= 0) and (one.n is None or one.n >= 1)):
            raise ValueError(f"need a mean in [0, 1], an error of at least 0 and at least one item, got {one}")
    value = old.mean - new.mean
    errors = [_trusted(one) for one in (old, new)]
    if errors[0] is not None and errors[1] is not None:
        reach = float(special.ndtri((1 + confidence) / 2) * np.hypot(errors[0], errors[1]))
        return value, max(value - reach, -1.0), min(value + reach, 1.0)
    if old.n is None or new.n is None:
        return None
    ends = [chernoff_interval(one.mean, one.n or 1, (1 + confidence) / 2) for one in (old, new)]
    return value, ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]


def chernoff_interval(mean: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which values the expectation of items in [0, 1] lies, from their mean and number alone: (low, high).

    The values p with n KL(mean, p) <= log(2 / (1 - confidence)). Guarantee: each end is missed with chance at most
    (1 - confidence) / 2, at any n and however the items are spread. Raises ValueError for a mean outside [0, 1] or
    fewer than one item. Source: Hoeffding 1963, J. Am. Stat. Assoc. 58:13, theorem 1.

    >>> [round(end, 3) for end in chernoff_interval(0.9, 200)]
    [0.833, 0.948]
    """
    if not (0 <= mean <= 1 and n >= 1):
        raise ValueError(f"need a mean in [0, 1] of at least one item, got {mean} of {n}")
    limit = float(np.log(2 / (1 - confidence))) / n
    return _beyond(mean, 0.0, limit), _beyond(mean, 1.0, limit)


def _beyond(mean: float, far: float, limit: float) -> float:
    """The value between the mean and the far end at which the divergence reaches its limit."""
    near = mean
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if _divergence(mean, middle) <= limit else (near, middle)
    return far


def _divergence(mean: float, other: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli distributions, in nats."""
    return float(special.rel_entr(mean, other) + special.rel_entr(1 - mean, 1 - other))


def _trusted(one: Reported) -> float | None:
    """A standard error that a normal quantile may be used with."""
    if one.n is None:
        return one.error or None  # an error of 0 is that of items that never varied, and says nothing of others
    spread = one.mean * (1 - one.mean) if one.error is None else one.error**2 * (one.n - 1)
    enough = one.n >= ENOUGH_UNITS and spread * one.n >= ENOUGH_VARIATION
    return float(np.sqrt(spread / (one.n - 1))) if enough else None
