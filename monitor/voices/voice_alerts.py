"""What is said of a checkpoint whose answers begin to sound like the teacher's?"""

import datetime as dt
from collections.abc import Mapping

from monitor.anchored.anchored_alerts import comparison_of
from monitor.anchored.comparisons import VOICE_CHECK, Comparison, crossed, evidence, level, newest, spent
from monitor.check import REGISTRY, Finding, Interval, Verdict
from monitor.detection.memory import Memory
from monitor.oncall.alerts import OPEN, Crossing, Episode
from monitor.production.items import date_of, day_of
from monitor.result import Alert, Evidence
from monitor.statistics.paired import visible_drop
from monitor.telling.explain import Case, points
from monitor.voices.voice_comparisons import MATERIAL

NULL = "the answers do not sound more like the teacher than those of the reference and of every control"


def voice_findings(case: Case, memory: Memory) -> list[Finding]:
    """The newest checkpoint, and every other one that is shown to sound like the teacher.

    FAIL: a test paid from the family's budget shows it, or an alert stands on it. PASS: the 95% interval of D lies at
    or under the tolerance.
    """
    close = day_of(case.snapshot.as_of)
    shares, last = spent(case.voices, close), newest(case.voices, close)
    if not last:
        given = {**REGISTRY[VOICE_CHECK].defaults, **case.snapshot.settings.checks.get(VOICE_CHECK, {})}
        return [Finding(VOICE_CHECK, {}, Verdict.INCONCLUSIVE, Interval(), float(given["tolerance"]), 0, _needs(case))]
    mine = [one for key, one in memory.episodes.items() if key.check == VOICE_CHECK and one.state in OPEN]
    blamed = {told.pair for episode in mine if (told := comparison_of(case, episode)) is not None}
    newest_pair = list(last)[-1]
    found = [(pair, _finding(case, one, shares, pair in blamed)) for pair, one in last.items()]
    return [finding for pair, finding in found if finding.verdict is Verdict.FAIL or pair == newest_pair]


def explain_voice(case: Case, episode: Episode) -> list[Alert]:
    """One alert for each severity that the episode latched; none when its comparison is not on record any more."""
    found = [(crossing, comparison_of(case, episode, crossing.day)) for crossing in episode.crossings]
    return [_alert(case, episode, crossing, one) for crossing, one in found if one is not None]


def _alert(case: Case, episode: Episode, crossing: Crossing, one: Comparison) -> Alert:
    loop = case.snapshot.settings.loop
    message = (
        f"{loop}: the answers of {one.checkpoint} sound more like {one.anchor_set}: P(teacher | answer)"
        f" {points(one.effect)} against {one.reference}, {one.items:,} answers to prompts not trained on. {one.words}."
    )
    return Alert(
        fingerprint=episode.fingerprint(loop),
        check=VOICE_CHECK,
        attribution="teacher_voice",
        severity=crossing.severity,
        slice=episode.slice,
        checkpoint=one.checkpoint,
        fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
        leading="teacher_voice",
        shares=one.shares,
        effect=one.effect,
        reward_change=one.reward,
        outcome_change=one.outcome,
        n=one.items,
        message=message,
        evidence=_evidence(case, crossing, one),
        state=episode.state,
    )


def _evidence(case: Case, crossing: Crossing, one: Comparison) -> Evidence:
    threshold, shares = case.thresholds[crossing.severity], spent(case.voices, day_of(case.snapshot.as_of))
    return Evidence(
        rule=crossing.rule,
        null=NULL,
        statistic=evidence(one, shares),
        threshold=threshold,
        promise=f"at most one false {crossing.severity} in {threshold:,.0f} days on average, over all series together",
        material_harm=MATERIAL,
        baseline_error=0.0,
        baseline_version=case.snapshot.baseline.version,
        reference_units=one.items,
        missing_share=0.0,
        likely_start=date_of(one.day),
        heaviest_bet=0.0,
        scores={"D": 1.0},
        smallest_visible=visible_drop(one.error, MATERIAL, level(threshold, shares[one.day], VOICE_CHECK)),
    )


def _finding(case: Case, one: Comparison, shares: Mapping[int, float], blamed: bool) -> Finding:
    verdict = Verdict.INCONCLUSIVE
    if blamed or crossed(one, shares, case.thresholds) is not None:
        verdict = Verdict.FAIL
    elif one.tested and one.effect.high is not None and one.effect.high <= one.tolerance:
        verdict = Verdict.PASS
    part = {**one.part, "checkpoint": one.checkpoint}
    return Finding(VOICE_CHECK, part, verdict, one.effect, one.tolerance, one.items, _in_words(case, one, shares))


def _in_words(case: Case, one: Comparison, shares: Mapping[int, float]) -> str:
    if not one.tested:
        return f"no data: needs {one.needs}"
    single = level(case.thresholds["ticket"], shares[one.day], VOICE_CHECK)
    rise = visible_drop(one.error, MATERIAL, single)
    return (
        f"P(teacher | answer) {points(one.effect)} against {one.reference}, {one.items:,} answers; a rise of"
        f" {rise * 100:.1f} pt would have been seen with probability .9; {one.words}"
    )


def _needs(case: Case) -> str:
    if case.snapshot.settings.judges.teacher is None:
        return "no data: needs `judges: {teacher: NAME}` in the settings"
    return (
        "no data: needs evaluation answers, with words and a shared prompt_id, of the teacher, of the reference and of"
        " another checkpoint"
    )
