"""When does a comparison on an anchor set raise an alert, and what is said of it?

Every test draws on the weight that the family keeps for anchor sets, so that its false alerts are counted among those
of all series. A warning is the most: a checkpoint that was scored need not serve anybody.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from monitor.anchored.anchored_pairs import answers_of
from monitor.anchored.comparisons import (
    CHECK,
    MOST_FAILED,
    RULES,
    VOICE_CHECK,
    Comparison,
    crossed,
    evidence,
    level,
    newest,
    spent,
)
from monitor.check import REGISTRY, Finding, Interval, Verdict
from monitor.detection.memory import Memory
from monitor.oncall.alerts import OPEN, Crossing, Episode, EpisodeKey, transition
from monitor.production.items import date_of, day_of
from monitor.result import Alert, Evidence, Example
from monitor.snapshot import slice_name
from monitor.statistics.attribution import LEAF_PATIENCE_DAYS, name_label
from monitor.statistics.paired import visible_drop
from monitor.telling.examples import examples_of
from monitor.telling.explain import Case, points

NULL = "on the same items the outcome rises by at least a tenth of what the reward gained"


def follow_comparisons(case: Case, memory: Memory, close: int) -> None:
    """Carry each set's episode, and each teacher's, over the comparisons of days not decided yet.

    A decision silences the checkpoints that were compared before it, whatever is told of them later.
    """
    for comparisons in (case.comparisons, case.voices):
        _follow(comparisons, case, memory, close)


def _follow(comparisons: Sequence[Comparison], case: Case, memory: Memory, close: int) -> None:
    shares = spent(comparisons, close)
    began: dict[tuple[str, str], int] = {}
    for one in comparisons:
        first = began.setdefault(one.pair, one.day)
        key = key_of(one)
        resets = memory.resets_of({key.slice})[key.slice]
        silenced = any(first < reset <= one.day for reset in resets)
        if memory.closed <= one.day < close and not silenced and (severity := crossed(one, shares, case.thresholds)):
            level_ = (severity, RULES[one.check])
            before = memory.episodes.get(key)
            memory.episodes[key], _ = transition(before, level_, one.day, one.check, key.slice, one.part)


def supersede_comparisons(case: Case, memory: Memory) -> None:
    """Mark episodes whose checkpoint is no longer shown worse than the reference by what was told of it since."""
    close = day_of(case.snapshot.as_of)
    last = {check: newest(some, close) for check, some in ((CHECK, case.comparisons), (VOICE_CHECK, case.voices))}
    for key, episode in memory.episodes.items():
        if (
            key.check in last
            and episode.state in OPEN
            and (told := comparison_of(case, episode, episode.crossings[-1].day))
        ):
            now = last[key.check][told.pair]
            if now.effect.low is not None and now.effect.low <= 0:
                memory.episodes[key] = replace(episode, state="superseded")


def key_of(one: Comparison) -> EpisodeKey:
    """Under which the episode of a set, or of a teacher's voice, is known."""
    return EpisodeKey(slice_name(one.part), one.check)


def comparison_findings(case: Case, memory: Memory) -> list[Finding]:
    """The newest checkpoint of each set, and every other one that is shown harmful.

    FAIL: a test paid from the family's budget shows harm, or an alert stands on it. PASS: the 95% interval lies at or
    under the tolerance, and no rise of the reward goes without one of the outcome.
    """
    close = day_of(case.snapshot.as_of)
    shares = spent(case.comparisons, close)
    last = newest(case.comparisons, close)
    if not last:
        given = {**REGISTRY[CHECK].defaults, **case.snapshot.settings.checks.get(CHECK, {})}
        told = "no data: needs evaluation answers of the reference and of another checkpoint to the items of a set"
        return [Finding(CHECK, {}, Verdict.INCONCLUSIVE, Interval(), float(given["tolerance"]), 0, told)]
    newest_of = {one.anchor_set: one.pair for one in last.values()}
    blamed = {one.pair for episode in _open_episodes(memory) if (one := comparison_of(case, episode))}
    found = [(one, _finding(case, one, shares, one.pair in blamed)) for one in last.values()]
    found = [(one, _beside(finding, one, last.values())) for one, finding in found]
    return [f for one, f in found if f.verdict is Verdict.FAIL or one.pair == newest_of[one.anchor_set]]


def explain_comparison(case: Case, episode: Episode, told: Sequence[Alert] = ()) -> list[Alert]:
    """One alert for each severity that the episode latched; none when its comparison is not on record any more.

    told: what was told of it, whose examples stay while its comparison does, so that no old answer is read for them.
    """
    alerts = []
    for crossing in episode.crossings:
        one = comparison_of(case, episode, crossing.day)
        if one is not None:
            known = [a.examples for a in told if (a.severity, a.effect) == (crossing.severity, one.effect)]
            examples = known[0] if known else _examples(case, one)
            alerts.append(_alert(case, episode, crossing, one, examples))
    return alerts


def _alert(case: Case, episode: Episode, crossing: Crossing, one: Comparison, examples: Sequence[Example]) -> Alert:
    settings = case.snapshot.settings
    attribution, leading = name_label(one.shares, LEAF_PATIENCE_DAYS)
    named = leading if attribution == leading else f"{attribution} (leading: {leading})"
    message = (
        f"{settings.loop} on {episode.slice_name}: reward {points(one.reward)}, outcome"
        f" {points(one.outcome)} against {one.reference} on the same {one.items:,} items, {one.checkpoint}:"
        f" {named.replace('_', ' ')}{_failed(one)}."
    )
    return Alert(
        fingerprint=episode.fingerprint(settings.loop),
        check=CHECK,
        attribution=attribution,
        severity=crossing.severity,
        slice=episode.slice,
        checkpoint=one.checkpoint,
        fired_at=dt.datetime.combine(date_of(crossing.day + 1), dt.time(), dt.UTC),
        leading=leading,
        shares=one.shares,
        effect=one.effect,
        reward_change=one.reward,
        outcome_change=one.outcome,
        n=one.items,
        message=message,
        evidence=_evidence(case, crossing.severity, one, episode.crossings[0].day),
        examples=examples,
        state=episode.state,
    )


def _evidence(case: Case, severity: str, one: Comparison, began: int) -> Evidence:
    threshold, shares = case.thresholds[severity], spent(case.comparisons, day_of(case.snapshot.as_of))
    harm = case.snapshot.settings.alerts.material_harm
    return Evidence(
        rule=RULES[CHECK],
        null=NULL,
        statistic=evidence(one, shares),
        threshold=threshold,
        promise=f"at most one false {severity} in {threshold:,.0f} days on average, over all series together",
        material_harm=harm,
        baseline_error=0.0,
        baseline_version=case.snapshot.baseline.version,
        reference_units=one.items,
        missing_share=one.failed / max(one.items, 1),
        likely_start=date_of(began),
        heaviest_bet=0.0,
        scores={"A7": 1.0},
        smallest_visible=visible_drop(one.error, harm, level(threshold, shares[one.day])),
    )


def _finding(case: Case, one: Comparison, shares: Mapping[int, float], blamed: bool) -> Finding:
    harmful = blamed or crossed(one, shares, case.thresholds) is not None
    verdict = Verdict.FAIL if harmful else Verdict.INCONCLUSIVE
    if not harmful and one.tested and one.effect.high is not None and one.effect.high <= one.tolerance:
        verdict = Verdict.INCONCLUSIVE if _is_unfollowed(one) else Verdict.PASS
    part = {"anchor_set": one.anchor_set, "checkpoint": one.checkpoint}
    told = _in_words(case, one, shares)
    return Finding(CHECK, part, verdict, one.effect, one.tolerance, one.items, told, one.reward, one.outcome)


def _beside(finding: Finding, one: Comparison, all_: Iterable[Comparison]) -> Finding:
    """The finding, which names the first checkpoint of the very same figures, so that nobody looks for a fault."""
    told = (one.anchor_set, one.items, one.reward, one.outcome)
    alike = [other for other in all_ if (other.anchor_set, other.items, other.reward, other.outcome) == told]
    if one.outcome.value is None or alike[0].checkpoint == one.checkpoint:
        return finding
    same = f"the same figures as {alike[0].checkpoint}: on these items it did exactly as well"
    return replace(finding, message=f"{finding.message}; {same}")


def _in_words(case: Case, one: Comparison, shares: Mapping[int, float]) -> str:
    if one.outcome.value is None:
        return f"no data: needs {one.needs}"
    told = f"outcome {points(one.outcome)} against {one.reference} on the same {one.items:,} items{_failed(one)}"
    if one.needs:
        return f"no reward difference is formed: needs {one.needs}; {told}"
    told = f"reward {points(one.reward)}, {told}"
    if not one.tested:
        return f"too many items lack something, more than {MOST_FAILED:.0%}, so that nothing was tested; {told}"
    single = level(case.thresholds["ticket"], shares[one.day])
    drop = visible_drop(one.error, case.snapshot.settings.alerts.material_harm, single)
    unfollowed = "; the reward rose and the outcome is not shown to follow" if _is_unfollowed(one) else ""
    return f"{told}; a drop of {drop * 100:.1f} pt would have been seen with probability .9{unfollowed}"


def _is_unfollowed(one: Comparison) -> bool:
    """Whether the reward is shown to rise and the outcome is not: no harm perhaps, but no pass either."""
    up, down = one.reward.low, one.outcome.low
    return up is not None and down is not None and up > 0 >= down


def _failed(one: Comparison) -> str:
    return f", {one.failed:,} of them failed and counted at their worst" if one.failed else ""


def _open_episodes(memory: Memory) -> Iterator[Episode]:
    return (one for key, one in memory.episodes.items() if key.check == CHECK and one.state in OPEN)


def comparison_of(case: Case, episode: Episode, day: int | None = None) -> Comparison | None:
    """The comparison with most evidence on the day of a crossing (default: the last one); None if none is on record."""
    on = episode.crossings[-1].day if day is None else day
    comparisons = case.voices if episode.check == VOICE_CHECK else case.comparisons
    shares = spent(comparisons, on + 1)
    mine = [one for one in comparisons if one.day == on and key_of(one).slice == episode.slice_name]
    return max(mine, key=lambda one: evidence(one, shares), default=None)


def _examples(case: Case, one: Comparison) -> Sequence[Example]:
    """Answers of the checkpoint to read, by the same rule as answers of production."""
    snapshot = case.snapshot
    anchors = next(found for found in snapshot.anchor_sets if found.name == one.anchor_set)
    return examples_of(snapshot, answers_of(anchors, one.checkpoint, one.reference, one.day, snapshot.settings))
