"""How much did the candidate gain where the loop trains, and how much on what was held out?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.gate.compared import Comparison, compare, comparisons
from monitor.gate.inference import sample
from monitor.gate.trial import Trial
from monitor.gate.trial_part import Sampled
from monitor.statistics.gain_gap import Gain, mean_gain, paired_gain
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.statistics.scores import outcome_loss

TWO_SIDED = 1.959964  # standard errors to either end of a 95% interval


@dataclass(frozen=True)
class Trained:
    """The gain in one place that is like the training. needs: why it is not known."""

    name: str
    gain: Gain | None = None
    needs: str = ""


def held_out_gain(trial: Trial) -> tuple[Gain | None, str]:
    """The gain over all tests of knowledge and chat, by their categories' traffic where all are known, and what is
    lacking."""
    found = list(comparisons(trial, "knowledge", "chat"))
    return _mean_of(found) if found else (None, "results of both on suites or anchor sets that were held out")


def trained_gains(trial: Trial) -> Iterator[Trained]:
    """Gains in production, and on suites drawn from what the loop trains on if the contract names any."""
    yield _in_production(trial)
    probes = trial.contract.training_like if trial.contract else ()
    if probes:
        benches = [bench for one in probes for bench in trial.suites.benches(one, (trial.candidate, trial.reference))]
        found = [compare(trial.suites, one, trial.candidate, trial.reference, trial.contract) for one in benches]
        yield Trained("training_like", *_mean_of(found))


def _in_production(trial: Trial) -> Trained:
    """The candidate's matured outcomes beside the reference's."""
    part = next(trial.parts(of=trial.candidate))
    loss = part.measure("A2", outcome_loss(part.mean_outcome, part.outcome), part.cohort, 0.0)
    assert isinstance(loss, Sampled)
    if loss.effects.size < ENOUGH_UNITS or loss.undecided:
        lacking = f"{ENOUGH_UNITS} matured outcomes in production of {trial.candidate} and of {trial.reference} each"
        return Trained("production", needs=loss.undecided or lacking)
    found = sample(loss, 0.025)
    error = max(found.high - found.value, found.value - found.low) / TWO_SIDED
    return Trained("production", Gain(-found.value, error, n=found.n))


def _mean_of(found: Sequence[Comparison]) -> tuple[Gain | None, str]:
    """One gain of several comparisons, or what the first that lacks something needs: a part is not the whole."""
    gains = []
    for one in found:
        if one.needs or one.n < ENOUGH_UNITS:
            return None, one.needs or f"{ENOUGH_UNITS} items of {one.bench}, {one.n} are there"
        gains.append(_gain(one))
    weights = [one.weight for one in found]
    known = [weight for weight in weights if weight is not None]
    evenly = len(known) < len(weights) or not sum(known)
    return mean_gain(gains, np.ones(len(gains)).tolist() if evenly else known), ""


def _gain(one: Comparison) -> Gain:
    if one.least.size:
        return paired_gain(one.least, one.most)
    value, low, high = (end or 0.0 for end in (one.gap.value, one.gap.low, one.gap.high))
    return Gain(-value, max(high - value, value - low) / TWO_SIDED, n=one.n)
