"""Does the reward still mean what it meant: does the outcome keep up with it?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.production.beside_holdback import (
    LEAST_HELD,
    beside_holdback,
    has_holdback,
    measure_beside_holdback,
    value_beyond_expected,
    value_for_reward,
)
from monitor.snapshot import Snapshot
from monitor.statistics import scores


@check(family="feedback_loop", on={"production", "gate"}, severity="page")
def reward_outcome_decoupling(
    snapshot: Snapshot, *, tolerance: float = 0.02, worth: float = 0.1
) -> Iterator[Measurement]:
    """Yield a slice's series: A1 residual, A2 outcome, A7 unearned reward; A4, A6, H and P, which only attribute.

    Effects: one a unit, mean over its items, in [-1, 1]; plus is a worse outcome than its reward promised (A1), than
    its cohort had (A2), than the gain of reward is worth (A7); a higher reward than its cohort had (A4), than its
    outcome brought (A6). With a holdback, H: what users held back lost; P: what new ones lost beyond them, by group.
    A2 then is by group, too, and A1 and A7 where it is large: what both arms lose in common is no harm of a checkpoint.
    Of an audit A1 takes every outcome, which needs its chances to depend on reward, cohort and the past alone; the
    others take an even sample.
    `worth`: the outcome, in points, that a point of reward must at least bring. Tolerance: share of outcome, 0 to 1.
    Raises nothing: no labelled unit means no effects.
    Source: Gao, Schulman, Hilton 2022, arXiv:2210.10760 (a proxy's gain stops meaning a gain).
    """
    for part in snapshot.parts():
        whole, loss = part.as_told(), scores.outcome_loss(part.mean_outcome, part.outcome)
        residual = scores.calibration_residual(part.expected, part.told)
        unearned = scores.unearned_reward(part.reward, part.mean_reward, part.outcome, part.mean_outcome, worth)
        a1 = whole.measure("A1", residual, part.cell, tolerance, part.leans)
        yield beside_holdback(whole, a1, value_beyond_expected(whole, snapshot.baseline.expects), LEAST_HELD)
        yield beside_holdback(part, part.measure("A2", loss, part.cohort, tolerance), part.outcome)
        a7 = part.measure("A7", unearned, part.cohort, tolerance)
        yield beside_holdback(part, a7, value_for_reward(part, worth), LEAST_HELD)
        yield part.measure("A4", scores.reward_gain(part.reward, part.mean_reward), part.cohort, tolerance)
        returned = scores.reverse_residual(part.reward, part.expected_reward)
        yield part.measure("A6", returned, part.reward_cell, tolerance, part.reward_leans)
        if has_holdback(part):
            yield part.held_back().measure("H", loss, part.cohort, tolerance)
            yield measure_beside_holdback(part, "P", tolerance, without=False)
