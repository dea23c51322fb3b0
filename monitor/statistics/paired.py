"""Was the candidate worse than the reference on the same items, where some items failed?

An item whose reward or outcome is missing on either side leaves its effect open: it may be anything between the two
values that its missing part allows. It stays in the denominator at the end that favours the other answer, so that
harm is shown, or excluded, whatever the failed items would have said. Looks are paid from a purse that time fills.

Assumption: items are a random sample of what the set stands for, each with one effect.
Sources: Manski 1990, Am. Econ. Rev. 80:319 (bounds for what is missing); Johnson 1978, JASA 73 (modified t tests);
Foster and Stine 2008, JRSS B 70:429 (a purse of error that tests draw from).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.bounded import STAKES, mean_bounds
from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION

Array = NDArray[np.float64]


def difference(new: Array, old: Array) -> tuple[Array, Array]:
    """Least and most that new - old may be, item by item; NaN stands for any value in [0, 1].

    new, old: shape (items,), in [0, 1]. Returns two arrays of that shape, in [-1, 1].

    >>> [ends.tolist() for ends in difference(np.array([1.0, np.nan]), np.array([0.25, 0.25]))]
    [[0.75, -0.25], [0.75, 0.75]]
    """
    least = np.where(np.isnan(new), 0.0, new) - np.where(np.isnan(old), 1.0, old)
    most = np.where(np.isnan(new), 1.0, new) - np.where(np.isnan(old), 0.0, old)
    return least, most


def open_interval(least: Array, most: Array, confidence: float = 0.95) -> tuple[float, float, float]:
    """(value, low, high) of a mean whose items lie between two ends each; value is the middle of what they allow.

    least, most: shape (items,), in [-1, 1]. Guarantee: low misses with chance at most half the error whatever the open
    items are, and so does high. Raises ValueError as `mean_bounds` does.

    >>> [round(end, 3) for end in open_interval(np.zeros(400), np.repeat([0.0, 1.0], [396, 4]))]
    [0.005, -0.017, 0.036]
    """
    below = mean_bounds(least, confidence)
    above = below if np.array_equal(least, most) else mean_bounds(most, confidence)
    return (below.value + above.value) / 2, below.low, above.high


def p_no_harm(least: Array, margin: float) -> float:
    """One-sided p-value of "the mean effect is at most the margin".

    least: shape (items,), in [-1, 1], open items at their least. By t with room for skewness where there are 30 items
    and a sum of squared deviations of 10, else 1 / e-value of the betting bound, valid at any n. 1.0 without an item.
    Guarantee: at most alpha with chance alpha; about that for t.

    >>> p_no_harm(np.zeros(400), 0.005), round(p_no_harm(np.repeat([0.0, 1.0, -1.0], [300, 70, 30]), 0.005), 6)
    (1.0, 6.3e-05)
    """
    n = least.size
    if not n:
        return 1.0
    centred = least - least.mean()
    if n >= ENOUGH_UNITS and centred @ centred >= ENOUGH_VARIATION:
        error = float(np.sqrt(centred @ centred / (n - 1) / n))
        reach = (float(least.mean()) - margin) / error
        room = max(-float((centred**3).sum()) / n**3 / error**3 / 6, 0.0)  # as in `tail_reaches`, turned round
        quantile = reach if room == 0 else (np.sqrt(max(1 - 8 * room * (room - reach), 0.0)) - 1) / (4 * room)
        return float(special.stdtr(n - 1, -quantile))
    gains = (least - margin) / (1 + margin)
    capital = np.logaddexp.reduce([np.log1p(stake * gains).sum() for stake in STAKES]) - np.log(len(STAKES))
    return float(min(1.0, np.exp(-capital)))


def purse(tests: Mapping[int, int], full: float) -> dict[int, float]:
    """What each test of a day may spend: the purse by then, in days of budget, shared by the tests of that day.

    tests: day -> how many tests. full: the most the purse holds; it starts full, a day puts one day in, and a day with
    tests empties it. Guarantee: what is spent in T days is at most T + full, whenever tests come, so that tests at
    level mass * share / A give at most mass (T + full) / A false alerts, under any dependence.

    >>> {day: round(share, 2) for day, share in purse({100: 3, 101: 1, 115: 3}, 28.0).items()}
    {100: 9.33, 101: 1.0, 115: 4.67}
    """
    held, shares, last = full, {}, min(tests, default=0)
    for day in sorted(tests):
        held = min(full, held + day - last)
        shares[day] = held / tests[day]
        held, last = 0.0, day
    return shares


def mean_error(least: Array) -> float:
    """Standard error of a mean effect, with one discordant item more: ties alone promise nothing.

    least: shape (items,), in [-1, 1].

    >>> mean_error(np.zeros(100))
    0.01
    """
    centred = least - least.mean()
    return float(np.sqrt(centred @ centred + 1) / least.size)


def visible_drop(error: float, margin: float, level: float, power: float = 0.9) -> float:
    """Smallest true mean effect that a test at a level would have shown with this probability; at most 1.

    error: standard error of the mean effect. By normal approximation.

    >>> round(visible_drop(0.014, 0.005, 0.01), 3)
    0.056
    """
    return min(1.0, margin + error * float(special.ndtri(1 - level) + special.ndtri(power)))
