"""Do answers escape being judged, and who moved: the model or its users? Through the product's own check.

100 or 400 answers a day, of which 5% never got a reward (an outcome); from the 29th monitored day on 3% more escape.
Checkpoints come every 14 days, so that the fourth ends 56 days later. Beside users held back, users alone change.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import create_engine

from monitor.check import REGISTRY
from monitor.checks import reward_evasion
from monitor.detection.book import SeriesBook
from monitor.detection.evidence import family_weights, walk
from monitor.production.baseline import Window, fit_baseline
from monitor.production.escapes import KINDS
from monitor.production.items import DAY_US, EPOCH, Items
from monitor.snapshot import Snapshot
from monitor.statistics.family import escape_weight
from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.detectors import backed
from tests.benchmarks.decouple_bench.measured import MATERIAL, SETTINGS, TIERS
from tests.benchmarks.decouple_bench.scenarios import CHECKPOINT_DAYS, FIRST_DAY, SUCCESS, THUMBS, WEEKDAY, Array

CHECK = REGISTRY[reward_evasion.__name__.rpartition(".")[2]]
REFERENCE_DAYS, QUIET_DAYS, CHECKPOINTS = 60, 28, 4
DAYS = REFERENCE_DAYS + QUIET_DAYS + CHECKPOINTS * CHECKPOINT_DAYS
BEFORE = 0.05  # share that escapes in the reference
PROMISED = {"ticket": 30, "warning": 365}
NO_STORE = create_engine("sqlite://")  # what the check asks comes with the items


@dataclass(frozen=True)
class Story:
    """What of escaping rises by how much: of new checkpoints' answers (model), of everybody's (users)."""

    name: str
    column: str
    model: float = 0.0
    users: float = 0.0
    held: float = 0.0
    answers: int = 400
    silent: bool = False  # nothing escapes because of the model


STORIES = (
    Story("answers dodge the reward by 3 points", "reward", model=0.03),
    Story("answers dodge the outcome by 3 points", "outcome", model=0.03),
    Story("answers dodge the reward by 3 points", "reward", model=0.03, answers=100),
    Story("answers dodge the outcome by 3 points", "outcome", model=0.03, answers=100),
    Story("users answer less by 10 points, 5% held back", "reward", users=0.10, held=0.05, silent=True),
    Story("users answer less by 10 points, nobody held back", "reward", users=0.10),
    Story("nothing escapes more", "reward", silent=True),
)


def measure(loops: int, seed: int) -> list[dict[str, Any]]:
    """Two rows a story, of tickets and of warnings: share of loops with one after the change, by the fourth checkpoint.

    loops: of each story; twice as many of the silent ones. Loops with an alert before the change are left out, `early`
    tells how many; of silent stories all alerts count, against the bound of one way to escape.
    """
    return [
        _told(story, severity, days, paths)
        for number, story in enumerate(STORIES)
        for paths in [_paths(story, loops * (1 + story.silent), [seed, number])]
        for severity, days in PROMISED.items()
    ]


def _told(story: Story, severity: str, days: int, paths: Array) -> dict[str, Any]:
    over = paths > np.log(days)
    first = np.where(over.any(axis=1), over.argmax(axis=1), paths.shape[1])
    counted = first if story.silent else first[first >= QUIET_DAYS]
    alerted = counted[counted < paths.shape[1]]
    late = alerted - QUIET_DAYS + 1
    return {
        "story": story.name,
        "severity": severity,
        "promised": days,
        "answers": story.answers,
        "planted": story.model > 0,
        "silent": story.silent,
        "bound": (DAYS - REFERENCE_DAYS) * escape_weight(len(KINDS)) / days,
        **metrics.plain(metrics.share_of(alerted.size, counted.size)),
        "found": alerted.size,
        "early": int((first < QUIET_DAYS).sum()),
        "days": float(late.mean()) if alerted.size else None,
        "checkpoint": int(np.ceil(late.max() / CHECKPOINT_DAYS)) if alerted.size else None,
    }


def _paths(story: Story, loops: int, seed: list[int]) -> Array:
    return np.stack([_path(story, np.random.default_rng([*seed, loop])) for loop in range(loops)])


def _path(story: Story, rng: np.random.Generator) -> Array:
    """Log statistic of the way to escape that the story is of, at the close of each monitored day."""
    frame = _frame(story, rng)
    start = FIRST_DAY * DAY_US
    window = Window("ckpt-00", start, start + REFERENCE_DAYS * DAY_US, False, ended=True)
    items, baseline = Items(frame, {"pending": 0}), fit_baseline(frame, window, SETTINGS, None)
    snapshot = Snapshot(EPOCH + dt.timedelta(days=FIRST_DAY + DAYS), SETTINGS, items, baseline, NO_STORE)
    book = SeriesBook(FIRST_DAY + REFERENCE_DAYS)
    measured = [(CHECK.name, m) for m in CHECK.measure(snapshot, {}) if m.slice["escapes"] == story.column]
    book.write(measured, MATERIAL, book.first_day, FIRST_DAY + DAYS)
    (path,) = walk(book, family_weights(book, {}, {}), {}, replayed=False)
    return backed(path.firm, path.backed)


def _frame(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    day = np.repeat(np.arange(DAYS), story.answers)
    cohort = (rng.random(day.size)[:, None] > np.cumsum(WEEKDAY[:4])[:3]).sum(axis=1)
    held = (day >= REFERENCE_DAYS) & (rng.random(day.size) < story.held)
    later = day >= REFERENCE_DAYS + QUIET_DAYS
    escapes = rng.random(day.size) < BEFORE + later * (story.users + story.model * ~held)
    columns = {"reward": rng.random(day.size) < THUMBS[cohort], "outcome": rng.random(day.size) < SUCCESS[cohort]}
    names = np.array([f"r{number}" for number in range(day.size)], dtype=object)
    frame = pd.DataFrame(
        {
            "response_id": names,
            "unit": names,
            "user": names,
            "checkpoint": np.where((day < REFERENCE_DAYS) | held, "ckpt-00", "ckpt-01"),
            "cohort": TIERS[cohort],
            "time_us": (FIRST_DAY + day) * DAY_US,
            "day": FIRST_DAY + day,
            **{name: values.astype(float) for name, values in columns.items()},
            "unscoreable": False,
            "propensity": np.nan,
            "second": np.nan,
        }
    )
    frame.loc[escapes, story.column] = np.nan
    return frame
