"""What would have alerted on one's own history under these settings, and would it have seen a harm?"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from consumers.mendable import Mendable
from consumers.store import EventStore
from monitor.check import Interval, Slice
from monitor.detection.memory import Memory
from monitor.oncall.alerts import SEVERITIES, is_guard
from monitor.planning.history import History, NothingToLookBackOn, recall
from monitor.production.items import DAY_US, date_of, day_of, microseconds
from monitor.result import Alert, Reference
from monitor.settings import Settings
from monitor.statistics.family import CURVE_WEIGHT

STANDARD_DAYS = (30.0, 365.0, 3650.0)
PLANTS = 8  # runs of a planted harm, each with flips of its own


class PlantImpossible(Mendable):
    """A harm cannot be planted there; the message says what could be."""


@dataclass(frozen=True)
class Plant:
    """A harm to plant: `drop` of the outcome (share, 0 to 1) in all answers served from a moment on."""

    drop: float
    since: dt.datetime
    seed: int = 0


@dataclass(frozen=True)
class Raised:
    """One alert that would have been raised, and the evidence that day. Words of users are left out."""

    on: dt.date
    severity: str
    check: str
    slice: Slice
    attribution: str
    leading: str
    checkpoint: str
    rule: str
    statistic: float
    threshold: float
    effect: Interval
    reward_change: Interval
    outcome_change: Interval
    n: int


@dataclass(frozen=True)
class First:
    """The first alert that is at least so severe. days: since the first day that was watched."""

    on: dt.date
    days: int


@dataclass(frozen=True)
class Budget:
    """One severity's false alerts: at most `most_false` expected in the days watched, over all series; `episodes` were
    raised to it or beyond, the guard's left out: it has a promise of its own."""

    threshold_days: float
    most_false: float
    episodes: int


@dataclass(frozen=True)
class Threshold:
    """What a threshold would have done. severity: whose statistic it was compared with."""

    days: float
    severity: str
    first: First | None
    slices: Sequence[str]
    most_false: float


@dataclass(frozen=True)
class Seen:
    """How long a planted harm went unseen, over the runs in which it was seen.

    runs_seen: in so many of `runs` an alert at least so severe came before the history ended. mean_days: since the
    harm began, horizon included. error: standard error of that mean. already: such an alert was open before
    the harm began, so that nothing can be said. unharmed_days: when the history alone would have raised it.
    """

    runs: int
    runs_seen: int
    mean_days: float | None
    error: float | None
    already: bool
    unharmed_days: int | None


@dataclass(frozen=True)
class Mirror:
    """A planted harm, and what would have been made of it. touched: answers with an outcome served from then on."""

    drop: float
    since: dt.date
    seed: int
    touched: int
    days_left: int
    seen: Mapping[str, Seen]


@dataclass(frozen=True)
class Backtest:
    """What one set of settings would have done. change: what differs from the settings given, empty for themselves.

    missing: why nothing can be said; everything after it is empty then.
    """

    change: str
    missing: str = ""
    reference: Reference | None = None
    watched_from: dt.date | None = None
    watched_days: int = 0
    alerts: Sequence[Raised] = ()
    first: Mapping[str, First | None] = field(default_factory=dict)
    budget: Mapping[str, Budget] = field(default_factory=dict)
    thresholds: Sequence[Threshold] = ()
    mirror: Mirror | None = None


def backtest(
    store: EventStore,
    settings: Settings,
    alternatives: Mapping[str, Settings],
    now: dt.datetime,
    plant: Plant | None = None,
    stage: Callable[[str], None] = lambda _: None,
) -> list[Backtest]:
    """What the settings, and each alternative by its name, would have done on the store's history; the settings first.

    Nothing is written. now: the history ends no later. stage: told in words what begins. Raises NothingToLookBackOn
    and PlantImpossible for the settings themselves; an alternative with such a fault says so in its place.
    """
    runs = []
    for number, (change, chosen) in enumerate({"": settings, **alternatives}.items()):
        stage(f"looking back under {change or 'the settings'} ({number + 1} of {len(alternatives) + 1})")
        try:
            runs.append(_one(store, chosen, change, now, plant, stage))
        except (NothingToLookBackOn, PlantImpossible) as fault:
            if not change:
                raise
            runs.append(Backtest(change, str(fault)))
    return runs


def _one(
    store: EventStore,
    settings: Settings,
    change: str,
    now: dt.datetime,
    plant: Plant | None,
    stage: Callable[[str], None],
) -> Backtest:
    history = recall(store, settings, now)
    book = history.memory.book
    return Backtest(
        change=change,
        reference=history.report.reference,
        watched_from=date_of(book.first_day),
        watched_days=book.days,
        alerts=sorted((raised for alert in history.memory.told for raised in _raised(alert)), key=lambda one: one.on),
        first={severity: _first(history.memory, severity) for severity in SEVERITIES},
        budget=dict(_budget(history)),
        thresholds=list(_thresholds(history)),
        mirror=mirror(history, plant, stage) if plant else None,
    )


def _raised(alert: Alert) -> Iterator[Raised]:
    if alert.evidence is not None:
        yield Raised(
            on=alert.fired_at.date(),
            severity=alert.severity,
            check=alert.check,
            slice=alert.slice,
            attribution=alert.attribution,
            leading=alert.leading,
            checkpoint=alert.checkpoint,
            rule=alert.evidence.rule,
            statistic=alert.evidence.statistic,
            threshold=alert.evidence.threshold,
            effect=alert.effect,
            reward_change=alert.reward_change,
            outcome_change=alert.outcome_change,
            n=alert.n,
        )


def _first(memory: Memory, severity: str) -> First | None:
    day = _first_day(memory, severity)
    return None if day is None else First(date_of(day + 1), day + 1 - memory.book.first_day)


def _first_day(memory: Memory, severity: str) -> int | None:
    """The first day whose close brought an alert at least so severe."""
    least = SEVERITIES.index(severity)
    days = [c.day for e in memory.episodes.values() for c in e.crossings if SEVERITIES.index(c.severity) >= least]
    return min(days, default=None)


def _mass(history: History) -> float:
    """Restart mass a day of everything that may alert: what the budget is spent on."""
    return sum(history.case.weights.values()) + CURVE_WEIGHT


def _budget(history: History) -> Iterator[tuple[str, Budget]]:
    spent = _mass(history) * history.memory.book.days
    for severity, days in history.case.thresholds.items():
        least = SEVERITIES.index(severity)
        severe = [
            episode
            for episode in history.memory.episodes.values()
            if SEVERITIES.index(episode.severity) >= least and not is_guard(episode)
        ]
        yield severity, Budget(days, spent / days, len(severe))


def _thresholds(history: History) -> Iterator[Threshold]:
    """The thresholds that are set and the standard ones, each against the statistic of the severity it would be."""
    book, own, weights = history.memory.book, history.case.thresholds, history.case.weights
    # a path without restart mass is the guard against slow absorption, whose threshold is not in days
    paths = [path for path in history.case.paths.values() if all(key in weights for key in path.members)]
    spent = _mass(history) * book.days
    for days in sorted({*own.values(), *STANDARD_DAYS}):
        severity = max((name for name in SEVERITIES if own[name] <= days), key=SEVERITIES.index, default=SEVERITIES[0])
        crossed = {
            path.slice: next((day for day in range(book.days) if path.level(day, {severity: days})), None)
            for path in paths
        }
        slices = {name: day for name, day in crossed.items() if day is not None}
        earliest = min(slices.values(), default=None)
        first = None if earliest is None else First(date_of(book.first_day + earliest + 1), earliest + 1)
        yield Threshold(days, severity, first, sorted(slices), spent / days)


def mirror(history: History, plant: Plant, stage: Callable[[str], None] = lambda _: None) -> Mirror:
    """Plant a harm in a copy of the items, several times with flips of its own, and watch each copy.

    Raises PlantImpossible for a day without monitored answers or a drop larger than the outcome.
    """
    touched = _touched(history, plant)
    runs = []
    for number in range(PLANTS):
        stage(f"planting a drop of {plant.drop * 100:.1f} pt ({number + 1} of {PLANTS})")
        frame = plant_drop(
            history.snapshot.items.frame, touched, plant.drop, np.random.default_rng((plant.seed, number))
        )
        runs.append(history.with_items(frame).memory)
    began = day_of(plant.since)
    return Mirror(
        drop=plant.drop,
        since=plant.since.date(),
        seed=plant.seed,
        touched=int(touched.sum()),
        days_left=day_of(history.snapshot.as_of) - began,
        seen={severity: _seen(history.memory, runs, severity, began) for severity in SEVERITIES},
    )


def _touched(history: History, plant: Plant) -> NDArray[np.bool_]:
    """Which items the harm may strike: monitored, with an outcome, served from its first day on."""
    frame, window = history.snapshot.items.frame, history.memory.baseline.window
    watched = (window.roles(frame) == "monitored") & frame["outcome"].notna().to_numpy()
    began = microseconds(plant.since)
    if began < window.end_us:
        ends = date_of(window.end_us // DAY_US)
        raise PlantImpossible(f"--from {plant.since:%Y-%m-%d}: lies before the reference ends; choose {ends} or later")
    touched: NDArray[np.bool_] = watched & (frame["time_us"].to_numpy() >= began)
    if not touched.any():
        served = frame["time_us"][watched]
        last = (
            f"the last one was served on {date_of(served.max() // DAY_US)}" if len(served) else "there is none at all"
        )
        raise PlantImpossible(
            f"--from {plant.since:%Y-%m-%d}: no monitored answer with an outcome from then on; {last}"
        )
    level = float(frame["outcome"][touched].mean())
    if not plant.drop <= level:
        raise PlantImpossible(
            f"--plant {plant.drop:g}: the outcome from {plant.since:%Y-%m-%d} on is {level:.3f}; plant at most that"
        )
    return touched


def plant_drop(frame: pd.DataFrame, touched: NDArray[np.bool_], drop: float, rng: np.random.Generator) -> pd.DataFrame:
    """A copy of the items in which each touched outcome is set to 0 at random, so that their mean falls by `drop`.

    The rewards stay: it is a harm that the reward does not see.

    >>> items = pd.DataFrame({"outcome": np.ones(1000)})
    >>> worse = plant_drop(items, np.ones(1000, bool), 0.1, np.random.default_rng(0))
    >>> float(worse["outcome"].mean()), float(items["outcome"].mean())
    (0.911, 1.0)
    """
    outcome = frame["outcome"].to_numpy(float, copy=True)
    outcome[touched & (rng.random(len(frame)) < drop / outcome[touched].mean())] = 0.0
    return frame.assign(outcome=outcome)


def _seen(plain: Memory, runs: Sequence[Memory], severity: str, began: int) -> Seen:
    unharmed = _first_day(plain, severity)
    if unharmed is not None and unharmed < began:
        return Seen(len(runs), 0, None, None, already=True, unharmed_days=None)
    days = [day + 1 - began for day in (_first_day(run, severity) for run in runs) if day is not None]
    unharmed_days = None if unharmed is None else unharmed + 1 - began
    error = float(np.std(days, ddof=1) / np.sqrt(len(days))) if len(days) > 1 else None
    return Seen(len(runs), len(days), float(np.mean(days)) if days else None, error, False, unharmed_days)
