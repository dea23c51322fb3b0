"""Does the reward still mean what it meant: does the outcome keep up with it?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot
from monitor.statistics import scores


@check(family="feedback_loop", on={"production"}, severity="page")
def reward_outcome_decoupling(
    snapshot: Snapshot, *, tolerance: float = 0.02, worth: float = 0.1
) -> Iterator[Measurement]:
    """Yield four series a slice: A1 residual, A2 outcome, A7 unearned reward, and A4 reward, which only attributes.

    Effects: one a unit, mean over its items, in [-1, 1]; plus is a worse outcome than its reward promised (A1), than
    its cohort had (A2), than the gain of reward is worth (A7). `worth`: the outcome, in points, that a point of reward
    must at least bring. Tolerance: share of outcome, 0 to 1. Raises nothing: no labelled unit means no effects.
    Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760 (a proxy's gain stops meaning a gain).
    """
    for part in snapshot.parts():
        residual = scores.calibration_residual(part.expected, part.outcome)
        yield part.measure("A1", residual, part.cell, tolerance, part.leans)
        yield part.measure("A2", scores.outcome_loss(part.mean_outcome, part.outcome), part.cohort, tolerance)
        unearned = scores.unearned_reward(part.reward, part.mean_reward, part.outcome, part.mean_outcome, worth)
        yield part.measure("A7", unearned, part.cohort, tolerance)
        yield part.measure("A4", scores.reward_gain(part.reward, part.mean_reward), part.cohort, tolerance)
