"""GO, NO-GO or INCONCLUSIVE: what blocks, and what would settle it?

    NO-GO         something was shown harmful, the chance of one wrong such answer shared among all that was tested
    GO            everything required was shown safe, each slice for itself
    INCONCLUSIVE  neither: too little, too old, missing, failed, broken

Sources: Holm 1979, Scandinavian Journal of Statistics 6; Berger 1982, Technometrics 24 (intersection-union).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.check import REGISTRY, Interval, Slice, Verdict
from monitor.gate.inference import Tested
from monitor.gate.result import Decision, GateFinding
from monitor.statistics.multiplicity import holm

Array = NDArray[np.float64]

REPORTED = "ticket"  # the severity of checks that inform and never block


def judged_together(tests: Sequence[Tested], alpha: float) -> list[GateFinding]:
    """Findings with the verdicts that hold for all of them at once.

    Guarantee: any FAIL that blocks and is no census is wrong with chance at most alpha over all of them together; one
    that only informs, each for itself.
    """
    by_chance = [one for one in tests if one.finding.n and not one.census and may_block(one.finding.check)]
    shown = holm(np.array([one.p_harm for one in by_chance]), alpha, _weights(by_chance))
    harmful = {id(one) for one, found in zip(by_chance, shown, strict=True) if found}
    harmful |= {id(one) for one in tests if not may_block(one.finding.check) and one.p_harm < alpha}
    return [_verdict(one, id(one) in harmful, alpha) for one in tests]


def decide(
    findings: Sequence[GateFinding], required: Sequence[str], must_pass: Callable[[Slice], bool]
) -> tuple[Decision, list[GateFinding], list[str]]:
    """The decision, every finding with whether it was required and blocks, and the names of what blocks, worst first.

    required: checks without which there is no GO. must_pass: whether a slice of such a check has to pass.
    """
    marked = [_marked(one, one.check in required and must_pass(one.slice)) for one in findings]
    missing = [name for name in required if not any(one.check == name and one.required for one in marked)]
    absent = [_absent(name) for name in missing]
    blocking = sorted((one for one in (*marked, *absent) if one.blocks), key=_rank)
    if any(one.verdict is Verdict.FAIL for one in blocking):
        decision = Decision.NO_GO
    else:
        decision = Decision.INCONCLUSIVE if blocking or not required else Decision.GO
    return decision, [*marked, *absent], [one.name for one in blocking]


def _weights(tests: Sequence[Tested]) -> Array:
    """Half of what may be spent on a wrong NO-GO goes to all traffic, half to slices, where both are tested."""
    whole = np.array([not one.finding.slice for one in tests], dtype=bool)
    sides = whole.sum(), (~whole).sum()
    weights: Array = np.where(whole, 1 / max(sides[0], 1), 1 / max(sides[1], 1))
    return weights


def _verdict(one: Tested, harmful: bool, alpha: float) -> GateFinding:
    if one.census or one.finding.verdict is Verdict.ERROR:
        return one.finding
    if harmful:
        return replace(one.finding, verdict=Verdict.FAIL, needs="")
    if one.p_safe < alpha:
        return replace(one.finding, verdict=Verdict.PASS)
    alone = "; harmful if it were looked at alone, not among all that was" if one.p_harm < alpha else ""
    return replace(one.finding, verdict=Verdict.INCONCLUSIVE, message=one.finding.message + alone)


def _marked(one: GateFinding, needed: bool) -> GateFinding:
    """A finding with what it means for the decision."""
    harmful = one.verdict is Verdict.FAIL and (needed or may_block(one.check))
    unsettled = one.verdict is Verdict.ERROR or (needed and one.verdict is not Verdict.PASS)
    return replace(one, required=needed, blocks=harmful or unsettled)


def may_block(check: str) -> bool:
    """Whether harm that a check shows keeps from GO, or only informs."""
    return check not in REGISTRY or REGISTRY[check].severity != REPORTED


def _absent(name: str) -> GateFinding:
    needs = f"what {name} looks at: {REGISTRY[name].question}" if name in REGISTRY else name
    return GateFinding(
        name, {}, Verdict.INCONCLUSIVE, Interval(), 0.0, 0, None, "required, and it yielded nothing",
        required=True, blocks=True, needs=needs,
    )  # fmt: skip


def _rank(one: GateFinding) -> tuple[int, float, str]:
    order = {Verdict.FAIL: 0, Verdict.ERROR: 1, Verdict.INCONCLUSIVE: 2, Verdict.PASS: 3}
    return order[one.verdict], -(one.effect.value or 0.0), one.name
