"""What was feedback good for, day by day, where did clicks of one's own storm, and which labels left? From sums."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import Engine, Row, text

from consumers.database import reading
from consumers.store import Clock
from monitor.production.items import EPOCH, date_of, day_of
from monitor.settings import Settings
from monitor.telling.purpose_days import PurposeDay, read_purpose_days

PURPOSES = ("curation", "reward", "debugging")
WINDOWS = (28, 90, 365)  # days that a page may show
USUAL_DAYS = 28
STORM = 5.0  # times the usual day
FEWEST = 50  # events of a storm
EXPORTS = "SELECT id, path, sha256, exported_at_us, labels FROM export ORDER BY id DESC LIMIT :limit"
MOST_EXPORTS = 50
RULES = {
    "curation": "an annotator, on a curation surface, with a rubric",
    "reward": "an end user, in the product, in production",
    "debugging_surface": "given on a debugging surface",
    "unknown_actor": "nobody knows who gave it",
    "unknown_surface": "nobody knows where it was given",
    "unknown_environment": "nobody knows in which environment",
    "not_production": "an end user, not in production",
    "annotator_outside_curation": "an annotator, not on a curation surface",
    "curation_without_rubric": "an annotator, with no rubric",
    "end_user_on_curation_surface": "an end user, on a curation surface",
}


@dataclass(frozen=True)
class FeedbackDay:
    """Feedback events of one day by what they are good for."""

    day: dt.date
    curation: int
    reward: int
    debugging: int


@dataclass(frozen=True)
class RuleCount:
    """How often a rule decided in the window. rule: with its version. means: the rule in words."""

    rule: str
    purpose: str
    events: int
    means: str


@dataclass(frozen=True)
class Storm:
    """A day with far more feedback of one rule of debugging than usual. usual: median of the 28 days before."""

    day: dt.date
    rule: str
    events: int
    usual: float


@dataclass(frozen=True)
class Export:
    """A file of labels that left, and where it was written. labels: its rows; None of a topic, which never ends, and of
    a file of an earlier release."""

    number: int
    path: str
    sha256: str
    at: dt.datetime
    labels: int | None


@dataclass(frozen=True)
class FeedbackPage:
    """days: each of the window, those without feedback as zeros; empty where no sum was ever kept."""

    window_days: int
    days: Sequence[FeedbackDay]
    totals: Mapping[str, int]
    rules: Sequence[RuleCount]
    storms: Sequence[Storm]
    exports: Sequence[Export]


def feedback_page(engine: Engine, settings: Settings, clock: Clock, window_days: int = WINDOWS[1]) -> FeedbackPage:
    """The last days up to the clock's, and every newest export."""
    close = day_of(clock()) + 1
    first = close - window_days
    told = read_purpose_days(engine, first - USUAL_DAYS, close)
    shown = [one for one in told if one.day >= date_of(first)]
    return FeedbackPage(
        window_days=window_days,
        days=_by_day(shown, first, close) if told else (),
        totals={purpose: sum(one.events for one in shown if one.purpose == purpose) for purpose in PURPOSES},
        rules=_rules(shown),
        storms=list(_storms(told, first, close)),
        exports=_exports(engine),
    )


def _by_day(told: Iterable[PurposeDay], first: int, close: int) -> list[FeedbackDay]:
    counts: dict[dt.date, Counter[str]] = {date_of(day): Counter() for day in range(first, close)}
    for one in told:
        counts[one.day][one.purpose] += one.events
    return [FeedbackDay(day, *(number[purpose] for purpose in PURPOSES)) for day, number in counts.items()]


def _rules(told: Iterable[PurposeDay]) -> list[RuleCount]:
    counts: Counter[tuple[str, str]] = Counter()
    for one in told:
        counts[one.rule, one.purpose] += one.events
    ranked = sorted(counts.items(), key=lambda item: (PURPOSES.index(item[0][1]), -item[1], item[0]))
    return [RuleCount(rule, purpose, events, _means(rule)) for (rule, purpose), events in ranked]


def _means(rule: str) -> str:
    """
    >>> _means("1:reward"), _means("1:actor_role_on_call")
    ('an end user, in the product, in production', 'given by: on call')
    """
    name = rule.partition(":")[2]
    role = name.removeprefix("actor_role_").replace("_", " ")
    return RULES.get(name) or (f"given by: {role}" if name.startswith("actor_role_") else name.replace("_", " "))


def _storms(told: Sequence[PurposeDay], first: int, close: int) -> Iterator[Storm]:
    """By day, the newest first; a description of counts, no inference."""
    begin = date_of(first - USUAL_DAYS)
    by_rule: dict[str, list[int]] = {}
    for one in told:
        if one.purpose == "debugging":
            by_rule.setdefault(one.rule, [0] * (close - first + USUAL_DAYS))[(one.day - begin).days] += one.events
    for at in reversed(range(USUAL_DAYS, close - first + USUAL_DAYS)):
        for rule, counts in sorted(by_rule.items()):
            if counts[at] >= FEWEST and counts[at] > STORM * (usual := median(counts[at - USUAL_DAYS : at])):
                yield Storm(begin + dt.timedelta(days=at), rule, counts[at], usual)


def _exports(engine: Engine) -> list[Export]:
    with reading(engine) as connection:
        rows = connection.execute(text(EXPORTS), {"limit": MOST_EXPORTS}).all()
    return [_export(row) for row in rows]


def _export(row: Row[Any]) -> Export:
    return Export(row.id, row.path, row.sha256, EPOCH + dt.timedelta(microseconds=row.exported_at_us), row.labels)
