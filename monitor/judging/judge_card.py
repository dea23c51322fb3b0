"""May a judge be trusted? Beside people, beside the teacher, its habits, and whether a gate may use it."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from judges.preference import Preferences
from monitor.check import Slice
from monitor.judging.judge_figures import (
    Anchored,
    Beside,
    Estimate,
    anchored,
    longer_beside_people,
    longer_chosen,
    order_consistency,
    relatives_beside_people,
    teacher_agreement,
)
from monitor.judging.leaderboard import SameAtEqualLength, Standing, leaderboard
from monitor.production.items import DAY_US, date_of, day_of

FEWEST_ANCHORED = 100  # pairs: the interval of an agreement then reaches at most 10 points
OLDEST_DAYS = 90
RELATIONS = ("same_family", "own_student")


@dataclass(frozen=True)
class Calibration:
    """Whether a judge was compared with people, enough and lately. status: calibrated, uncalibrated or stale; gate:
    "usable" or "report-only", then with a reason."""

    status: str
    gate: str
    reason: str | None


@dataclass(frozen=True)
class JudgeCard:
    """Everything told of one judge. offered, statuses: over all pairs, with or without a human verdict.

    revision, current: the ruler that spoke last and its own pairs beside people, by which `calibration` is decided.
    slices, weeks (by their Monday), revisions: the same figures over parts of the pairs.
    """

    judge: str
    family: str | None
    revision: str | None
    offered: int
    statuses: dict[str, int]
    whole: Anchored
    current: Anchored
    calibration: Calibration
    agreement_teacher: Estimate | None
    position: Estimate | None
    longer: Beside | None
    longer_chosen: Estimate | None
    relatives: dict[str, Beside | None]
    slices: tuple[tuple[Slice, Anchored], ...]
    weeks: tuple[tuple[dt.date, Anchored], ...]
    revisions: tuple[tuple[str, Anchored], ...]


@dataclass(frozen=True)
class AnchorMaker:
    """Somebody who labelled pairs. used: pairs whose human verdict has their voice; refused: why none may count."""

    judge: str
    annotator: str | None
    kind: str | None
    labels: int
    used: int
    refused: str | None
    newest: dt.date


@dataclass(frozen=True)
class Cards:
    """All judges of a store as of a moment."""

    loop: str
    as_of: dt.datetime
    teacher: str | None
    human: str | None
    judges: tuple[JudgeCard, ...]
    leaderboard: tuple[Standing, ...]
    same_at_equal_length: tuple[SameAtEqualLength, ...]
    anchors: tuple[AnchorMaker, ...]
    contradicted: int


def calibration(
    pairs: int, newest_day: int | None, today: int, *, fewest: int = FEWEST_ANCHORED, oldest_days: int = OLDEST_DAYS
) -> Calibration:
    """Whether a gate may use a judge: enough pairs that people judged too, the newest of them recent.

    pairs: with a verdict of people and of the judge's current revision. newest_day, today: days since 1970-01-01; a
    pair is as old as the later of its two verdicts.

    >>> calibration(100, 1000, 1090).gate, calibration(99, 1000, 1000).status, calibration(100, 1000, 1091).status
    ('usable', 'uncalibrated', 'stale')
    """
    if not pairs or newest_day is None:
        return Calibration("uncalibrated", "report-only", "no human anchor: no pair was judged by people too")
    if pairs < fewest:
        return Calibration("uncalibrated", "report-only", f"{pairs} of {fewest} pairs judged by people too")
    if today - newest_day > oldest_days:
        age = f"{today - newest_day} days old, more than {oldest_days}"
        return Calibration("stale", "report-only", f"the newest pair judged by people too is {age}")
    return Calibration("calibrated", "usable", None)


def judge_cards(
    preferences: Preferences,
    as_of: dt.datetime,
    *,
    loop: str = "loop",
    cohorts: tuple[str, ...] = (),
    teacher: str | None = None,
    human: str | None = None,
) -> Cards:
    """The cards of all watched judges, and the leaderboard.

    as_of: the moment up to which preferences were read. cohorts: keys to slice by; empty for every key there is.
    """
    boards = [leaderboard(preferences, judge) for judge in preferences.watched]
    return Cards(
        loop=loop,
        as_of=as_of,
        teacher=teacher,
        human=human,
        judges=tuple(
            _card(preferences.judged_by(judge), judge, day_of(as_of), cohorts) for judge in preferences.watched
        ),
        leaderboard=tuple(row for table, _ in boards for row in table),
        same_at_equal_length=tuple(found for _, remarks in boards for found in remarks),
        anchors=tuple(_makers(preferences.anchors)),
        contradicted=preferences.contradicted,
    )


def calibrations(preferences: Preferences, today: int) -> dict[str, Calibration]:
    """Which watched judges a gate may use. today: day since 1970-01-01."""
    return {judge: _calibrated(_current(preferences.judged_by(judge)), today) for judge in preferences.watched}


def _current(frame: pd.DataFrame) -> Anchored:
    """The judge's last revision beside people."""
    last = frame.sort_values(["time_us", "pair_id"]).tail(1)
    return anchored(frame[frame["revision"] == (last["revision"].iloc[0] if len(last) else "")])


def _calibrated(current: Anchored, today: int) -> Calibration:
    return calibration(0 if current.agreement is None else current.agreement.share.n, current.last_day, today)


def _card(frame: pd.DataFrame, judge: str, today: int, cohorts: tuple[str, ...]) -> JudgeCard:
    last = frame.sort_values(["time_us", "pair_id"]).tail(1)
    revision = str(last["revision"].iloc[0]) if len(last) else ""
    family = str(last["family"].iloc[0] or "") if len(last) else ""
    current = _current(frame)
    return JudgeCard(
        judge=judge,
        family=family or None,
        revision=revision or None,
        offered=len(frame),
        statuses={str(status): int(number) for status, number in frame["status"].value_counts().sort_index().items()},
        whole=anchored(frame),
        current=current,
        calibration=_calibrated(current, today),
        agreement_teacher=teacher_agreement(frame),
        position=order_consistency(frame),
        longer=longer_beside_people(frame),
        longer_chosen=longer_chosen(frame),
        relatives={relation: relatives_beside_people(frame, relation) for relation in RELATIONS},
        slices=tuple(_slices(frame[frame["human"].notna()], cohorts)),
        weeks=tuple((date_of(int(day)), found) for day, found in _parts(frame, (frame["day"] + 3) // 7 * 7 - 3)),
        revisions=tuple(_parts(frame, frame["revision"])),
    )


def _parts(frame: pd.DataFrame, by: "pd.Series[Any]") -> Iterator[tuple[str, Anchored]]:
    return ((str(key), anchored(rows)) for key, rows in frame.groupby(by, sort=True))


def _slices(frame: pd.DataFrame, cohorts: tuple[str, ...]) -> Iterator[tuple[Slice, Anchored]]:
    """One slice a value of each key; a pair without the key is in none of its slices."""
    known = {text: json.loads(text) for text in frame["cohort"].unique() if text}
    for key in cohorts or sorted({key for values in known.values() for key in values}):
        values = frame["cohort"].map({text: cohort[key] for text, cohort in known.items() if key in cohort})
        yield from (({key: value}, found) for value, found in _parts(frame, values))


def _makers(anchors: pd.DataFrame) -> Iterator[AnchorMaker]:
    for row in anchors.to_dict("records"):
        judge, annotator, kind, refused = (str(row[name]) for name in ("judge", "annotator", "kind", "refused"))
        newest = date_of(row["last_us"] // DAY_US)
        yield AnchorMaker(judge, annotator or None, kind or None, row["labels"], row["used"], refused or None, newest)
