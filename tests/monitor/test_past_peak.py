from functools import cache

import numpy as np
import pytest

from monitor.statistics.family import (
    ANCHORED_WEIGHT,
    CURVE_WEIGHT,
    ESCAPE_WEIGHT,
    SCORE_WEIGHTS,
    SLICE_WEIGHT,
    VOICE_WEIGHT,
    curve_level,
    escape_weight,
)
from monitor.statistics.past_peak import PastPeak, past_peak

RUNS, PEAK = 400, 2.5
JUDGES = 0.07


def best_of_n(distance: np.ndarray) -> np.ndarray:
    return 0.072 * (1 - (distance / PEAK - 1) ** 2)


def rl(distance: np.ndarray) -> np.ndarray:
    return distance * (0.081 - 0.0405 * np.log(np.where(distance > 0, distance, 1.0)))


def saturating(distance: np.ndarray) -> np.ndarray:
    return 0.07 * (1 - np.exp(-distance / 0.7))


SHAPES = {
    "best of n": (best_of_n, PEAK),
    "rl": (rl, float(np.e)),
    "saturating": (saturating, 2.0),
    "flat": (lambda d: 0 * d, 1.0),
}


@cache
def asked(shape: str, reach: float, error: float = 0.004) -> list[PastPeak]:
    """What is said of 12 checkpoints from 0 to `reach` peaks."""
    outcome, peak = SHAPES[shape]
    rng, distance = np.random.default_rng(1), np.linspace(0, reach * peak, 12)
    noisy = outcome(distance) + rng.normal(0, error, (RUNS, 12))
    return [past_peak(distance, row, np.full(12, error)) for row in noisy]


def share(found: list[PastPeak], level: float) -> float:
    return float(np.mean([one.p <= level for one in found]))


@pytest.mark.parametrize(
    ("shape", "reach"), [("best of n", 1.0), ("rl", 1.0), ("saturating", 1.0), ("saturating", 2.0), ("flat", 3.0)]
)
def test_what_is_not_past_its_peak_is_shown_no_more_often_than_promised(shape: str, reach: float) -> None:
    assert share(asked(shape, reach), 0.05) <= 0.05


def test_one_law_alone_calls_a_plateau_over_optimised() -> None:
    found = asked("saturating", 2.0)
    assert np.mean([one.p_laws <= 0.05 for one in found]) > 0.8
    assert share(found, 0.05) <= 0.05


@pytest.mark.parametrize(
    ("shape", "reach", "level", "least"),
    [
        ("best of n", 1.6, 0.05, 0.95),
        ("rl", 1.6, 0.05, 0.9),
        ("best of n", 2.0, curve_level(30), 0.95),
        ("rl", 2.0, curve_level(30), 0.95),
    ],
)
def test_what_is_past_its_peak_is_shown(shape: str, reach: float, level: float, least: float) -> None:
    assert share(asked(shape, reach), level) >= least


def test_a_curve_that_no_law_fits_shows_nothing() -> None:
    distance = np.linspace(0, 4, 9)
    found = past_peak(distance, np.array([0, 1, 0, 1, 0, 1, 0, 1, 0]) / 10, np.full(9, 0.001))
    assert (found.law, found.curve, found.p) == (None, None, 1.0)


def test_an_order_of_training_that_went_back_asks_at_the_last_one_given() -> None:
    distance = np.append(np.linspace(0, 5, 11), 1.0)
    found = past_peak(distance, best_of_n(distance), np.full(12, 0.002))
    assert found.p_laws > 0.5
    assert past_peak(distance[:-1], best_of_n(distance[:-1]), np.full(11, 0.002)).p < 0.001


def test_the_budget_holds_all_series_and_what_is_kept() -> None:
    assert SCORE_WEIGHTS == {"A1": 0.35, "A2": 0.15, "A7": 0.10, "A3": 0.05}
    assert 2 * escape_weight(2) == ESCAPE_WEIGHT == 0.05
    spent = sum(SCORE_WEIGHTS.values()) + SLICE_WEIGHT + ESCAPE_WEIGHT + CURVE_WEIGHT + ANCHORED_WEIGHT + VOICE_WEIGHT
    assert spent + JUDGES <= 1 + 1e-12
