"""How many series can one core carry through a day? Updates a second of the detector, batched.

    python -m tests.benchmarks.detector_bench

One update is one day of one series: `advance`, which moves all five bets of the restarting statistic and of its
companion. `step` adds what the daily walk also asks of every day, the mixture over the bets of both.
"""

import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from monitor.statistics.detector import BETS, DetectorState, advance, mixture
from tests.benchmarks.results_file import save

COUNTS = (1_000, 10_000, 100_000)
UPDATES = 1_000_000  # in one timed round
ROUNDS = 9


def main() -> None:
    """Measure every count, rounds of all interleaved, and save."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rates: dict[tuple[int, str], list[float]] = {(count, name): [] for count in COUNTS for name in STEPS}
    for _ in range(ROUNDS):
        for count, name in rates:
            rates[count, name].append(_rate(count, STEPS[name]))
    rows = [_row(count, {name: statistics.median(rates[count, name]) for name in STEPS}) for count in COUNTS]
    save(
        "detector",
        "The detector's rate",
        "at least 1,000,000 series-updates a second, batched, on one core",
        rows,
        {"rounds": ROUNDS, "bets": BETS.size, "time": "CPU seconds of one process on one core, median of the rounds"},
    )


def _row(count: int, rates: dict[str, float]) -> dict[str, int]:
    state = DetectorState.start(count)
    size = (state.restarting.nbytes + state.companion.nbytes) // count
    return {
        "series": count,
        **{f"{name}_per_second": round(rate) for name, rate in rates.items()},
        "bytes_of_state_per_series": size,
    }


def _step(state: DetectorState, log_sums: np.ndarray, log_mass: np.ndarray) -> DetectorState:
    state = advance(state, log_sums, log_mass)
    mixture(state.restarting)
    mixture(state.companion)
    return state


STEPS: dict[str, Callable[[DetectorState, np.ndarray, np.ndarray], DetectorState]] = {"advance": advance, "step": _step}


def _rate(count: int, step: Callable[[DetectorState, np.ndarray, np.ndarray], DetectorState]) -> float:
    """Series-updates a CPU second, over days of about a hundred units a series."""
    chance = np.random.default_rng(count)
    log_sums = chance.normal(-0.01, 0.5, (4, count, BETS.size)) * BETS
    log_mass = np.full(count, -np.log(count))
    state = advance(DetectorState.start(count), log_sums[0], log_mass)
    days = UPDATES // count
    start = time.process_time()
    for day in range(days):
        state = step(state, log_sums[day % 4], log_mass)
    return days * count / (time.process_time() - start)


if __name__ == "__main__":
    main()
