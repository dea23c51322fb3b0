"""One look at the loop: read, check, infer, decide. The same function serves a replay and the daily tick.

1 items     which answers matured, with what reward and outcome
2 baseline  frozen on the reference
3 checks    measure every series over the snapshot
4 book      the measurements' daily sums
5 walk      the detector over the sums, day by day
6 alerts    transitions of each slice's episode, day by day
7 report    findings, alerts explained, summaries
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any as EventStore

import numpy as np
from sqlalchemy import Engine, text

from monitor.alerts import Episode, EpisodeKey, transition
from monitor.baseline import Baseline, ReferenceMissing, Window, find_window, fit_baseline
from monitor.book import SeriesBook, SeriesKey
from monitor.check import Finding, Interval, Measurement, Verdict, load_checks
from monitor.evidence import Path, family_weights, walk
from monitor.explain import Case, explain, material_harm
from monitor.items import EPOCH, Items, date_of, day_of, load_items
from monitor.result import EventCounts, EvidencePath, FeedbackSplit, Reference, Report
from monitor.runner import Measured, census, judged, run_checks
from monitor.settings import Settings
from monitor.snapshot import BaselineError, Snapshot, slice_name
from monitor.statistics.detector import smallest_visible
from monitor.summary import summaries

FINDING_DAYS = 28
ARM_DAYS = 3  # two checkpoints serve at once when they share at least so many days
ARM_SHARE = 0.1
FIRST_CHECKPOINT = """
    SELECT checkpoint FROM checkpoint WHERE checkpoint IN (SELECT DISTINCT checkpoint FROM response)
    ORDER BY CASE WHEN position IS NULL THEN 1 ELSE 0 END, position, time_us, checkpoint LIMIT 1
"""
FIRST_SERVED = """
    SELECT checkpoint FROM response WHERE environment = 'production' ORDER BY time_us, checkpoint LIMIT 1
"""


@dataclass
class Memory:
    """What a look leaves for the next one: the frozen baseline, the daily sums and the open episodes."""

    baseline: Baseline
    book: SeriesBook
    errors: dict[str, BaselineError] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    episodes: dict[EpisodeKey, Episode] = field(default_factory=dict)
    resets: dict[str, list[int]] = field(default_factory=dict)
    closed: int = 0  # days before this one have been decided
    last_seq: int = 0  # events up to this one are in the book


@dataclass(frozen=True)
class Look:
    """The outcome of one look: what to tell and what to remember (None while there is no reference)."""

    report: Report
    memory: Memory | None


def look(store: EventStore, settings: Settings, as_of: dt.datetime, replayed: bool = False) -> Look:
    """Look at everything in the store as of a moment, from nothing.

    replayed: a finite history, for which the known start is reported too.
    """
    items = load_items(store.engine, settings, as_of)
    try:
        window = find_window(items.frame, settings, _first_checkpoint(store.engine))
        baseline = fit_baseline(items.frame, window, settings, items.revision)
    except ReferenceMissing as missing:
        return Look(_blank_report(store, settings, as_of, items, str(missing)), None)
    memory = Memory(baseline, SeriesBook(_first_day(items, window, as_of)), arms=_arms(items, window))
    snapshot = Snapshot(as_of, settings, items, baseline, store.engine, memory.arms, memory.errors)
    measured = measure(snapshot, memory)
    case = follow(snapshot, memory, replayed)
    return Look(_report(store, case, memory, measured), memory)


def measure(snapshot: Snapshot, memory: Memory) -> Measured:
    """Steps 3 and 4: run the checks and write their daily sums into the memory's book."""
    measured = run_checks(load_checks().values(), snapshot)
    memory.book.write(measured.measurements, material_harm(snapshot), memory.book.first_day, day_of(snapshot.as_of))
    return measured


def follow(snapshot: Snapshot, memory: Memory, replayed: bool) -> Case:
    """Steps 5 and 6: walk the detector over the book and carry each slice's episode over the days not decided yet."""
    thresholds = snapshot.settings.alerts.days()
    weights = family_weights(memory.book, _slice_traffic(memory))
    paths = {path.slice: path for path in walk(memory.book, weights, memory.resets, replayed)}
    close = day_of(snapshot.as_of)
    for path in paths.values():
        _follow(path, memory, thresholds, close)
    memory.closed = close
    return Case(snapshot, memory.book, paths, weights, thresholds)


def _report(store: EventStore, case: Case, memory: Memory, measured: Measured) -> Report:
    snapshot, settings = case.snapshot, case.snapshot.settings
    alerts = [alert for episode in memory.episodes.values() for alert in explain(case, episode)]
    return Report(
        loop=settings.loop,
        as_of=snapshot.as_of,
        reward=settings.reward.label,
        outcome=settings.outcome.metric,
        unit=settings.unit,
        thresholds=case.thresholds,
        reference=_reference(memory.baseline),
        events=_event_counts(store),
        feedback=_feedback(store),
        alerts=sorted(alerts, key=lambda alert: (alert.fired_at, slice_name(alert.slice))),
        findings=_findings(case, memory, measured),
        checkpoints=summaries(snapshot),
        paths=_shown_paths(memory, case.paths),
        notes=_notes(snapshot, memory),
    )


def _follow(path: Path, memory: Memory, thresholds: Mapping[str, float], close: int) -> None:
    """Carry the slice's episodes over every day not decided yet.

    A ticket goes to the check that leads; a warning or page never to the association check, which cannot raise it.
    """
    for day in range(max(memory.closed, memory.book.first_day), close):
        index = day - memory.book.first_day
        level = path.level(index, thresholds)
        if level is None:
            continue
        leader = path.leader(index, firm=level[0] != "ticket")
        others = [key for key in memory.episodes if key.slice == path.slice and key.check != leader.check]
        if level[0] == "ticket" and others:
            continue
        key = EpisodeKey(path.slice, leader.check)
        part = memory.book.info[leader].slice
        memory.episodes[key], _ = transition(memory.episodes.get(key), level, day, leader.check, path.slice, part)


def _first_checkpoint(engine: Engine) -> str | None:
    with engine.connect() as connection:
        for statement in (FIRST_CHECKPOINT, FIRST_SERVED):
            found = connection.execute(text(statement)).scalar()
            if found is not None:
                return str(found)
    return None


def _first_day(items: Items, window: Window, as_of: dt.datetime) -> int:
    """The first day on which a monitored item matured; the day of the look when none did."""
    monitored = items.frame["day"][window.roles(items.frame) == "monitored"]
    return int(monitored.min()) if len(monitored) else day_of(as_of)


def _arms(items: Items, window: Window) -> tuple[str, ...]:
    """Monitored checkpoints that share days with another checkpoint, in the order in which they began."""
    later = items.frame[items.frame["time_us"] >= window.end_us]
    if later.empty:
        return ()
    served = later.groupby(["day", "checkpoint"])["unit"].nunique().unstack(fill_value=0)
    together = served.div(served.sum(axis=1), axis=0) >= ARM_SHARE
    shared_days = together[together.sum(axis=1) >= 2].sum()
    began = later.groupby("checkpoint")["time_us"].min().sort_values()
    return tuple(str(name) for name in began.index if shared_days[name] >= ARM_DAYS and name != window.checkpoint)


def _slice_traffic(memory: Memory) -> dict[str, float]:
    """Reference traffic of each slice; every arm counts like all of one cohort key's traffic shared among arms."""
    traffic = {
        f"{key}={value}": share for key, values in memory.baseline.traffic.items() for value, share in values.items()
    }
    arms = {f"checkpoint={arm}": 1 / len(memory.arms) for arm in memory.arms}
    return traffic | arms


def _reference(baseline: Baseline) -> Reference:
    window = baseline.window
    name = window.checkpoint or f"{_moment(window.start_us):%Y-%m-%d} to {_moment(window.end_us):%Y-%m-%d}"
    return Reference(
        name,
        window.chosen_by_default,
        _moment(window.start_us),
        _moment(window.end_us),
        baseline.units,
        baseline.version,
    )


def _moment(microseconds: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=microseconds)


def _findings(case: Case, memory: Memory, measured: Measured) -> list[Finding]:
    """One finding a check and slice: the census, or the sums of its first series against the tolerance."""
    findings = list(measured.errors)
    findings += [census(name, m) for name, m in measured.measurements if m.exact]
    seen: set[tuple[str, str]] = set()
    for name, measurement in measured.measurements:
        key = SeriesKey(name, measurement.series, slice_name(measurement.slice))
        if not measurement.exact and key[::2] not in seen:
            seen.add((key.check, key.slice))
            findings.append(_finding(case, memory, key, measurement))
    return findings


def _finding(case: Case, memory: Memory, key: SeriesKey, measurement: Measurement) -> Finding:
    sequential = key in case.weights
    since = day_of(case.snapshot.as_of) - FINDING_DAYS if sequential else None
    n, total, squares = memory.book.sums(key, since)
    verdict, effect = judged(n, total, squares, measurement.tolerance)
    episode = memory.episodes.get(EpisodeKey(key.slice, key.check))
    if sequential and verdict is Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE  # an interval alone is not the detector's evidence
    if sequential and episode is not None:
        verdict = Verdict.FAIL
    message = _told(case, memory, key, measurement, n, effect)
    return Finding(key.check, measurement.slice, verdict, effect, measurement.tolerance, n, message)


def _told(case: Case, memory: Memory, key: SeriesKey, measurement: Measurement, n: int, effect: Interval) -> str:
    if n == 0:
        return f"no data: needs {measurement.needs or 'matured units with an outcome after the reference'}"
    if key not in case.weights:
        return ""
    episode = memory.episodes.get(EpisodeKey(key.slice, key.check))
    if episode is not None:
        return f"{episode.severity} latched since {date_of(episode.crossings[0].day + 1)}"
    total_n, total, squares = memory.book.sums(key)
    deviation = float(np.sqrt(max(squares / total_n - (total / total_n) ** 2, 1e-6)))
    allowance = memory.book.info[key].allowance
    drop = smallest_visible(total_n, deviation, allowance, case.thresholds["warning"], case.weights[key])
    if drop >= 1.0:
        return "no alert; no drop could have been seen yet"
    return f"no alert; a drop of {drop * 100:.1f} pt would have been seen by now with probability .9"


def _shown_paths(memory: Memory, paths: Mapping[str, Path]) -> list[EvidencePath]:
    days = [date_of(memory.book.first_day + index) for index in range(memory.book.days)]
    shown = [path for name, path in paths.items() if name == "" or any(key.slice == name for key in memory.episodes)]
    return [
        EvidencePath(memory.book.info[path.members[0]].slice, days, np.exp(np.minimum(path.total, 700.0)).tolist())
        for path in shown
    ]


def _event_counts(store: EventStore) -> EventCounts:
    counts = store.counts()
    return EventCounts(
        accepted=sum(counts.by_type.values()),
        duplicate=counts.duplicate,
        conflict=counts.conflict,
        rejected=sum(counts.rejected_by_reason.values()),
        by_type=counts.by_type,
        rejected_by_reason=counts.rejected_by_reason,
    )


def _feedback(store: EventStore) -> FeedbackSplit:
    counts = store.counts()
    return FeedbackSplit(**counts.by_purpose, by_rule=counts.by_rule)


def _notes(snapshot: Snapshot, memory: Memory) -> list[str]:
    counts, baseline, settings = snapshot.items.counts, memory.baseline, snapshot.settings
    notes = []
    if baseline.window.chosen_by_default:
        notes.append(f"no reference was named: the first checkpoint, {baseline.window.checkpoint}, is taken")
    if counts["pending"]:
        notes.append(f"{counts['pending']:,} answers are not mature yet (horizon {settings.outcome.horizon})")
    for key, text_ in (
        ("outside_range", f"outcomes lie outside outcome.range {list(settings.outcome.range)} and were left out"),
        ("by_model", "outcomes were established by a model; they anchor nothing and were left out"),
        ("other_keys", "outcomes of the metric name another kind of subject than most and were left out"),
        ("other_revisions", f"scores come from another revision than {snapshot.items.revision!r} and were left out"),
    ):
        if counts.get(key):
            notes.append(f"{counts[key]:,} {text_}")
    unscoreable = int(snapshot.items.frame["unscoreable"].sum())
    if unscoreable:
        share = unscoreable / max(len(snapshot.items.frame), 1)
        notes.append(f"{unscoreable:,} answers ({share:.1%}) were unscoreable: they count without a reward")
    notes += [
        f"cohort {key}: {n} values with too few reference units have no series of their own"
        for key, n in baseline.small.items()
        if n
    ]
    if baseline.overdispersion > 1:
        notes.append("weeks of the reference differ more than chance: material harm is raised to 1.0 pt")
    return notes


def _blank_report(store: EventStore, settings: Settings, as_of: dt.datetime, items: Items, missing: str) -> Report:
    findings = [
        Finding(name, {}, Verdict.INCONCLUSIVE, Interval(), 0.0, 0, f"no data: {missing}")
        for name, item in load_checks().items()
        if "production" in item.on
    ]
    return Report(
        loop=settings.loop, as_of=as_of, reward=settings.reward.label, outcome=settings.outcome.metric,
        unit=settings.unit, thresholds=settings.alerts.days(), reference=None, events=_event_counts(store),
        feedback=_feedback(store), alerts=[], findings=findings, checkpoints=[], paths=[], notes=[missing],
    )  # fmt: skip
