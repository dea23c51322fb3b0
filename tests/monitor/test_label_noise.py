import numpy as np
import pytest

from monitor.statistics.label_noise import label_noise


@pytest.mark.parametrize(("rate", "n"), [(0.02, 150), (0.1, 200), (0.3, 500)])
def test_the_flip_rate_is_covered(rate: float, n: int) -> None:
    rng, runs = np.random.default_rng(n), 1500
    truth = rng.random((runs, n)) < 0.6
    first, second = truth ^ (rng.random((2, runs, n)) < rate)
    found = [label_noise(a, b) for a, b in zip(first, second, strict=True)]
    covered = np.mean([noise.low <= rate <= noise.high for noise in found])
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)  # Monte Carlo error .0056
    assert np.mean([noise.flip_rate for noise in found]) == pytest.approx(rate, abs=0.01)


def test_an_effect_shrinks_and_a_delay_grows_as_stated() -> None:
    rng, flips = np.random.default_rng(1), 0.1
    good, bad = rng.random((2, 400_000)) < np.array([[0.8], [0.6]])
    labelled = [group ^ (rng.random(group.size) < flips) for group in (good, bad)]
    noise = label_noise(labelled[0], good ^ (rng.random(good.size) < flips))
    assert labelled[0].mean() - labelled[1].mean() == pytest.approx(0.2 * noise.shrink, abs=0.004)
    assert noise.delay == pytest.approx(1.56, abs=0.03)


def test_labels_that_agree_always_still_leave_room_for_flips() -> None:
    noise = label_noise(np.ones(60, bool), np.ones(60, bool))
    assert noise.flip_rate == 0
    assert noise.high > 0.02


def test_labels_no_better_than_a_coin_tell_nothing() -> None:
    noise = label_noise(np.ones(50, bool), np.arange(50) < 20)
    assert (noise.flip_rate, noise.shrink, noise.delay) == (0.5, 0, float("inf"))


def test_no_items_unequal_shapes_and_missing_labels_are_refused() -> None:
    for first, second in ((np.zeros(0, bool), np.zeros(0, bool)), (np.ones(3, bool), np.ones(2, bool))):
        with pytest.raises(ValueError, match="non-empty"):
            label_noise(first, second)
    with pytest.raises(ValueError, match="true or false"):
        label_noise(np.array([1.0, np.nan]), np.array([1.0, 0.0]))
