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
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine, text

from consumers.store import EventStore
from monitor.anchored.anchored_alerts import explain_comparison, follow_comparisons, supersede_comparisons
from monitor.anchored.anchored_items import evaluated_since
from monitor.anchored.anchored_pairs import PairedMeasurement
from monitor.anchored.comparisons import CHECK as ANCHORED
from monitor.anchored.comparisons import VOICE_CHECK as VOICE
from monitor.anchored.comparisons import Comparison, compare, remember
from monitor.check import REGISTRY, Check, Verdict, load_checks
from monitor.detection.book import SeriesBook
from monitor.detection.changes import changed_since, latest_seq
from monitor.detection.evidence import Path, family_weights, walk
from monitor.detection.guard import NAME as GUARD
from monitor.detection.guard import THRESHOLDS as GUARD_THRESHOLDS
from monitor.detection.guard import against_first, guard_path, spoken_for, with_guard
from monitor.detection.memory import First, Kept, Memory
from monitor.detection.runner import census, run_checks
from monitor.judging.judge_alerts import explain_judge
from monitor.judging.judge_records import CHECKS as JUDGE_CHECKS
from monitor.judging.judge_records import judged_since
from monitor.oncall.alerts import OPEN, SEVERITIES, Episode, EpisodeKey, is_guard, transition
from monitor.production.audit import LEAST_DAYS
from monitor.production.baseline import Baseline, ReferenceMissing, Window, no_baseline
from monitor.production.curve import training_of
from monitor.production.items import DAY_US, Items, day_of, load_items
from monitor.production.reference import freeze
from monitor.result import Alert, Report
from monitor.settings import Settings
from monitor.snapshot import Snapshot, slice_name
from monitor.statistics.family import arm_traffic
from monitor.statistics.reference_error import MIX_DAYS
from monitor.telling.conclude import blank_report, conclude
from monitor.telling.curve_alerts import KEY as CURVE
from monitor.telling.curve_alerts import RULE, crosses, explain_curve
from monitor.telling.explain import Case, explain, material_harm
from monitor.voices.voice import heard_since
from monitor.voices.voice_alerts import explain_voice
from monitor.voices.voice_comparisons import compare_voice, with_more_answers
from monitor.voices.voice_pairs import VoiceMeasurement

ARM_DAYS = 3  # two checkpoints serve at once when they share at least so many days
ARM_SHARE = 0.1
OF_ANSWERS = (ANCHORED, VOICE)  # looked at when evaluation answers have news
BESIDE = (*OF_ANSWERS, "judges", "intake")  # families and checks that need no reference in production
COMPARED = (PairedMeasurement, VoiceMeasurement)  # inferred once, no series of the book
SERVED = """
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


@dataclass(frozen=True)
class Compared:
    """Comparisons of earlier looks under the same settings: on anchor sets, and of voices."""

    anchored: Sequence[Comparison]
    voices: Sequence[Comparison]


def look(
    store: EventStore,
    settings: Settings,
    as_of: dt.datetime,
    replayed: bool = False,
    kept: Kept | None = None,
    compared: Compared | None = None,
) -> Look:
    """Look at everything in the store as of a moment, fitting the baseline anew.

    replayed: a finite history, for which the known start is reported too. kept: what an earlier look left, under other
    settings, another baseline or another release; what it told stays told, what was resolved stays resolved, days it
    decided are not told again. compared: comparisons under the same settings; None to make all anew.
    """
    newest, kept = latest_seq(store.engine), kept or Kept()
    decided, missing = [version.window for version in kept.versions], ""
    try:
        items, baseline = freeze(store.engine, settings, as_of, decided[-1] if decided else None)
        seen, oldest = freeze(store.engine, settings, as_of, decided[0], items) if decided else (items, baseline)
    except ReferenceMissing as fault:
        items, baseline, missing = load_items(store.engine, settings, as_of), no_baseline(settings), str(fault)
        seen, oldest = items, baseline
    arms = () if missing else _arms(store.engine, baseline.window, settings, as_of)
    snapshot = Snapshot(as_of, settings, items, baseline, store.engine, arms, {}, kept.learned)
    memory = Memory(
        baseline,
        SeriesBook(_first_day(seen, oldest.window, snapshot)),
        errors=snapshot.errors,
        arms=arms,
        first=First(oldest) if decided else None,
        episodes=dict(kept.episodes),
        resets=kept.resets,
        told=kept.told,
        closed=kept.closed,
        versions=kept.versions,
        learned=kept.learned,
    )
    measure(snapshot, memory, memory.book.first_day, _answerable(baseline), compared)
    if missing and not (memory.comparisons or memory.voices or snapshot.judge_records.rulers):
        return Look(blank_report(store, settings, as_of, missing), None, None)
    case = follow(snapshot, memory, replayed)
    memory.told = _told(case, memory)
    memory.last_seq = newest
    return Look(conclude(store, case, memory, complete=True, missing=missing), memory, memory.book.first_day)


def tick(store: EventStore, settings: Settings, as_of: dt.datetime, memory: Memory) -> Look:
    """Continue from the last look. The result is that of `look` on the same events; only the work differs.

    Corrected days are replaced and the path walked again; a change inside the reference fits a new baseline version.
    """
    newest = latest_seq(store.engine)
    since = changed_since(store.engine, settings, memory.last_seq, memory.closed, day_of(as_of))
    if not _stands(memory) or (since is not None and _moved(store.engine, settings, as_of, memory, since)):
        return look(store, settings, as_of, kept=memory, compared=_compared(memory))
    evaluated = evaluated_since(store.engine, memory.last_seq) or heard_since(store.engine, memory.closed)
    judged = judged_since(store.engine, memory.last_seq, memory.closed)
    due = _due(memory, since is not None, evaluated, judged)
    if any(finding.verdict is Verdict.ERROR for finding in memory.fixed):
        since = memory.book.first_day  # a check broke: its series lack the days since then
    start = memory.closed if since is None else min(since, memory.closed)
    first = day_of(as_of) if since is None else start - MIX_DAYS - LEAST_DAYS
    items = load_items(store.engine, settings, as_of, first, memory.baseline.revision)
    base, learned = memory.baseline, memory.learned
    snapshot = Snapshot(as_of, settings, items, base, store.engine, memory.arms, memory.errors, learned)
    if judged and (snapshot.judge_records.first_day or memory.closed) < memory.book.first_day:
        return look(store, settings, as_of, kept=memory, compared=_compared(memory))
    measure(snapshot, memory, max(start, memory.book.first_day), due, _compared(memory))
    memory.told = _of_episodes(memory.told, memory.episodes)
    before = dict(memory.episodes)
    case = follow(snapshot, memory, replayed=False)
    for path in case.paths.values():
        _supersede(path, memory, _thresholds(path, case))
    _supersede_curve(case, memory)
    supersede_comparisons(case, memory)
    if since is not None or judged or before != memory.episodes:
        memory.told = _told(case, memory)
    memory.last_seq = newest
    written = memory.book.first_day if judged else start
    return Look(conclude(store, case, memory, complete=False), memory, written if day_of(as_of) > written else None)


def _compared(memory: Memory) -> Compared:
    return Compared(memory.comparisons, memory.voices)


def _stands(memory: Memory) -> bool:
    """Whether the baseline is frozen for good, and nobody decided for another one since."""
    window = memory.baseline.window
    return window.ended and all(version.window == window for version in memory.versions[-1:])


def _moved(engine: Engine, settings: Settings, as_of: dt.datetime, memory: Memory, since: int) -> bool:
    """Whether what is frozen has to be made anew: a reference itself changed, or traffic was split."""
    window = memory.baseline.window
    ends = max([window.end_us, *(version.window.end_us for version in memory.versions[:1])])
    return since * DAY_US <= ends or _arms(engine, window, settings, as_of) != memory.arms


def measure(
    snapshot: Snapshot,
    memory: Memory,
    since: int,
    checks: Iterable[Check],
    compared: Compared | None = None,
) -> None:
    """Steps 3 and 4: run the checks and replace the book's days from `since` on by their sums.

    Series of checks that are not run get days on which nothing happened; their findings that are not sums stay. What
    judges said is told anew as a whole, since a person's verdict may speak of a judgment of long ago.
    compared: comparisons that go on; None to make all anew.
    """
    checks = list(checks)
    measured = with_guard(run_checks(checks, snapshot), snapshot, memory.first)
    broken = {finding.check for finding in measured.errors}
    series = [(name, m) for name, m in measured.measurements if not isinstance(m, COMPARED)]
    ran, close = {item.name for item in checks}, day_of(snapshot.as_of)
    for part, first in (
        (load_checks().keys() - {*JUDGE_CHECKS}, since),
        (ran & {*JUDGE_CHECKS}, memory.book.first_day),
    ):
        mine = [(name, m) for name, m in series if name in part]
        kept = {key.check for key in memory.book.keys} - part
        memory.book.write(mine, material_harm(snapshot), first, close, broken | kept)
    if ANCHORED in ran - broken:
        harm = snapshot.settings.alerts.material_harm
        made = (compare(m, harm) for _, m in measured.measurements if isinstance(m, PairedMeasurement))
        memory.comparisons = remember(made, compared.anchored if compared else None, memory.closed)
    if VOICE in ran - broken:
        heard = [compare_voice(m) for _, m in measured.measurements if isinstance(m, VoiceMeasurement)]
        before = compared.voices if compared else None
        memory.voices = remember(with_more_answers(heard, before), before, memory.closed)
    fresh = measured.errors + [census(name, m) for name, m in measured.measurements if m.exact]
    waiting = load_checks().keys() - ran
    memory.fixed = [finding for finding in memory.fixed if finding.check in waiting] + fresh


def _due(memory: Memory, news: bool, evaluated: bool, judged: bool) -> list[Check]:
    """What is looked at: all of production when it has news, anchor sets when they have, always the way of the events.

    A check that broke is tried again. Judges are looked at when any of them, or a person, judged.
    """
    broken = {finding.check for finding in memory.fixed if finding.verdict is Verdict.ERROR}
    return [
        item
        for item in load_checks().values()
        if item.name in broken
        or (
            evaluated
            if item.name in OF_ANSWERS
            else judged
            if item.name in JUDGE_CHECKS
            else news or broken or item.family in ("intake", "rulers")
        )
    ]


def follow(snapshot: Snapshot, memory: Memory, replayed: bool) -> Case:
    """Steps 5 and 6: walk the detector over the book and carry each slice's episodes over the days not decided yet."""
    alerts, book = snapshot.settings.alerts, memory.book
    weights = family_weights(book, memory.baseline.traffic, arm_traffic(memory.arms), alerts.risk)
    resets = memory.resets_of({key.slice for key in book.keys if key.slice != GUARD})
    paths = {path.slice: path for path in walk(book, weights, resets, replayed, alerts.restart)}
    guard = guard_path(book)
    case = Case(
        snapshot, book, {**paths, GUARD: guard} if guard else paths, weights, alerts.days(), resets,
        training_of(snapshot.engine), memory.first, memory.comparisons, memory.voices,
    )  # fmt: skip
    close = day_of(snapshot.as_of)
    for path in case.paths.values():
        _follow(path, memory, _thresholds(path, case), close)
    _follow_curve(case, memory, close)
    follow_comparisons(case, memory, close)
    memory.closed = close
    return case


def _thresholds(path: Path, case: Case) -> Mapping[str, float]:
    """The thresholds up to the severest that any check of the path may raise; the guard has one of its own."""
    if path.slice == GUARD:
        return GUARD_THRESHOLDS
    most = max(SEVERITIES.index(REGISTRY[key.check].severity) for key in path.members)
    return {name: days for name, days in case.thresholds.items() if SEVERITIES.index(name) <= most}


def _follow(path: Path, memory: Memory, thresholds: Mapping[str, float], close: int) -> None:
    """Carry the slice's episodes over every day not decided yet.

    A ticket goes to the check that leads; a warning or page never to the association check, which cannot raise it.
    """
    decided = {*memory.resets.get("", ())} - {*memory.rebaselined} | {*memory.resets.get(GUARD, ())}
    for day in range(max(memory.closed, memory.book.first_day), close):
        index = day - memory.book.first_day
        level = path.level(index, thresholds)
        if level is None:
            continue
        if path.slice == GUARD and spoken_for(path, day, memory.book.first_day, memory.episodes, decided):
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
    for key in [key for key in memory.episodes if key.check in OF_ANSWERS]:
        episode, told = memory.episodes[key], _of_episodes(memory.told, [key])
        again = explain_voice(case, episode) if key.check == VOICE else explain_comparison(case, episode, told)
        carried, fresh = [*carried, *([key] if again else [])], fresh + again
    return fresh + _of_episodes(memory.told, memory.episodes.keys() - set(carried))


def explained(case: Case, episode: Episode) -> list[Alert]:
    """What a page says of an episode that its series, or the curve, still carry."""
    if episode.check == CURVE.check:
        return explain_curve(case, episode)
    if episode.check == ANCHORED:
        return explain_comparison(case, episode)
    if episode.check == VOICE:
        return explain_voice(case, episode)
    if episode.check in JUDGE_CHECKS:
        return explain_judge(case, episode)
    if is_guard(episode):
        case = replace(case, snapshot=against_first(case.snapshot, case.first), earlier={})
    return explain(case, episode)


def _of_episodes(alerts: Iterable[Alert], episodes: Container[EpisodeKey]) -> list[Alert]:
    """What was told of these episodes; what was resolved or superseded since is told no more."""
    return [alert for alert in alerts if EpisodeKey(slice_name(alert.slice), alert.check) in episodes]


def _carries(path: Path, key: EpisodeKey) -> bool:
    """Whether the path is that of the episode's slice and holds a series of its check."""
    return path.slice == key.slice and any(member.check == key.check for member in path.members)


def _first_day(items: Items, window: Window, snapshot: Snapshot) -> int:
    """The first day on which a monitored item matured, or a judge was watched; the day of the look when none did."""
    monitored = items.frame["day"][window.roles(items.frame) == "monitored"]
    judged = snapshot.judge_records.first_day
    first = [int(monitored.min())] if len(monitored) else []
    return min([*first, *([] if judged is None else [judged])], default=day_of(snapshot.as_of))


def _answerable(baseline: Baseline) -> list[Check]:
    """The checks that can be asked: without a reference in production those that need none."""
    return [item for item in load_checks().values() if baseline.units or item.family in BESIDE or item.name in BESIDE]


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
