"""What do the detectors make of a run that people use today? Each gives a path that crosses a threshold, by day.

All start knowing the 60 reference days. Where a detector is two-sided, only alerts in the direction of harm count.
"""

import importlib.util
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from scipy.signal import lfilter

from tests.benchmarks.decouple_bench.scenarios import DAYS, REFERENCE_DAYS, Array, Streams

RIVER, MAPIE = (importlib.util.find_spec(name) is not None for name in ("river", "mapie"))
RAW_SLACK = 0.02  # of CUSUM: about half of the shift it is made for
SCORE_SLACKS = {"CUSUM, A1": 0.025, "CUSUM, A1, made for 3 points": 0.015, "CUSUM, A1, made for 8 points": 0.04}
PH_DELTA, PH_MEMORY, PH_LEAST = 0.005, 0.9999, 30  # river's defaults
ADWIN_LEVELS = (0.1, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 3e-5)  # delta; 0.002 is its default
MAPIE_LEVEL = 0.05  # chance that it is ever wrong; its default
KSWIN_WINDOW, KSWIN_RECENT = 60, 14  # days of means


def watch(streams: Streams, residual: Array, few: int) -> dict[str, Array]:
    """Path of every rival over the monitored days, shape (runs, 224); NaN for runs not tried.

    residual: A1 of every item, 0 where not seen. few: how many runs the slow detectors (ADWIN, KSWIN) look at.
    """
    later = streams.day >= REFERENCE_DAYS
    failed = np.where(streams.seen, 1 - streams.outcome, 0.0)
    expected = _mean(failed, streams.seen & ~later)
    raw = np.where(streams.seen & later, failed - expected[:, None] - RAW_SLACK, 0.0)
    paths = {
        "CUSUM, raw outcome": by_day(cusum(raw), streams),
        **{
            name: by_day(cusum(np.where(streams.seen & later, residual - slack, 0.0)), streams)
            for name, slack in SCORE_SLACKS.items()
        },
        "Page-Hinkley, raw outcome": by_day(page_hinkley(failed, streams.seen), streams),
        "Page-Hinkley, A1": by_day(page_hinkley(residual, streams.seen), streams),
        "7-day z, raw outcome": window_z(failed, streams, 7),
        "28-day z, raw outcome": window_z(failed, streams, 28),
        "reference-window test": reference_window(streams, 7),
    }
    if RIVER:
        paths["ADWIN, raw outcome"] = adwin_paths(failed, streams, few)
        paths["KSWIN, daily means"] = _filled(streams, few, lambda run: _kswin(_daily(failed, streams)[run]))
    if MAPIE:
        for name, losses in (("raw outcome", failed), ("A1", (residual + 1) / 2)):
            paths[f"MAPIE risk monitoring, {name}"] = _filled(streams, few, partial(_mapie, losses, streams))
    return paths


def cusum(steps: Array) -> Array:
    """Page's one-sided sum of the steps, floored at 0; shape (runs, items)."""
    total = np.cumsum(steps, axis=1)
    return total - np.minimum(np.minimum.accumulate(total, axis=1), 0.0)


def page_hinkley(values: Array, seen: np.ndarray) -> Array:
    """river's PageHinkley, upwards, before its threshold is applied; shape (runs, items)."""
    n = np.cumsum(seen, axis=1)
    mean = np.cumsum(np.where(seen, values, 0.0), axis=1) / np.maximum(n, 1)
    deviations = np.where(seen, values - mean - PH_DELTA, 0.0)
    total = lfilter([1.0], [1.0, -PH_MEMORY], deviations, axis=1)
    return np.where(n >= PH_LEAST, total - np.minimum.accumulate(total, axis=1), 0.0)


def window_z(values: Array, streams: Streams, days: int) -> Array:
    """z of the mean of the last so many days against the reference's mean."""
    seen = streams.seen.astype(float)
    total, n = _sums(np.where(streams.seen, values, 0.0), streams), _sums(seen, streams)
    before, m = total[:, :REFERENCE_DAYS].sum(1, keepdims=True), n[:, :REFERENCE_DAYS].sum(1, keepdims=True)
    mean = before / m
    recent, count = _rolling(total, days), np.maximum(_rolling(n, days), 1.0)
    return (recent / count - mean) / np.sqrt(mean * (1 - mean) * (1 / count + 1 / m))


def reference_window(streams: Streams, days: int) -> Array:
    """Share-of-drifted-columns test: reward, outcome and cohort of the last days against the reference.

    Jensen-Shannon distance of each column; two of the three have to drift, so the path is the second largest.
    """
    cohorts = [(streams.cohort == code).astype(float) for code in range(int(streams.cohort.max()) + 1)]
    columns = [[streams.reward, 1 - streams.reward], [streams.outcome, 1 - streams.outcome], cohorts]
    distances = [
        _jensen_shannon([_sums(level * streams.seen, streams) for level in column], days) for column in columns
    ]
    return np.sort(np.stack(distances), axis=0)[1]


def _jensen_shannon(levels: Iterable[Array], days: int) -> Array:
    counts = np.stack(list(levels))
    before = counts[:, :, :REFERENCE_DAYS].sum(axis=2)[:, :, None]
    recent = np.stack([_rolling(level, days) for level in counts])
    p, q = before / before.sum(axis=0), recent / np.maximum(recent.sum(axis=0), 1.0)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = [np.where(side > 0, side * np.log2(side / middle), 0.0).sum(axis=0) for side in (p, q)]
    return np.sqrt(np.maximum(sum(apart) / 2, 0.0))


def adwin_paths(failed: Array, streams: Streams, few: int) -> Array:
    """ADWIN's path over the first `few` runs, NaN for the others."""
    return _filled(streams, few, lambda run: _adwin(failed[run], run, streams))


def _adwin(failed: Array, run: int, streams: Streams) -> Array:
    """By day, minus the log of the strictest delta at which ADWIN alerted on a rise of failures."""
    from river.drift import ADWIN

    mine = streams.seen[run]
    values, days = failed[mine].tolist(), streams.day[run, mine].tolist()
    before = np.mean(failed[mine][streams.day[run, mine] < REFERENCE_DAYS])
    path = np.full(DAYS, -np.inf)
    for delta in ADWIN_LEVELS:
        window = ADWIN(delta=delta)
        for value, day in zip(values, days, strict=True):
            window.update(value)
            if window.drift_detected and day >= REFERENCE_DAYS and window.estimation > before:
                path[day] = -np.log(delta)
                break
    return path[REFERENCE_DAYS:]


def _kswin(means: Array) -> Array:
    """By day, minus the log of KSWIN's p where the recent days are worse than the reference."""
    from river.drift import KSWIN

    window = KSWIN(alpha=0.0, window_size=KSWIN_WINDOW, stat_size=KSWIN_RECENT, seed=1)
    path = np.full(DAYS, -np.inf)
    for day, mean in enumerate(means.tolist()):
        window.update(mean)
        worse = means[max(day - KSWIN_RECENT + 1, 0) : day + 1].mean() > means[:REFERENCE_DAYS].mean()
        if day >= REFERENCE_DAYS and worse:
            path[day] = -np.log(max(window.p_value, 1e-300))
    return path[REFERENCE_DAYS:]


def _mapie(losses: Array, streams: Streams, run: int) -> Array:
    mine = streams.seen[run]
    return mapie_path(losses[run, mine], streams.day[run, mine])


def mapie_path(losses: Array, day: np.ndarray) -> Array:
    """By monitored day, how far the lower bound of the mean loss since the start is above the reference's upper bound.

    losses: in [0, 1], of items in order of time. As MAPIE's RiskMonitoring with its test level of .05 and no tolerance
    yet, by its own bounds, but looked at once a day: it solves for its bound anew for every item.
    """
    from mapie.exchangeability_testing.bounds import GammaExponentialMixtureBound, hoeffding_bound

    half = MAPIE_LEVEL / 2
    highest = hoeffding_bound(losses[day < REFERENCE_DAYS], half, bound_side="upper")
    later = losses[day >= REFERENCE_DAYS]
    n = np.arange(1, later.size + 1)
    mean = np.cumsum(later) / n
    spread = np.cumsum((later - np.concatenate([[0.5], mean[:-1]])) ** 2)
    last = np.searchsorted(day[day >= REFERENCE_DAYS], np.arange(REFERENCE_DAYS, DAYS), side="right") - 1
    mixture = GammaExponentialMixtureBound(v_opt=1, c=1, alpha_opt=half / 2)
    reach = np.array([mixture(v=float(v), alpha=half / 2) for v in spread[last]]) / n[last]
    return np.maximum.accumulate(np.maximum(mean[last] - reach, 0.0)) - highest


def _filled(streams: Streams, few: int, path: Callable[[int], Array]) -> Array:
    runs = streams.day.shape[0]
    tried = [path(run) for run in range(min(few, runs))]
    return np.vstack([*tried, np.full((runs - len(tried), DAYS - REFERENCE_DAYS), np.nan)])


def _mean(values: Array, mine: np.ndarray) -> Array:
    return (values * mine).sum(axis=1) / mine.sum(axis=1)


def _daily(values: Array, streams: Streams) -> Array:
    return _sums(values * streams.seen, streams) / np.maximum(_sums(streams.seen.astype(float), streams), 1.0)


def _sums(values: Array, streams: Streams) -> Array:
    """Sum of each day, shape (runs, days)."""
    runs = streams.day.shape[0]
    index = (np.arange(runs)[:, None] * DAYS + streams.day).ravel()
    return np.bincount(index, np.asarray(values, float).ravel(), runs * DAYS).reshape(runs, DAYS)


def by_day(values: Array, streams: Streams) -> Array:
    """Largest value of each monitored day."""
    runs = streams.day.shape[0]
    index = (np.arange(runs)[:, None] * DAYS + streams.day).ravel()
    path = np.full(runs * DAYS, -np.inf)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    path[index[starts]] = np.maximum.reduceat(values.ravel(), starts)
    return path.reshape(runs, DAYS)[:, REFERENCE_DAYS:]


def _rolling(daily: Array, days: int) -> Array:
    """Sum of the last so many days, for each monitored day."""
    total = np.cumsum(np.pad(daily, ((0, 0), (1, 0))), axis=1)
    last = np.arange(REFERENCE_DAYS, DAYS)
    return total[:, last + 1] - total[:, last + 1 - days]
