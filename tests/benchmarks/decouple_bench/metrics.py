"""How often falsely, how late, how sure? Figures of paths that cross thresholds, with their Monte-Carlo errors.

A path has shape (runs, 224); a run alerts at the close of the first day on which its path exceeds the threshold. Runs
of NaN were not tried and count nowhere.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.decouple_bench.scenarios import MONITORED_DAYS, QUIET_DAYS, Array, Codes

LEFT_DAYS = MONITORED_DAYS - QUIET_DAYS
POWER_DAYS = (28, 56, 112, 168)
TUNED_SHARE = 0.10
RESAMPLES = 500


@dataclass(frozen=True)
class Share:
    """A share of runs with its exact (Clopper-Pearson) 95% interval."""

    share: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True)
class Delay:
    """Days from the change to the alert, 168 where there was none; runs that alerted before the change are left out.

    days: their mean (restricted mean), error: its standard error, labels: mean number of labels until then. power:
    share alerted within so many days. early: share of runs left out.
    """

    days: float
    error: float
    labels: float
    power: dict[int, float]
    early: float
    runs: int


def first_days(path: Array, threshold: float) -> Codes:
    """Index of the first day above the threshold; 224 if there is none."""
    over = path[~np.isnan(path[:, 0])] > threshold
    return np.where(over.any(axis=1), over.argmax(axis=1), MONITORED_DAYS)


def alerting(path: Array, threshold: float, since: int = 0) -> Share:
    """Share of runs that alert; since: leave out runs that did so before this day."""
    first = first_days(path, threshold)
    first = first[first >= since]
    return share_of(int((first < MONITORED_DAYS).sum()), first.size)


def share_of(count: int, runs: int) -> Share:
    """count of so many runs.

    >>> share_of(0, 100).high < 0.037
    True
    """
    if not runs:
        return Share(float("nan"), 0.0, 1.0, 0)
    interval = stats.binomtest(count, runs).proportion_ci(0.95, method="exact")
    return Share(count / runs, float(interval.low), float(interval.high), runs)


def tuned(path: Array) -> float:
    """The lowest threshold that at most a tenth of these runs exceed."""
    maxima = np.sort(path[~np.isnan(path[:, 0])].max(axis=1))
    return float(maxima[maxima.size - 1 - int(TUNED_SHARE * maxima.size)])


def delay(path: Array, threshold: float, labels: Array) -> Delay:
    """labels: mean number of labels on each monitored day, shape (224,)."""
    first = first_days(path, threshold)
    days = _days(first)
    until = np.concatenate([[0.0], np.cumsum(labels[QUIET_DAYS:])])
    if not days.size:
        return Delay(float("nan"), float("nan"), float("nan"), {}, 1.0, 0)
    alerted = first[first >= QUIET_DAYS] < MONITORED_DAYS
    return Delay(
        days=float(days.mean()),
        error=float(days.std(ddof=1) / np.sqrt(days.size)) if days.size > 1 else float("nan"),
        labels=float(until[days].mean()),
        power={limit: float((alerted & (days <= limit)).mean()) for limit in POWER_DAYS},
        early=float((first < QUIET_DAYS).mean()),
        runs=int(days.size),
    )


def delay_ratio(slower: tuple[Array, float], faster: tuple[Array, float]) -> tuple[float, float, float]:
    """Mean delay of one detector over another's on the same runs, with a bootstrap 95% interval over runs."""
    (path, threshold), (other, other_threshold) = slower, faster
    both = ~np.isnan(path[:, 0]) & ~np.isnan(other[:, 0])
    first, second = first_days(path[both], threshold), first_days(other[both], other_threshold)
    late = (first >= QUIET_DAYS) & (second >= QUIET_DAYS)
    a, b = _days(first[late]), _days(second[late])
    if not a.size:
        return float("nan"), float("nan"), float("nan")
    rows = np.random.default_rng(0).integers(0, a.size, (RESAMPLES, a.size))
    low, high = np.quantile(a[rows].mean(axis=1) / b[rows].mean(axis=1), (0.025, 0.975))
    return float(a.mean() / b.mean()), float(low), float(high)


def plain(value: Any) -> Any:
    """As JSON takes it."""
    return asdict(value)


def _days(first: Codes) -> Codes:
    return np.minimum(first[first >= QUIET_DAYS] - QUIET_DAYS + 1, LEFT_DAYS)
