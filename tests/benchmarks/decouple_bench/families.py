"""What does a family of a thousand slices cost, and does its one budget hold? Binary outcomes, 20 a day and slice.

The daily log sums of a binary score follow from two counts, so they are drawn as such and given to the product's own
detector. Each slice has the same share of one unit of restart mass a day. 60 reference days stand behind each baseline.
"""

from typing import Any

import numpy as np

from monitor.statistics.detector import COMPANION_FLOOR, DetectorState, advance, log_factors, mixture
from monitor.statistics.reference_error import QUANTILE
from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.detectors import backed, walk_alone
from tests.benchmarks.decouple_bench.scenarios import MONITORED_DAYS, QUIET_DAYS, REFERENCE_DAYS, Array

SLICES, LABELS, MATERIAL = 1_000, 20, 0.005
SIZES = (1, 10, 100, 1_000)
SHIFT = 0.106  # what A1 sees of +9/-8
SHARED = 0.02  # standard deviation of a day effect that all slices share
KINDS = {
    "1,000 slices, independent": "each slice's baseline estimated",
    "1,000 slices, days shared": "a day moves all slices together by 2 points (standard deviation)",
    "1,000 slices, at the boundary": "baseline known and each slice's mean exactly at the allowance: the worst null",
}
PROMISED = (365, 2240)


def quiet(families: int, seed: int) -> list[dict[str, Any]]:
    """False alerts of so many families in 224 days, a row for each kind of null and promise.

    share: of families with an alert; alerts: mean number a family, each slice's evidence beginning anew after its alert
    and at most T / A expected, with its standard error.
    """
    rows = []
    for number, (kind, told) in enumerate(KINDS.items()):
        counts = np.stack([_alerts(kind, np.random.default_rng([seed, number, family])) for family in range(families)])
        for column, days in enumerate(PROMISED):
            mine, bound = counts[:, column], MONITORED_DAYS / days
            share = metrics.share_of(int((mine > 0).sum()), families)
            error = float(mine.std(ddof=1) / np.sqrt(families))
            rows.append(
                {"null": kind, "told": told, "promised": days, **metrics.plain(share), "bound": min(1.0, bound),
                 "alerts": float(mine.mean()), "alerts_error": error, "alerts_bound": bound}
            )  # fmt: skip
    return rows


def delays(runs: int, seed: int) -> list[dict[str, Any]]:
    """Delay of a shift of 10.6 points in one slice of a family of so many, A = 365; the same runs for all sizes."""
    rng = np.random.default_rng([seed, 1_000])
    chance, logs = rng.uniform(0.45, 0.9, runs), []
    baseline, allowance = _baselines(rng, chance)
    for day in range(MONITORED_DAYS):
        worked = rng.binomial(LABELS, chance - (SHIFT if day >= QUIET_DAYS else 0.0))
        logs.append(_logs(worked, baseline, allowance))
    restarting, companion = walk_alone(np.stack(logs, axis=1))
    rows, alone = [], (backed(restarting, companion), float(np.log(365)))
    for size in SIZES:
        path = (alone[0], float(np.log(365 * size)))  # mass 1/size a day is a threshold size times as high
        late = metrics.delay(*path, np.full(MONITORED_DAYS, float(LABELS)))
        ratio = dict(zip(("ratio", "low", "high"), metrics.delay_ratio(path, alone), strict=True))
        rows.append({"slices": size, **metrics.plain(late), **ratio})
    return rows


def _alerts(kind: str, rng: np.random.Generator) -> Array:
    """Number of alerts of one family in 224 days, by promise."""
    chance = rng.uniform(0.45, 0.9, SLICES)
    boundary = kind.endswith("boundary")
    baseline, allowance = (chance, np.full(SLICES, MATERIAL)) if boundary else _baselines(rng, chance)
    mean = chance - (MATERIAL if boundary else 0.0)
    together = rng.normal(0, SHARED if kind.endswith("shared") else 0.0, MONITORED_DAYS)
    states, found = [DetectorState.start(SLICES) for _ in PROMISED], np.zeros(len(PROMISED))
    log_mass = np.full(SLICES, -np.log(SLICES))
    for day in range(MONITORED_DAYS):
        logs = _logs(rng.binomial(LABELS, np.clip(mean + together[day], 0, 1)), baseline, allowance)
        for column, days in enumerate(PROMISED):
            states[column] = advance(states[column], logs, log_mass)
            found[column] += _latch_and_reset(states[column], days)
    return found


def _latch_and_reset(state: DetectorState, days: int) -> int:
    """How many slices alert at the close of this day; the evidence of those begins anew."""
    high = mixture(state.restarting) >= np.log(days)
    if not high.any():
        return 0
    fired = high & (mixture(state.companion) >= np.log(COMPANION_FLOOR))
    state.restarting[fired], state.companion[fired] = -np.inf, 0.0
    return int(fired.sum())


def _baselines(rng: np.random.Generator, chance: Array) -> tuple[Array, Array]:
    """Estimated share of success of each slice, and the allowance that its error asks for."""
    units = REFERENCE_DAYS * LABELS
    worked = rng.binomial(units, chance)
    careful = (worked + 1) / (units + 2)
    return worked / units, MATERIAL + QUANTILE * np.sqrt(careful * (1 - careful) / units)


def _logs(worked: np.ndarray, baseline: Array, allowance: Array) -> Array:
    """Log sums of a day, shape (slices, bets): so many successes among its labels."""
    success, failure = log_factors(baseline - 1, allowance), log_factors(baseline, allowance)
    return worked[:, None] * success + (LABELS - worked)[:, None] * failure
