"""How often is a label wrong, judged from labels given twice, and how much does that hide?

Assumption: each label of a binary outcome is flipped with the same probability e, independently of the other label of
the same item. Two labels then differ with probability 2 e (1 - e), and every difference between groups shrinks by
1 - 2e.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.shares import share_interval


@dataclass(frozen=True)
class LabelNoise:
    """Chance that one label is wrong: value and interval, shares in [0, 0.5], from n items labelled twice."""

    flip_rate: float
    low: float
    high: float
    n: int

    @property
    def shrink(self) -> float:
        """Factor 1 - 2e by which noise shrinks an effect; 0: these labels tell nothing."""
        return 1 - 2 * self.flip_rate

    @property
    def delay(self) -> float:
        """Factor 1 / (1 - 2e)^2 by which noise stretches the labels needed; infinite at e = 1/2.

        >>> round(LabelNoise(0.1, 0.05, 0.15, 200).delay, 2)
        1.56
        """
        return 1 / self.shrink**2 if self.shrink > 0 else float("inf")


def label_noise(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> LabelNoise:
    """Estimate the flip rate from items labelled twice: e = (1 - sqrt(1 - 2 D)) / 2, D the share of disagreement.

    first, second: shape (items,), two independent labels of each. The interval is that of D (shares.share_interval)
    sent through the same increasing function, so it covers exactly as often; a D of 1/2 or more gives e = 1/2, which
    says that the labels carry nothing. Flips that differ by class or come in common to both labels are not seen.
    Raises ValueError for unequal shapes, no item, or labels that are not boolean.
    Source: Dawid and Skene 1979, Appl. Stat. 28:20 (the model with one rate).

    >>> noise = label_noise(np.arange(100) < 50, np.arange(100) < 32)
    >>> round(noise.flip_rate, 3), round(noise.shrink, 3)
    (0.1, 0.8)
    """
    if first.shape != second.shape or not first.size:
        raise ValueError(f"need two equal, non-empty shapes, got {first.shape} and {second.shape}")
    if first.dtype != np.bool_ or second.dtype != np.bool_:
        raise ValueError("labels must be true or false; leave items without both labels out")
    disagreement = share_interval(int((first != second).sum()), first.size)
    rate, low, high = (float((1 - np.sqrt(max(1 - 2 * share, 0.0))) / 2) for share in disagreement)
    return LabelNoise(rate, low, high, first.size)
