"""On the same held-out items, did the reward rise while the anchored outcome did not?"""

from collections.abc import Iterator

from monitor.anchored.anchored_pairs import measure
from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="feedback_loop", on={"checkpoint", "gate"}, severity="warning")
def anchored_decoupling(snapshot: Snapshot, *, tolerance: float = 0.02, worth: float = 0.1) -> Iterator[Measurement]:
    """Yield A7 of each anchor set and checkpoint beside the reference, once a day that told anything new of either.

    Effects: shape (items,), worth times the gain of reward minus the gain of outcome, in [-1, 1]; items are paired by
    prompt_id, and one of which something is missing is open between its ends. No production answer takes part.
    `worth`: the outcome, in points, that a point of reward must at least bring. Tolerance: share of outcome, 0 to 1.
    Raises nothing: without an answer, or without scores of one ruler on both sides, there are no effects.
    Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760 (a proxy beside the gold score on the same prompts).
    """
    for pairs in snapshot.anchored_pairs():
        yield measure(pairs, tolerance, worth)
