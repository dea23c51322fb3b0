"""Which kinds of phrases are shown to rise, when all kinds are looked at together?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.check import Finding, Verdict
from monitor.statistics.intervals import mean_interval

CHECK = "approval_seeking"
ALPHA = 0.05  # two-sided, over all kinds together

Sums = tuple[int, float, float]  # n, total, squares


def with_all_kinds_paid(findings: Sequence[Finding], sums: Mapping[str, Sums]) -> list[Finding]:
    """The findings of the check, where FAIL holds over all kinds at once, and is called no harm by itself.

    sums: of each kind, in [-1, 1]. Guarantee: any kind is told to rise wrongly with chance at most ALPHA / 2.
    Source: Holm 1979, turned round to intervals: of k kinds not yet shown each is judged at ALPHA / k.
    """
    found = [one for one in findings if one.check == CHECK and one.slice.get("marker") in sums]
    limits = {one.slice["marker"]: one.tolerance for one in found if sums[one.slice["marker"]][0]}
    rising = _rising({kind: sums[kind] for kind in limits}, limits)
    return [_told(one, one.slice["marker"] in rising) if one in found else one for one in findings]


def _rising(sums: Mapping[str, Sums], limits: Mapping[str, float]) -> set[str]:
    left = set(sums)
    while left:
        shown = {kind for kind in left if mean_interval(*sums[kind], 1 - ALPHA / len(left))[1] > limits[kind]}
        if not shown:
            break
        left -= shown
    return set(sums) - left


def _told(finding: Finding, is_rising: bool) -> Finding:
    if is_rising:
        return replace(finding, message=f"{finding.message}; context for the other checks, no harm by itself")
    unpaid = finding.verdict is Verdict.FAIL
    told = "; beyond the tolerance alone, not among all kinds looked at (Holm)" if unpaid else ""
    return replace(finding, verdict=Verdict.INCONCLUSIVE if unpaid else finding.verdict, message=finding.message + told)
