"""Judges simulated from their verdicts on, and what the watch makes of them: steps 3 to 6 of a look, no events."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from consumers.store import EventStore
from monitor.check import load_checks
from monitor.detection.book import SeriesBook
from monitor.detection.memory import Memory
from monitor.detection.tick import explained, follow, measure
from monitor.judging.judge_records import CHECKS, NO_PAIRS, NO_SCORES, JudgeRecords, Ruler
from monitor.oncall.alerts import SEVERITIES
from monitor.production.baseline import no_baseline
from monitor.production.items import EPOCH, load_items
from monitor.result import Alert
from monitor.snapshot import Snapshot
from monitor.telling.explain import Case
from tests.monitor.judged_events import JUDGED

FIRST, CHECKPOINT_DAYS = 20454, 14  # 2026-01-01


@dataclass(frozen=True)
class World:
    """A judge over a reference and the days after it.

    capture, sound: its shares (see judged_events.Taste) in the reference and at the end; steps: over how many
    fortnights it goes from the one to the other. alike: how often person and teacher agree, then and later.
    """

    capture: tuple[float, float] = (0.27, 0.27)
    sound: tuple[float, float] = (0.81, 0.81)
    alike: tuple[float, float] = (0.65, 0.65)
    steps: int = 12
    per_day: int = 10
    reference: int = 100
    days: int = 168


@dataclass(frozen=True)
class Watched:
    """What the monitor makes of a judge: its case, and what it remembers of it."""

    case: Case
    memory: Memory
    first: int

    def told(self) -> list[Alert]:
        return [alert for episode in self.memory.episodes.values() for alert in explained(self.case, episode)]

    def day_of(self, severity: str) -> float:
        """Days from the end of the reference until the first alert of at least that severity; infinite if none."""
        least = SEVERITIES.index(severity)
        crossings = [c for episode in self.memory.episodes.values() for c in episode.crossings]
        return min((c.day - self.first + 1 for c in crossings if SEVERITIES.index(c.severity) >= least), default=np.inf)


def anchors(world: World, rng: np.random.Generator) -> pd.DataFrame:
    """Verdicts of person, teacher and judge, as `monitor.judging.judge_records.Ruler` holds them."""
    day = np.repeat(np.arange(world.reference + world.days), world.per_day)
    step = np.where(day < world.reference, 0, (day - world.reference) // CHECKPOINT_DAYS + 1)
    progress = np.minimum(step / world.steps, 1.0)

    def moved(ends: tuple[float, float]) -> np.ndarray:
        return ends[0] + (ends[1] - ends[0]) * progress

    human = rng.choice([-1.0, 1.0], day.size)
    teacher = np.where(rng.random(day.size) < moved(world.alike), human, -human)
    sides = np.where(human == teacher, moved(world.sound), moved(world.capture))
    verdict = np.where(rng.random(day.size) < sides, teacher, -teacher)
    length = rng.integers(-200, 200, day.size).astype(float)
    told = {"verdict": verdict, "human": human, "teacher": teacher, "length": length, "same_family": 0.0}
    return pd.DataFrame({**told, "own_student": 0.0, "day": FIRST + day})


def watch(world: World, store: EventStore, seed: int) -> Watched:
    """A watch over one judge. store: an empty one."""
    frame, first = anchors(world, np.random.default_rng(seed)), FIRST + world.reference
    orders = pd.DataFrame({"ab": [], "ba": [], "day": []}, dtype=np.int64)
    ruler = Ruler("j", "r1", FIRST, FIRST, first, frame, orders)
    as_of = EPOCH + dt.timedelta(days=first + world.days)
    baseline, items = no_baseline(JUDGED), load_items(store.engine, JUDGED, as_of)
    snapshot = Snapshot(as_of, JUDGED, items, baseline, store.engine)
    snapshot.__dict__["judge_records"] = JudgeRecords(("j",), {"j": [ruler]}, NO_PAIRS, NO_SCORES)
    memory = Memory(baseline, SeriesBook(first), errors=snapshot.errors)
    measure(snapshot, memory, first, [item for name, item in load_checks().items() if name in CHECKS])
    return Watched(follow(snapshot, memory, replayed=False), memory, first)
