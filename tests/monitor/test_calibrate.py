import numpy as np
import pytest

from monitor.statistics.calibrate import SHRINKAGE, fit_calibrator, mid_ranks, slope

ONE = np.zeros(4, np.int64)


def test_thumbs_get_the_mean_outcome_of_their_level() -> None:
    fitted = fit_calibrator(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), ONE)
    assert fitted.pooled(np.array([0.0, 1.0])).tolist() == [0.5, 1.0]
    assert fitted.pooled.support.tolist() == [2, 2]


def test_a_rare_level_may_fall_when_levels_are_few() -> None:
    fitted = fit_calibrator(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0, 1.0]), ONE[:3])
    assert fitted.pooled(np.array([0.0, 0.5, 1.0])).tolist() == [1.0, 0.0, 1.0]


def test_continuous_rewards_get_means_of_equal_bins() -> None:
    rng = np.random.default_rng(0)
    reward = rng.random(2000)
    outcome = (rng.random(2000) < 0.3 + 0.4 * reward**2 - 0.3 * (reward > 0.7)).astype(float)
    curve = fit_calibrator(reward, outcome, np.zeros(2000, np.int64)).pooled
    bins = np.searchsorted(np.quantile(reward, np.arange(1, 20) / 20), reward, side="right")
    np.testing.assert_allclose(curve.values, [outcome[bins == k].mean() for k in range(20)])
    np.testing.assert_allclose(curve.rewards, [reward[bins == k].mean() for k in range(20)])
    assert curve.support.tolist() == [100] * 20


@pytest.mark.parametrize(("units", "bins", "cohort_bins"), [(40, 1, 1), (100, 3, 2), (300, 10, 7), (1000, 20, 20)])
def test_bins_follow_the_size_of_the_reference(units: int, bins: int, cohort_bins: int) -> None:
    reward, cohorts = np.random.default_rng(units).permutation(units) / units, np.arange(units) % 4
    fitted = fit_calibrator(reward, np.ones(units), cohorts)
    assert (fitted.pooled.rewards.size, fitted.cohorts[0].rewards.size) == (bins, cohort_bins)


def test_a_cohort_is_shrunk_to_the_pooled_curve_moved_by_its_own_distance() -> None:
    rewards = np.array([0.0] * 40 + [1.0] * 40)
    cohorts = np.array([0] * 30 + [1] * 10 + [0] * 30 + [1] * 10)
    outcomes = np.where(cohorts == 0, 1.0, 0.0)
    fitted = fit_calibrator(rewards, outcomes, cohorts)
    expected = fitted.expected(np.array([0.0, 0.0]), np.array([0, 1]))
    pooled = 30 / 40
    targets = pooled + 60 * (1 - pooled) / (60 + SHRINKAGE), pooled - 20 * pooled / (20 + SHRINKAGE)
    shrunk = (30 + SHRINKAGE * targets[0]) / (30 + SHRINKAGE), SHRINKAGE * targets[1] / (10 + SHRINKAGE)
    assert expected.tolist() == pytest.approx(shrunk)
    lean = fitted.leans()[int(fitted.cells(np.array([0.0]), np.array([1]))[0])]
    assert lean == pytest.approx(expected[1])  # its own mean is 0: all of the value is shrinkage


def test_a_small_cohort_keeps_the_slope_of_all() -> None:
    """25 units, 15 points above the other 3,975, whose outcome rises by 20 points between these rewards."""
    rng = np.random.default_rng(5)
    reward, cohort = rng.random(4000), np.minimum(np.arange(4000) // 25, 1)
    outcome = (rng.random(4000) < 0.3 + 0.4 * reward + 0.15 * (cohort == 0)).astype(float)
    fitted = fit_calibrator(reward, outcome, cohort)
    low, high = fitted.expected(np.array([0.25, 0.75]), np.zeros(2, np.int64))
    assert 0.1 < high - low < 0.35


def test_an_unknown_cohort_gets_the_pooled_curve() -> None:
    fitted = fit_calibrator(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), ONE)
    assert fitted.expected(np.array([0.0, 1.0]), np.array([7, -1])).tolist() == [0.5, 1.0]


def test_a_missing_reward_has_no_expectation() -> None:
    fitted = fit_calibrator(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), ONE)
    assert np.isnan(fitted.expected(np.array([np.nan]), np.array([0]))).all()


def test_beyond_the_reference_the_curve_is_flat() -> None:
    fitted = fit_calibrator(np.array([0.2, 0.2, 0.8, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]), ONE)
    assert fitted.pooled(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_each_fitted_value_has_a_number_of_its_own() -> None:
    rewards, cohorts = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0, 0, 1, 1])
    fitted = fit_calibrator(rewards, np.array([0.0, 1.0, 0.0, 1.0]), cohorts)
    assert len(set(fitted.cells(rewards, cohorts).tolist())) == 4
    assert set(fitted.cells(rewards, np.full(4, -1)).tolist()).isdisjoint(fitted.cells(rewards, cohorts).tolist())


def test_a_calibrator_needs_a_unit() -> None:
    with pytest.raises(ValueError, match="at least one reference unit"):
        fit_calibrator(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


def test_mid_ranks_count_ties_half() -> None:
    assert mid_ranks(np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.0, 1.0, 2.0, 2.5, 3.0])).tolist() == [
        0.0,
        0.125,
        0.5,
        0.75,
        0.875,
    ]


def test_mid_ranks_of_the_reference_have_mean_one_half() -> None:
    reference = np.random.default_rng(1).integers(0, 5, 200).astype(float)
    assert mid_ranks(reference, reference).mean() == pytest.approx(0.5)


def test_mid_ranks_do_not_feel_a_monotone_rescaling() -> None:
    rng = np.random.default_rng(2)
    reference, rewards = rng.normal(size=100), rng.normal(size=50)
    assert (mid_ranks(reference, rewards) == mid_ranks(np.exp(reference), np.exp(rewards))).all()


def test_a_missing_reward_has_no_rank() -> None:
    assert np.isnan(mid_ranks(np.array([1.0]), np.array([np.nan]))).all()
    with pytest.raises(ValueError, match="at least one reference reward"):
        mid_ranks(np.zeros(0), np.zeros(1))


def test_slope_is_that_within_cohorts() -> None:
    rng = np.random.default_rng(3)
    cohort = np.repeat(np.arange(4), 50)
    x = rng.normal(size=200) + cohort
    y = 0.3 * x - 2.0 * cohort  # across cohorts it falls
    assert slope(x, y, cohort) == pytest.approx(0.3)
    assert slope(np.ones(200), y, cohort) == 0.0


@pytest.mark.parametrize("flipped", [False, True])
def test_no_cohort_is_expected_to_do_better_than_always_or_worse_than_never(flipped: bool) -> None:
    """One cohort at the ceiling moves the pooled curve, whose own top is there, beyond it."""
    rng = np.random.default_rng(4)
    cohort = rng.integers(0, 2, 1400)
    reward = rng.random(1400)
    chance = np.where(cohort == 1, 1.0, 0.4 + 0.6 * reward)
    outcome = (rng.random(1400) < chance).astype(float)
    fitted = fit_calibrator(reward, 1 - outcome if flipped else outcome, cohort)
    expected = fitted.expected(reward, cohort)
    assert 0.0 <= expected.min() <= expected.max() <= 1.0
