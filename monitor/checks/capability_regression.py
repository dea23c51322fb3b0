"""Did the candidate get worse at a category of tasks that it must keep doing?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.detection.fixed_sample import no_sample
from monitor.gate.compared import comparisons
from monitor.gate.trial import Trial

NEEDS = "evaluations, or answers to anchor sets, of candidate and reference; or a contract that says what to test"


@check(family="capability", on={"gate"}, severity="page")
def capability_regression(snapshot: Trial, *, tolerance: float = 0.02) -> Iterator[Measurement]:
    """Yield one measurement for each category of knowledge or chat and each of its suites or anchor sets.

    Effects: shape (items that both answered,), reference minus candidate in [-1, 1]; a result that failed leaves its
    item open. Without items the gap of the reported means, with its interval. Without a contract everything that either
    was evaluated on is tested. Tolerance: mean loss, 0 to 1, where the contract has none of its own.
    Raises nothing: a suite without a result on a side, or whose items changed, is INCONCLUSIVE and says what it needs.
    Source: Luo et al. 2023, arXiv:2308.08747 (fine-tuning forgets what it does not train).
    """
    found = [one.measured(one.bar(tolerance)) for one in comparisons(snapshot, "knowledge", "chat")]
    yield from found or [no_sample({}, tolerance, NEEDS)]
