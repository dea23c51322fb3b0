"""How does a page put into words what changed, for whom, and how often chance alone would do that?"""

from monitor.anchored.comparisons import CHECK as ANCHORED
from monitor.anchored.comparisons import VOICE_CHECK
from monitor.check import Interval
from monitor.judging.judge_records import CHECKS as JUDGE_CHECKS
from monitor.oncall.alerts import GUARD
from monitor.production.curve import CHECK as CURVE
from monitor.report import wording
from monitor.result import Alert, Evidence
from monitor.telling.explain import DECOUPLING_CHECK

YEAR = 365.0  # days, as in the thresholds
LONGEST = 1_000  # years; beyond it the number says nothing more
FACTORS = ("known start", GUARD)  # rules whose statistic is an e-value
ON_HELD_OUT = (ANCHORED, VOICE_CHECK)
MUCH_MISSING = 0.02


def chance_alone(evidence: Evidence) -> str:
    """How often evidence this strong comes where nothing changed, beside the threshold it passed.

    Days: the mean time to a false alert over all series together, had this been the threshold. An e-value x: it is
    ever reached with probability at most 1/x.
    """
    if evidence.rule in FACTORS:
        odds, asked = (f"1 in {min(value, 1e9):,.0f}" for value in (evidence.statistic, evidence.threshold))
        return f"CHANCE ALONE: ever this strong with probability {odds} at most (threshold {asked})"
    seldom, asked = span(evidence.statistic), span(evidence.threshold)
    return f"CHANCE ALONE: at most once in {seldom} over all checks (threshold {asked})"


def span(days: float) -> str:
    """A number of days as people say it.

    >>> span(30), span(365), span(547.5), span(25482), span(1148957), span(float("nan"))
    ('30 days', '1 year', '1.5 years', '70 years', 'over 1,000 years', 'no data')
    """
    years = days / YEAR
    if years != years:
        return wording.NO_DATA
    if years < 1:
        return f"{days:.0f} days"
    if years > LONGEST:
        return f"over {LONGEST:,} years"
    told = f"{years:.1f}".removesuffix(".0") if years < 10 else f"{years:.0f}"
    return f"{told} year" + ("" if told == "1" else "s")


def harm(alert: Alert, outcome: str) -> str:
    """What got worse, in one phrase that stands at the head of the page. outcome: how the outcome is called."""
    if alert.check == DECOUPLING_CHECK and alert.outcome_change.value is not None:
        return f"{moved(wording.name(outcome, 30), alert.outcome_change)}, {moved('reward', alert.reward_change)}"
    return wording.title_of(alert.attribution)


def moved(label: str, change: Interval) -> str:
    """A change in points, and whether it may be none.

    >>> moved("reward", Interval(0.017, -0.017, 0.051)), moved("solved", Interval(-0.08, -0.1, -0.06))
    ('reward +1.7 pt (within noise)', 'solved -8.0 pt')
    """
    unsure = change.low is None or change.high is None or change.low <= 0 <= change.high
    return f"{label} {wording.points(change.value)}" + (
        " (within noise)" if change.value is not None and unsure else ""
    )


def effect(alert: Alert, outcome: str, unit: str) -> str:
    """How much, with its range, from which level to which, and over how many."""
    assert alert.evidence is not None
    if alert.check == DECOUPLING_CHECK and alert.outcome_change.value is not None:
        told = f"{wording.name(outcome, 30)} {_levels(alert)}{in_range(alert.outcome_change)}"
    else:
        told = f"worse by {in_range(alert.effect)}"
        told += " for each further unit of optimisation" if alert.check == CURVE else ""
    before = "" if alert.check in ON_HELD_OUT else f", {alert.evidence.reference_units:,} before"
    missing = alert.evidence.missing_share
    gaps = f", {missing:.0%} of outcomes missing" if missing > MUCH_MISSING else ""
    since = " since" if before else ""
    return f"{told}, n={alert.n:,} {counted(alert, unit)}{since}{before}{gaps}"


def _levels(alert: Alert) -> str:
    now, change = alert.outcome_level, alert.outcome_change.value
    return "" if now is None or change is None else f"from {now - change:.0%} to {now:.0%}: "


def in_range(change: Interval) -> str:
    """A change in points with its range, and what kind of range.

    >>> in_range(Interval(-0.08, -0.1, -0.06)), in_range(Interval())
    ('-8.0 pt (95%: -10.0..-6.0)', 'no data')
    """
    if change.value is None or change.low is None or change.high is None:
        return wording.points_interval(change)
    return f"{wording.points(change.value)} (95%: {wording.points_range(change)})"


def counted(alert: Alert, unit: str) -> str:
    """What an alert counts, in the plural. unit: of production."""
    return "pairs" if is_judges(alert) else "items" if alert.check in ON_HELD_OUT else f"{unit}s"


def is_judges(alert: Alert) -> bool:
    """Whether a judge is meant, and no checkpoint."""
    return alert.check in JUDGE_CHECKS


def is_first_baselines(alert: Alert) -> bool:
    """Whether the guard fired: it speaks of all users, compared with the first baseline."""
    return alert.evidence is not None and alert.evidence.rule == GUARD


def group(alert: Alert) -> str:
    """Of whom an alert speaks.

    A way to escape being judged and the guard's baseline are no groups of people: they speak of everybody.
    """
    part = {key: value for key, value in alert.slice.items() if key != "escapes"}
    if is_first_baselines(alert):
        return "all users (against the first baseline)"
    if list(part) == ["checkpoint"]:
        return f"users of {wording.name(part['checkpoint'], 40)}"
    return wording.slice_name(part, "all users")


def of_some(alert: Alert) -> bool:
    """Whether it speaks of some users, not of all."""
    return bool(alert.slice) and not is_first_baselines(alert)
