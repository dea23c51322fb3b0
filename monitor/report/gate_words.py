"""How is one finding of a gate said in plain words? The phrases that all of its reports share.

Effects are positive for worse inside; people read changes, in points: minus is worse, everywhere.
"""

import math

from monitor.check import Interval, Verdict
from monitor.gate.result import GateFinding
from monitor.report import wording
from monitor.report.gate_subjects import subject_of
from monitor.report.wording import NO_DATA, count, name

SAID = 400  # characters of a text that a check wrote
FIXED = "95% interval"  # the method of a finding whose check brought an interval of its own
OVERALL = "overall"


def told(finding: GateFinding) -> str:
    """What a finding showed, in one sentence without a full stop.

    >>> fell = Interval(0.04, 0.024, 0.056)
    >>> told(GateFinding("cohort_regression", {}, Verdict.FAIL, fell, 0.02, 1240, 0, "", method="paired", baseline=0.7))
    'outcome -4.0 points, between -5.6 and -2.4 (from 70.0% to 66.0%); a fall of 2.0 is allowed; 1,240 prompts'
    >>> few = GateFinding("a", {}, Verdict.INCONCLUSIVE, Interval(), 0.02, 60, 1374, "", visible=0.12)
    >>> told(few)
    'not decided: 60 units; a fall of 12.0 points or more would have been seen; about 1,374 units in all would decide \
it, if the candidate is as good as the reference'
    """
    if finding.verdict is Verdict.ERROR:
        return f"the check broke: {name(finding.message, SAID)}"
    if finding.verdict is not Verdict.INCONCLUSIVE:
        return shown(finding)
    if not finding.n:
        needs = name(finding.needs, SAID)
        return "no data" + (f"; it needs {needs}" if needs else "")
    return "; ".join(part for part in (f"not decided: {shown(finding)}", _seen(finding), settling(finding)) if part)


def shown(finding: GateFinding) -> str:
    """The change, what was allowed, and how many were compared."""
    noun, change = measured(finding)
    if subject_of(finding).counted:
        share = _share(known(finding.effect))
        return f"{noun}: {share}, {allowed(finding)} allowed; {units(finding)}" if share else _in_its_words(finding)
    if change.value is None:
        return units(finding)
    moved = f"{noun} {points(change.value)} points, {between(change) or 'no range'}"
    levels = f" ({stands})" if (stands := from_to(finding)) else ""
    own = f"; {alone}" if (alone := by_itself(finding)) else ""
    return f"{moved}{levels}{own}; a fall of {allowed(finding)} is allowed; {units(finding)}"


def measured(finding: GateFinding) -> tuple[str, Interval]:
    """What changed, and by how much, minus for worse: the outcome's own change wherever that tells the verdict.

    >>> gamed = GateFinding("reward_outcome_decoupling", {}, Verdict.FAIL, Interval(0.3, 0.2, 0.4), 0.02, 9, 0, "",
    ...     outcome_change=Interval(-0.29, -0.38, -0.2))
    >>> measured(gamed)[0]
    'outcome'
    """
    subject, own = subject_of(finding), known(finding.outcome_change)
    if subject.outcome and _tells_the_verdict(finding, own):
        return subject.outcome, own
    return subject.noun, turned(known(finding.effect))


def by_itself(finding: GateFinding) -> str:
    """The outcome's own change where it is not what `measured` tells, "" elsewhere."""
    own, noun = known(finding.outcome_change).value, subject_of(finding).outcome
    return "" if own is None or measured(finding)[0] == noun or not noun else f"the {noun} itself {points(own)} points"


def from_to(finding: GateFinding) -> str:
    """Where the reference stands and where the candidate does, "" where that is not known.

    >>> from_to(GateFinding("cohort_regression", {}, Verdict.FAIL, Interval(0.04), 0.02, 9, 0, "", baseline=0.7))
    'from 70.0% to 66.0%'
    """
    before, (noun, change) = _finite(finding.baseline), measured(finding)
    if before is None or change.value is None or noun != (subject_of(finding).outcome or noun):
        return ""
    after = before + change.value
    return f"from {100 * before:.1f}% to {100 * after:.1f}%" if -1e-9 <= after <= 1 + 1e-9 else ""


def where(finding: GateFinding) -> str:
    """The group that a finding speaks of."""
    return f"on {wording.slice_name(finding.slice)}" if finding.slice else OVERALL


def settling(finding: GateFinding) -> str:
    """How many units it takes, and whatever else is missing; "" where nothing is known of either."""
    needs = f"what is missing: {name(finding.needs, SAID)}" if finding.needs else ""
    needed = finding.n_needed
    if subject_of(finding).counted or needed is None:
        return needs
    if needed <= finding.n:
        return "; ".join(
            part for part in (needs, "a candidate as good as the reference would most likely pass") if part
        )
    many = f"about {wording.plural(needed, noun_of(finding))} in all would decide it"
    return "; ".join(part for part in (needs, f"{many}, if the candidate is as good as the reference") if part)


def units(finding: GateFinding) -> str:
    """How many were compared, or counted."""
    if subject_of(finding).counted:
        return f"{count(finding.n)} looked at" if _is_open(known(finding.effect)) else f"all {count(finding.n)} counted"
    return wording.plural(finding.n, noun_of(finding))


def noun_of(finding: GateFinding) -> str:
    """What one of those compared is called."""
    return "prompt" if finding.method.startswith("paired") else "unit"


def reward(finding: GateFinding) -> str:
    """How the reward moved, "" where it was not compared."""
    moved = known(finding.reward_change)
    if moved.value is None:
        return ""
    return ", ".join(part for part in (f"{points(moved.value)} points", between(moved)) if part)


def looks_like(finding: GateFinding) -> str:
    """What the pattern is called, "" where it is not to be named."""
    return wording.title_of(finding.leading) if finding.leading else ""


def change(finding: GateFinding) -> str:
    """The effect for a table.

    >>> change(GateFinding("a", {}, Verdict.PASS, Interval(-0.012), 0.02, 9, 0, "")), change(
    ...     GateFinding("a", {}, Verdict.PASS, Interval(math.nan), 0.02, 9, 0, "")
    ... )
    ('+1.2', 'no data')
    """
    value = known(finding.effect).value
    if value is None:
        return NO_DATA
    return f"{100 * value:.1f}%" if subject_of(finding).counted else points(-value)


def limits(finding: GateFinding) -> str:
    """Both ends of the effect for a table.

    >>> limits(GateFinding("a", {}, Verdict.PASS, Interval(0.01, -0.01, 0.03), 0.02, 9, 0, ""))
    '-3.0 to +1.0'
    """
    effect = known(finding.effect)
    if subject_of(finding).counted and effect.value is not None:
        return _share(effect).partition(",")[0] if _is_open(effect) else "all counted"
    ends = turned(effect)
    return "-" if ends.low is None or ends.high is None else f"{points(ends.low)} to {points(ends.high)}"


def allowed(finding: GateFinding) -> str:
    """The tolerance: points, or percent of what is counted."""
    return f"{100 * finding.tolerance:.1f}" + ("%" if subject_of(finding).counted else "")


def smallest_seen(finding: GateFinding) -> str:
    """The smallest harm that would have been seen, for a table."""
    smallest = _finite(finding.visible)
    return "-" if smallest is None else f"{100 * smallest:.1f}"


def units_needed(finding: GateFinding) -> str:
    """Units for a pass, for a table; nothing where harm was shown, which no number mends."""
    needed = finding.n_needed
    if needed is None or finding.verdict in (Verdict.FAIL, Verdict.ERROR):
        return "-"
    return "enough" if needed <= finding.n else count(needed)


def points(share: float) -> str:
    """A change in points, always with its sign.

    >>> points(0.15), points(-0.7333), points(-0.0001)
    ('+15.0', '-73.3', '0.0')
    """
    size = round(100 * share, 1)
    return f"{size:+.1f}" if size else "0.0"


def between(interval: Interval) -> str:
    """Both ends of a change, "" where there are none."""
    if interval.low is None or interval.high is None:
        return ""
    return f"between {points(interval.low)} and {points(interval.high)}"


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


def turned(harm: Interval) -> Interval:
    """Harm as a change: minus is worse."""
    return Interval(*(None if end is None else -end for end in (harm.value, harm.high, harm.low)))


def _tells_the_verdict(finding: GateFinding, own: Interval) -> bool:
    """Whether the outcome's own change alone would bear the verdict, without what the reward promised."""
    if own.low is None or own.high is None:
        return False
    safe, harmful = own.low > -finding.tolerance, own.high < -finding.tolerance
    return {Verdict.PASS: safe, Verdict.FAIL: harmful}.get(finding.verdict, not safe and not harmful)


def _seen(finding: GateFinding) -> str:
    """The smallest harm that would have been seen, where no range says more."""
    smallest = _finite(finding.visible)
    if smallest is None or between(turned(known(finding.effect))):
        return ""
    return f"a fall of {100 * smallest:.1f} points or more would have been seen"


def _in_its_words(finding: GateFinding) -> str:
    return name(finding.message, SAID) or NO_DATA


def _is_open(effect: Interval) -> bool:
    """Whether a count leaves some unknown."""
    return effect.low is not None and effect.high is not None and effect.low < effect.high


def _share(effect: Interval) -> str:
    if effect.value is None:
        return ""
    if _is_open(effect):
        return f"{100 * (effect.low or 0.0):.1f}% to {100 * (effect.high or 0.0):.1f}%, as some are not known"
    return f"{100 * effect.value:.1f}%"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
