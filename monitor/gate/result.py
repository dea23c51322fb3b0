"""What does a gate tell? One frozen object behind text, JSON, Markdown, JUnit, annotations and HTML."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.check import Interval, Verdict
from monitor.result import Example
from monitor.snapshot import slice_name

NOTHING = Interval()


class Decision(enum.StrEnum):
    """GO: everything required was shown safe. NO-GO: something was shown harmful. INCONCLUSIVE: neither."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """0, 1 or 3; anything but 0 means: do not promote."""
        return {"GO": 0, "NO-GO": 1, "INCONCLUSIVE": 3}[self.value]


@dataclass(frozen=True)
class GateFinding:
    """What one check showed of one slice, candidate beside reference.

    effect: plus is worse, with the two one-sided bounds at the gate's alpha. tolerance: the most harm that passes.
    n: units behind it; n_needed: units in all for a PASS if the candidate were as good as the reference (0: enough,
    None: no number would do). visible: the smallest harm that would have been called FAIL with probability .8; None
    where nothing was measured. required: without a PASS there is no GO. blocks: this keeps the decision from GO.
    reward_change, outcome_change: new minus reference, plus is better. leading: what it looks like (attribution), ""
    where nothing is to be named. method: how it was inferred, for the reader. needs: what would settle it. baseline:
    the reference's mean outcome (or score) there, 0 to 1. pairs_needed: where n_needed is None, prompts answered by
    both that would do, at most; None where unknown.
    """

    check: str
    slice: Mapping[str, str]
    verdict: Verdict
    effect: Interval
    tolerance: float
    n: int
    n_needed: int | None
    message: str
    visible: float | None = None
    required: bool = False
    blocks: bool = False
    reward_change: Interval = NOTHING
    outcome_change: Interval = NOTHING
    leading: str = ""
    method: str = ""
    needs: str = ""
    baseline: float | None = None
    pairs_needed: int | None = None

    @property
    def name(self) -> str:
        """`check` or `check[key=value,...]`, keys in alphabetical order."""
        return f"{self.check}[{slice_name(self.slice)}]" if self.slice else self.check


@dataclass(frozen=True)
class GateReport:
    """The decision and all that it stands on.

    blocking: names of what keeps the decision from GO, worst first. missing: required checks that yielded nothing.
    notes: what a reader must know of how it was decided (assumptions, defaults taken). caveats: what else could explain
    what was seen, in sentences to be read with the decision. bound: what the decision binds:
    names of inputs -> digests. record: number of the stored record; None when nothing is stored. outcome, reward: how
    the settings call them; higher_is_better: of that outcome as it is recorded, since inside plus always is better.
    examples: answers of the candidate to read first, of the slice that is worst off; their words are never recorded.
    """

    decision: Decision
    candidate: str
    reference: str
    loop: str
    as_of: dt.datetime
    stage: str
    alpha: float
    findings: Sequence[GateFinding]
    blocking: Sequence[str]
    notes: Sequence[str] = ()
    next_steps: Sequence[str] = ()
    bound: Mapping[str, str] = field(default_factory=dict)
    record: int | None = None
    outcome: str = ""
    reward: str = ""
    higher_is_better: bool = True
    examples: Sequence[Example] = ()
    caveats: Sequence[str] = ()

    def recorded(self, number: int) -> "GateReport":
        """The same, as it stands in a store."""
        return replace(self, record=number)

    def to_dict(self) -> dict[str, Any]:
        """The output contract as plain values."""
        return {
            "decision": self.decision.value,
            "candidate": self.candidate,
            "reference": self.reference,
            "blocking": list(self.blocking),
            "findings": [_plain(one) for one in self.findings],
            "loop": self.loop,
            "as_of": self.as_of.isoformat().replace("+00:00", "Z"),
            "stage": self.stage,
            "alpha": self.alpha,
            "notes": list(self.notes),
            "next_steps": list(self.next_steps),
            "bound": dict(self.bound),
            "record": self.record,
            "outcome": self.outcome,
            "reward": self.reward,
            "higher_is_better": self.higher_is_better,
            "examples": [_wordless(one) for one in self.examples],
            "caveats": list(self.caveats),
        }


def _plain(one: GateFinding) -> dict[str, Any]:
    return {
        "check": one.check,
        "slice": dict(sorted(one.slice.items())),
        "verdict": one.verdict.value,
        "effect": _interval(one.effect),
        "tolerance": one.tolerance,
        "n": one.n,
        "n_needed": one.n_needed,
        "message": one.message,
        "visible": one.visible,
        "required": one.required,
        "blocks": one.blocks,
        "reward_change": _interval(one.reward_change),
        "outcome_change": _interval(one.outcome_change),
        "leading": one.leading,
        "method": one.method,
        "needs": one.needs,
        "baseline": one.baseline,
        "pairs_needed": one.pairs_needed,
    }


def _wordless(one: Example) -> dict[str, Any]:
    return vars(replace(one, prompt=None, response=None)).copy()


def _interval(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}
