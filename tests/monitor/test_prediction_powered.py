import numpy as np
import pytest

from monitor.statistics.bounded import mean_bounds
from monitor.statistics.label_budget import (
    effective_labels,
    plan_for_budget,
    plan_for_precision,
    seen_correlation,
)
from monitor.statistics.prediction_powered import (
    Estimate,
    estimate_mean,
    judged_bounds,
    stratified_mean,
    weighted_mean,
)
from tests.benchmarks.interval_table import (
    judged_coverage,
    one_way_misses,
    paired,
    saving,
    strata_coverage,
    three_judges,
    weighted_coverage,
)

NONE = np.zeros(0)


def test_coverage_is_as_promised_with_three_flattering_judges() -> None:
    found = {n: judged_coverage(n, 1500, others=600) for n in (30, 50, 100, 300)}
    covered = np.array([one["coverage"] for one in found.values()])
    assert (np.abs(covered - 0.9) <= 0.01 + 2 * 0.0077).all()  # Monte Carlo error .0077
    assert abs(covered.mean() - 0.9) <= 0.01 + 0.0039  # Monte Carlo error of all four
    assert min(one["judged"] for one in found.values()) > 0.75


def test_lopsided_labels_are_told_as_widely_as_with_and_without_the_judge() -> None:
    """By chance 8 of 30 succeeded where half do; a judge that errs on a fifth has seen that they were unlucky."""
    rng, truth = np.random.default_rng(12), np.arange(600) % 2
    outcome = rng.permutation(np.repeat([0.0, 1.0], [22, 8]))
    judged, others = (np.where(rng.random(part.size) < 0.2, 1 - part, part) for part in (outcome, truth))
    found, alone = judged_bounds(outcome, judged, others, 0.9, binary=True), mean_bounds(outcome, 0.9, binary=True)
    helped = estimate_mean(outcome, judged, others).bounds(0.9)
    assert alone.high < 0.5 < helped.high
    assert (found.low, found.high) == (min(alone.low, helped.low), max(alone.high, helped.high))
    assert (found.value, found.method) == (alone.value, "exact")


@pytest.mark.parametrize("n", [8, 20])
def test_few_labels_are_left_to_the_bounded_intervals(n: int) -> None:
    found = judged_coverage(n, 400, others=50)
    assert found["coverage"] >= 0.9
    assert found["judged"] == 0


def test_a_correlation_of_seven_tenths_is_worth_nearly_twice_the_labels() -> None:
    measured, told = saving(300, 800)
    assert effective_labels(300, 17 * 300, 0.7) / 300 == pytest.approx(1.861, abs=0.001)
    assert measured >= 1.8 - 2 * 0.09  # Monte Carlo error .09
    assert told == pytest.approx(1.83, abs=0.03)


@pytest.mark.parametrize(("chance", "blind", "n"), [(0.8, 0.1, 100), (0.9, 0.3, 200)])
def test_a_judge_that_errs_one_way_does_not_break_one_sided_bounds(chance: float, blind: float, n: int) -> None:
    found = one_way_misses(chance, blind, n, 500)
    assert found["bare"] > 0.07
    assert found["low"] <= 0.05 + 2 * 0.01  # Monte Carlo error .010
    assert found["high"] <= 0.05 + 2 * 0.01


def test_strata_cover() -> None:
    assert abs(strata_coverage(500) - 0.9) <= 0.01 + 2 * 0.0134


def test_unequal_chances_cover_and_remove_the_bias() -> None:
    found = weighted_coverage(500)
    assert abs(found["coverage"] - 0.9) <= 0.01 + 2 * 0.0134
    assert abs(found["bias"]) < 0.005 < 0.03 < abs(found["bare_bias"])


def test_the_estimate_is_its_definition() -> None:
    outcome, judged = three_judges(np.random.default_rng(11), 460)
    labels, scores, others = outcome[:60], judged[:60], judged[60:]
    spread = np.cov(judged, rowvar=False)
    residuals, weights = np.zeros(60), np.zeros((60, 3))
    for i in range(60):
        kept = np.arange(60) % 5 != i % 5
        shared = np.cov(np.column_stack([labels[kept], scores[kept]]), rowvar=False)[0, 1:]
        weights[i] = np.linalg.solve(spread + 1e-3 * np.diag(np.diag(spread)), shared) / (1 + 60 / 400)
        residuals[i] = labels[i] - weights[i] @ (scores[i] - others.mean(axis=0))
    mean_weights = weights.mean(axis=0)
    found = estimate_mean(labels, scores, others)
    assert found.value == pytest.approx(residuals.mean())
    variance = residuals.var(ddof=1) / 60 + mean_weights @ spread @ mean_weights / 400
    assert found.variance == pytest.approx(variance)


def test_equal_chances_give_the_plain_estimate() -> None:
    outcome, judged = three_judges(np.random.default_rng(0), 2200)
    plain = estimate_mean(outcome[:200], judged[:200], judged[200:])
    weighted = weighted_mean(outcome[:200], judged[:200], np.full(200, 200 / 2200), judged)
    assert weighted.value == pytest.approx(plain.value, abs=0.003)
    assert weighted.variance == pytest.approx(plain.variance, rel=0.1)
    assert weighted.freedom == pytest.approx(199)


def test_the_estimate_does_not_depend_on_the_scale_of_a_judge() -> None:
    outcome, judged = three_judges(np.random.default_rng(1), 800)
    one = estimate_mean(outcome[:100], judged[:100], judged[100:])
    other = estimate_mean(outcome[:100], judged[:100] * [1e-6, 1e4, 1] + 7, judged[100:] * [1e-6, 1e4, 1] + 7)
    assert other.value == pytest.approx(one.value)
    assert other.variance == pytest.approx(one.variance)


def test_a_useless_judge_costs_little_and_a_constant_one_nothing() -> None:
    outcome, judged = three_judges(np.random.default_rng(2), 1100)
    outcome = outcome[:100]
    noise = np.random.default_rng(3).random(1100)
    assert estimate_mean(outcome, noise[:100], noise[100:]).effective > 90
    constant = estimate_mean(outcome, np.full(100, 0.3), np.full(1000, 0.3))
    assert constant == estimate_mean(outcome, np.zeros((100, 0)), np.zeros((1000, 0)))
    assert constant.value == outcome.mean()
    assert constant.variance == pytest.approx(outcome.var(ddof=1) / 100)
    beside = estimate_mean(outcome, *np.split(np.column_stack([judged[:, 0], np.full(1100, 0.3)]), [100]))
    assert beside == estimate_mean(outcome, judged[:100, 0], judged[100:, 0])


def test_a_judge_given_twice_is_worth_one() -> None:
    outcome, judged = three_judges(np.random.default_rng(4), 1100)
    once = estimate_mean(outcome[:100], judged[:100, 0], judged[100:, 0])
    twice = estimate_mean(outcome[:100], judged[:100, [0, 0]], judged[100:, [0, 0]])
    assert twice.value == pytest.approx(once.value, abs=1e-3)
    assert twice.variance == pytest.approx(once.variance, rel=0.01)


def test_without_further_items_the_mean_is_classical() -> None:
    outcome, judged = three_judges(np.random.default_rng(5), 50)
    found = estimate_mean(outcome, judged, np.zeros((0, 3)))
    assert (found.value, found.effective) == (outcome.mean(), 50)
    assert judged_bounds(outcome, judged, np.zeros((0, 3))) == mean_bounds(outcome)


def test_a_judge_never_seen_to_err_is_not_believed() -> None:
    outcome = np.tile([0.0, 1.0], 600)
    assert judged_bounds(outcome[:100], outcome[:100], outcome[100:]).method == "t"


def test_one_value_for_all_labels_is_bounded_and_finite() -> None:
    for labels in (np.zeros(50), np.ones(50)):
        found = judged_bounds(labels, np.random.default_rng(6).random(50), np.random.default_rng(7).random(500))
        assert found.method == "betting"
        assert found.high - found.low > 0.01
    flat = estimate_mean(np.ones(50), np.zeros(50), np.zeros(5)).bounds()
    assert (flat.low, flat.high) == (1.0, 1.0)


def test_one_label_is_enough_for_bounds_and_two_for_an_estimate() -> None:
    assert judged_bounds(np.array([1.0]), np.array([1.0]), np.ones(9)).low < 0
    assert estimate_mean(np.array([1.0, 0.0]), np.ones(2), np.ones(9)).value == 0.5
    with pytest.raises(ValueError, match="2 labels"):
        estimate_mean(np.array([1.0]), np.array([1.0]), np.ones(9))


@pytest.mark.parametrize(
    ("labels", "judged", "others"),
    [
        (np.array([1.0, np.nan]), np.ones(2), np.ones(3)),
        (np.ones(2), np.array([1.0, np.inf]), np.ones(3)),
        (np.ones(2), np.ones(2), np.array([np.nan])),
        (np.ones(3), np.ones(2), np.ones(3)),
        (np.ones(2), np.ones((2, 2)), np.ones((3, 1))),
        (NONE, NONE, NONE),
    ],
)
def test_broken_labels_and_scores_are_refused(labels: np.ndarray, judged: np.ndarray, others: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"labels and equal|finite"):
        estimate_mean(labels, judged, others)
    with pytest.raises(ValueError, match=r"labels and equal|finite"):
        weighted_mean(labels, judged, np.ones(labels.shape), others)


def test_broken_scores_are_refused_even_where_they_would_not_be_used() -> None:
    with pytest.raises(ValueError, match="finite"):
        judged_bounds(np.ones(5), np.full(5, np.nan), np.ones(9))
    with pytest.raises(ValueError, match="equal shapes"):
        judged_bounds(np.ones(5), np.ones(4), np.ones(9))


def test_one_label_that_outweighs_all_others_has_no_interval() -> None:
    found = weighted_mean(np.array([1.0, 0.0]), np.ones(2), np.array([1.0, 1e-9]), np.ones(9))
    with pytest.raises(ValueError, match="degree of freedom"):
        found.bounds()


@pytest.mark.parametrize("confidence", [-1.0, 1.0, np.nan])
def test_confidence_of_an_estimate_must_be_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        Estimate(0.4, 0.01, 0.0, 29, 30, 30, 8.0).bounds(confidence)


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.5, np.nan])
def test_chances_must_be_known_and_positive(chance: float) -> None:
    with pytest.raises(ValueError, match="chance"):
        weighted_mean(np.ones(2), np.ones(2), np.array([0.5, chance]), np.ones(9))


def test_strata_use_satterthwaites_degrees_of_freedom() -> None:
    small, large = Estimate(0.2, 0.04, 0, 19, 20, 20, 9), Estimate(0.6, 0.0001, 0, 999, 1000, 1000, 9)
    found = stratified_mean([small, large], [0.5, 0.5])
    assert found.value == pytest.approx(0.4)
    assert found.freedom == pytest.approx(19.1, abs=0.1)
    assert found.bounds(0.9).high - found.value == pytest.approx(0.1001 * 1.729, rel=0.002)


def test_strata_without_variance_are_not_nan() -> None:
    flat = Estimate(0.5, 0.0, 0.0, 29, 30, 30, 0.0)
    found = stratified_mean([flat, flat], [0.3, 0.7])
    assert (found.value, found.variance, found.freedom, found.effective) == (0.5, 0.0, 58.0, 60)


@pytest.mark.parametrize("shares", [[0.5, 0.4], [1.0], [1.0, 0.0], [np.nan, 0.5], []])
def test_shares_must_be_positive_and_sum_to_one(shares: list[float]) -> None:
    one = Estimate(0.4, 0.01, 0.0, 29, 30, 30, 8.0)
    with pytest.raises(ValueError, match="share"):
        stratified_mean([one, one], shares)


def test_small_strata_are_to_be_merged() -> None:
    with pytest.raises(ValueError, match="merge"):
        stratified_mean([Estimate(0.4, 0.01, 0.0, 18, 19, 19, 8.0)], [1.0])


def test_no_other_plan_of_the_same_cost_is_better() -> None:
    best = plan_for_budget(500, 0.8, 1.0, 0.02)
    for n in range(50, 450, 25):
        scored = int((500 - n) / 0.02)
        assert effective_labels(n, max(scored - n, 0), 0.8) <= best.effective * 1.01


def test_a_judge_that_is_too_dear_or_too_poor_is_not_used() -> None:
    assert plan_for_budget(100, 0.3, 1.0, 0.5).unlabelled == 0
    assert plan_for_budget(100, 0.0, 1.0, 0.01) == plan_for_budget(100, 0.0, 1.0, 0.02)


def test_seen_correlation_is_found_on_real_estimates() -> None:
    effect, judged = paired(0.0, 0.7, np.random.default_rng(8), 12_000)
    found = estimate_mean(effect[:2000], judged[:2000], judged[2000:])
    assert seen_correlation(2000, 10_000, found.effective) == pytest.approx(0.7, abs=0.04)
    assert seen_correlation(100, 0, 100) == 0
    assert seen_correlation(100, 50, 80) == 0


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_budgets_and_costs_must_be_positive(wrong: float) -> None:
    for ask in (
        lambda: plan_for_budget(wrong, 0.5, 1, 0.1),
        lambda: plan_for_budget(10, 0.5, wrong, 0.1),
        lambda: plan_for_precision(10, 0.5, 1, wrong),
        lambda: plan_for_precision(wrong, 0.5, 1, 0.1),
        lambda: effective_labels(wrong, 1, 0.5),
    ):
        with pytest.raises(ValueError, match=r"cost|budget|effective|need"):
            ask()


def test_impossible_counts_and_correlations_are_refused() -> None:
    for ask in (
        lambda: effective_labels(10, -1, 0.5),
        lambda: effective_labels(10, 1, 1.5),
        lambda: seen_correlation(0, 1, 1),
        lambda: seen_correlation(1, 1, np.nan),
        lambda: plan_for_budget(0.5, 0.5, 1, 0.1),
    ):
        with pytest.raises(ValueError, match=r"need|budget"):
            ask()
