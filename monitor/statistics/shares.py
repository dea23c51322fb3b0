"""Between which values does a share lie?

Assumption, here as everywhere: the units counted are independent. Shares are in [0, 1].
"""

import numpy as np
from scipy.special import betaincinv, ndtri

ENOUGH_ON_BOTH_SIDES = 10  # successes and failures from which Wilson's approximation is trusted


def share_interval(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """A share with its two-sided interval: (value, low, high).

    Wilson's interval with at least 10 successes and 10 failures, else the exact one: Wilson's covers the nominal level
    on average, but with few successes it can fall far under it. Raises ValueError as both do.

    >>> [round(v, 3) for v in share_interval(70, 100)], [round(v, 3) for v in share_interval(5, 5)]
    ([0.7, 0.604, 0.781], [1.0, 0.478, 1.0])
    """
    few = min(successes, n - successes) < ENOUGH_ON_BOTH_SIDES
    low, high = exact_interval(successes, n, confidence) if few else wilson_interval(successes, n, confidence)
    return successes / n, low, high


def wilson_interval(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Ends of Wilson's score interval; its coverage is close to the nominal one where neither side is rare.

    successes: may be fractional (a tie counted as half). Raises ValueError unless 0 <= successes <= n and n >= 1.
    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209.

    >>> [round(v, 4) for v in wilson_interval(15, 50)]
    [0.191, 0.4375]
    """
    _validate(successes, n, confidence)
    z = float(ndtri((1 + confidence) / 2))
    centre = (successes + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * float(np.sqrt(successes * (n - successes) / n + z * z / 4))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def exact_interval(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Ends of the exact (Clopper-Pearson) interval: never covers less than promised, whatever n and the share.

    Raises ValueError unless 0 <= successes <= n and n >= 1.
    Source: Clopper and Pearson 1934, Biometrika 26:404.

    >>> [round(v, 4) for v in exact_interval(0, 30)]
    [0.0, 0.1157]
    """
    _validate(successes, n, confidence)
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high


def _validate(successes: float, n: int, confidence: float) -> None:
    if not (n >= 1 and 0 <= successes <= n and 0 < confidence < 1):
        raise ValueError(f"need 0 <= successes <= n, n >= 1 and confidence in (0, 1), got {successes} of {n}")
