"""What does one sample show, inferred as a whole at each look, without a detector and without an alert?"""

from dataclasses import dataclass

import numpy as np

from monitor.check import Finding, Interval, Measurement, Slice, Verdict

NOTHING = Interval()


@dataclass(frozen=True)
class FixedSample(Measurement):
    """An effect with the 95% interval that its check's statistic gives it. `exact` keeps it out of the daily sums.

    interval: of the effect; positive is worse. n: units behind it. told: what a reader is told beside the verdict.
    undecided: why no verdict is drawn although there is an interval. reward_change, outcome_change: as of a Finding.
    leading: what it looks like, where the check can tell.
    """

    interval: Interval = NOTHING
    n: int = 0
    told: str = ""
    undecided: str = ""
    reward_change: Interval = NOTHING
    outcome_change: Interval = NOTHING
    leading: str = ""

    def finding(self, check: str) -> Finding:
        """PASS with the interval at or under the tolerance, FAIL wholly above; else INCONCLUSIVE."""
        return Finding(
            check, self.slice, self._verdict(), self.interval, self.tolerance, self.n, self._message(),
            self.reward_change, self.outcome_change,
        )  # fmt: skip

    def _verdict(self) -> Verdict:
        low, high = self.interval.low, self.interval.high
        if self.undecided or low is None or high is None:
            return Verdict.INCONCLUSIVE
        if high <= self.tolerance:
            return Verdict.PASS
        return Verdict.FAIL if low > self.tolerance else Verdict.INCONCLUSIVE

    def _message(self) -> str:
        if not self.n:
            return f"no data: needs {self.needs}"
        return f"{self.told}; {self.undecided}" if self.undecided else self.told


def sample(part: Slice, tolerance: float, interval: Interval, n: int, told: str, undecided: str = "") -> FixedSample:
    """A sample with an interval."""
    effect = np.array([interval.value or 0.0])
    return FixedSample(part, effect, tolerance, exact=True, interval=interval, n=n, told=told, undecided=undecided)


def no_sample(part: Slice, tolerance: float, needs: str) -> FixedSample:
    """Nothing to infer from, and what it takes."""
    return FixedSample(part, np.zeros(0), tolerance, exact=True, needs=needs)


def points(interval: Interval) -> str:
    """An interval in points, with its sign.

    >>> points(Interval(0.08, 0.051, 0.109))
    '+8.0 pt [+5.1, +10.9]'
    """
    value, low, high = (100 * (end or 0.0) for end in (interval.value, interval.low, interval.high))
    return f"{value:+.1f} pt [{low:+.1f}, {high:+.1f}]"
