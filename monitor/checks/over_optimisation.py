"""Has optimising further against the reward begun to cost outcome?"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Measurement, check
from monitor.production.curve import SERIES
from monitor.snapshot import Snapshot
from monitor.statistics.scores import outcome_loss


@check(family="feedback_loop", on={"production", "checkpoint"}, severity="ticket")
def over_optimisation(snapshot: Snapshot, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield one point of the curve a checkpoint: how far its outcome fell short of the reference's (A5).

    The runner sets the points along sqrt(KL) from the initial policy, of checkpoint events, and asks for the slope at
    the newest. Effects: one a unit of that checkpoint, in [-1, 1], plus is worse. Tolerance: loss of outcome for each
    unit of sqrt(KL) that a PASS may leave open. At most a ticket: whatever else grows with training looks the same.
    Raises nothing: fewer than five checkpoints with 30 units and a KL (or steps) are INCONCLUSIVE.
    Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760.
    """
    for name, part in snapshot.by_checkpoint():
        shortfall = outcome_loss(part.mean_outcome, part.outcome)
        yield replace(part.measure(SERIES, shortfall, part.cohort, tolerance), slice={"checkpoint": name})
