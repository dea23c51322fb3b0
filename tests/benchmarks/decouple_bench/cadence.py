"""Which of seventy checkpoints in flight is to blame? One every five hours, outcomes two weeks after the answer.

1,000 labels a day, some 208 a checkpoint, 20 reference days. From one checkpoint on, at any hour of the 49th day,
reward and outcome change at once and stay. When the warning comes, about 67 newer checkpoints have served whose
outcomes nobody knows yet. Two rules are asked: the change point among the checkpoints in order of service, which the
product takes where several serve a day, and the checkpoint that served most since the likely start, as elsewhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.detection.evidence import likely_start, walk
from monitor.statistics.change_point import change_shares
from monitor.statistics.family import series_weight
from monitor.telling.blame import LOOK_BACK_DAYS
from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.detectors import GLOBAL_A1, backed
from tests.benchmarks.decouple_bench.measured import Run
from tests.benchmarks.decouple_bench.scenarios import SUCCESS, THUMBS, WEEKDAY, WEEKEND, Codes, weekend

HOURS, MATURE_DAYS = 5, 14
REFERENCE_DAYS, QUIET_DAYS, DAYS = 20, 28, 90
LABELS, SLOPE, PROMISED = 1_000, 0.29, 365
CLOSE = 2  # checkpoints off that still count as right
STORIES = {"+9/-4": (9.0, -4.0), "+9/-8": (9.0, -8.0), "0/-4": (0.0, -4.0)}


@dataclass(frozen=True)
class Loop:
    """A run, the checkpoint that served each, and the first one that is worse (none: past the last)."""

    run: Run
    checkpoint: Codes
    guilty: int


def measure(loops: int, null_loops: int, seed: int) -> dict[str, Any]:
    """harms: one row a story, with the share of warned loops blamed rightly; null: false warnings against the bound."""
    rows = []
    for number, (name, change) in enumerate(STORIES.items()):
        seen = [_watch(np.random.default_rng([seed, number, loop]), change) for loop in range(loops)]
        rows.append(_told(name, seen))
    silent = [_watch(np.random.default_rng([seed, 99, loop]), None) for loop in range(null_loops)]
    false = sum(found is not None for found in silent)
    bound = (DAYS - REFERENCE_DAYS) / PROMISED
    return {"harms": rows, "null": {**metrics.plain(metrics.share_of(false, null_loops)), "bound": bound},
            "in_flight": MATURE_DAYS * 24 / HOURS}  # fmt: skip


@dataclass(frozen=True)
class Blame:
    """Days from the change to the warning; how many checkpoints too late (plus) or early each rule points."""

    days: float
    most_served: int
    change_point: int


def _told(name: str, seen: list[Blame | None]) -> dict[str, Any]:
    warned = [found for found in seen if found is not None and found.days >= 0]
    rules = {rule: np.array([getattr(found, rule) for found in warned]) for rule in ("most_served", "change_point")}
    return {
        "scenario": name,
        "loops": len(seen),
        "warned": len(warned),
        "early": sum(found is not None and found.days < 0 for found in seen),
        "days": float(np.mean([found.days for found in warned])),
        **{rule: metrics.plain(metrics.share_of(int((np.abs(off) <= CLOSE).sum()), off.size))
           for rule, off in rules.items()},
        **{f"{rule}_exact": float((off == 0).mean()) for rule, off in rules.items()},
    }  # fmt: skip


def _watch(rng: np.random.Generator, change: tuple[float, float] | None) -> Blame | None:
    """The first warning of a loop at the default weight of A1, and whom both rules blame for it."""
    loop = _loop(rng, change)
    book = loop.run.book([loop.run.measure("A1")], DAYS)
    (path,) = walk(book, {GLOBAL_A1: series_weight("A1")}, {}, replayed=False)
    over = backed(path.firm, path.backed) > np.log(PROMISED)
    if not over.any():
        return None
    first = int(over.argmax())
    start = likely_start(book, GLOBAL_A1, first)[0]
    most, point = _most_served(loop, start, first), _change_point(loop, start, first)
    return Blame(REFERENCE_DAYS + first + 1 - loop.guilty * HOURS / 24, most - loop.guilty, point - loop.guilty)


def _loop(rng: np.random.Generator, change: tuple[float, float] | None) -> Loop:
    """Time runs in days of maturity: the answer was given two weeks before, all along."""
    hour = np.sort(rng.uniform(0, DAYS * 24, DAYS * LABELS))
    day, checkpoint = (hour // 24).astype(np.int64), (hour // HOURS).astype(np.int64)
    guilty = int((REFERENCE_DAYS + QUIET_DAYS) * 24 // HOURS + rng.integers(1, 6))
    reward, outcome = change or (0.0, 0.0)
    worse = (checkpoint >= guilty) / 100
    edges = np.cumsum(np.where(weekend(day)[:, None], WEEKEND[:4], WEEKDAY[:4]), axis=1)[:, :3]
    cohort = (rng.random(hour.size)[:, None] > edges).sum(axis=1)
    liked = THUMBS[cohort] + worse * reward
    thumb = (rng.random(hour.size) < liked).astype(float)
    chance = SUCCESS[cohort] + worse * outcome + SLOPE * (thumb - liked)
    worked = (rng.random(hour.size) < chance).astype(float)
    run = Run(day, cohort, thumb, worked, np.arange(hour.size), REFERENCE_DAYS)
    return Loop(run, checkpoint, guilty)


def _change_point(loop: Loop, start: int, alerted: int) -> int:
    """The checkpoint from which on A1 is worse, of what matured from two weeks before the likely start to the alert."""
    day = loop.run.day - REFERENCE_DAYS
    mine = (day >= max(start - LOOK_BACK_DAYS, 0)) & (day <= alerted)
    effects, first = loop.run.effects["A1"][mine], int(loop.checkpoint[mine][0])
    served = loop.checkpoint[mine] - first
    units, totals = np.bincount(served).astype(float), np.bincount(served, effects)
    return first + int(np.argmax(change_shares(units, totals, float(effects.var()), REFERENCE_DAYS * LABELS)))


def _most_served(loop: Loop, start: int, alerted: int) -> int:
    """The checkpoint with most units from the likely start to the alert, the later of two equals."""
    day = loop.run.day - REFERENCE_DAYS
    units = np.bincount(loop.checkpoint[(day >= start) & (day <= alerted)])
    return int(units.size - 1 - np.argmax(units[::-1]))
