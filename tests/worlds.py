"""Small synthetic loops with dials, and what the monitor makes of them.

Matured items of four cohorts, with a known true change of reward and outcome; not drawn from any data. Each world is
60 days of reference, then 168 days of 12 biweekly checkpoints.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sqlalchemy import Engine

from monitor.check import load_checks
from monitor.detection.book import SeriesBook
from monitor.detection.memory import Memory
from monitor.detection.tick import explained, follow, measure
from monitor.oncall.alerts import SEVERITIES
from monitor.production.baseline import find_window, fit_baseline
from monitor.production.items import DAY_US, EPOCH, Items
from monitor.result import Alert
from monitor.settings import Settings
from monitor.snapshot import Snapshot
from monitor.telling.explain import Case

SUCCESS = np.array([0.87, 0.75, 0.63, 0.51])
THUMBS = np.array([0.70, 0.65, 0.60, 0.50])
WEEKDAY = np.array([0.40, 0.30, 0.20, 0.10])
WEEKEND = np.array([0.15, 0.20, 0.30, 0.35])
STAYING = np.array([0.83, 0.72, 0.62, 0.52])  # 30% churn
JUDGED_BETTER, CHURN_DAYS = 0.71, 14
REFERENCE_DAYS, DAYS, CHECKPOINT_DAYS = 60, 168, 14
FIRST_DAY = 20454  # 2026-01-01


@dataclass(frozen=True)
class World:
    """reward, outcome: full change in points. steps: 12 = spread evenly over the checkpoints, 1 = at once.

    cohort: only this one changes. mix: later traffic leans to the hard cohorts. slope: outcome on thumbs, within
    cohorts. day_effect: standard deviation of an autocorrelated day effect on the outcome, in points.
    """

    reward: float = 0.0
    outcome: float = 0.0
    steps: int = 12
    cohort: int | None = None
    mix: float = 0.0
    slope: float = 0.29
    labels: int = 100
    unlabelled: int = 0
    day_effect: float = 0.0


def items(world: World, seed: int) -> pd.DataFrame:
    """The frame that `monitor.production.items.load_items` would give for this world."""
    rng = np.random.default_rng(seed)
    per_day = world.labels + world.unlabelled
    day = np.repeat(np.arange(REFERENCE_DAYS + DAYS), per_day)
    later = day >= REFERENCE_DAYS
    step = np.where(later, (day - REFERENCE_DAYS) // CHECKPOINT_DAYS + 1, 0)
    cohort = _cohorts(rng, day, later, world.mix)
    progress = np.minimum(step / world.steps, 1.0)
    touched = np.ones(day.size) if world.cohort is None else (cohort == world.cohort).astype(float)
    d_reward, d_outcome = progress * touched * world.reward / 100, progress * touched * world.outcome / 100
    thumb_rate = THUMBS[cohort] + d_reward
    thumb = (rng.random(day.size) < thumb_rate).astype(float)
    rate = SUCCESS[cohort] + d_outcome + world.slope * (thumb - thumb_rate) + _day_effect(rng, day, world) / 100
    outcome = (rng.random(day.size) < np.clip(rate, 0, 1)).astype(float)
    outcome[np.arange(day.size) % per_day >= world.labels] = np.nan
    return _frame(day, step, cohort, thumb, outcome)


def selected_items(seed: int, labels: int = 100, most: int = 16) -> pd.DataFrame:
    """An honest loop: each checkpoint is the best of ever more answers by a continuous reward that keeps its meaning.

    The outcome's chance rises by .3 from the lowest to the highest reward, in every cohort and at all times.
    """
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(REFERENCE_DAYS + DAYS), labels)
    step = np.where(day >= REFERENCE_DAYS, (day - REFERENCE_DAYS) // CHECKPOINT_DAYS + 1, 0)
    cohort = rng.integers(0, 4, day.size)
    best_of = np.minimum(np.array([1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16])[step], most)
    reward = np.round(rng.random(day.size) ** (1 / best_of), 3)
    rate = np.array([0.80, 0.72, 0.64, 0.55])[cohort] + 0.3 * (reward - 0.5)
    outcome = (rng.random(day.size) < rate).astype(float)
    return _frame(day, step, cohort, reward, outcome)


def judged_items(churn: float, worth: float, seed: int, labels: int = 100) -> pd.DataFrame:
    """A judge calls 71% of answers better than the reference's, at once and for ever, while more customers leave.

    churn: its rise in points, from 30%. worth: by how much less churn went with the highest than with the lowest score
    in the reference, in points. A customer is lost, or stayed, CHURN_DAYS after the answer.
    """
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(REFERENCE_DAYS + DAYS), labels)
    later = day >= REFERENCE_DAYS
    step = np.where(later, (day - REFERENCE_DAYS) // CHECKPOINT_DAYS + 1, 0)
    cohort = _cohorts(rng, day, later, 0.0)
    better = np.sqrt(2) * stats.norm.ppf(JUDGED_BETTER)
    rank = stats.norm.cdf(rng.standard_normal(day.size) + later * better)
    expected = 0.5 + later * (JUDGED_BETTER - 0.5)
    stays = STAYING[cohort] - later * churn / 100 + worth / 100 * (rank - expected)
    outcome = (rng.random(day.size) < stays).astype(float)
    return _frame(day, step, cohort, np.round(rank, 3), outcome).assign(day=FIRST_DAY + day + CHURN_DAYS)


def _frame(
    day: np.ndarray, step: np.ndarray, cohort: np.ndarray, reward: np.ndarray, outcome: np.ndarray
) -> pd.DataFrame:
    number = np.arange(day.size)
    return pd.DataFrame(
        {
            "response_id": [f"r{i}" for i in number],
            "unit": [f"u{i}" for i in number],
            "user": [f"u{i}" for i in number],
            "checkpoint": [f"ckpt-{s:02d}" for s in step],
            "cohort": [f'{{"tier":"{"abcd"[c]}"}}' for c in cohort],
            "time_us": (FIRST_DAY + day) * DAY_US + number % 1000,
            "day": FIRST_DAY + day + 1,
            "reward": reward,
            "outcome": outcome,
            "unscoreable": False,
            "propensity": np.nan,
            "second": np.nan,
        }
    )


def _cohorts(rng: np.random.Generator, day: np.ndarray, later: np.ndarray, mix: float) -> np.ndarray:
    weekend = np.isin((FIRST_DAY + day + 3) % 7, (5, 6))
    shares = np.where(weekend[:, None], WEEKEND, WEEKDAY)
    hard = np.array([0.0, 0.0, 0.3, 0.7])
    shares = np.where(later[:, None], (1 - mix) * shares + mix * hard, shares)
    return (rng.random(day.size)[:, None] > np.cumsum(shares, axis=1)).sum(axis=1).clip(0, 3)


def _day_effect(rng: np.random.Generator, day: np.ndarray, world: World) -> np.ndarray:
    if not world.day_effect:
        return np.zeros(day.size)
    shocks = rng.normal(0, world.day_effect * np.sqrt(1 - 0.7**2), REFERENCE_DAYS + DAYS)
    effect = np.zeros(shocks.size)
    for index in range(1, effect.size):
        effect[index] = 0.7 * effect[index - 1] + shocks[index]
    return effect[day]


SETTINGS = Settings.model_validate(
    {
        "outcome": {"metric": "task_success", "horizon": "1d"},
        "reference": {"checkpoint": "ckpt-00"},
        "cohorts": ["tier"],
        "unit": "response",
    }
)
CHURN_SETTINGS = Settings.model_validate(
    {
        "reward": {"scorer": "judge"},
        "outcome": {"metric": "churned", "horizon": f"{CHURN_DAYS}d", "higher_is_better": False, "missing": False},
        "reference": {"checkpoint": "ckpt-00"},
        "cohorts": ["tier"],
        "unit": "response",
    }
)


@dataclass(frozen=True)
class Watched:
    """What the monitor makes of a world: its case, and what it remembers of it."""

    case: Case
    memory: Memory

    def told(self) -> list[Alert]:
        """The alerts of every slice, explained as of the end of the world."""
        return [alert for episode in self.memory.episodes.values() for alert in explained(self.case, episode)]

    def days(self) -> dict[str, int]:
        """Severity -> days from the first change until the first alert that is at least so severe."""
        crossings = [crossing for episode in self.memory.episodes.values() for crossing in episode.crossings]
        first = FIRST_DAY + REFERENCE_DAYS
        return {
            severity: min(c.day - first for c in crossings if SEVERITIES.index(c.severity) >= least)
            for least, severity in enumerate(SEVERITIES)
            if any(SEVERITIES.index(c.severity) >= least for c in crossings)
        }


def watch(frame: pd.DataFrame, engine: Engine, replayed: bool = True, settings: Settings = SETTINGS) -> Watched:
    """Steps 2 to 6 of `monitor.detection.tick` over a world's frame, as of the midnight after its last day.

    engine: of an empty store, which checks that read raw events find empty.
    """
    as_of = EPOCH + dt.timedelta(days=int(frame["day"].max()) + 1)
    window = find_window(frame, settings, None, as_of)
    baseline = fit_baseline(frame, window, settings, None)
    first_day = int(frame["day"][window.roles(frame) == "monitored"].min())
    memory = Memory(baseline, SeriesBook(first_day))
    snapshot = Snapshot(as_of, settings, Items(frame, {"pending": 0}), baseline, engine, (), memory.errors)
    measure(snapshot, memory, first_day, load_checks().values())
    return Watched(follow(snapshot, memory, replayed), memory)
