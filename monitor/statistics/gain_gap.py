"""Did something gain more in one place than elsewhere: where it was trained, than where it was not?

A gain is new minus old in [-1, 1], plus is better, with its standard error and the width by which missing results leave
it open.
Assumption: gains of different places are independent samples, each with an error that is about normal.
Sources: Manski 1990, Am. Econ. Rev. 80:319 (bounds for what is missing); Recht et al. 2019, arXiv:1902.10811 (gains on
a set that is trained against, beside a fresh one).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.paired import mean_error

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """value: the middle of what is known. error: its standard error. open: half of what missing results leave open."""

    value: float
    error: float
    open: float = 0.0
    n: int = 0


def paired_gain(least: Array, most: Array) -> Gain:
    """The gain of paired items whose losses lie between two ends each.

    least, most: shape (items,), old minus new, in [-1, 1], at least one item. Raises ValueError without one.

    >>> paired_gain(np.array([0.0, -1.0]), np.array([0.0, -1.0])).value
    0.5
    """
    if not least.size:
        raise ValueError("need at least one item")
    middle = (least + most) / 2
    return Gain(-float(middle.mean()), mean_error(middle), float((most - least).mean()) / 2, least.size)


def mean_gain(gains: Sequence[Gain], weights: Sequence[float]) -> Gain:
    """Gains of several places as one, by the weight of each; `n` is the sum.

    weights: one a gain, none below 0, some above. Raises ValueError otherwise.

    >>> mean_gain([Gain(0.1, 0.03, n=50), Gain(0.3, 0.04, n=50)], [1, 1])
    Gain(value=0.2, error=0.025, open=0.0, n=100)
    """
    given = np.asarray(weights, np.float64)
    if given.size != len(gains) or not ((given >= 0).all() and given.sum() > 0):
        raise ValueError("need one weight a gain, none below 0 and some above")
    shares = given / given.sum()
    value, error, still = (np.array([getattr(one, name) for one in gains]) for name in ("value", "error", "open"))
    return Gain(
        float(shares @ value), float(np.sqrt(shares**2 @ error**2)), float(shares @ still), sum(one.n for one in gains)
    )


def gain_gap(trained: Gain, held_out: Gain, confidence: float = 0.95) -> tuple[float, float, float]:
    """By how much the first gain is larger, with its two-sided interval: (value, low, high), in [-2, 2].

    Guarantee: coverage about `confidence`, by normal quantile, whatever the missing results are; more where errors
    count one discordant item more.

    >>> [round(end, 3) for end in gain_gap(Gain(0.12, 0.03), Gain(0.02, 0.04, open=0.01))]
    [0.1, -0.008, 0.208]
    """
    value = trained.value - held_out.value
    reach = float(special.ndtri((1 + confidence) / 2) * np.hypot(trained.error, held_out.error))
    reach += trained.open + held_out.open
    return value, value - reach, value + reach
