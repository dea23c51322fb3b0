"""What is said of labels given twice? How many are wrong, and how much of every effect that hides."""

import numpy as np

from monitor.check import Finding, Interval, Verdict
from monitor.detection.book import SeriesInfo
from monitor.statistics.label_noise import label_noise

CHECK = "label_noise"
LEAST_ITEMS = 50  # labelled twice: fewer leave the flip rate open by a tenth and more


def noise_finding(info: SeriesInfo, n: int, differing: int, days: int) -> Finding:
    """The flip rate of one label with its interval, from so many items labelled twice in so many days.

    >>> info = SeriesInfo({}, 0.1, 0.0, 0.0, 0, "")
    >>> noise_finding(info, 200, 14, 28).message
    '3.6% of labels are wrong (2.2%..6.1%): they hide 7% of every effect, and a change takes 1.2 times the labels; \
200 items labelled twice in 28 days'
    """
    counted = f"{n:,} items labelled twice in {days} days"
    if n < LEAST_ITEMS:
        told = f"{counted}, of {LEAST_ITEMS} that are needed: {info.needs}"
        return Finding(CHECK, info.slice, Verdict.INCONCLUSIVE, Interval(), info.tolerance, n, told)
    noise = label_noise(np.zeros(n, bool), np.arange(n) < differing)
    effect = Interval(noise.flip_rate, noise.low, noise.high)
    verdict = Verdict.FAIL if noise.low > info.tolerance else Verdict.INCONCLUSIVE
    if noise.high <= info.tolerance:
        verdict = Verdict.PASS
    hides = f"they hide {1 - noise.shrink:.0%} of every effect, and a change takes {noise.delay:.1f} times the labels"
    told = f"{noise.flip_rate:.1%} of labels are wrong ({noise.low:.1%}..{noise.high:.1%}): {hides}; {counted}"
    return Finding(CHECK, info.slice, verdict, effect, info.tolerance, n, told)
