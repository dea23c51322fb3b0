"""Which findings have one cause, so that a reader is told of it once?"""

from collections.abc import Iterable

from monitor.gate.result import GateFinding
from monitor.snapshot import slice_name

OF_OUTCOMES = ("reward_outcome_decoupling", "cohort_regression", "worst_cohort")  # all look at one series of outcomes

Cause = tuple[str, str, str]


def cause_of(finding: GateFinding) -> Cause:
    """Slice, what was looked at, and verdict: findings that share them tell one story."""
    series = "outcomes" if finding.check in OF_OUTCOMES else finding.check
    return slice_name(finding.slice), series, finding.verdict.value


def by_cause(findings: Iterable[GateFinding]) -> list[list[GateFinding]]:
    """Findings that share a cause together, in the order of the first of each; the one that tells most comes first.

    >>> from monitor.check import Interval, Verdict
    >>> checks = ("worst_cohort", "golden_items", "cohort_regression")
    >>> found = [GateFinding(one, {}, Verdict.FAIL, Interval(0.1), 0.02, 9, 0, "") for one in checks]
    >>> [[one.check for one in group] for group in by_cause(found)]
    [['cohort_regression', 'worst_cohort'], ['golden_items']]
    """
    groups: dict[Cause, list[GateFinding]] = {}
    for finding in findings:
        groups.setdefault(cause_of(finding), []).append(finding)
    return [sorted(group, key=_says_less) for group in groups.values()]


def _says_less(finding: GateFinding) -> tuple[bool, int]:
    """Data come before none, and checks of outcomes in the order of how much they say."""
    rank = OF_OUTCOMES.index(finding.check) if finding.check in OF_OUTCOMES else 0
    return not finding.n, rank
