import numpy as np
import pytest

from monitor.statistics.calibrate import SHRINKAGE, fit_calibrator, fit_curve, mid_ranks, slope

ONE = np.zeros(4, np.int64)


def pooled_by_hand(means: list[float], weights: list[float]) -> list[float]:
    """Pool adjacent violators, one at a time."""
    blocks = [[mean, weight, 1.0] for mean, weight in zip(means, weights, strict=True)]
    place = 0
    while place + 1 < len(blocks):
        (a, n, i), (b, m, j) = blocks[place : place + 2]
        if a > b:
            blocks[place : place + 2] = [[(a * n + b * m) / (n + m), n + m, i + j]]
            place = max(place - 1, 0)
        else:
            place += 1
    return [mean for mean, _, count in blocks for _ in range(int(count))]


def test_thumbs_get_the_mean_outcome_of_their_level() -> None:
    curve = fit_curve(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), monotone=False)
    assert curve(np.array([0.0, 1.0])).tolist() == [0.5, 1.0]
    assert curve.support.tolist() == [2, 2]


def test_a_rare_level_may_fall_when_levels_are_few() -> None:
    curve = fit_curve(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0, 1.0]), monotone=False)
    assert curve(np.array([0.0, 0.5, 1.0])).tolist() == [1.0, 0.0, 1.0]


def test_continuous_rewards_get_isotonic_means_of_bins() -> None:
    rng = np.random.default_rng(0)
    reward = rng.random(2000)
    outcome = (rng.random(2000) < 0.3 + 0.4 * reward**2 - 0.3 * (reward > 0.7)).astype(float)
    curve = fit_curve(reward, outcome, monotone=True)
    edges = np.quantile(reward, np.arange(1, 20) / 20)
    bins = np.searchsorted(edges, reward, side="right")
    means = [float(outcome[bins == k].mean()) for k in range(20)]
    weights = [float((bins == k).sum()) for k in range(20)]
    np.testing.assert_allclose(curve.values, pooled_by_hand(means, weights))
    np.testing.assert_allclose(curve.rewards, [reward[bins == k].mean() for k in range(20)])
    assert (np.diff(curve.values) >= 0).all()


def test_support_is_what_stands_behind_the_pooled_value() -> None:
    reward = np.repeat(np.arange(12.0), 40)
    outcome = np.where(np.arange(reward.size) % 10 < np.where(reward == 5, 9, 5), 1.0, 0.0)
    curve = fit_curve(reward, outcome, monotone=True)
    assert curve.support[curve.blocks == curve.blocks[5]].tolist() == [
        40.0 * (curve.blocks == curve.blocks[5]).sum()
    ] * int((curve.blocks == curve.blocks[5]).sum())


def test_a_cohort_is_shrunk_to_the_pooled_curve() -> None:
    rewards = np.array([0.0] * 40 + [1.0] * 40)
    cohorts = np.array([0] * 30 + [1] * 10 + [0] * 30 + [1] * 10)
    outcomes = np.where(cohorts == 0, 1.0, 0.0)
    fitted = fit_calibrator(rewards, outcomes, cohorts)
    expected = fitted.expected(np.array([0.0, 0.0]), np.array([0, 1]))
    pooled = 30 / 40
    assert expected.tolist() == pytest.approx([(30 + SHRINKAGE * pooled) / (30 + SHRINKAGE), 15 / (10 + SHRINKAGE)])
    lean = fitted.leans()[int(fitted.cells(np.array([0.0]), np.array([1]))[0])]
    assert lean == pytest.approx(expected[1])  # its own mean is 0: all of the value is the pooled curve's


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
