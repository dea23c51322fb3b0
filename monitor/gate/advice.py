"""What must a reader know of how it was decided, and what would settle what is open?"""

from collections.abc import Sequence

from monitor.check import Verdict
from monitor.gate.result import Decision, GateFinding
from monitor.gate.trial import Trial

MOST_STEPS = 6
DO = {
    Decision.GO: "Promote {candidate}, and keep {reference} servable",
    Decision.NO_GO: "Do not promote {candidate}; keep {reference}",
    Decision.INCONCLUSIVE: "Do not promote {candidate} yet; keep {reference}",
}


def next_steps(decision: Decision, findings: Sequence[GateFinding], candidate: str, reference: str) -> list[str]:
    """What to do: the decision's own step, then one for each finding that blocks, harm before what is open.

    Each begins with a capital letter and ends without a full stop.
    """
    steps = [DO[decision].format(candidate=candidate, reference=reference)]
    blocking = sorted((one for one in findings if one.blocks), key=lambda one: one.verdict is not Verdict.FAIL)
    return list(dict.fromkeys([*steps, *map(_step, blocking[:MOST_STEPS])]))


def _step(one: GateFinding) -> str:
    if one.verdict is Verdict.ERROR:
        return f"Mend the check {one.name}, see the log, then ask again"
    if one.verdict is Verdict.FAIL:
        return _mend(one)
    if one.needs:
        return f"Settle {one.name}: {one.needs}"
    if one.n_needed and one.n_needed > one.n:
        more = one.n_needed - one.n
        return f"Settle {one.name}: {more:,} more items with an outcome ({one.n:,} now, {one.n_needed:,} needed)"
    return f"Settle {one.name}: more than {one.n:,} items; what they showed so far is neither safe nor harmful"


def _mend(one: GateFinding) -> str:
    if one.needs:
        return f"Settle {one.name}: {one.needs}"
    if one.method == "census":
        return f"Mend what {one.name} names, then ask again"
    return f"Read the candidate's failed answers in {one.name} before it is tuned again"


def notes_of(trial: Trial, required: Sequence[str], findings: Sequence[GateFinding]) -> list[str]:
    """Defaults that were taken and assumptions that were made."""
    notes = []
    if not trial.settings.gate.required:
        notes.append(f"the settings require nothing by name (gate.required), so {' and '.join(required)} had to pass")
    if trial.has_served:
        how = "prompt by prompt" if trial.pairs_prompts else "as two samples"
        notes.append(f"production was compared {how}")
    alpha = trial.settings.gate.alpha
    notes.append(
        f"each bound misses with chance {alpha:g} at most; a GO is wrong with at most that, for any one slice at its"
        " tolerance, and so is a NO-GO, over everything that was looked at"
    )
    if any(one.method.endswith("any n") for one in findings):
        notes.append("where few items differed, bounds are wider than t would have them, and hold at any number")
    return notes
