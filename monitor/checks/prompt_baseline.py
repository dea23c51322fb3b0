"""Does the base model with a good prompt do better than the candidate that was fine-tuned from it?"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Measurement, check
from monitor.detection.fixed_sample import no_sample
from monitor.gate.compared import comparisons
from monitor.gate.trial import Trial

UNNAMED = "the name of the base model as evaluations have it: `base` in the capability contract"


@check(family="capability", on={"gate"}, severity="ticket")
def prompt_baseline(snapshot: Trial, *, tolerance: float = 0.02) -> Iterator[Measurement]:
    """Yield one measurement for each suite or anchor set of knowledge or chat on which the base model was evaluated.

    Effects: shape (items that both answered,), base minus candidate in [-1, 1]; a failed result leaves its item open.
    Tolerance: mean lead of the base model, 0 to 1. At most a ticket: it says that a fine-tune is not worth its cost,
    not that anybody is harmed. Raises nothing: no result of the base model is INCONCLUSIVE.
    Source: Brown et al. 2020, arXiv:2005.14165 (few-shot prompting beside fine-tuning).
    """
    base = (snapshot.contract.base if snapshot.contract else None) or snapshot.base
    found = [] if base is None else list(comparisons(snapshot, "knowledge", "chat", beside=base))
    told = [one for one in found if not one.needs] or found
    needs = UNNAMED if base is None else f"results of {base} on suites of knowledge or chat"
    yield from [replace(one, level=None).measured(tolerance) for one in told] or [no_sample({}, tolerance, needs)]
