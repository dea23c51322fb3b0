"""Do responses escape being judged, and what could that hide of the outcome? (A8)

A response escapes if a reward or an outcome was asked for and none could be given: a broken tool call, a needless
clarifying question, a refusal, a user who left. Only responses that were asked for count, so that a change of whom one
asks is not evasion. Assumption of all intervals: the responses asked for are independent units.

Sources: Newcombe 1998, Stat. Med. 17:873, method 10 (difference of shares); Manski 1990, Am. Econ. Rev. 80:319 (bounds
without assumptions on what is missing).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.shares import wilson_interval

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def escape_score(answered: Flags, expected: Array) -> Array:
    """A8 against the reference, 1{escaped} - e_0: effect of each response that was asked for, in [-1, 1].

    answered: shape (asked,); expected: share of its cohort that escaped in the reference, shape (asked,) or (1,).
    Against the concurrent holdback give `answered` as the outcome to holdback.disjoint_groups instead: users who answer
    less move both arms and cancel. Raises ValueError for flags that are not boolean or expectations outside [0, 1].

    >>> escape_score(np.array([True, False]), np.array([0.25])).tolist()
    [-0.25, 0.75]
    """
    if not ((expected >= 0) & (expected <= 1)).all():
        raise ValueError("expectations must be finite and lie in [0, 1]")
    _validate(answered)
    return (~answered).astype(float) - expected


def escape_change(answered: Flags, answered_before: Flags, confidence: float = 0.95) -> tuple[float, float, float]:
    """How much larger the share that escaped is than in the comparison arm, with its interval: (value, low, high).

    Both: shape (asked,) of either arm. Newcombe's hybrid of two Wilson intervals. Guarantee: about nominal coverage
    where the arms are independent.
    Raises ValueError where an arm is empty or flags are not boolean.

    >>> [round(v, 3) for v in escape_change(np.arange(80) >= 24, np.arange(80) >= 12)]
    [0.15, 0.02, 0.274]
    """
    _validate(answered, answered_before)
    n, n_before = answered.size, answered_before.size
    escaped, escaped_before = int((~answered).sum()), int((~answered_before).sum())
    low, high = wilson_interval(escaped, n, confidence)
    low_before, high_before = wilson_interval(escaped_before, n_before, confidence)
    share, share_before = escaped / n, escaped_before / n_before
    value = share - share_before
    down = float(np.hypot(share - low, high_before - share_before))
    up = float(np.hypot(high - share, share_before - low_before))
    return value, value - down, value + up


@dataclass(frozen=True)
class Bounds:
    """Mean outcome between the worst and the best case of what is missing; low and high: with sampling error.

    Shares in [0, 1], or a difference of them in [-1, 1]; n: all asked for; missing: those without an outcome.
    """

    worst: float
    best: float
    low: float
    high: float
    n: int
    missing: int


def outcome_bounds(outcome: Array, asked: int, confidence: float = 0.95) -> Bounds:
    """Bounds on the mean outcome of all that were asked for, were the missing ones all failures, or all successes.

    outcome: of those that answered, shape (answered,), in [0, 1]; asked: how many were asked for, escaped included.
    Nothing is assumed of why an outcome is missing. Guarantee: [low, high] holds the mean with at least the confidence
    asked: Wilson's limits at both cases (a value between 0 and 1 varies no more than a flip with its mean).
    Raises ValueError for outcomes not finite in [0, 1], nobody asked, or more answers than asked.

    >>> found = outcome_bounds(np.ones(60), 100)
    >>> found.worst, found.best, round(found.low, 3), round(found.high, 3)
    (0.6, 1.0, 0.502, 1.0)
    """
    if not ((outcome >= 0) & (outcome <= 1)).all():
        raise ValueError("outcomes must be finite and lie in [0, 1]")
    if asked < 1 or outcome.size > asked:
        raise ValueError(f"need at least one asked for, and no more outcomes than asked; got {outcome.size} of {asked}")
    total, missing = float(outcome.sum()), asked - outcome.size
    low, _ = wilson_interval(total, asked, confidence)
    _, high = wilson_interval(total + missing, asked, confidence)
    return Bounds(total / asked, (total + missing) / asked, low, high, asked, missing)


def outcome_change_bounds(new: Bounds, before: Bounds) -> Bounds:
    """Bounds on the change of the mean outcome, new minus comparison: worst against best, and best against worst.

    Independent arms with bounds at one confidence. Errors are combined as in Newcombe's interval, so that with nothing
    missing it is that interval.

    >>> found = outcome_change_bounds(outcome_bounds(np.ones(60), 80), outcome_bounds(np.ones(60), 80))
    >>> found.worst, found.best, found.missing
    (-0.25, 0.25, 40)
    """
    worst, best = new.worst - before.best, new.best - before.worst
    down = float(np.hypot(new.worst - new.low, before.high - before.best))
    up = float(np.hypot(new.high - new.best, before.worst - before.low))
    return Bounds(worst, best, worst - down, best + up, new.n + before.n, new.missing + before.missing)


def _validate(*flags: Flags) -> None:
    if any(part.dtype != np.bool_ for part in flags):
        raise ValueError("whether an answer came must be true or false")
