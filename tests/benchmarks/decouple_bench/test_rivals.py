"""The benchmark's own rivals agree with the library they stand for, and its seeds with themselves."""

import numpy as np
import pytest

from tests.benchmarks.decouple_bench import rivals
from tests.benchmarks.decouple_bench.scenarios import HARMS, generate


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
