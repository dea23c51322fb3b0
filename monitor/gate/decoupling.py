"""Does the candidate's reward still mean better outcomes: what changed, by how much, and what does it look like?

Two series decide: the loss of outcome (A2), and the reward gained without the outcome it must at least bring (A7).
Both must be shown safe; either shown harmful is harm. How the reward moved only names what happened.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.anchored.anchored_pairs import PairedMeasurement
from monitor.anchored.comparisons import one_sample
from monitor.check import Interval, Measurement, Slice
from monitor.gate.inference import Tested, nothing, sample, tested, worst_of
from monitor.gate.trial_part import NOTABLE, Sampled
from monitor.production.baseline import Baseline
from monitor.statistics.attribution import PARENTS, Stream, label_shares
from monitor.statistics.coverage_bound import MOST_APART
from monitor.statistics.paired import open_interval

CHECK = "reward_outcome_decoupling"
ANCHORED = "anchored_decoupling"
REWARDS = "rewards of candidate and reference"
OUTCOMES = "outcomes of candidate and reference"
NAMED = 0.5  # share of the evidence from which on a story is named


def decoupling(
    part: Slice,
    series: Mapping[str, Measurement],
    baseline: Baseline,
    worth: float,
    alpha: float,
    oldest: int,
    scored: bool,
) -> Tested:
    """The finding of one slice of production. scored: its reward is a scorer's, which is owed to every answer."""
    loss, unearned, gain = (series.get(name) for name in ("A2", "A7", "A4"))
    if not isinstance(loss, Sampled) or not loss.effects.size:
        return nothing(CHECK, part, loss.tolerance if loss else 0.0, (loss and loss.needs) or OUTCOMES)
    if scored and isinstance(unearned, Sampled) and (gap := _unscored(loss, unearned)):
        unearned = replace(unearned, undecided=unearned.undecided or gap)
    there = [one for one in (loss, unearned) if one is not None and one.effects.size]
    tests = [tested(CHECK, part, one, alpha, oldest) for one in there]
    found, outcome = worst_of(tests), turned(tests[0].finding.effect)
    if len(tests) < 2 or not isinstance(gain, Sampled) or not gain.effects.size:
        unknown = replace(found.finding, needs=REWARDS, n_needed=None, pairs_needed=None, outcome_change=outcome)
        return replace(found, finding=unknown, p_safe=1.0)
    test = sample(gain, alpha)
    reward = Interval(test.value, test.low, test.high)
    streams = [one_sample(one.effects, 0.0 if one.paired else one.baseline_error) for one in (loss, gain)]
    leading = story(streams[0], streams[1], baseline.gain, baseline.reverse, worth)
    finding = replace(found.finding, leading=leading, reward_change=reward, outcome_change=outcome)
    return replace(found, finding=finding)


def anchored(part: Slice, one: PairedMeasurement, alpha: float, oldest: int) -> Tested:
    """The finding of one set of held-out items that both checkpoints answered."""
    found = tested(ANCHORED, part, one, alpha, oldest)
    if not one.effects.size:
        return found
    reward, outcome = ((ends[0] + ends[1]) / 2 for ends in (one.reward, one.outcome))
    leading = story(one_sample(-outcome), one_sample(reward), one.gain, one.reverse, one.worth)
    changes = [Interval(*open_interval(*ends, confidence=1 - 2 * alpha)) for ends in (one.reward, one.outcome)]
    finding = replace(found.finding, reward_change=changes[0], outcome_change=changes[1], leading=leading)
    return replace(found, finding=finding)


def _unscored(loss: Sampled, unearned: Sampled) -> str:
    """Whether the scorer came to fewer of the candidate's labelled units than of the reference's, in words; or ""."""
    n, m = loss.effects.size, loss.effects.size if loss.paired else loss.baseline_units
    new, old = unearned.effects.size / n, 1.0 if loss.paired else unearned.baseline_units / m
    pooled = (new * n + old * m) / (n + m)
    if abs(new - old) <= max(MOST_APART, NOTABLE * np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))):
        return ""
    if loss.paired:
        return f"both have a reward for {new:.1%} of the prompts with outcomes: what has none may hide either"
    sides = f"{new:.1%} of the candidate's units with an outcome and {old:.1%} of the reference's"
    return f"there is a reward for {sides}: what has none may hide either"


def turned(interval: Interval) -> Interval:
    """A loss as a change: plus is better."""
    return Interval(*(None if end is None else -end for end in (interval.value, interval.high, interval.low)))


def story(loss: Stream, gain: Stream, slope: float, reverse: float, worth: float) -> str:
    """The harmful story with more than half of the evidence; "" where none has, or all is well."""
    shares = label_shares(loss, gain, slope, reverse, worth)
    leading = max(PARENTS, key=lambda leaf: shares[leaf])
    return leading if shares[leading] > NAMED else ""
