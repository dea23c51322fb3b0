"""What is told of a look? Findings, alerts, counts and what a reader must know, in one report."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from consumers.incidents import Incident
from consumers.store import EventStore, StoreCounts
from monitor.anchored.anchored_alerts import comparison_findings
from monitor.anchored.comparisons import CHECK as ANCHORED
from monitor.anchored.comparisons import VOICE_CHECK as VOICE
from monitor.check import REGISTRY, Finding, Interval, Verdict, load_checks
from monitor.detection.book import SeriesKey
from monitor.detection.evidence import ESCAPE, Path
from monitor.detection.guard import NAME as GUARD
from monitor.detection.memory import Memory
from monitor.detection.runner import PRODUCTION_USES, judged
from monitor.judging.judge_alerts import judge_finding
from monitor.judging.judge_records import CHECKS as JUDGE_CHECKS
from monitor.oncall.alerts import OPEN, Episode, EpisodeKey
from monitor.oncall.intake import CHECK, alert_of, gap_notes
from monitor.production.baseline import Baseline
from monitor.production.curve import CHECK as CURVE_CHECK
from monitor.production.items import EPOCH, date_of, day_of
from monitor.result import Alert, EventCounts, EvidencePath, FeedbackSplit, Reference, Report
from monitor.settings import Settings
from monitor.snapshot import Snapshot, slice_name
from monitor.statistics.detector import smallest_visible
from monitor.telling.curve_alerts import KEY as CURVE
from monitor.telling.curve_alerts import curve_finding
from monitor.telling.explain import Case
from monitor.telling.noise_words import CHECK as NOISE_CHECK
from monitor.telling.noise_words import noise_finding
from monitor.telling.phrases import CHECK as SEEKING
from monitor.telling.phrases import with_all_kinds_paid
from monitor.telling.summary import summaries
from monitor.voices.voice_alerts import voice_findings

DAY = dt.timedelta(days=1)
FINDING_DAYS = 28
RETURNING = 0.5  # share of units of users seen before, from which on their days cannot count as independent
RATE_CHECK = "feedback_response_rate"
HEADLINE = SeriesKey("reward_outcome_decoupling", "A1", "")  # the series whose sight the state of the loop quotes


def conclude(store: EventStore, case: Case, memory: Memory, complete: bool, missing: str = "") -> Report:
    """The report of one look. complete: the snapshot holds every item, so that checkpoints can be summed up.

    missing: why production has no reference, so that only what is beside it was looked at.
    """
    snapshot, settings, counts = case.snapshot, case.snapshot.settings, store.counts()
    incidents = store.incidents()
    return Report(
        loop=settings.loop,
        as_of=snapshot.as_of,
        reward=settings.reward.label,
        outcome=settings.outcome.metric,
        unit=settings.unit,
        thresholds=case.thresholds,
        reference=None if missing else _reference(memory.baseline),
        events=_event_counts(counts),
        feedback=_feedback(counts),
        alerts=_alerts([*memory.told, *(alert_of(incident, settings.loop) for incident in incidents)]),
        findings=_doubted(_findings(case, memory, missing), incidents),
        checkpoints=summaries(snapshot) if complete and not missing else [],
        paths=_shown_paths(memory, case.paths),
        notes=gap_notes(incidents) + _notes(snapshot, memory) + [missing] * bool(missing),
        smallest_visible=_visible_drop(case, memory, HEADLINE) if HEADLINE in case.weights else None,
        horizon_days=settings.outcome.horizon / DAY,
        cohorts=settings.cohorts,
    )


def _alerts(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (alert.fired_at, slice_name(alert.slice)))


def _doubted(findings: Iterable[Finding], incidents: Sequence[Incident]) -> list[Finding]:
    """While records are missing nothing that was built on the rest is a pass; what is shown harmful stays so."""
    if not incidents:
        return list(findings)
    return [
        replace(finding, verdict=Verdict.INCONCLUSIVE, message=f"{finding.message}; the data have a gap")
        if finding.verdict is Verdict.PASS and finding.check != CHECK
        else finding
        for finding in findings
    ]


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


def _findings(case: Case, memory: Memory, missing: str) -> list[Finding]:
    """Censuses and broken checks as they are; else one finding a check and slice, from the sums of its first series."""
    newest = _newest(case, memory)
    broken = {finding.check for finding in memory.fixed if finding.verdict is Verdict.ERROR}
    first: dict[tuple[str, str], SeriesKey] = {}
    for key in memory.book.keys:
        past = key not in case.weights and newest not in (None, memory.book.info[key].slice.get("checkpoint", newest))
        if not past and key.check not in broken | {CURVE_CHECK} and key.slice != GUARD:
            first.setdefault((key.check, key.slice), key)
    single = [_finding(case, memory, key) for key in first.values()]
    since = day_of(case.snapshot.as_of) - FINDING_DAYS
    kinds = [key for key in first.values() if key.check == SEEKING]
    sums = {memory.book.info[key].slice["marker"]: memory.book.sums(key, since) for key in kinds}
    found = [*memory.fixed, *with_all_kinds_paid(single, sums)]
    found += [] if CURVE_CHECK in broken or missing else [_curve(case, memory)]
    found += [] if ANCHORED in broken else comparison_findings(case, memory)
    found += [] if VOICE in broken else voice_findings(case, memory)
    asked = {finding.check for finding in found}
    return found + [one for one in _blank_findings(missing) if missing and one.check not in asked]


def _curve(case: Case, memory: Memory) -> Finding:
    reading = case.curve(day_of(case.snapshot.as_of) - 1)
    item = REGISTRY[CURVE_CHECK]
    given = {**item.defaults, **case.snapshot.settings.checks.get(CURVE_CHECK, {})}
    return curve_finding(reading, float(given["tolerance"]), memory.episodes.get(CURVE))


def _newest(case: Case, memory: Memory) -> str | None:
    """The newest checkpoint; on a tick without items, which reads none, the one compared with the reference last."""
    compared = [memory.book.info[key].slice.get("checkpoint") for key in memory.book.keys if key not in case.weights]
    return case.snapshot.latest() or next((name for name in reversed(compared) if name), None)


def _finding(case: Case, memory: Memory, key: SeriesKey) -> Finding:
    info, sequential = memory.book.info[key], key in case.weights
    since = None if "checkpoint" in info.slice and not sequential else day_of(case.snapshot.as_of) - FINDING_DAYS
    n, total, squares = memory.book.sums(key, since)
    if key.check in JUDGE_CHECKS:
        return judge_finding(case, key, _open_episode(memory, key))
    if key.check == NOISE_CHECK:
        return noise_finding(info, n, round(total), FINDING_DAYS)
    verdict, effect = judged(n, total, squares, info.tolerance)
    if sequential and verdict is Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE  # an interval alone is not the detector's evidence
    if sequential and _open_episode(memory, key) is not None:
        verdict = Verdict.FAIL
    return Finding(key.check, info.slice, verdict, effect, info.tolerance, n, _told(case, memory, key, n))


def _open_episode(memory: Memory, key: SeriesKey) -> Episode | None:
    episode = memory.episodes.get(EpisodeKey(key.slice, key.check))
    return episode if episode is not None and episode.state in OPEN else None


def _told(case: Case, memory: Memory, key: SeriesKey, n: int) -> str:
    episode = _open_episode(memory, key)
    if n == 0:
        lately = f" in the last {FINDING_DAYS} days" if memory.book.sums(key)[0] else ""
        needs = memory.book.info[key].needs or "matured units with an outcome after the reference"
        return f"no data{lately}: needs {needs}"
    if key.check in (RATE_CHECK, SEEKING):
        return f"the last {FINDING_DAYS} days against the reference; {n:,} {case.snapshot.settings.unit} units"
    if key not in case.weights:
        return f"since it began serving; {n:,} {case.snapshot.settings.unit} units with an outcome"
    if episode is not None:
        return f"{episode.severity} open since {date_of(episode.crossings[-1].day + 1)}"
    drop, change = _visible_drop(case, memory, key), "rise" if key.series == ESCAPE else "drop"
    if drop is None:
        return f"no alert; no {change} could have been seen yet"
    return f"no alert; a {change} of {drop * 100:.1f} pt would have been seen by now with probability .9"


def _visible_drop(case: Case, memory: Memory, key: SeriesKey) -> float | None:
    """The drop that a watched series would have shown by now with probability .9; None when it could show none."""
    n, total, squares = memory.book.sums(key)
    if n == 0:
        return None
    deviation = float(np.sqrt(max(squares / n - (total / n) ** 2, 1e-6)))
    allowance = memory.book.info[key].allowance
    drop = smallest_visible(n, deviation, allowance, case.thresholds["warning"], case.weights[key])
    return drop if drop < 1.0 else None


def _shown_paths(memory: Memory, paths: Mapping[str, Path]) -> list[EvidencePath]:
    days = [date_of(memory.book.first_day + index) for index in range(memory.book.days)]
    alerting = {"", *(key.slice for key in memory.episodes)} - {GUARD}  # whose evidence is not counted in days
    shown = [path for name, path in paths.items() if name in alerting]
    return [
        EvidencePath(memory.book.info[path.members[0]].slice, days, np.exp(np.minimum(path.total, 700.0)).tolist())
        for path in shown
    ]


def _event_counts(counts: StoreCounts) -> EventCounts:
    return EventCounts(
        accepted=counts.events,
        conflict=counts.conflicts,
        rejected=counts.rejected_open,
        by_type=counts.by_type,
        rejected_by_reason=counts.rejected_by_reason,
    )


def _feedback(counts: StoreCounts) -> FeedbackSplit:
    return FeedbackSplit(**counts.purposes, by_rule=counts.by_rule)


def _notes(snapshot: Snapshot, memory: Memory) -> list[str]:
    counts, baseline, settings = snapshot.items.counts, memory.baseline, snapshot.settings
    notes = []
    if baseline.window.chosen_by_default:
        notes.append(f"no reference was named: the first checkpoint, {baseline.window.checkpoint}, is taken")
    if memory.versions:
        newest = memory.versions[-1]
        notes.append(
            f"baseline {newest.number} holds by decision since {date_of(newest.day)}: {newest.note}; the guard goes on"
            " against baseline 0"
        )
    if counts["pending"]:
        notes.append(f"{counts['pending']:,} answers are not mature yet (horizon {settings.outcome.horizon / DAY:g} d)")
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
    if baseline.returning > RETURNING and settings.unit == "user-day":
        notes.append(
            f"{baseline.returning:.0%} of the reference's units are of users seen before, whose days are not"
            " independent: promises may not hold; with `unit: user-week` they do"
        )
    if baseline.overdispersion > 1:
        notes.append("weeks of the reference differ more than chance: material harm is raised to 1.0 pt")
    return notes


def blank_report(store: EventStore, settings: Settings, as_of: dt.datetime, missing: str) -> Report:
    """The report while there is nothing to compare with: every check is INCONCLUSIVE, nothing is green."""
    counts, incidents = store.counts(), store.incidents()
    return Report(
        loop=settings.loop, as_of=as_of, reward=settings.reward.label, outcome=settings.outcome.metric,
        unit=settings.unit, thresholds=settings.alerts.days(), reference=None, events=_event_counts(counts),
        feedback=_feedback(counts), alerts=_alerts(alert_of(incident, settings.loop) for incident in incidents),
        findings=_blank_findings(missing), checkpoints=[], paths=[], notes=[*gap_notes(incidents), missing],
        horizon_days=settings.outcome.horizon / DAY, cohorts=settings.cohorts,
    )  # fmt: skip


def _blank_findings(missing: str) -> list[Finding]:
    return [
        Finding(name, {}, Verdict.INCONCLUSIVE, Interval(), 0.0, 0, f"no data: {missing}")
        for name, item in load_checks().items()
        if item.on & PRODUCTION_USES
    ]
