import numpy as np
import pytest
from scipy import stats

from monitor.statistics.bounded import betting_upper, exact_interval, mean_bounds, tail_reaches
from tests.benchmarks.interval_table import binomial_worst, rare_misses


@pytest.mark.parametrize("n", [5, 50, 200])
def test_betting_covers_rare_effects_where_t_fails(n: int) -> None:
    found = rare_misses(n, 0.02, 0.01, 600)  # Monte Carlo error .009
    assert max(found["betting"], found["chosen"], found["bernstein"]) <= 0.05
    assert found["betting_excess"] < found["bernstein_excess"]


def test_t_alone_misses_rare_effects() -> None:
    assert rare_misses(50, 0.02, 0.01, 600)["t"] > 0.2


def test_betting_costs_less_than_bernstein_with_many_units() -> None:
    found = rare_misses(800, 0.1, 0.1, 200)
    assert found["betting_excess"] == pytest.approx(0.052, abs=0.003)
    assert found["bernstein_excess"] == pytest.approx(0.072, abs=0.003)


@pytest.mark.parametrize("mean", [-0.6, 0.0, 0.7])
def test_one_sided_betting_bound_covers_continuous_effects(mean: float) -> None:
    effects = 2 * np.random.default_rng(1).beta(1 + mean, 1 - mean, (2000, 60)) - 1
    assert np.mean(betting_upper(effects) < mean) <= 0.05 + 3 * 0.005
    assert np.mean(-betting_upper(-effects) > mean) <= 0.05 + 3 * 0.005


@pytest.mark.parametrize("n", [7, 30, 100])
def test_exact_interval_covers_every_chance_and_mid_p_does_not(n: int) -> None:
    exact, mid = binomial_worst(n)  # computed, no Monte Carlo error
    assert exact >= 0.95 > mid


def test_exact_interval_is_scipys() -> None:
    for successes, n in ((0, 12), (3, 12), (12, 12)):
        theirs = stats.binomtest(successes, n).proportion_ci(0.9, "exact")
        assert exact_interval(successes, n, 0.9) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("chance", [0.1, 0.5])
@pytest.mark.parametrize("n", [60, 400])
def test_chosen_bounds_miss_at_most_half_of_the_error_on_each_side(n: int, chance: float) -> None:
    effects = (np.random.default_rng(n).random((500, n)) < chance).astype(float)
    found = [mean_bounds(row, 0.9) for row in effects]
    assert np.mean([one.low > chance for one in found]) <= 0.05 + 3 * 0.01
    assert np.mean([one.high < chance for one in found]) <= 0.05 + 3 * 0.01


def test_method_follows_number_variation_and_declaration() -> None:
    mixed = np.tile([0.0, 1.0], 20)
    assert mean_bounds(mixed).method == "t"
    assert mean_bounds(mixed, binary=True).method == "exact"
    assert mean_bounds(mixed[:29]).method == "betting"
    assert mean_bounds(np.eye(1, 500).ravel()).method == "betting"


def test_ties_alone_leave_room_for_harm() -> None:
    assert mean_bounds(np.zeros(100)).high > 0.03


def test_one_unit_says_next_to_nothing() -> None:
    found = mean_bounds(np.array([0.5]))
    assert found.value == 0.5
    assert found.low < -0.9
    assert found.high > 0.95


def test_constant_units_at_the_edges_stay_in_range() -> None:
    for value in (-1.0, 1.0):
        found = mean_bounds(np.full(40, value))
        assert -1 <= found.low <= value <= found.high <= 1


def test_negating_the_effects_mirrors_the_bounds() -> None:
    effects = np.random.default_rng(2).uniform(-1, 0.5, 25)
    there, back = mean_bounds(effects), mean_bounds(-effects)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_skewness_only_widens() -> None:
    plain = tail_reaches(50, 0.0, 0.05)
    assert plain[0] == plain[1] == pytest.approx(stats.t.ppf(0.95, 50))
    assert tail_reaches(50, 0.3, 0.05)[0] == plain[0] < tail_reaches(50, 0.3, 0.05)[1]


@pytest.mark.parametrize("effects", [[], [np.nan], [0.2, np.inf], [1.2], [-2.0]])
def test_broken_units_are_refused(effects: list[float]) -> None:
    for ask in (mean_bounds, betting_upper):
        with pytest.raises(ValueError, match="unit"):
            ask(np.array(effects))


def test_binary_units_must_be_binary() -> None:
    for value in (0.5, -1.0):
        with pytest.raises(ValueError, match="units must"):
            mean_bounds(np.array([1.0, value]), binary=True)


@pytest.mark.parametrize("share", [0.0, 1.0, np.nan])
def test_confidence_and_alpha_must_be_shares(share: float) -> None:
    for ask in (
        lambda: mean_bounds(np.zeros(3), share),
        lambda: betting_upper(np.zeros(3), share),
        lambda: exact_interval(1, 3, share),
    ):
        with pytest.raises(ValueError, match=r"must lie in \(0, 1\)"):
            ask()


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        exact_interval(successes, n)
