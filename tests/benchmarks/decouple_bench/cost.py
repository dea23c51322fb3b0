"""What does one more score cost, and what does one series keep? Microseconds of CPU, and bytes."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from monitor.detection.book import FIELDS
from monitor.statistics.detector import DetectorState, advance, daily_log_sums, mixture
from tests.benchmarks.decouple_bench import rivals
from tests.benchmarks.decouple_bench.scenarios import FIRST_DAY, Array

SCORES, A_DAY, ROUNDS = 20_000, 100, 5
MANY = 1_000  # detectors whose memory is measured together, or that are updated together
DAYS_CLOSED = 100
RIVALS = {"ADWIN": (SCORES, 3_000), "PageHinkley": (SCORES, 100), "KSWIN": (300, 99)}  # scores: timed, kept


def measure() -> list[dict[str, Any]]:
    """One row a detector."""
    scores = np.random.default_rng(0).choice([-0.7, 0.3], SCORES)
    failed = (scores < 0).astype(float)
    one, many = DetectorState.start(1), DetectorState.start(1000)
    kept = f"{one.restarting.nbytes + one.companion.nbytes} + {FIELDS * 8} a day"
    rows = [
        _row("e-SR, one series, 100 scores a day", _micros(partial(_ours, scores), SCORES), kept),
        _row("e-SR, 1,000 series at once", _micros(partial(_batched, scores, many), 1000 * A_DAY), kept),
        _row("CUSUM, plain Python", _micros(partial(_cusum, scores.tolist()), SCORES), "8"),
    ]
    if rivals.RIVER:
        rows += [_rival(name, failed, *counts) for name, counts in RIVALS.items()]
    return rows


def speed() -> dict[str, Any]:
    """Days of series closed in a second of CPU, 1,000 at once (median, least, most of the rounds); hot bytes of one."""
    state, log_mass = DetectorState.start(MANY), np.zeros(MANY)
    logs = np.random.default_rng(0).normal(0, 0.1, state.restarting.shape)

    def close_days() -> None:
        nonlocal state
        for _ in range(DAYS_CLOSED):
            state = advance(state, logs, log_mass)
            mixture(state.restarting)
            mixture(state.companion)

    rates = sorted(1e6 / _micros(close_days, MANY * DAYS_CLOSED, rounds=1) for _ in range(2 * ROUNDS - 1))
    size = (state.restarting.nbytes + state.companion.nbytes) // MANY
    return {"updates_a_second": (statistics.median(rates), rates[0], rates[-1]), "hot_bytes": size}


def _rival(name: str, failed: Array, timed: int, kept: int) -> dict[str, Any]:
    values = failed[:timed].tolist()
    with get_context("spawn").Pool(1) as fresh:  # a heap that nothing was freed in
        size = fresh.apply(_bytes, (name, values[:kept]))
    return _row(f"{name}, river", _micros(lambda: _feed(_made(name), values), timed), size)


def _row(name: str, micros: float, size: str) -> dict[str, Any]:
    return {"detector": name, "microseconds_per_score": round(micros, 3), "bytes_per_series": size}


def _micros(work: Callable[[], None], scores: int, rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e6 * statistics.median(times) / scores


def _ours(scores: Array) -> None:
    state = DetectorState.start(1)
    for start in range(0, SCORES, A_DAY):
        day = scores[start : start + A_DAY]
        _, sums = daily_log_sums(day, np.full(day.size, FIRST_DAY), np.array([0.014]))
        state = advance(state, sums, np.zeros(1))


def _batched(scores: Array, state: DetectorState) -> None:
    day = np.resize(scores, 1000 * A_DAY)
    _, sums = daily_log_sums(day, np.repeat(np.arange(1000), A_DAY), np.array([0.014]))
    advance(state, sums, np.zeros(1000))


def _cusum(scores: list[float]) -> None:
    level = 0.0
    for score in scores:
        level = max(0.0, level + score - 0.025)


def _feed(detector: Any, values: list[float]) -> Any:
    for value in values:
        detector.update(value)
    return detector


def _made(name: str) -> Any:
    from river import drift

    return getattr(drift, name)()


def _bytes(name: str, values: list[float]) -> str:
    """Growth of the process by many detectors, each with its scores seen."""
    _feed(_made(name), values)
    before = _resident()
    kept = [_feed(_made(name), values) for _ in range(MANY)]
    return f"{round((_resident() - before) / len(kept), -1):,.0f}"


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
