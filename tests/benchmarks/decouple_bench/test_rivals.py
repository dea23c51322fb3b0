"""The benchmark's own rivals agree with the library they stand for, and its seeds with themselves."""

import numpy as np
import pytest

from tests.benchmarks.decouple_bench import rivals
from tests.benchmarks.decouple_bench.scenarios import HARMS, REFERENCE_DAYS, generate


def test_page_hinkley_alerts_where_rivers_does() -> None:
    drift = pytest.importorskip("river.drift", reason="the rivals come with the extra `bench`")
    chance = np.random.default_rng(4)
    values = np.concatenate([chance.random(3000) < 0.3, chance.random(1000) < 0.4]).astype(float)
    path = rivals.page_hinkley(values[None], np.ones((1, values.size), bool))[0]
    theirs = drift.PageHinkley(threshold=50.0, mode="up")
    fired = []
    for number, value in enumerate(values.tolist()):
        theirs.update(value)
        fired.append(number) if theirs.drift_detected else None
    assert fired
    assert int(np.argmax(path > 50.0)) == fired[0]


def test_the_same_seed_gives_the_same_runs() -> None:
    first, second = (generate(HARMS[0].with_labels(5), runs=2, seed=9) for _ in range(2))
    assert (first.outcome == second.outcome).all()
    assert (first.reward == second.reward).all()
    assert not (first.outcome[0] == first.outcome[1]).all()


def test_cusum_is_pages_recursion() -> None:
    steps = np.random.default_rng(1).normal(0, 1, 200)
    level, expected = 0.0, []
    for step in steps:
        level = max(0.0, level + step)
        expected.append(level)
    assert np.allclose(rivals.cusum(steps[None])[0], expected)


def test_mapies_bounds_looked_at_daily_are_those_of_its_monitor() -> None:
    monitoring = pytest.importorskip("mapie.exchangeability_testing", reason="the rivals come with the extra `bench`")
    day = np.repeat(np.arange(REFERENCE_DAYS + 40), 20)
    wrong = (np.random.default_rng(3).random(day.size) < np.where(day < REFERENCE_DAYS + 20, 0.3, 0.5)).astype(float)
    path = rivals.mapie_path(wrong, day)
    theirs = monitoring.RiskMonitoring("accuracy", tolerance=0.0, warn=False)
    before, one = day < REFERENCE_DAYS, np.ones(day.size)
    theirs.compute_threshold(1 - wrong[before], one[before])
    theirs.update(1 - wrong[~before], one[~before])
    closes = theirs.online_risk_lower_bound_sequence_history[19::20] - theirs.threshold
    assert (path[:40] <= closes + 1e-12).all()  # it keeps the best bound of every item, here of every day
    assert path[:40] == pytest.approx(closes, abs=0.01)
    assert path[39] > path[19]
