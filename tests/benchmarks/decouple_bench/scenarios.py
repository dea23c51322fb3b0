"""What happens to the loop? Seeded scenarios, many runs at once; not drawn from any data.

Four cohorts, a thumb as reward, a binary outcome whose chance rises by `slope` with the thumb. 60 days of reference,
then 224 monitored days; whatever changes, changes on the 57th of them.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

REFERENCE_DAYS, MONITORED_DAYS, QUIET_DAYS, CHECKPOINT_DAYS = 60, 224, 56, 14
DAYS, CHANGE_DAY = REFERENCE_DAYS + MONITORED_DAYS, REFERENCE_DAYS + QUIET_DAYS
FIRST_DAY = 20454  # 2026-01-01: tells weekdays from weekends

SUCCESS = np.array([0.87, 0.75, 0.63, 0.51, 0.45])
THUMBS = np.array([0.70, 0.65, 0.60, 0.50, 0.45])
WEEKDAY = np.array([0.40, 0.30, 0.20, 0.10, 0.0])
WEEKEND = np.array([0.15, 0.20, 0.30, 0.35, 0.0])
EVEN = (5 * WEEKDAY + 2 * WEEKEND) / 7
HARDER = np.array([0.0, 0.0, 0.3, 0.7, 0.0])
TOPIC = 4  # a cohort that only the topic change has: 2% of its reference, 30% later
DAY_MEMORY = 0.7
USER_EVENTS, USER_SPREAD = 10, 0.3  # events a user and day; their intraclass correlation
FEEDBACK_RATE, ANGRY_RATE = 0.30, 0.45
LATEST = 14  # days until a success is known; a failure is known at once


@dataclass(frozen=True)
class Scenario:
    """kind: null, harm or benign. reward, outcome: full change in points.

    steps: 1 = at once, 12 = evenly over the checkpoints. cohort: only this one changes. slope_after: outcome on thumb
    after the change. mix: share of later traffic that moves to the hard cohorts. traffic: factor on later traffic.
    days: iid, weekday (the mix of cohorts follows the week), autocorrelated (a day effect of 1.5 points) or users
    (ten events a user and day). sampled: audit (all labels), organic (unhappy users answer more often after the
    change) or arrival (scored when known: failures at once, successes within two weeks). unlabelled: further items a
    day that have a reward and no outcome.
    """

    name: str
    kind: str
    reward: float = 0.0
    outcome: float = 0.0
    steps: int = 1
    cohort: int | None = None
    slope: float = 0.29
    slope_after: float = 0.29
    mix: float = 0.0
    topic: bool = False
    traffic: float = 1.0
    days: str = "weekday"
    sampled: str = "audit"
    labels: int = 100
    unlabelled: int = 0

    def with_labels(self, labels: int) -> "Scenario":
        """The same story at another number of labels a day."""
        return replace(self, labels=labels)


NULLS = (
    Scenario("null, independent", "null", days="iid"),
    Scenario("null, weekday mix", "null"),
    Scenario("null, autocorrelated days", "null", days="autocorrelated"),
    Scenario("null, users of 10 events", "null", days="users"),
)
TUNED_ON = NULLS[1]
HARMS = (
    Scenario("abrupt +9/-4", "harm", 9, -4),
    Scenario("slow +9/-4 in 12 steps", "harm", 9, -4, steps=12),
    Scenario("drop 0/-4", "harm", 0, -4),
    Scenario("inflate +9/0", "harm", 9, 0),
    Scenario("one cohort -15", "harm", 0, -15, cohort=2),
    Scenario("association only, slope .29 to .12", "harm", slope_after=0.12),
    Scenario("big +9/-8", "harm", 9, -8),
)
BENIGN = (
    Scenario("improvement +9/+2.6", "benign", 9, 2.6),
    Scenario("harder traffic mix", "benign", mix=0.5),
    Scenario("topic change", "benign", topic=True),
    Scenario("traffic x3, matured outcomes", "benign", traffic=3.0),
    Scenario("feedback rate of the unhappy, audit", "benign"),
)
TRAPS = (
    Scenario("traffic x3, scored on arrival", "trap", traffic=3.0, sampled="arrival"),
    Scenario("feedback rate of the unhappy, organic", "trap", sampled="organic"),
)


@dataclass(frozen=True)
class Streams:
    """Items of many runs in order of time, arrays of shape (runs, items).

    day: 0 is the first reference day. unit: items of one user and day share it. seen: False for items nobody scored.
    outcome: NaN for items nobody labelled.
    """

    day: Codes
    cohort: Codes
    reward: Array
    outcome: Array
    unit: Codes
    seen: NDArray[np.bool_]


def generate(scenario: Scenario, runs: int, seed: int) -> Streams:
    """Draw so many runs. The same seed gives the same runs."""
    rng = np.random.default_rng([seed, *scenario.name.encode(), scenario.labels])
    lead = LATEST if scenario.sampled == "arrival" else 0  # so that the first reference day is like the others
    counts = _counts(scenario, lead)
    served = np.repeat(np.arange(-lead, DAYS), counts)
    shape = (runs, served.size)
    unit = np.arange(served.size) // (USER_EVENTS if scenario.days == "users" else 1)
    cohort = _cohorts(rng, scenario, served, unit, runs)
    done = progress(scenario.steps, served) * (True if scenario.cohort is None else cohort == scenario.cohort)
    liked = THUMBS[cohort] + done * scenario.reward / 100
    reward = (rng.random(shape) < liked).astype(float)
    slope = np.where(served >= CHANGE_DAY, scenario.slope_after, scenario.slope)
    chance = _base(rng, scenario, cohort, unit, served) + done * scenario.outcome / 100 + slope * (reward - liked)
    outcome = (rng.random(shape) < chance).astype(float)
    outcome[:, _unlabelled(scenario, counts)] = np.nan
    streams = Streams(
        *np.broadcast_arrays(served, cohort), reward, outcome, np.broadcast_to(unit, shape), np.ones(shape, bool)
    )
    if scenario.sampled == "arrival":
        return _on_arrival(rng, streams)
    return _organic(rng, streams) if scenario.sampled == "organic" else streams


def weekend(day: Codes) -> NDArray[np.bool_]:
    """Whether a day of the benchmark falls on a weekend."""
    return np.isin((FIRST_DAY + day + 3) % 7, (5, 6))


def information(scenario: Scenario) -> float:
    """Kullback-Leibler divergence, in nats a label, of outcome given thumb and cohort after a change against before."""
    total = 0.0
    for share, success, thumbs in zip(EVEN, SUCCESS, THUMBS, strict=True):
        liked = thumbs + scenario.reward / 100
        for thumb, weight in ((1.0, liked), (0.0, 1 - liked)):
            before = success + scenario.slope * (thumb - thumbs)
            after = success + scenario.outcome / 100 + scenario.slope_after * (thumb - liked)
            apart = after * np.log(after / before) + (1 - after) * np.log((1 - after) / (1 - before))
            total += share * weight * apart
    return float(total)


def _counts(scenario: Scenario, lead: int) -> Codes:
    day = np.arange(-lead, DAYS)
    served = (scenario.labels + scenario.unlabelled) / (FEEDBACK_RATE if scenario.sampled == "organic" else 1)
    return np.where(day >= CHANGE_DAY, scenario.traffic * served, served).round().astype(np.int64)


def _unlabelled(scenario: Scenario, counts: Codes) -> NDArray[np.bool_]:
    """Which items of a day, by their place in it, have no outcome."""
    place = np.concatenate([np.arange(count) for count in counts])
    return (place >= scenario.labels) & (scenario.unlabelled > 0)


def progress(steps: int, day: Codes) -> Array:
    """How much of the change has happened by a day: 0 to 1, in equal steps of 14 days."""
    step = (day - CHANGE_DAY) // CHECKPOINT_DAYS + 1
    return np.where(day >= CHANGE_DAY, np.minimum(step / steps, 1.0), 0.0)


def _cohorts(rng: np.random.Generator, scenario: Scenario, day: Codes, unit: Codes, runs: int) -> Codes:
    shares = (
        np.where(weekend(day)[:, None], WEEKEND, WEEKDAY) if scenario.days != "iid" else np.tile(EVEN, (day.size, 1))
    )
    later = (day >= CHANGE_DAY)[:, None]
    shares = np.where(later, (1 - scenario.mix) * shares + scenario.mix * HARDER, shares)
    if scenario.topic:
        fresh = np.where(later, 0.30, 0.02)
        shares = (1 - fresh) * shares + fresh * np.eye(shares.shape[1])[TOPIC]
    first = np.unique(unit, return_index=True)[1]
    draws = rng.random((runs, first.size))
    edges = np.cumsum(shares, axis=1)[first, :-1]
    codes = sum((draws > edges[:, edge]).astype(np.int64) for edge in range(edges.shape[1]))
    return np.asarray(codes)[:, unit]


def _base(rng: np.random.Generator, scenario: Scenario, cohort: Codes, unit: Codes, day: Codes) -> Array:
    """Chance of success before thumb and change."""
    runs = cohort.shape[0]
    if scenario.days == "users":
        first = np.unique(unit, return_index=True)[1]
        mean, concentration = SUCCESS[cohort[:, first]], 1 / USER_SPREAD - 1
        return rng.beta(mean * concentration, (1 - mean) * concentration)[:, unit]
    if scenario.days == "autocorrelated":
        shocks = rng.normal(0, 0.015 * np.sqrt(1 - DAY_MEMORY**2), (runs, DAYS))
        effect = np.zeros((runs, DAYS))
        for index in range(1, DAYS):
            effect[:, index] = DAY_MEMORY * effect[:, index - 1] + shocks[:, index]
        return SUCCESS[cohort] + effect[:, day]
    return SUCCESS[cohort]


def _on_arrival(rng: np.random.Generator, streams: Streams) -> Streams:
    lag = np.where(streams.outcome > 0, rng.integers(1, LATEST + 1, streams.day.shape), 0)
    day = streams.day + lag
    order = np.argsort(day, axis=1, kind="stable")
    moved = {name: np.take_along_axis(value, order, axis=1) for name, value in vars(streams).items() if name != "day"}
    day = np.take_along_axis(day, order, axis=1)
    inside = (day >= 0) & (day < DAYS)
    return Streams(day=np.clip(day, 0, DAYS - 1), **{**moved, "seen": inside})


def _organic(rng: np.random.Generator, streams: Streams) -> Streams:
    angry = (streams.outcome == 0) & (streams.day >= CHANGE_DAY)
    answered = rng.random(streams.day.shape) < np.where(angry, ANGRY_RATE, FEEDBACK_RATE)
    return replace(streams, seen=answered)
