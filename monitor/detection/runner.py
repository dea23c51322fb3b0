"""What did the checks measure, and which of them broke?"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from monitor.check import Check, Finding, Interval, Measurement, Verdict
from monitor.detection.fixed_sample import FixedSample
from monitor.snapshot import Snapshot
from monitor.statistics.intervals import mean_interval

log = logging.getLogger(__name__)

PRODUCTION_USES = frozenset({"production", "checkpoint"})


@dataclass(frozen=True)
class Measured:
    """Measurements by check name, and the findings of checks that raised."""

    measurements: list[tuple[str, Measurement]]
    errors: list[Finding]


def run_checks(checks: Iterable[Check], snapshot: Snapshot) -> Measured:
    """Run every check that watches production. One that raises becomes an ERROR finding; the others still run."""
    measured = Measured([], [])
    for item in checks:
        if item.on & PRODUCTION_USES:
            try:
                found = item.measure(snapshot, snapshot.settings.checks.get(item.name, {}))
                for measurement in found:
                    refuse_nonsense(measurement)
            except Exception as fault:  # the one place where a broken check is caught: it must not stop the others
                log.exception("check %s broke", item.name)
                measured.errors.append(broken(item.name, fault))
            else:
                measured.measurements.extend((item.name, measurement) for measurement in found)
    return measured


def refuse_nonsense(measurement: Measurement) -> None:
    """Raise ValueError for a measurement nothing can be inferred from: not finite, off the scale, unequal shapes."""
    effects, allowances = measurement.effects, measurement.baseline_allowance
    if not (np.abs(effects) <= 1 + 1e-9).all():
        raise ValueError("effects must be finite and lie in [-1, 1]")
    if not (np.isfinite(allowances).all() and np.isfinite([measurement.tolerance, measurement.baseline_error]).all()):
        raise ValueError("tolerance and baseline errors must be finite")
    if not (measurement.exact or measurement.days.shape == allowances.shape == effects.shape):
        raise ValueError("effects, days and allowances must have one shape")


def broken(name: str, fault: Exception) -> Finding:
    """The ERROR finding of a check that raised."""
    told = f"the check broke: {type(fault).__name__}: {fault}"
    return Finding(name, {}, Verdict.ERROR, Interval(), 0.0, 0, told)


def census(name: str, measurement: Measurement) -> Finding:
    """The finding of an exact measurement: every member was looked at, so the share is the truth.

    Of a fixed sample: what its own interval shows.
    """
    if isinstance(measurement, FixedSample):
        return measurement.finding(name)
    n = int(measurement.effects.size)
    if n == 0:
        nothing = f"no data: needs {measurement.needs}"
        return Finding(name, measurement.slice, Verdict.INCONCLUSIVE, Interval(), measurement.tolerance, 0, nothing)
    share = float(measurement.effects.mean())
    verdict = Verdict.PASS if share <= measurement.tolerance else Verdict.FAIL
    told = f"{round(share * n)} of {n}"
    return Finding(name, measurement.slice, verdict, Interval(share, share, share), measurement.tolerance, n, told)


def judged(n: int, total: float, squares: float, tolerance: float) -> tuple[Verdict, Interval]:
    """Verdict and 95% interval of sums against a tolerance; without a unit INCONCLUSIVE."""
    if n == 0:
        return Verdict.INCONCLUSIVE, Interval()
    value, low, high = mean_interval(n, total, squares)
    interval = Interval(value, low, high)
    if high <= tolerance:
        return Verdict.PASS, interval
    return (Verdict.FAIL if low > tolerance else Verdict.INCONCLUSIVE), interval
