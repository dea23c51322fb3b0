"""Is any cohort worse off under the newest checkpoint than it was in the reference?"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot
from monitor.statistics import scores


@check(family="capability", on={"checkpoint", "gate"}, severity="warning")
def cohort_regression(snapshot: Snapshot, *, tolerance: float = 0.02) -> Iterator[Measurement]:
    """Yield one measurement a cohort: how far its outcome fell short of the reference's, newest checkpoint only.

    Effects: one a unit of that cohort, in [-1, 1], plus is worse. Tolerance: share of outcome, 0 to 1.
    Raises nothing: a cohort the checkpoint has not served yet has no effects, which is INCONCLUSIVE.
    Source: Hashimoto et al. 2018, arXiv:1806.08010 (an average hides the group that loses).
    """
    newest = snapshot.latest()
    for part in snapshot.parts(of=newest):
        if part.slice and "checkpoint" not in part.slice:
            loss = scores.outcome_loss(part.mean_outcome, part.outcome)
            measured = part.measure("A2", loss, part.cohort, tolerance)
            yield replace(measured, slice={**part.slice, "checkpoint": newest or "none yet"})
