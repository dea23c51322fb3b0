"""What does a page say about an episode? Since when, how sure, which checkpoint, which story, what to read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import bindparam, text

from monitor.alerts import Crossing, Episode
from monitor.baseline import cohort_values
from monitor.book import SeriesBook, SeriesKey
from monitor.check import Interval
from monitor.evidence import KNOWN_START, Path, likely_start
from monitor.items import date_of, day_of, load_items
from monitor.result import Alert, Evidence, Example
from monitor.snapshot import Snapshot
from monitor.statistics.attribution import PARENTS, Stream, label_shares, name_label
from monitor.statistics.detector import smallest_visible
from monitor.statistics.family import series_weight
from monitor.statistics.intervals import mean_interval
from monitor.statistics.reference_error import QUANTILE

ASSOCIATION_CHECK = "reward_outcome_association"
NULLS = {
    "A1": "the outcome is not below what its reward meant in the reference",
    "A2": "the outcome is not below its cohort's in the reference",
    "A3": "a success has the higher reward as often as in the reference",
    "A7": "the outcome rises by at least a tenth of what the reward gained",
}
TEXTS = text("""
    SELECT r.response_id, t.prompt, t.response FROM response AS r JOIN text AS t ON t.seq = r.seq
    WHERE r.response_id IN :ids ORDER BY r.time_us DESC
""").bindparams(bindparam("ids", expanding=True))


@dataclass(frozen=True)
class Case:
    """All that is needed to explain the episodes of one evaluation. resets: slice -> days its evidence began anew.

    earlier: items from a day on (the key), read for one episode and good for the others.
    """

    snapshot: Snapshot
    book: SeriesBook
    paths: Mapping[str, Path]
    weights: Mapping[SeriesKey, float]
    thresholds: Mapping[str, float]
    resets: Mapping[str, Sequence[int]] = field(default_factory=dict)
    earlier: dict[int, pd.DataFrame] = field(default_factory=dict)

    def items_since(self, day: int) -> pd.DataFrame:
        """Items that matured on a day or later, and maybe some before it."""
        snapshot = self.snapshot
        if day >= snapshot.items.since:
            return snapshot.items.frame
        read = max((since for since in self.earlier if since <= day), default=None)
        if read is None:
            revision = snapshot.baseline.revision
            self.earlier[day] = load_items(snapshot.engine, snapshot.settings, snapshot.as_of, day, revision).frame
            read = day
        return self.earlier[read]

    def begin(self, episode: Episode) -> int:
        """Index of the day from which the episode's evidence counts: the last reset before it fired."""
        fired = episode.crossings[0].day
        past = [day for day in self.resets.get(episode.slice_name, ()) if day <= fired]
        return min(max(max(past, default=0) - self.book.first_day, 0), self.book.days - 1)


def explain(case: Case, episode: Episode) -> list[Alert]:
    """One alert for each severity the episode latched; the story is the same in all, as of the end."""
    path = case.paths[episode.slice_name]
    first = _index(case, episode.crossings[0].day)
    leader = path.leader(first, episode.crossings[0].severity)
    start, bet = likely_start(case.book, leader, first, case.begin(episode))
    frame = _since(case, episode, start + case.book.first_day)
    shares, attribution, leading = _story(case, episode, leader)
    examples = _examples(case, frame, leading)
    return [
        _alert(case, episode, crossing, leader, start, bet, frame, shares, attribution, leading, examples)
        for crossing in episode.crossings
    ]


def _alert(
    case: Case,
    episode: Episode,
    crossing: Crossing,
    leader: SeriesKey,
    start: int,
    bet: float,
    frame: pd.DataFrame,
    shares: Mapping[str, float],
    attribution: str,
    leading: str,
    examples: list[Example],
) -> Alert:
    since = start + case.book.first_day
    checkpoint = _blamed(frame[frame["day"] <= crossing.day])
    changes = {name: _change(case, episode, name, since) for name in ("A1", "A2", "A4", leader.series)}
    reward, outcome = changes["A4"], _flipped(changes["A2"])
    n = case.book.sums(_key(episode, "A2", leader), since)[0]
    return Alert(
        fingerprint=episode.fingerprint(case.snapshot.settings.loop),
        check=episode.check,
        attribution=attribution,
        severity=crossing.severity,
        slice=episode.slice,
        checkpoint=checkpoint,
        fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
        leading=leading,
        shares=shares,
        effect=changes[leader.series],
        reward_change=reward,
        outcome_change=outcome,
        n=n,
        message=_message(case, episode, attribution, leading, checkpoint, reward, outcome, n),
        evidence=_evidence(case, episode, crossing, leader, since, bet, frame),
        examples=examples,
        state=episode.state,
    )


def _index(case: Case, day: int) -> int:
    """The day's place in the book; a day before a new baseline's first one is its first."""
    return min(max(day - case.book.first_day, 0), case.book.days - 1)


def _evidence(
    case: Case, episode: Episode, crossing: Crossing, leader: SeriesKey, since: int, bet: float, frame: pd.DataFrame
) -> Evidence:
    path, day = case.paths[episode.slice_name], _index(case, crossing.day)
    known = crossing.rule == "known start"
    threshold = KNOWN_START[crossing.severity] if known else case.thresholds[crossing.severity]
    logs = path.known[day] if known else (path.total if crossing.severity == "ticket" else path.firm)[day]
    info = case.book.info[leader]
    n, total, squares = case.book.sums(leader, since)
    deviation = float(np.sqrt(max(squares / n - (total / n) ** 2, 1e-6))) if n else 1.0
    return Evidence(
        rule=crossing.rule,
        null=NULLS[leader.series],
        statistic=float(np.exp(min(logs, 700.0))),
        threshold=threshold,
        promise=_promise(crossing, threshold),
        material_harm=material_harm(case.snapshot),
        baseline_error=(info.allowance - material_harm(case.snapshot)) / QUANTILE,
        baseline_version=case.snapshot.baseline.version,
        reference_units=info.baseline_units,
        missing_share=float(frame["outcome"].isna().mean()) if len(frame) else 0.0,
        likely_start=date_of(since),
        heaviest_bet=bet,
        scores=path.shares(day),
        smallest_visible=smallest_visible(
            n, deviation, info.allowance, case.thresholds[crossing.severity], series_weight(leader.series)
        ),
    )


def material_harm(snapshot: Snapshot) -> float:
    """The harm nobody would act on: as set, and at least one point where the reference's weeks differ by themselves."""
    asked = snapshot.settings.alerts.material_harm
    return max(asked, 0.01) if snapshot.baseline.overdispersion > 1 else asked


def _promise(crossing: Crossing, threshold: float) -> str:
    if crossing.rule == "known start":
        return f"in a file without any change this fires with probability at most {1 / threshold:.3g}"
    return f"at most one false {crossing.severity} in {threshold:,.0f} days on average, over all series together"


def _key(episode: Episode, series: str, leader: SeriesKey) -> SeriesKey:
    check = leader.check if series == leader.series else "reward_outcome_decoupling"
    return SeriesKey(check, series, episode.slice_name)


def _change(case: Case, episode: Episode, series: str, since: int) -> Interval:
    check = ASSOCIATION_CHECK if series == "A3" else "reward_outcome_decoupling"
    n, total, squares = case.book.sums(SeriesKey(check, series, episode.slice_name), since)
    return Interval(*mean_interval(n, total, squares)) if n else Interval()


def _flipped(change: Interval) -> Interval:
    if change.value is None or change.low is None or change.high is None:
        return change
    return Interval(-change.value, -change.high, -change.low)


def _story(case: Case, episode: Episode, leader: SeriesKey) -> tuple[Mapping[str, float], str, str]:
    if episode.check == ASSOCIATION_CHECK:
        return {}, "association_decay", "association_decay"
    base = case.snapshot.baseline
    shares = label_shares(
        _stream(case, episode, "A1"), _stream(case, episode, "A4"), base.gain, base.reverse,
        float(case.snapshot.settings.checks.get(episode.check, {}).get("worth", 0.1)), base.overdispersion,
    )  # fmt: skip
    warned = next((c.day for c in episode.crossings if c.severity != "ticket"), episode.crossings[0].day)
    attribution, leading = name_label(shares, day_of(case.snapshot.as_of) - 1 - warned)
    return shares, attribution, leading


def _stream(case: Case, episode: Episode, series: str) -> Stream:
    key = SeriesKey("reward_outcome_decoupling", series, episode.slice_name)
    column = case.book.cells[case.begin(episode) :, case.book.column[key], :3]
    n, total, squares = column.sum(axis=0)
    variance = float(squares / n - (total / n) ** 2) if n else 1.0
    return Stream(column[:, 0], column[:, 1], variance, case.book.info[key].baseline_error)


def _since(case: Case, episode: Episode, day: int) -> pd.DataFrame:
    """Monitored items of the episode's slice that matured on or after a day."""
    frame = case.items_since(day)
    monitored = case.snapshot.baseline.window.roles(frame) == "monitored"
    return in_slice(frame[monitored & (frame["day"] >= day).to_numpy()], episode.slice)


def in_slice(frame: pd.DataFrame, part: Mapping[str, str]) -> pd.DataFrame:
    """The items of a slice: cohort values, or the checkpoint of an arm."""
    for key, value in part.items():
        if key == "checkpoint":
            frame = frame[frame["checkpoint"] == value]
        else:
            frame = frame[cohort_values(frame, (key,))[key] == value]
    return frame


def _blamed(frame: pd.DataFrame) -> str:
    """The checkpoint that served most units; the later one of two equals."""
    if frame.empty:
        return ""
    served = frame.groupby("checkpoint").agg(units=("unit", "nunique"), last=("time_us", "max"))
    return str(served.sort_values(["units", "last"]).index[-1])


def _examples(case: Case, frame: pd.DataFrame, leading: str) -> list[Example]:
    """Five to read by a fixed rule: three high-reward failures, one at random, one of the worst cohort."""
    split = case.snapshot.baseline.split
    ordered = frame.sort_values(["reward", "time_us", "response_id"], ascending=[False, False, True])
    failed = ordered[ordered["outcome"] <= split]
    worst = failed[failed["cohort"] == _worst_cohort(frame)] if len(failed) else failed
    scrambled = frame.iloc[np.argsort(pd.util.hash_pandas_object(frame["response_id"].astype(object), index=False))]
    picks: dict[str, tuple[str, pd.Series[Any]]] = {}
    for why, rows, count in (
        ("high reward, failed outcome", failed, 3),
        ("worst cohort, failed outcome", worst, 1),
        ("drawn at random", scrambled, 1),
    ):
        fresh = [row for _, row in rows.head(10).iterrows() if row["response_id"] not in picks][:count]
        picks.update({row["response_id"]: (why, row) for row in fresh})
    if not picks:
        return []
    with case.snapshot.engine.connect() as connection:
        texts = {row[0]: (row[1], row[2]) for row in connection.execute(TEXTS, {"ids": list(picks)})}
    return [_example(why, row, texts.get(name, (None, None))) for name, (why, row) in picks.items()]


def _example(why: str, row: "pd.Series[Any]", texts: tuple[str | None, str | None]) -> Example:
    reward, outcome = (None if pd.isna(row[name]) else float(row[name]) for name in ("reward", "outcome"))
    return Example(str(row["response_id"]), str(row["checkpoint"]), why, reward, outcome, *texts)


def _worst_cohort(frame: pd.DataFrame) -> str | None:
    means = frame.dropna(subset=["outcome", "cohort"]).groupby("cohort")["outcome"].agg(["mean", "size"])
    means = means[means["size"] >= 10]
    return None if means.empty else str(means.sort_index()["mean"].idxmin())


def _message(
    case: Case,
    episode: Episode,
    attribution: str,
    leading: str,
    checkpoint: str,
    reward: Interval,
    outcome: Interval,
    n: int,
) -> str:
    where = f" in {episode.slice_name}" if episode.slice_name else ""
    name = {"undecided": "not yet named", **dict.fromkeys(PARENTS, "")}.get(attribution, "") or attribution
    story = f"{name.replace('_', ' ')} (leading: {leading.replace('_', ' ')})" if name != leading else leading
    settings = case.snapshot.settings
    return (
        f"{settings.loop}{where}: {settings.reward.label} {points(reward)}, {settings.outcome.metric} {points(outcome)}"
        f" against the reference since the likely start, n={n:,} {settings.unit}s, mostly {checkpoint}: {story}."
    )


def points(change: Interval) -> str:
    """A change in points with its interval, or that there is none.

    >>> points(Interval(0.09, 0.08, 0.1))
    '+9.0 pt (+8.0..+10.0)'
    """
    if change.value is None or change.low is None or change.high is None:
        return "unknown"
    return f"{change.value * 100:+.1f} pt ({change.low * 100:+.1f}..{change.high * 100:+.1f})"
