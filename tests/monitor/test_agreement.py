from collections.abc import Callable

import numpy as np
import pytest

from monitor.statistics.agreement import agreement, merge_orders, position_consistency

RNG = np.random.default_rng


def verdicts(rng: np.random.Generator, shape: tuple[int, ...], noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A person's verdicts (half A, 35% B, 15% ties) and a judge's: the same but for a share drawn anew."""
    human = rng.choice([1, 0, -1], shape, p=[0.5, 0.15, 0.35])
    anew = rng.choice([1, 0, -1], shape, p=[0.6, 0.05, 0.35])
    return np.where(rng.random(shape) < noise, anew, human), human


def true_kappa(noise: float) -> tuple[float, float]:
    """Agreement and kappa of the judge above."""
    human, anew = np.array([0.5, 0.15, 0.35]), np.array([0.6, 0.05, 0.35])
    agreed = 1 - noise + noise * human @ anew
    chance = human @ (noise * anew + (1 - noise) * human)
    return agreed, (agreed - chance) / (1 - chance)


@pytest.mark.parametrize(("noise", "n"), [(0.1, 60), (0.5, 60), (0.5, 400), (1.0, 200)])
def test_agreement_and_kappa_are_covered(noise: float, n: int) -> None:
    judge, human = verdicts(RNG(n), (1000, n), noise)
    found = [agreement(a, b) for a, b in zip(judge, human, strict=True)]
    share, kappa = true_kappa(noise)
    lowest = 0.927  # of Wilson's interval, exactly; in 3000 runs the share had .936 to .976, kappa .951 to .973
    assert np.mean([f.share.low <= share <= f.share.high for f in found]) >= lowest - 3 * 0.0082  # Monte Carlo error
    assert np.mean([f.kappa.low <= kappa <= f.kappa.high for f in found if f.kappa]) >= 0.95 - 3 * 0.0069


def test_a_judge_that_always_says_the_same_has_the_base_rate_and_no_kappa_to_speak_of() -> None:
    human = np.repeat([1, 0, -1], [50, 20, 30])
    found = agreement(np.ones(100, int), human)
    assert found.share.value == found.base_rate == 0.5
    assert found.kappa is not None
    assert found.kappa.value == 0


def test_verdicts_constant_on_both_sides_have_no_kappa() -> None:
    found = agreement(np.zeros(40, int), np.zeros(40, int))
    assert found.share.value == found.base_rate == 1
    assert found.kappa is None


def test_perfect_agreement_of_few_items_does_not_claim_certainty() -> None:
    found = agreement(np.array([1, -1, 1]), np.array([1, -1, 1]))
    assert found.share.low < 0.5
    assert found.kappa is not None
    assert (found.kappa.value, found.kappa.low < 0.2) == (1, True)


def test_ties_are_a_category_of_their_own() -> None:
    assert agreement(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])).share.value == 0.5


def test_merging_orders_keeps_only_choices_made_twice() -> None:
    shown_ab, shown_ba = RNG(1).integers(-1, 2, (2, 500))
    merged = merge_orders(shown_ab, shown_ba)
    same = shown_ab == shown_ba
    assert (merged[same] == shown_ab[same]).all()
    assert (merged[~same] == 0).all()
    assert position_consistency(shown_ab, shown_ba).value == same.mean()


def test_position_consistency_is_covered() -> None:
    rng = RNG(2)
    flips = rng.random((1500, 150)) < 0.2
    found = [position_consistency(np.ones(150, int), np.where(row, -1, 1)) for row in flips]
    assert abs(np.mean([f.low <= 0.8 <= f.high for f in found]) - 0.95) < 3 * 0.0056  # Monte Carlo error


@pytest.mark.parametrize("measure", [agreement, merge_orders, position_consistency])
def test_nothing_unequal_shapes_and_other_codes_are_refused(measure: Callable[..., object]) -> None:
    for judge, human in (([], []), ([1], [1, 1])):
        with pytest.raises(ValueError, match="non-empty shapes"):
            measure(np.array(judge, int), np.array(human, int))
    for code in (np.nan, 2.0, 0.5):
        with pytest.raises(ValueError, match="verdicts must be"):
            measure(np.array([code]), np.array([1.0]))
