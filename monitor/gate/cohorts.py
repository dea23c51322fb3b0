"""What must each protected cohort show, and what may it borrow from the others?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from monitor.check import Measurement
from monitor.gate.decoupling import CHECK as DECOUPLING
from monitor.gate.inference import error_beside
from monitor.gate.trial import Trial
from monitor.gate.trial_part import Sampled
from monitor.statistics.pooling import CohortSample, cohort_tests, most_spread

SERIES = ("A2", "A7")  # of reward against outcome: what every cohort is tested by
Measured = Sequence[tuple[str, Measurement]]


def with_cohorts(trial: Trial, measured: Measured) -> list[tuple[str, Measurement]]:
    """The measurements, each cohort's with its own tolerance, and with what it may borrow if a spread was declared."""
    tolerance, spread = trial.settings.gate.cohort_tolerance, trial.settings.gate.cohort_spread
    told = [(name, _with(one, tolerance) if _is_cohort(name, one) else one) for name, one in measured]
    if spread is None:
        return told
    borrowed: dict[int, Sampled] = {}
    for samples in _families(told):
        tests = cohort_tests(_drawn(trial, samples), _tolerance(samples), spread=spread, alpha=trial.alpha).tests
        borrowed |= {id(one): replace(one, borrowed=tests[value]) for value, one in samples.items()}
    return [(name, borrowed.get(id(one), one)) for name, one in told]


def assumptions(trial: Trial, measured: Measured) -> Iterator[str]:
    """What was assumed of the cohorts; where nothing was, what one would have to believe for all of them to pass."""
    spread = trial.settings.gate.cohort_spread
    if (tolerance := trial.settings.gate.cohort_tolerance) is not None:
        yield f"a cohort may lose up to {100 * tolerance:g} points (gate.cohort_tolerance), all traffic less"
    if spread is not None:
        yield (
            f"assumed, and not seen in the data: no cohort lies further than {100 * spread:g} points from the average"
            " (gate.cohort_spread); of one that does, nothing is promised"
        )
        return
    families = list(_families(with_cohorts(trial, measured)))
    needed = [most_spread(_drawn(trial, one), _tolerance(one), trial.alpha) for one in families]
    least = min((-1.0 if one is None else one for one in needed), default=-1.0)
    if 0 <= least < 1:
        yield (
            "each cohort was told by its own units; to pass all, one would have to believe that none lies further than"
            f" {100 * least:.1f} points from their average (gate.cohort_spread)"
        )


def _is_cohort(name: str, one: Measurement) -> bool:
    return name == DECOUPLING and isinstance(one, Sampled) and bool(one.slice)


def _with(one: Measurement, tolerance: float | None) -> Measurement:
    return one if tolerance is None else replace(one, tolerance=tolerance)


def _families(measured: Measured) -> Iterator[dict[str, Sampled]]:
    """The cohorts of one key by one series, where two or more have units and none is undecided."""
    families: dict[tuple[str, str], dict[str, Sampled]] = {}
    for name, one in measured:
        if _is_cohort(name, one) and isinstance(one, Sampled) and one.series in SERIES and one.effects.size:
            (key, value), *more = one.slice.items()
            if not more and not one.undecided:
                families.setdefault((key, one.series), {})[value] = one
    yield from (family for family in families.values() if len(family) > 1)


def _drawn(trial: Trial, samples: Mapping[str, Sampled]) -> dict[str, CohortSample]:
    traffic = trial.baseline.traffic
    return {value: _sample(one, traffic[next(iter(one.slice))][value]) for value, one in samples.items()}


def _sample(one: Sampled, share: float) -> CohortSample:
    if one.unlabelled.size:
        return CohortSample(one.effects, share, one.judged, one.unlabelled, baseline_error=error_beside(one))
    return CohortSample(one.effects, share, baseline_error=error_beside(one))


def _tolerance(samples: Mapping[str, Sampled]) -> float:
    return next(iter(samples.values())).tolerance
