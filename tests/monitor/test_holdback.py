import numpy as np
import pytest

from monitor.statistics.holdback import disjoint_groups, variance_factor
from monitor.statistics.intervals import mean_interval


def world(rng: np.random.Generator, harm: float, days: int = 40, users: int = 60) -> tuple[np.ndarray, ...]:
    """Two cohorts, a shock common to both arms every day, a tenth held back."""
    day, cohort = np.repeat(np.arange(days), users), rng.integers(0, 2, days * users)
    held_back = rng.random(day.size) < 0.1
    chance = 0.75 - 0.2 * cohort + rng.normal(0, 0.15, days)[day] - harm * ~held_back
    return (
        (rng.random(day.size) < chance.clip(0.02, 0.98)).astype(float),
        held_back,
        cohort,
        day,
        rng.permutation(day.size),
    )


@pytest.mark.parametrize(("harm", "new_users"), [(0.0, 1), (0.0, 4), (0.15, 4)])
def test_the_difference_of_the_arms_is_covered_through_common_shocks(harm: float, new_users: int) -> None:
    rng, held = np.random.default_rng(new_users), []
    for _ in range(300):
        effects, _ = disjoint_groups(*world(rng, harm), new_users=new_users)
        _, low, high = mean_interval(effects.size, effects.sum(), (effects**2).sum())
        held.append(low <= harm <= high)
    assert np.mean(held) >= 0.95 - 3 * 0.0126 - 0.01 * (harm > 0)  # Monte Carlo error .0126; clipping costs harm .01


def test_a_group_varies_as_stated() -> None:
    rng = np.random.default_rng(1)
    n = 60_000
    outcome, held_back = (rng.random(n) < 0.7).astype(float), np.arange(n) % 5 == 0
    for new_users in (1, 4):
        effects, _ = disjoint_groups(outcome, held_back, *np.zeros((2, n), int), np.arange(n), new_users)
        assert effects.size == 12_000
        assert effects.var() == pytest.approx(0.21 * variance_factor(new_users), rel=0.04)


def test_every_unit_is_used_once_and_meets_its_own_cohort_and_day() -> None:
    rng, n = np.random.default_rng(2), 400
    held_back, cohort, day = rng.random(n) < 0.2, rng.integers(0, 3, n), rng.integers(0, 5, n)
    effects, days = disjoint_groups(np.zeros(n), held_back, cohort, day, rng.permutation(n), 2)
    place = cohort * 5 + day
    expected = np.minimum(np.bincount(place, held_back, 15), np.bincount(place, ~held_back, 15) // 2)
    assert effects.size == expected.sum()
    assert (np.bincount(days, minlength=5) == expected.reshape(3, 5).sum(axis=0)).all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    parts = world(rng, 0.1)
    order = rng.permutation(parts[0].size)
    one = disjoint_groups(*parts, new_users=3)
    other = disjoint_groups(*(part[order] for part in parts), new_users=3)
    assert (one[0] == other[0]).all()
    assert (one[1] == other[1]).all()


@pytest.mark.parametrize("held_back", [[], [True], [False, False], [True, True]])
def test_arms_that_form_no_group_give_no_effect(held_back: list[bool]) -> None:
    n = len(held_back)
    effects, days = disjoint_groups(np.ones(n), np.array(held_back, bool), *np.zeros((3, n), int), 1)
    assert effects.size == days.size == 0


def test_broken_outcomes_shapes_and_group_sizes_are_refused() -> None:
    flags, codes = np.array([True, False]), np.zeros((3, 2), int)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        disjoint_groups(np.array([np.nan, 1.0]), flags, *codes, 1)
    with pytest.raises(ValueError, match="equal shapes"):
        disjoint_groups(np.ones(3), flags, *codes, 1)
    with pytest.raises(ValueError, match="at least one new user"):
        disjoint_groups(np.ones(2), flags, *codes, 0)
    with pytest.raises(ValueError, match="at least one new user"):
        variance_factor(0)
