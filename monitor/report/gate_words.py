"""How sure is a gate, in plain words? The sentences that all of its reports share.

Effects are positive for worse inside; a reader is told that something fell or rose, in points, and never a sign.
"""

import math
from collections.abc import Callable, Sequence

from monitor.check import Interval, Verdict
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import wording
from monitor.report.gate_subjects import RISES, Subject, subject_of
from monitor.report.wording import NO_DATA, count, name

SAID = 400  # characters of a text that a check wrote
NO_SIGHT = "nothing was measured, so no harm of any size would have been seen"
FIXED = "95% interval"  # the method of a finding whose check brought an interval of its own
UPWARD = Subject("", RISES)  # words for changes of which plus means more


def told(finding: GateFinding, alpha: float) -> str:
    """What a finding showed and how sure it is, in one sentence without a full stop.

    alpha: of the gate: the chance at each end of an interval that the truth lies beyond it.

    >>> fell = Interval(0.04, 0.024, 0.056)
    >>> told(GateFinding("cohort_regression", {}, Verdict.FAIL, fell, 0.02, 1240, 0, "", method="paired by item"), 0.05)
    'the outcome fell 4.0 points (between 2.4 and 5.6; 5% chance at each end to be outside), more than the 2.0 \
allowed; 1,240 paired items'
    >>> few = GateFinding("a", {}, Verdict.INCONCLUSIVE, Interval(), 0.02, 60, 1374, "", visible=0.12)
    >>> told(few, 0.05)
    'nothing shown: 60 units; a loss of 12.0 points or more would have been seen; 1,374 units in all would settle \
it, if the candidate is as good as the reference'
    """
    if finding.verdict is Verdict.ERROR:
        return f"the check broke: {name(finding.message, SAID)}"
    if finding.verdict is Verdict.INCONCLUSIVE:
        return "; ".join(part for part in (_unsettled(finding, alpha), seen(finding), settling(finding)) if part)
    within = "more than" if finding.verdict is Verdict.FAIL else "within"
    return f"{moved(finding, alpha)}, {within} the {allowed(finding)} allowed; {units(finding)}"


def moved(finding: GateFinding, alpha: float) -> str:
    """What changed by how much, and between which values that lies.

    >>> hardly = Interval(0.003, -0.006, 0.012)
    >>> moved(GateFinding("cohort_regression", {}, Verdict.PASS, hardly, 0.02, 900, 0, ""), 0.05)
    'the outcome fell 0.3 points (between a rise of 0.6 and a fall of 1.2; 5% chance at each end to be outside)'
    """
    subject, effect = subject_of(finding), known(finding.effect)
    if effect.value is None:
        return "nothing was measured"
    if subject.counted:
        return f"{subject.noun}: {_share(effect)}"
    size = _points(effect.value)
    change = "did not move" if size == "0.0" else f"{_verb(subject, effect.value)} {size} points"
    chance = 0.025 if finding.method == FIXED else alpha
    return f"{subject.noun} {change} ({_between(subject, effect, chance)})"


def seen(finding: GateFinding) -> str:
    """The smallest harm that would have been seen, "" where there was nothing to see it with."""
    if not finding.n or subject_of(finding).counted:
        return ""
    smallest = _finite(finding.visible)
    if smallest is None:
        return "how small a harm would have been seen is unknown"
    return f"a {subject_of(finding).move.harm} of {_points(smallest)} points or more would have been seen"


def overlooked(finding: GateFinding) -> str:
    """What harm may be there all the same."""
    if not finding.n:
        return NO_SIGHT
    if subject_of(finding).counted:
        return "those of which nothing is known"
    return seen(finding) + ("" if _finite(finding.visible) is None else ", a smaller one perhaps not")


def settling(finding: GateFinding) -> str:
    """How many units it takes, and whatever else is missing; "" where nothing is known of either."""
    needs = name(finding.needs, SAID)
    if not finding.n:
        return f"it needs {needs}" if needs else ""
    return "; ".join(part for part in (needs, _units_needed(finding)) if part)


def units(finding: GateFinding) -> str:
    """How many were compared, or counted."""
    if subject_of(finding).counted:
        return f"{count(finding.n)} looked at" if _is_open(finding.effect) else f"all {count(finding.n)} counted"
    return wording.plural(finding.n, _noun(finding))


def reward_beside_outcome(finding: GateFinding) -> str:
    """How reward and outcome moved, "" where neither was compared."""
    moves = (("reward", known(finding.reward_change)), ("outcome", known(finding.outcome_change)))
    said = [f"{what} {_rose(change)}" for what, change in moves if change.value is not None]
    return ", ".join(said)


def looks_like(finding: GateFinding) -> str:
    """What the pattern is called, "" where it is not to be named."""
    return wording.title_of(finding.leading) if finding.leading else ""


def change(finding: GateFinding) -> str:
    """The effect for a table: a word and its size.

    >>> change(GateFinding("a", {}, Verdict.PASS, Interval(-0.012), 0.02, 9, 0, "")), change(
    ...     GateFinding("a", {}, Verdict.PASS, Interval(math.nan), 0.02, 9, 0, "")
    ... )
    ('improved 1.2', 'no data')
    """
    subject, value = subject_of(finding), known(finding.effect).value
    if value is None:
        return NO_DATA
    if subject.counted:
        return f"{100 * value:.1f}%"
    return "0.0" if _points(value) == "0.0" else f"{_verb(subject, value)} {_points(value)}"


def limits(finding: GateFinding) -> str:
    """Both ends of the effect for a table, each named where they differ in direction.

    >>> limits(GateFinding("a", {}, Verdict.PASS, Interval(0.01, -0.01, 0.03), 0.02, 9, 0, ""))
    'improved 1.0 to worsened 3.0'
    """
    subject, effect = subject_of(finding), known(finding.effect)
    if subject.counted and effect.value is not None:
        return _share(effect).partition(",")[0] if _is_open(effect) else "all counted"
    return _span(subject, effect)


def allowed(finding: GateFinding) -> str:
    """The tolerance: points, or percent of what is counted."""
    return _points(finding.tolerance) + ("%" if subject_of(finding).counted else "")


def smallest_seen(finding: GateFinding) -> str:
    """The smallest harm that would have been seen, for a table."""
    smallest = _finite(finding.visible)
    return "-" if smallest is None else _points(smallest)


def units_needed(finding: GateFinding) -> str:
    """Units for a pass, for a table."""
    needed = finding.n_needed
    return "-" if needed is None else "enough" if needed <= finding.n else count(needed)


def headline(report: GateReport, blocking: Sequence[str], write: Callable[[str], str] = name) -> str:
    """The decision in one line. blocking: names of what blocks, worst first. write: how a name is written."""
    candidate, reference = write(report.candidate), write(report.reference)
    if report.decision is Decision.GO:
        return f"GO: {candidate} may replace {reference}; everything required was shown to be good enough."
    by = f"; blocked by {write(blocking[0])}" if blocking else ""
    more = f" and {count(len(blocking) - 1)} more" if len(blocking) > 1 else ""
    if report.decision is Decision.NO_GO:
        return f"NO-GO: {candidate} must not replace {reference}{by}{more}."
    return f"INCONCLUSIVE: not shown that {candidate} may replace {reference}, do not promote{by}{more}."


def how_sure(report: GateReport, harmful: Sequence[GateFinding]) -> str:
    """What the decision promises, for somebody who is no statistician. harmful: those that block, shown harmful."""
    share = f"{100 * report.alpha:.3g}%"
    if report.decision is Decision.GO:
        return (
            f"If anything required were worse than allowed, at most {share} of such gates would say GO. "
            "Harm within what is allowed is not ruled out."
        )
    if report.decision is Decision.INCONCLUSIVE:
        return "It was shown neither to be good enough nor to be harmful. That is no pass, and no proof of harm."
    if harmful and all(subject_of(finding).counted for finding in harmful):
        return "What blocks was counted, every one of them: no chance is in it."
    return f"If nothing were worse than allowed, at most {share} of such gates would say NO-GO, all findings together."


def sentence(words: str) -> str:
    """
    >>> sentence("nothing was measured")
    'Nothing was measured.'
    """
    return f"{words[:1].upper()}{words[1:]}."


def known(interval: Interval) -> Interval:
    """The interval with None for what is not a finite number; an interval without a value is no data."""
    value = _finite(interval.value)
    return Interval() if value is None else Interval(value, _finite(interval.low), _finite(interval.high))


def _unsettled(finding: GateFinding, alpha: float) -> str:
    if not finding.n:
        return "nothing was measured"
    if known(finding.effect).value is None:
        return f"nothing shown: {units(finding)}"
    return f"not settled: {moved(finding, alpha)}, and {allowed(finding)} is allowed; {units(finding)}"


def _units_needed(finding: GateFinding) -> str:
    needed = finding.n_needed
    if subject_of(finding).counted:
        return ""
    if needed is None:
        return "" if finding.needs else "more of them alone may not settle it"
    if needed <= finding.n:
        return "a candidate as good as the reference would most likely have passed"
    return (
        f"{wording.plural(needed, _noun(finding))} in all would settle it, if the candidate is as good as the reference"
    )


def _noun(finding: GateFinding) -> str:
    return "paired item" if finding.method.startswith("paired") else "unit"


def _is_open(effect: Interval) -> bool:
    """Whether a count leaves some unknown."""
    return effect.low is not None and effect.high is not None and effect.low < effect.high


def _share(effect: Interval) -> str:
    if _is_open(effect):
        return f"{100 * (effect.low or 0.0):.1f}% to {100 * (effect.high or 0.0):.1f}%, as some are not known"
    return f"{100 * (effect.value or 0.0):.1f}%"


def _between(subject: Subject, effect: Interval, chance: float) -> str:
    low, high = effect.low, effect.high
    if low is None or high is None:
        return "no interval"
    if low < 0 < high:
        ends = f"a {subject.move.gain} of {_points(low)} and a {subject.move.harm} of {_points(high)}"
    else:
        ends = " and ".join(sorted((_points(low), _points(high)), key=float))
    return f"between {ends}; {100 * chance:.3g}% chance at each end to be outside"


def _span(subject: Subject, effect: Interval) -> str:
    low, high = effect.low, effect.high
    if low is None or high is None:
        return "-"
    if low < 0 < high:
        return f"{subject.move.better} {_points(low)} to {subject.move.worse} {_points(high)}"
    return " to ".join(sorted((_points(low), _points(high)), key=float))


def _rose(change: Interval) -> str:
    """A change of which plus means more, with its interval."""
    size = _points(change.value or 0.0)
    said = "did not move" if size == "0.0" else f"{_verb(UPWARD, change.value or 0.0)} {size} points"
    span = _span(UPWARD, change)
    return said if span == "-" else f"{said} ({span})"


def _verb(subject: Subject, effect: float) -> str:
    return subject.move.worse if effect > 0 else subject.move.better


def _points(share: float) -> str:
    return f"{100 * abs(share):.1f}"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
