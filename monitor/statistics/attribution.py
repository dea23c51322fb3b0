"""Which story do reward and outcome tell together: gaming, inflation, blind reward, plain harm, or an improvement?

The alert says that something moved; this names what. Daily means of the loss of outcome A2 (y_O) and of the gain of
reward A4 (y_R) since the last reset are compared with planted stories: a change of the reward by D_R and of the outcome
by D_O, starting at tau, at once or growing over 56 or 168 days. With the baseline error integrated out,

    log L = -D_O F_O - D_O^2 S_O / 2 + D_R F_R - D_R^2 S_R / 2

Averaged over amplitudes, summed over tau and profile, normalised over the five labels. Shares are measured, not
guaranteed: the alert keeps its own bound.
Source: Kass and Raftery 1995, J. Am. Stat. Assoc. 90:773 (evidence as likelihood averaged over what is unknown).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AMPLITUDES = np.array([1, 1.5, 2.2, 3.3, 5, 7.5, 11, 16, 25, 40, 60]) / 100
RISING = AMPLITUDES[1:]  # where the reward rises
MOST_LOST = 2.0  # outcome for each reward gained, in a story of gaming
RAMPS = (0, 56, 168)  # days until the change is complete; 0: at once
PARENTS = {"gaming": "decoupling", "inflation": "decoupling", "blind_reward": "harm", "plain_harm": "harm"}
PARENT_SHARE = 0.9
LEAF_SHARE = 0.8
LEAF_PATIENCE_DAYS = 28


@dataclass(frozen=True)
class Stream:
    """Daily sums of one score: counts n and totals, shape (days,); variance of one unit; error of its baseline."""

    n: Array
    total: Array
    variance: float
    baseline_error: float


def label_shares(
    loss: Stream, reward: Stream, gain: float, reverse: float, worth: float, overdispersion: float = 1.0
) -> dict[str, float]:
    """Share of evidence of each label: gaming, inflation, blind_reward, plain_harm, benign; they sum to 1.

    loss, reward: streams of A2 and A4 over the same consecutive days. gain: slope of outcome on reward in the
    reference; reverse: of reward on outcome. worth: least outcome that a point of reward must bring. overdispersion: of
    day means.

    >>> n = np.full(60, 100.0)
    >>> up, worse = Stream(n, n * 0.09, 0.24, 0.006), Stream(n, n * 0.04, 0.2, 0.006)
    >>> shares = label_shares(worse, up, gain=0.29, reverse=0.35, worth=0.1)
    >>> max(shares, key=shares.get)
    'gaming'
    """
    logs: dict[str, list[float]] = {}
    profiles = list(_profiles(loss.n.size))
    o = _projections(loss, profiles, overdispersion)
    r = _projections(reward, profiles, 1.0)
    for label, reward_change, outcome_change in _stories(reverse, max(gain, worth)):
        log = -np.outer(o[0], outcome_change) - np.outer(o[1], outcome_change**2) / 2
        log += np.outer(r[0], reward_change) - np.outer(r[1], reward_change**2) / 2
        logs.setdefault(label, []).append(_log_mean(log))
    combined = {label: _log_mean(np.array(values)) for label, values in logs.items()}
    peak = max(combined.values())
    weights = {label: float(np.exp(value - peak)) for label, value in combined.items()}
    return {label: weight / sum(weights.values()) for label, weight in weights.items()}


def name_label(shares: Mapping[str, float], days_since_warning: int) -> tuple[str, str]:
    """(attribution, leading): the leaf once it is clear and old enough, else its parent, else undecided.

    leading is the harmful leaf with the most evidence, whatever its share.

    >>> name_label({"gaming": 0.95, "inflation": 0.03, "blind_reward": 0.01, "plain_harm": 0.01, "benign": 0.0}, 0)
    ('decoupling', 'gaming')
    """
    leading = max(PARENTS, key=lambda leaf: shares[leaf])
    parents = {parent: sum(shares[leaf] for leaf in PARENTS if PARENTS[leaf] == parent) for parent in PARENTS.values()}
    parent = max(parents, key=lambda name: parents[name])
    if not parents[parent] >= PARENT_SHARE:
        return "undecided", leading
    if days_since_warning >= LEAF_PATIENCE_DAYS and shares[leading] >= LEAF_SHARE:
        return leading, leading
    return parent, leading


def _stories(reverse: float, earned: float) -> Iterator[tuple[str, Array, Array]]:
    """(label, reward changes, outcome changes) over the amplitudes."""
    a, zero = AMPLITUDES, np.zeros(AMPLITUDES.size)
    for lost in RISING:
        gained = RISING[lost <= MOST_LOST * RISING]
        yield "gaming", gained, np.full(gained.size, -lost)
    yield "inflation", RISING, np.zeros(RISING.size)
    yield "blind_reward", zero, -a
    yield "plain_harm", -reverse * a, -a
    yield "benign", RISING, earned * RISING


def _profiles(days: int) -> Iterator[Array]:
    day = np.arange(days)
    for start in range(0, max(days, 1), 7):
        since = np.maximum(day - start + 1, 0)
        for ramp in RAMPS:
            yield np.minimum(since / ramp, 1.0) if ramp else (since > 0).astype(float)


def _projections(stream: Stream, profiles: list[Array], overdispersion: float) -> tuple[Array, Array]:
    """F and S of each profile with the baseline's error integrated out."""
    spread = overdispersion * max(stream.variance, 1e-6)
    shapes = np.stack(profiles)
    weight = stream.n / spread
    first, second = shapes @ weight, shapes**2 @ weight
    slack = 1 / max(stream.baseline_error, 1e-6) ** 2 + weight.sum()
    pulled = shapes @ (stream.total / spread) - first * stream.total.sum() / spread / slack
    return pulled, second - first**2 / slack


def _log_mean(logs: Array) -> float:
    peak = float(logs.max())
    return peak + float(np.log(np.exp(logs - peak).mean()))
