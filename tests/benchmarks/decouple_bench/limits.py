"""How far from the least possible delay? An abrupt change of known size, the baseline known, against three limits.

`least`, log(A)/KL: what a detector needs that knows both laws, concedes nothing and looks after every label; reached
only as A grows. `honest`: the same with the divergence to the nearest law that our promise covers, any with a mean up
to the allowance; no detector that keeps the promise grows faster. `informed`: the Shiryaev-Roberts detector that knows
both laws, simulated on the same days with one look a day. `conceding`: the same for one that knows the size of the
change and keeps the promise: one bet, the best for this change.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from monitor.statistics.detector import log_factors
from tests.benchmarks.decouple_bench import metrics
from tests.benchmarks.decouple_bench.detectors import backed, walk_alone
from tests.benchmarks.decouple_bench.scenarios import (
    EVEN,
    MONITORED_DAYS,
    QUIET_DAYS,
    SUCCESS,
    THUMBS,
    Array,
    Scenario,
    information,
)

MATERIAL = 0.005  # the harm nobody would act on: all that is conceded where the baseline is known
SIZES = (-2, -4, -8, -15)
LABELS = (100, 1_000)
PROMISED = (365, 2240)


@dataclass(frozen=True)
class Cells:
    """The cells that a label can fall in: cohort, thumb and outcome. score: A1; before, after: chances of each."""

    score: Array
    before: Array
    after: Array


def measure(runs: int, seed: int) -> list[dict[str, Any]]:
    """One row for each size of change, number of labels a day and promise; delays in days, 95% intervals of ratios."""
    return [
        row
        for size in SIZES
        for labels in LABELS
        for row in _rows(Scenario(f"abrupt +9/{size}", "harm", 9, size, labels=labels), runs, seed)
    ]


def _rows(scenario: Scenario, runs: int, seed: int) -> list[dict[str, Any]]:
    cells = _cells(scenario)
    rng = np.random.default_rng([seed, *scenario.name.encode(), scenario.labels])
    counts = np.concatenate(
        [
            rng.multinomial(scenario.labels, chance, (runs, days))
            for chance, days in ((cells.before, QUIET_DAYS), (cells.after, MONITORED_DAYS - QUIET_DAYS))
        ],
        axis=1,
    ).astype(float)
    labels = np.full(MONITORED_DAYS, float(scenario.labels))
    ours = backed(*walk_alone(counts @ log_factors(cells.score, np.array([MATERIAL]))))
    informed = _one_factor(counts, np.log(_given_thumb(cells.after) / _given_thumb(cells.before)))
    factors, nats = _best_bet(cells)
    conceding = _one_factor(counts, factors)
    rows = []
    for days in PROMISED:
        threshold = float(np.log(days))
        late = metrics.delay(ours, threshold, labels)
        least, honest = (np.log(days) / each / scenario.labels for each in (information(scenario), nats))
        rows.append(
            {
                "scenario": scenario.name, "labels_a_day": scenario.labels, "promised": days,
                "nats_a_label": information(scenario), "nats_conceding": nats,
                "days": late.days, "error": late.error, "labels": late.days * scenario.labels,
                "least_days": least, "honest_least_days": honest,
                "informed_days": metrics.delay(informed, threshold, labels).days,
                "conceding_days": metrics.delay(conceding, threshold, labels).days,
                "over_least": _over(late, least),
                "over_honest": _over(late, honest),
                "over_informed": metrics.delay_ratio((ours, threshold), (informed, threshold)),
                "over_conceding": metrics.delay_ratio((ours, threshold), (conceding, threshold)),
            }
        )  # fmt: skip
    return rows


def _over(late: metrics.Delay, least: float) -> tuple[float, float, float]:
    low, high = (late.days + sign * 1.96 * late.error for sign in (-1, 1))
    return float(late.days / least), float(low / least), float(high / least)


def _cells(scenario: Scenario) -> Cells:
    """Sixteen cells: four cohorts, two thumbs, two outcomes; the score of a cell is A1 with the baseline known."""
    score, before, after = [], [], []
    for share, success, thumbs in zip(EVEN, SUCCESS, THUMBS, strict=True):
        liked = thumbs + scenario.reward / 100
        for thumb in (1.0, 0.0):
            known = success + scenario.slope * (thumb - thumbs)
            later = success + scenario.outcome / 100 + scenario.slope * (thumb - liked)
            old, new = (rate if thumb else 1 - rate for rate in (thumbs, liked))
            for outcome in (1.0, 0.0):
                score.append(known - outcome)
                before.append(share * old * (known if outcome else 1 - known))
                after.append(share * new * (later if outcome else 1 - later))
    kept = np.array(before) > 0
    return Cells(np.array(score)[kept], np.array(before)[kept], np.array(after)[kept])


def _given_thumb(chance: Array) -> Array:
    """Chance of the outcome given cohort and thumb: a rising reward alone is no harm and no evidence."""
    pairs = chance.reshape(-1, 2)
    return (pairs / pairs.sum(axis=1, keepdims=True)).ravel()


def _best_bet(cells: Cells) -> tuple[Array, float]:
    """Log factors of the bet that grows fastest after the change, and its nats a label.

    The most that any detector can grow that keeps the promise for every law with a mean up to the allowance.
    Source: Honda and Takemura 2010, COLT (the dual of the least divergence to a bounded mean).
    """
    deviation = cells.score - MATERIAL
    found = minimize_scalar(
        lambda bet: -float(cells.after @ np.log1p(bet * deviation)),
        bounds=(0.0, 0.99 / (1 + MATERIAL)),
        method="bounded",
    )
    return np.log1p(found.x * deviation), -float(found.fun)


def _one_factor(counts: Array, factors: Array) -> Array:
    """Log of Shiryaev and Roberts' statistic with one likelihood ratio, one unit of mass at the start of each day."""
    daily, state, path = counts @ factors, np.full(counts.shape[0], -np.inf), []
    for day in range(counts.shape[1]):
        state = np.logaddexp(state, 0.0) + daily[:, day]
        path.append(state)
    return np.stack(path, axis=1)
