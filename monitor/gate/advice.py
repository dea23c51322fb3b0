"""What must a reader know of how it was decided, and what would settle what is open?"""

import shlex
from collections.abc import Iterator, Sequence

from monitor.check import Verdict
from monitor.gate.causes import OF_OUTCOMES, by_cause
from monitor.gate.freeze import BLOCKING as FROZEN
from monitor.gate.inference import NO_ROOM
from monitor.gate.result import Decision, GateFinding
from monitor.gate.trial import Trial
from monitor.result import Example
from monitor.snapshot import slice_name

MOST_STEPS = 6
DO = {
    Decision.GO: "Promote {candidate}; keep {reference} ready to serve, so that you can go back",
    Decision.NO_GO: "Keep {reference}; do not promote {candidate}",
    Decision.INCONCLUSIVE: "Keep {reference} for now; do not promote {candidate} yet",
}
AGAIN = {
    Decision.NO_GO: "Gate the next candidate: `reward-drift gate --candidate NEXT --reference {reference}`",
    Decision.INCONCLUSIVE: "Run the gate again: `reward-drift gate --candidate {candidate} --reference {reference}`",
}
WAY_OUT = {
    Decision.NO_GO: "If a limit is too strict for you",
    Decision.INCONCLUSIVE: "If that is more than you can get",
}
CHANGE = (
    "limits (a check's `tolerance`, under `checks`) and what is required (`gate.required`, `gate.protected`)"
    " may be changed in the settings before the next run, not for this one"
)

RECORD = (
    "record what came of each (`response` events of both with the same `prompt_id`, each with its reward and an"
    " `outcome` event)"
)


def next_steps(
    decision: Decision,
    findings: Sequence[GateFinding],
    blocking: Sequence[str],
    candidate: str,
    reference: str,
    examples: Sequence[Example] = (),
    later: str = "",
) -> list[str]:
    """What to do: the decision's own step, one for each cause that blocks, the next gate, and a way out.

    blocking: names of findings, worst first. examples: answers to read first. later: what outcomes are still to come.
    Each step begins with a capital letter and ends without a full stop. Of a candidate that was shown harmful nothing
    more is asked for.
    """
    names = {"candidate": candidate, "reference": reference}
    first = DO[decision].format(**names)
    if decision is Decision.GO:
        return [first]
    worst = {name: rank for rank, name in enumerate(blocking)}
    there = sorted((one for one in findings if one.name in worst), key=lambda one: worst[one.name])
    if any(one.verdict is Verdict.FAIL and one.check != FROZEN for one in there):
        there = [one for one in there if one.verdict is not Verdict.INCONCLUSIVE]
    causes = [group[0] for group in by_cause(there)]
    steps = [step for one in _once(causes) for step in _steps(one, candidate, reference, examples)]
    if later and any(one.check in OF_OUTCOMES and one.n for one in causes):
        steps.append(f"Wait for outcomes that are still to come: {later}")
    again = AGAIN[decision].format(**{key: shlex.quote(name) for key, name in names.items()})
    return [first, *list(dict.fromkeys(steps))[:MOST_STEPS], again, f"{WAY_OUT[decision]}: {CHANGE}"]


def _once(findings: Sequence[GateFinding]) -> list[GateFinding]:
    """Of findings of one check that lack the same data, the first."""
    lacking = {(one.check, one.needs): one for one in reversed(findings) if not one.n}
    return [one for one in findings if one.n or lacking[one.check, one.needs] is one]


def _steps(one: GateFinding, candidate: str, reference: str, examples: Sequence[Example]) -> Iterator[str]:
    if one.verdict is Verdict.ERROR:
        yield f"Mend the check {one.name} (the log says where it broke)"
    elif one.verdict is Verdict.FAIL:
        yield _mend(one, candidate, examples)
    elif one.needs:
        yield from _bring(one, candidate, reference)
    elif one.n_needed and one.n_needed > one.n:
        yield _collect(one, candidate, reference)
    else:
        yield f"Collect more than the {one.n:,} results of {one.name}: they show neither harm nor its absence"


def _mend(one: GateFinding, candidate: str, examples: Sequence[Example]) -> str:
    if one.needs:
        return f"Clear {one.name}: {one.needs}"
    if one.method == "census":
        return f"Mend what {one.name} names"
    if one.check in OF_OUTCOMES and examples:
        ids = ", ".join(example.response_id for example in examples)
        return (
            f"Read these answers of {candidate} where it is worst off, by response_id, before it is tuned again: {ids};"
            " the same command with `-o verdict.html` writes a page with their words"
        )
    return f"Read the failed answers of {candidate} in {one.name} before it is tuned again"


def _bring(one: GateFinding, candidate: str, reference: str) -> Iterator[str]:
    """What a finding needs, of which pairs are told with their number."""
    pairs = NO_ROOM["two samples"]
    if pairs in one.needs:
        yield _pair(one, candidate, reference)
    others = one.needs.replace(pairs, "").strip("; ")
    if others:
        yield f"Bring what {one.name} needs: {others}"


def _pair(one: GateFinding, candidate: str, reference: str) -> str:
    """There is no end to waiting for more answers of the candidate alone."""
    many = f", about {float(f'{one.pairs_needed:.2g}'):,.0f} of them" if one.pairs_needed else ""
    return (
        f"Run {reference} and {candidate} on the same prompts{_where(one)}{many}, and {RECORD}; more"
        f" {candidate} answers alone cannot settle this: there are too few {reference} results to compare with"
    )


def _collect(one: GateFinding, candidate: str, reference: str) -> str:
    needed, more = one.n_needed or 0, (one.n_needed or 0) - one.n
    size = f"{one.n:,} now, about {needed:,} in all if {candidate} is as good as {reference}"
    if one.method.startswith("paired"):
        both = f"Run {candidate} and {reference} on {more:,} more prompts{_where(one)}"
        return f"{both}, and {RECORD} ({size})"
    return f"Collect {more:,} more outcomes of {candidate}{_where(one)} ({size})"


def _where(one: GateFinding) -> str:
    return f" with {slice_name(one.slice)}" if one.slice else ""


def notes_of(trial: Trial, required: Sequence[str], findings: Sequence[GateFinding]) -> list[str]:
    """Defaults that were taken and assumptions that were made."""
    notes = []
    if not trial.settings.gate.required:
        notes.append(f"the settings require nothing by name (gate.required), so {' and '.join(required)} had to pass")
    if trial.has_served:
        how = "prompt by prompt" if trial.pairs_prompts else "as two samples"
        notes.append(f"production was compared {how}")
    if trial.look > 1 and not trial.settings.gate.anytime:
        notes.append(
            f"decision {trial.look} about this candidate: each was made as if it were the only one; gate.anytime keeps"
            " the chance of a wrong one over all of them"
        )
    alpha = trial.alpha
    notes.append(
        f"each bound misses with chance {alpha:g} at most; a GO is wrong with at most that, for any one slice at its"
        " tolerance, and so is a NO-GO, over everything that was looked at"
    )
    if any(one.method.endswith("any n") for one in findings):
        notes.append("where few items differed, bounds are wider than t would have them, and hold at any number")
    return notes
