"""What must a reader know of how it was decided, and what would settle what is open?"""

from collections.abc import Iterator, Sequence

from monitor.check import Verdict
from monitor.gate.result import Decision, GateFinding
from monitor.gate.trial import Trial

MOST_STEPS = 6
DO = {
    Decision.GO: "promote {candidate}, and keep {reference} servable",
    Decision.NO_GO: "do not promote {candidate}; keep {reference}",
    Decision.INCONCLUSIVE: "do not promote {candidate} yet; keep {reference}",
}


def next_steps(decision: Decision, findings: Sequence[GateFinding], candidate: str, reference: str) -> list[str]:
    """What to do, most urgent first: the decision's own step, then what each finding that blocks needs."""
    steps = [DO[decision].format(candidate=candidate, reference=reference)]
    for one in [one for one in findings if one.blocks][:MOST_STEPS]:
        steps.extend(_step(one))
    return list(dict.fromkeys(steps))


def _step(one: GateFinding) -> Iterator[str]:
    if one.verdict is Verdict.FAIL:
        if one.method != "census":
            yield f"{one.name}: read the candidate's failed answers there before it is tuned again"
        else:
            yield f"{one.name}: mend what it names, then ask again"
    elif one.n_needed and one.n_needed > one.n:
        more = one.n_needed - one.n
        yield f"{one.name}: {more:,} more items with an outcome ({one.n:,} now, {one.n_needed:,} needed)"
    elif one.needs:
        yield f"{one.name}: needs {one.needs}"


def notes_of(trial: Trial, required: Sequence[str], findings: Sequence[GateFinding]) -> list[str]:
    """Defaults that were taken and assumptions that were made."""
    notes = []
    if not trial.settings.gate.required and trial.contract is None:
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
