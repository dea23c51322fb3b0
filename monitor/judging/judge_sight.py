"""Do anchors come fast enough to tell that a judge is captured? An expected delay for each watched judge."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from monitor.judging.judge_effects import MATERIAL, captures
from monitor.judging.judge_records import Ruler, read_records
from monitor.production.baseline import no_baseline
from monitor.settings import Settings
from monitor.statistics.expected_delay import expected_delay, growth
from monitor.statistics.family import judge_weight
from monitor.statistics.reference_error import QUANTILE

CAPTURE = 0.10  # points by which a judge may be captured before somebody should know
RATE_DAYS = 28
USUAL = 0.3  # share of the teacher's side where the reference lacks pairs to tell it
SLOW_DAYS = 90.0


@dataclass(frozen=True)
class AnchorPace:
    """How fast anchors of a judge come, and how long a capture of +10 points would take to be a ticket.

    anchors, telling: pairs a day with a person's verdict, and of those where person and teacher differ.
    """

    judge: str
    anchors: float
    telling: float
    delay_days: float

    @property
    def is_slow(self) -> bool:
        """Whether nobody would know within a quarter of a year."""
        return not self.delay_days <= SLOW_DAYS

    def __str__(self) -> str:
        took = f"takes {self.delay_days:.0f} days" if np.isfinite(self.delay_days) else "is never told"
        return (
            f"{self.judge}: at {self.anchors:.1f} anchored pairs a day a capture of +{CAPTURE * 100:.0f} points {took}"
        )


def anchor_paces(engine: Engine, settings: Settings, close: int) -> Iterator[AnchorPace]:
    """The pace of each watched judge's anchors before day `close`; nothing where no teacher is named."""
    if settings.judges.teacher is None:
        return
    records = read_records(engine, settings, no_baseline(settings).window, close)
    for judge in records.judges:
        for ruler in records.rulers.get(judge, [])[-1:]:
            yield _pace(ruler, close, judge_weight("B1", len(records.judges)), settings)


def _pace(ruler: Ruler, close: int, weight: float, settings: Settings) -> AnchorPace:
    frame = ruler.anchors
    recent = frame[frame["day"] >= close - RATE_DAYS]
    telling = recent["teacher"].notna() & (recent["teacher"] != recent["human"]) & (recent["verdict"] != 0)
    days = min(RATE_DAYS, max(close - ruler.first, 1))
    known = captures(ruler)
    level = known.level if known.units else USUAL
    captured = min(level + CAPTURE, 1.0)
    conceded = MATERIAL + QUANTILE * (known.error if known.units else 0.0)
    rate = float(telling.sum()) / days
    delay = np.inf
    if rate > 0:
        effects, chances = np.array([1 - level, -level]), np.array([captured, 1 - captured])
        grown = growth(effects, chances, conceded, weight, rate)
        delay = float(expected_delay([grown], [settings.alerts.days()["ticket"]])[0])
    return AnchorPace(ruler.judge, len(recent) / days, rate, delay)
