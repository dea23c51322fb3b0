"""How far does a judge agree with people, and with itself when the answers trade places?

Verdicts are codes by answer, not by position: +1 answer A, 0 tie, -1 answer B. Ties are a category of their own. Items
without a verdict stay outside and belong into a coverage share. Assumption of all intervals: items are independent.

Sources: Cohen 1960, Educ. Psychol. Meas. 20:37 (kappa, and its error with p_e as observed); Zheng et al. 2023,
arXiv:2306.05685 (consistency; section 3.4: conservative handling of position bias).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.shares import share_interval

Verdicts = NDArray[np.int64]
CATEGORIES = (-1, 0, 1)


@dataclass(frozen=True)
class Share:
    """A share of n items with its 95% interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Agreement:
    """Share of equal verdicts; base_rate: what the best constant verdict would reach; kappa: Cohen's.

    kappa is None where chance alone always agrees (both gave one and the same verdict throughout).
    """

    share: Share
    base_rate: float
    kappa: Share | None


def agreement(judge: Verdicts, human: Verdicts) -> Agreement:
    """Three-way agreement of judge and person on the same items, with what chance would reach.

    judge, human: shape (items,). The share's interval is Wilson's or the exact one (shares.share_interval). Kappa is
    (p - p_e) / (1 - p_e), p_e the product of both margins; its interval sends the share's through the same formula,
    with p_e as observed. Guarantee: nominal coverage for the share; for kappa about nominal (measured in its test).
    Raises ValueError for unequal shapes, no item, or other codes.

    >>> found = agreement(np.array([1, 1, -1, 0, 1, -1]), np.array([1, -1, -1, 0, 1, 1]))
    >>> round(found.share.value, 3), found.base_rate, round(found.kappa.value, 3)
    (0.667, 0.5, 0.455)
    """
    check_verdicts(judge, human)
    share = _share(judge == human)
    margins = np.array([[np.mean(who == category) for category in CATEGORIES] for who in (judge, human)])
    chance = float(margins[0] @ margins[1])
    if not chance < 1:
        return Agreement(share, 1.0, None)
    low, value, high = ((p - chance) / (1 - chance) for p in (share.low, share.value, share.high))
    return Agreement(share, float(margins[1].max()), Share(value, low, high, share.n))


def merge_orders(shown_ab: Verdicts, shown_ba: Verdicts) -> Verdicts:
    """One verdict per pair from both orders: the same choice in both counts, anything else is a tie.

    Both: shape (pairs,), by answer. Raises ValueError for unequal shapes, no pair, or other codes.

    >>> merge_orders(np.array([1, 1, 0, -1]), np.array([1, -1, -1, -1])).tolist()
    [1, 0, 0, -1]
    """
    check_verdicts(shown_ab, shown_ba)
    return np.where(shown_ab == shown_ba, shown_ab, 0)


def position_consistency(shown_ab: Verdicts, shown_ba: Verdicts) -> Share:
    """Share of pairs judged in both orders with the same choice.

    Both: shape (pairs,), by answer. Raises ValueError for unequal shapes, no pair, or other codes.

    >>> position_consistency(np.array([1, 1, 0, -1]), np.array([1, -1, -1, -1])).value
    0.5
    """
    check_verdicts(shown_ab, shown_ba)
    return _share(shown_ab == shown_ba)


def check_verdicts(*verdicts: NDArray[np.generic]) -> None:
    """Let verdicts pass that can be compared: equal shapes, not empty, codes -1, 0 and 1. Else raises ValueError.

    >>> check_verdicts(np.array([1, 0]), np.array([1, np.nan]))
    Traceback (most recent call last):
    ValueError: verdicts must be 1 (answer A), 0 (tie) or -1 (answer B)
    """
    shapes = [part.shape for part in verdicts]
    if len(set(shapes)) > 1 or not verdicts[0].size:
        raise ValueError(f"need equal, non-empty shapes, got {shapes}")
    if not all(np.isin(part, CATEGORIES).all() for part in verdicts):
        raise ValueError("verdicts must be 1 (answer A), 0 (tie) or -1 (answer B)")


def _share(met: NDArray[np.bool_]) -> Share:
    value, low, high = share_interval(int(met.sum()), met.size)
    return Share(value, low, high, met.size)
