"""How soon would the monitor see a harm on a loop like this, and how small a harm in a given time?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.expected_delay import Growth, expected_delay, growth

Array = NDArray[np.float64]

STEPS = 11  # of bisection on a scale of ratios: a drop to .5%, labels to .7%
LEAST_DROP = 1e-4
MOST_TIMES, LEAST_TIMES = 1000.0, 0.001


@dataclass(frozen=True)
class Stake:
    """One series as the reference shows it.

    effects, outcomes, chances: shape (n,): a unit's effect, its outcome, how likely both are. lift: what a point of
    reward adds to the effect. conceded: to the baseline's error. weight: restart mass a day. units_a_day: units that
    carry an effect.
    """

    effects: Array
    outcomes: Array
    chances: Array
    lift: float
    conceded: float
    weight: float
    units_a_day: float


@dataclass(frozen=True)
class Harm:
    """The outcome falls by `drop` at once while the reward rises by `gain`; shares, 0 to 1."""

    drop: float
    gain: float = 0.0


@dataclass(frozen=True)
class Loop:
    """What planning needs to know of a loop, or of one slice of it.

    labels_a_day: units with an outcome. slope: outcome on reward, within cohorts. reference: units behind the baseline.
    thresholds: severity -> mean days to a false alert.
    """

    labels_a_day: float
    success: float
    slope: float
    reference: int
    horizon_days: float
    material_harm: float
    thresholds: Mapping[str, float]
    stakes: Sequence[Stake]

    def allowance(self, reference: float = 1.0) -> float:
        """What is conceded by the first series, with so many times the reference."""
        return self.material_harm + self.stakes[0].conceded / float(np.sqrt(reference))

    def delay(self, severity: str, harm: Harm, labels: float = 1.0, reference: float = 1.0) -> float:
        """Expected days from the day a harm begins until its alert, the horizon included; infinite if none is expected.

        labels, reference: so many times what there is.
        """
        return self.delays(harm, labels, reference)[severity]

    def delays(self, harm: Harm, labels: float = 1.0, reference: float = 1.0) -> dict[str, float]:
        """The same for every severity."""
        grown = [self._grown(stake, harm, labels, reference) for stake in self.stakes]
        days = expected_delay(grown, list(self.thresholds.values())) + self.horizon_days
        return dict(zip(self.thresholds, days.tolist(), strict=True))

    def smallest_drop(
        self, severity: str, within: float, gain: float, labels: float = 1.0, reference: float = 1.0
    ) -> float | None:
        """Smallest drop whose alert is expected within so many days, its reward rising `gain` points a point lost.

        None if not even the loss of all success would be, or there is none to lose.
        """

        def soon(drop: float) -> bool:
            return self.delay(severity, Harm(drop, min(gain * drop, 1.0)), labels, reference) <= within

        return _least(soon, LEAST_DROP, self.success) if self.success > LEAST_DROP else None

    def labels_needed(self, severity: str, within: float, harm: Harm) -> float | None:
        """Units with an outcome a day that bring the alert within so many days; None if no number would."""

        def soon(labels: float) -> bool:
            return self.delay(severity, harm, labels) <= within

        times = _least(soon, LEAST_TIMES, MOST_TIMES)
        return None if times is None else times * self.labels_a_day

    def outcome_deviation(self) -> float:
        """Standard deviation of a unit's outcome, with one success and one failure more than the reference shows."""
        last, n = self.stakes[-1], self.reference
        total, squares = (n * float(last.chances @ last.outcomes**power) for power in (1, 2))
        return float(np.sqrt((squares + 1) / (n + 2) - ((total + 1) / (n + 2)) ** 2))

    def _grown(self, stake: Stake, harm: Harm, labels: float, reference: float) -> Growth:
        struck = harm.drop / self.success  # a harmed unit loses all of its outcome
        effects = np.concatenate([stake.effects, stake.effects + stake.outcomes]) + stake.lift * harm.gain
        chances = np.concatenate([stake.chances * (1 - struck), stake.chances * struck])
        allowance = self.material_harm + stake.conceded / float(np.sqrt(reference))
        return growth(np.clip(effects, -1, 1), chances, allowance, stake.weight, stake.units_a_day * labels)


def _least(enough: Callable[[float], bool], low: float, high: float) -> float | None:
    """The least value that is enough, on a scale of ratios; None if `high` is not."""
    if not enough(high):
        return None
    for _ in range(STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
