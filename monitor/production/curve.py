"""Where do the checkpoints stand on the curve of outcome against optimisation, and is the one in service past its peak?

The points come from the book's daily sums, so that a tick reads no old answers; their distances from checkpoint events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from monitor.detection.book import SeriesBook
from monitor.production.baseline import Baseline
from monitor.production.items import DAY_US
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.statistics.over_optimisation import FEWEST_CHECKPOINTS, distance_of_kl, distance_of_steps
from monitor.statistics.past_peak import PastPeak, past_peak

CHECK, SERIES = "over_optimisation", "A5"
RECENT_DAYS = 7
KNOWN = """
    SELECT checkpoint, time_us, kl_nats, steps FROM checkpoint WHERE kl_nats IS NOT NULL OR steps IS NOT NULL
"""


class Training(NamedTuple):
    """What one checkpoint event said of how far a checkpoint was trained."""

    checkpoint: str
    time_us: int
    kl_nats: float | None
    steps: float | None


@dataclass(frozen=True)
class Point:
    """Outcome of one checkpoint against the reference's, from the units matured so far. began: their first day."""

    checkpoint: str
    outcome: float
    error: float
    n: int
    began: int


@dataclass(frozen=True)
class Reading:
    """The curve as of the close of a day: `points` in their order of service, the one in service last.

    found: None while something is missing, which `missing` names. distances: shape (points,). kind: what D is.
    """

    points: Sequence[Point]
    distances: NDArray[np.float64]
    kind: str
    found: PastPeak | None
    missing: str


def training_of(engine: Engine) -> list[Training]:
    """Every KL and step count of the store, in order of time; ties by content."""
    with engine.connect() as connection:
        rows = [Training(*row) for row in connection.execute(text(KNOWN))]
    return sorted(rows, key=lambda row: (row.time_us, row.checkpoint, row.kl_nats or 0.0, row.steps or 0.0))


def read_curve(book: SeriesBook, baseline: Baseline, training: Sequence[Training], day: int) -> Reading:
    """The curve as of the close of a day, from what had matured and was known by then."""
    points = _points(book, baseline, day)
    kl, steps = _known(training, day, "kl_nats"), _known(training, day, "steps")
    reading = _missing(points, "a KL (kl_nats) or a number of training steps")
    for kind, known, distance in (("sqrt(KL)", kl, distance_of_kl), ("sqrt(steps)", steps, distance_of_steps)):
        placed = [point for point in points if point.checkpoint in known]
        if len(placed) < FEWEST_CHECKPOINTS or placed[-1] is not points[-1]:
            continue
        trained = np.array([known[point.checkpoint] for point in placed])
        along = distance(np.sort(trained))[np.argsort(np.argsort(trained, kind="stable"))]
        outcome, error = (np.array([getattr(point, name) for point in placed]) for name in ("outcome", "error"))
        try:
            found = past_peak(along, outcome, error, shape_only=kind != "sqrt(KL)")
        except ValueError as fault:
            return Reading(placed, along, kind, None, str(fault))
        return Reading(placed, along, kind, found, "")
    return reading


def _missing(points: Sequence[Point], what: str) -> Reading:
    lacking = f"{FEWEST_CHECKPOINTS} checkpoints, the one in service among them, with {ENOUGH_UNITS} units and {what}"
    return Reading(points, np.zeros(0), "", None, f"{lacking}; {len(points)} have the units")


def _known(training: Sequence[Training], day: int, field: str) -> Mapping[str, float]:
    """The newest value of each checkpoint that was told by the close of the day."""
    told = [row for row in training if row.time_us < (day + 1) * DAY_US]
    values = ((row.checkpoint, getattr(row, field)) for row in told)
    return {name: value for name, value in values if value is not None and value >= 0}


def _points(book: SeriesBook, baseline: Baseline, day: int) -> list[Point]:
    """The reference, then each checkpoint with enough units in the order in which they began; the one in service last.

    A checkpoint's error grows with the overdispersion of the reference's weeks. The reference stands at 0, for which
    the others were compared with it.
    """
    keys = [key for key in book.keys if key.check == CHECK]
    cells = book.cells[: day + 1 - book.first_day, [book.column[key] for key in keys], :3]
    points, recent = [], []
    for place, key in enumerate(keys):
        n, total, squares = cells[:, place].sum(axis=0)
        if n >= ENOUGH_UNITS:
            spread = (squares - total**2 / n + 1) / (n + 2)
            error = float(np.sqrt(spread / n * baseline.overdispersion))
            began = book.first_day + int(np.argmax(cells[:, place, 0] > 0))
            points.append(Point(book.info[key].slice["checkpoint"], float(-total / n), error, int(n), began))
            recent.append(float(cells[-RECENT_DAYS:, place, 0].sum()))
    if not points:
        return []
    served = sorted(zip(points, recent, strict=True), key=lambda one: (one[0].began, one[0].checkpoint))
    current = max(served, key=lambda one: (one[1], one[0].began))
    ordered = [point for point, _ in served if point is not current[0]] + [current[0]]
    name, info = baseline.window.checkpoint, book.info[keys[0]]
    if name is None or not info.baseline_error > 0:
        return ordered
    first = baseline.window.start_us // DAY_US
    return [Point(name, 0.0, info.baseline_error, info.baseline_units, int(first)), *ordered]
