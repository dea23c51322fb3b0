"""One look at the loop: read, check, infer, decide. The same steps serve a replay and the daily tick.

    1 items     which answers matured, with what reward and outcome
    2 baseline  frozen on the reference
    3 checks    measure every series over the snapshot
    4 book      the measurements' daily sums
    5 walk      the detector over the sums, day by day
    6 alerts    transitions of each slice's episodes, day by day
    7 report    findings, alerts explained, summaries

`look` does all of it from nothing. `tick` continues from the memory of the last look and touches only days that
changed: new answers that matured, and days whose labels were corrected or came late.
"""

import datetime as dt
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Engine, text

from consumers.store import EventStore
from monitor.alerts import OPEN, SEVERITIES, Episode, EpisodeKey, transition
from monitor.baseline import ReferenceMissing, Window, find_window, fit_baseline
from monitor.book import SeriesBook
from monitor.changes import changed_since, latest_seq
from monitor.check import REGISTRY, Check, Verdict, load_checks
from monitor.conclude import blank_report, conclude
from monitor.curve import training_of
from monitor.curve_alerts import KEY as CURVE
from monitor.curve_alerts import RULE, crosses, explain_curve
from monitor.evidence import Path, family_weights, walk
from monitor.explain import Case, explain, material_harm
from monitor.items import DAY_US, Items, day_of, load_items, revision_of
from monitor.memory import Kept, Memory
from monitor.result import Alert, Report
from monitor.runner import census, run_checks
from monitor.settings import Settings
from monitor.snapshot import Snapshot, slice_name
from monitor.statistics.family import arm_traffic
from monitor.statistics.reference_error import MIX_DAYS

ARM_DAYS = 3  # two checkpoints serve at once when they share at least so many days
ARM_SHARE = 0.1
# Names are put in order here and not by the databases, whose collations differ.
FIRST_CHECKPOINT = """
    SELECT position, time_us, checkpoint FROM checkpoint
    WHERE checkpoint IN (SELECT checkpoint FROM response WHERE environment = 'production')
"""
FIRST_SERVED = """
    SELECT checkpoint FROM response WHERE environment = 'production'
      AND time_us = (SELECT MIN(time_us) FROM response WHERE environment = 'production')
"""
SERVED = """
    SELECT time_us / :day_us AS day, MIN(time_us), checkpoint, COUNT(*) FROM response
    WHERE environment = 'production' AND time_us >= :since AND time_us < :until
    GROUP BY 1, 3
"""


@dataclass(frozen=True)
class Look:
    """The outcome of one look: what to tell and what to remember (None while there is no reference).

    since: the first day of the book that this look wrote; None when nothing changed.
    """

    report: Report
    memory: Memory | None
    since: int | None


def look(
    store: EventStore, settings: Settings, as_of: dt.datetime, replayed: bool = False, kept: Kept | None = None
) -> Look:
    """Look at everything in the store as of a moment, fitting the baseline anew.

    replayed: a finite history, for which the known start is reported too. kept: what an earlier look left, under other
    settings, another baseline or another release; what it told stays told, what was resolved stays resolved, days it
    decided are not told again.
    """
    newest = latest_seq(store.engine)
    items = load_items(store.engine, settings, as_of)
    try:
        window = find_window(items.frame, settings, _first_checkpoint(store.engine), as_of)
        ruler = revision_of(store.engine, settings, as_of, window.checkpoint, window.start_us, window.end_us)
        if ruler not in (None, items.revision):
            items = load_items(store.engine, settings, as_of, revision=ruler)  # the reference's ruler, not the newest
        baseline = fit_baseline(items.frame, window, settings, items.revision)
    except ReferenceMissing as missing:
        return Look(blank_report(store, settings, as_of, str(missing)), None, None)
    memory = Memory(
        baseline, SeriesBook(_first_day(items, window, as_of)), arms=_arms(store.engine, window, settings, as_of)
    )
    if kept is not None:
        memory.episodes, memory.resets = dict(kept.episodes), kept.resets
        memory.told, memory.closed = kept.told, kept.closed
    snapshot = Snapshot(as_of, settings, items, baseline, store.engine, memory.arms, memory.errors)
    measure(snapshot, memory, memory.book.first_day, load_checks().values())
    case = follow(snapshot, memory, replayed)
    memory.told = _told(case, memory)
    memory.last_seq = newest
    return Look(conclude(store, case, memory, complete=True), memory, memory.book.first_day)


def tick(store: EventStore, settings: Settings, as_of: dt.datetime, memory: Memory) -> Look:
    """Continue from the last look. The result is that of `look` on the same events; only the work differs.

    Corrected days are replaced and the path walked again; a change inside the reference fits a new baseline version.
    """
    newest = latest_seq(store.engine)
    since = changed_since(store.engine, settings, memory.last_seq, memory.closed, day_of(as_of))
    window = memory.baseline.window
    if not window.ended or (since is not None and _moved(store.engine, settings, as_of, memory, since)):
        return look(store, settings, as_of, kept=memory)
    if any(finding.verdict is Verdict.ERROR for finding in memory.fixed):
        since = memory.book.first_day  # a check broke: its series lack the days since then
    news = since is not None
    start = memory.closed if since is None else min(since, memory.closed)
    first = day_of(as_of) if since is None else start - MIX_DAYS
    items = load_items(store.engine, settings, as_of, first, memory.baseline.revision)
    snapshot = Snapshot(as_of, settings, items, memory.baseline, store.engine, memory.arms, memory.errors)
    measure(snapshot, memory, max(start, memory.book.first_day), load_checks().values() if news else _intake_checks())
    memory.told = _of_episodes(memory.told, memory.episodes)
    before = dict(memory.episodes)
    case = follow(snapshot, memory, replayed=False)
    for path in case.paths.values():
        _supersede(path, memory, case.thresholds)
    _supersede_curve(case, memory)
    if since is not None or before != memory.episodes:
        memory.told = _told(case, memory)
    memory.last_seq = newest
    return Look(conclude(store, case, memory, complete=False), memory, start if day_of(as_of) > start else None)


def _moved(engine: Engine, settings: Settings, as_of: dt.datetime, memory: Memory, since: int) -> bool:
    """Whether what is frozen has to be made anew: the reference itself changed, or traffic was split."""
    window = memory.baseline.window
    return since * DAY_US <= window.end_us or _arms(engine, window, settings, as_of) != memory.arms


def measure(snapshot: Snapshot, memory: Memory, since: int, checks: Iterable[Check]) -> None:
    """Steps 3 and 4: run the checks and replace the book's days from `since` on by their sums.

    Series of checks that are not run get days on which nothing happened; their findings that are not sums stay.
    """
    checks = list(checks)
    measured = run_checks(checks, snapshot)
    broken = {finding.check for finding in measured.errors}
    memory.book.write(measured.measurements, material_harm(snapshot), since, day_of(snapshot.as_of), broken)
    ran = {item.name for item in checks}
    fresh = measured.errors + [census(name, m) for name, m in measured.measurements if m.exact]
    waiting = load_checks().keys() - ran
    memory.fixed = [finding for finding in memory.fixed if finding.check in waiting] + fresh


def _intake_checks() -> list[Check]:
    """What is looked at although no event came: the way of the events itself."""
    return [item for item in load_checks().values() if item.family == "intake"]


def follow(snapshot: Snapshot, memory: Memory, replayed: bool) -> Case:
    """Steps 5 and 6: walk the detector over the book and carry each slice's episodes over the days not decided yet."""
    thresholds = snapshot.settings.alerts.days()
    weights = family_weights(memory.book, memory.baseline.traffic, arm_traffic(memory.arms))
    paths = {path.slice: path for path in walk(memory.book, weights, memory.resets, replayed)}
    training = training_of(snapshot.engine)
    case = Case(snapshot, memory.book, paths, weights, thresholds, memory.resets, training)
    close = day_of(snapshot.as_of)
    for path in paths.values():
        _follow(path, memory, _capped(path, thresholds), close)
    _follow_curve(case, memory, close)
    memory.closed = close
    return case


def _capped(path: Path, thresholds: Mapping[str, float]) -> dict[str, float]:
    """The thresholds up to the severest that any check of the path may raise."""
    most = max(SEVERITIES.index(REGISTRY[key.check].severity) for key in path.members)
    return {name: days for name, days in thresholds.items() if SEVERITIES.index(name) <= most}


def _follow(path: Path, memory: Memory, thresholds: Mapping[str, float], close: int) -> None:
    """Carry the slice's episodes over every day not decided yet.

    A ticket goes to the check that leads; a warning or page never to the association check, which cannot raise it.
    """
    for day in range(max(memory.closed, memory.book.first_day), close):
        index = day - memory.book.first_day
        level = path.level(index, thresholds)
        if level is None:
            continue
        leader = path.leader(index, level[0])
        others = [key for key in memory.episodes if _carries(path, key) and key.check != leader.check]
        if level[0] == "ticket" and others:
            continue
        key = EpisodeKey(path.slice, leader.check)
        part = memory.book.info[leader].slice
        memory.episodes[key], _ = transition(memory.episodes.get(key), level, day, leader.check, path.slice, part)


def _follow_curve(case: Case, memory: Memory, close: int) -> None:
    """Open the curve's episode on the first day that raises its ticket; a ticket is the most it may raise."""
    for day in range(max(memory.closed, memory.book.first_day), close):
        if CURVE not in memory.episodes and _curve_crosses(case, day):
            level = ("ticket", RULE)
            memory.episodes[CURVE], _ = transition(None, level, day, CURVE.check, CURVE.slice, {})


def _supersede_curve(case: Case, memory: Memory) -> None:
    episode = memory.episodes.get(CURVE)
    if episode is not None and episode.state in OPEN:
        days = range(max(episode.crossings[0].day, memory.book.first_day), memory.closed)
        if days and not any(_curve_crosses(case, day) for day in days):
            memory.episodes[CURVE] = replace(episode, state="superseded")


def _curve_crosses(case: Case, day: int) -> bool:
    resets = [reset for reset in case.resets.get(CURVE.slice, ()) if reset <= day]
    return crosses(case.curve(day), case.thresholds, resets)


def _supersede(path: Path, memory: Memory, thresholds: Mapping[str, float]) -> None:
    """Mark episodes that the path of corrected labels no longer supports; an alert is never deleted."""
    for key, episode in memory.episodes.items():
        if episode.state in OPEN and _carries(path, key):
            days = range(max(episode.crossings[0].day, memory.book.first_day), memory.closed)
            if days and not any(path.level(day - memory.book.first_day, thresholds) for day in days):
                memory.episodes[key] = replace(episode, state="superseded")


def _told(case: Case, memory: Memory) -> list[Alert]:
    """Every episode explained anew; one without series (its slice is gone, its check broke) stays as it was told."""
    carried = [key for key in memory.episodes if key.slice in case.paths and _carries(case.paths[key.slice], key)]
    carried += [CURVE] if CURVE in memory.episodes and explained(case, memory.episodes[CURVE]) else []
    fresh = [alert for key in carried for alert in explained(case, memory.episodes[key])]
    return fresh + _of_episodes(memory.told, memory.episodes.keys() - set(carried))


def explained(case: Case, episode: Episode) -> list[Alert]:
    """What a page says of an episode that its series, or the curve, still carry."""
    return explain_curve(case, episode) if episode.check == CURVE.check else explain(case, episode)


def _of_episodes(alerts: Iterable[Alert], episodes: Container[EpisodeKey]) -> list[Alert]:
    """What was told of these episodes; what was resolved or superseded since is told no more."""
    return [alert for alert in alerts if EpisodeKey(slice_name(alert.slice), alert.check) in episodes]


def _carries(path: Path, key: EpisodeKey) -> bool:
    """Whether the path is that of the episode's slice and holds a series of its check."""
    return path.slice == key.slice and any(member.check == key.check for member in path.members)


def _first_checkpoint(engine: Engine) -> str | None:
    with engine.connect() as connection:
        named = connection.execute(text(FIRST_CHECKPOINT)).all()
        if named:
            return str(min((position is None, position or 0.0, time_us, name) for position, time_us, name in named)[-1])
        return min(connection.execute(text(FIRST_SERVED)).scalars(), default=None)


def _first_day(items: Items, window: Window, as_of: dt.datetime) -> int:
    """The first day on which a monitored item matured; the day of the look when none did."""
    monitored = items.frame["day"][window.roles(items.frame) == "monitored"]
    return int(monitored.min()) if len(monitored) else day_of(as_of)


def _arms(engine: Engine, window: Window, settings: Settings, as_of: dt.datetime) -> tuple[str, ...]:
    """Monitored checkpoints that share days with another checkpoint, in the order in which they began."""
    until = day_of(as_of) * DAY_US - settings.outcome.horizon // dt.timedelta(microseconds=1)
    with engine.connect() as connection:
        given = {"since": window.end_us, "until": until, "day_us": DAY_US}
        rows = sorted(tuple(row) for row in connection.execute(text(SERVED), given))
    by_day: dict[int, dict[str, int]] = {}
    for day, _, checkpoint, answers in rows:
        by_day.setdefault(day, {})[checkpoint] = answers
    shared: Counter[str] = Counter()
    for served in by_day.values():
        together = [name for name, answers in served.items() if answers >= ARM_SHARE * sum(served.values())]
        shared.update(together if len(together) > 1 else ())
    began = dict.fromkeys(checkpoint for _, _, checkpoint, _ in rows)
    return tuple(name for name in began if shared[name] >= ARM_DAYS and name != window.checkpoint)
