"""Does a judge like a checkpoint better while fewer users stay?"""

from collections.abc import Iterator
from dataclasses import replace

from judges.preference import Preferences, are_judged, read_preferences
from monitor.check import Interval, Measurement, check
from monitor.detection.fixed_sample import FixedSample, no_sample, points, sample
from monitor.judging.won_pairs import gain_of
from monitor.production.items import DAY_US, day_of
from monitor.production.retained import Retention, read_retention
from monitor.snapshot import Snapshot

HIGH_END = 0.975  # each of two: together their high ends miss as often as one low end of .95
EARLIER = 3  # checkpoints before the newest that a message recalls


@check(family="rulers", on={"checkpoint", "gate"}, severity="warning")
def judge_churn_divergence(
    snapshot: Snapshot,
    *,
    tolerance: float = 0.02,
    metric: str = "churned",
    higher_is_better: bool = False,
    told_either_way: bool = True,
) -> Iterator[Measurement]:
    """Yield one measurement a watched judge: the newest checkpoint with outcomes of the metric against the reference.

    Effect: the smaller of the gain in win rate and the loss of users who stay, in [-1, 1]; both must be shown.
    `metric`: an outcome that says who left, or with `higher_is_better` who stayed; not `told_either_way`: sent only
    when it happens. Tolerance: share, 0 to 1. Raises nothing: without pairs, outcomes or enough users INCONCLUSIVE,
    as where the judge failed more than 2 points more often on one side.
    Source: Zheng et al. 2023, arXiv:2306.05685 (what judges prefer beside what people want); Manski 1990.
    """
    until_us = day_of(snapshot.as_of) * DAY_US
    reference = snapshot.baseline.window.checkpoint or snapshot.settings.reference.checkpoint
    said = None
    if are_judged(snapshot.engine, until_us):
        said = read_preferences(snapshot.engine, snapshot.settings.judges, until_us)
    if said is None or said.verdicts.empty or reference is None:
        missing = "preferences of a watched judge" if said is None or said.verdicts.empty else "a reference checkpoint"
        yield no_sample({}, tolerance, missing)
        return
    stayed = read_retention(snapshot, metric, higher_is_better, told_either_way)
    later = snapshot.in_question([name for name in stayed.checkpoints if name != reference]) if stayed else []
    if stayed is None or not later:
        yield no_sample({}, tolerance, f"matured outcomes {metric!r} of a checkpoint after the reference")
        return
    for judge in said.watched:
        found = [_compared(said, stayed, judge, name, reference, tolerance) for name in later[-1 - EARLIER :]]
        earlier = [f"{one.slice['checkpoint']} {one.told}" for one in found[:-1] if one.n]
        recalled = f"; before: {'; '.join(earlier)}" if earlier and found[-1].n else ""
        yield replace(found[-1], told=found[-1].told + recalled)


def _compared(
    said: Preferences, stayed: Retention, judge: str, checkpoint: str, reference: str, tolerance: float
) -> FixedSample:
    part = {"judge": judge, "checkpoint": checkpoint}
    judged = said.judged_by(judge)
    gain, high_gain = (gain_of(judged, checkpoint, reference, confidence) for confidence in (0.95, HIGH_END))
    change, high_change = (stayed.change(checkpoint, reference, confidence) for confidence in (0.95, HIGH_END))
    if gain is None or high_gain is None:
        return no_sample(part, tolerance, f"30 judged pairs with {reference}, or 30 of each with one opponent")
    if change is None or high_change is None:
        return no_sample(part, tolerance, "outcomes of 30 users of the checkpoint and of the reference")
    effect = _smaller([gain.change, _loss(change[0])], [high_gain.change, _loss(high_change[0])])
    against = "head to head" if gain.opponent == reference else f"against {gain.opponent}"
    won = f"win rate {points(gain.change)} {against} ({gain.pairs:,} pairs)"
    told = f"{won}, staying {points(change[0])} ({change[1]:,} outcomes)"
    failed = f"no verdict on {1 - gain.coverage[0]:.1%} of its pairs, {1 - gain.coverage[1]:.1%} of the reference's"
    found = sample(part, tolerance, effect, change[1], told, "" if gain.is_comparable else failed)
    return replace(found, reward_change=gain.change, outcome_change=change[0])


def _loss(change: Interval) -> Interval:
    return Interval(*(None if end is None else -end for end in (change.value, change.high, change.low)))


def _smaller(parts: list[Interval], wider: list[Interval]) -> Interval:
    """The smaller of two numbers: low ends of `parts`, high ends of `wider`, which miss half as often."""
    value, low = (min(getattr(one, end) for one in parts) for end in ("value", "low"))
    return Interval(value, max(low, -1.0), min(1.0, *(one.high or 0.0 for one in wider)))
