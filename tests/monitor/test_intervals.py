import numpy as np
import pytest
from scipy import stats

from monitor.statistics.intervals import empirical_bernstein, mean_interval


def missed(effects: np.ndarray, truth: float) -> float:
    """Share of runs (rows) whose 95% interval does not hold the truth."""
    n = effects.shape[1]
    found = [
        mean_interval(n, total, squares) for total, squares in zip(effects.sum(1), (effects**2).sum(1), strict=True)
    ]
    return float(np.mean([not low <= truth <= high for _, low, high in found]))


def rare(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """+1 with chance .02, -1 with chance .01: the case in which a t interval fails."""
    drawn = rng.random(shape)
    return np.where(drawn < 0.02, 1.0, np.where(drawn < 0.03, -1.0, 0.0))


@pytest.mark.parametrize("n", [5, 50, 200, 1000])
def test_rare_effects_are_covered_where_t_fails(n: int) -> None:
    assert missed(rare(np.random.default_rng(n), 1500, n), 0.01) <= 0.05  # Monte Carlo error .006


def test_t_alone_would_miss_rare_effects() -> None:
    effects = rare(np.random.default_rng(50), 1500, 50)
    reach = stats.t.ppf(0.975, 49) * effects.std(axis=1, ddof=1) / np.sqrt(50)
    assert np.mean(np.abs(effects.mean(axis=1) - 0.01) > reach) > 0.2


@pytest.mark.parametrize("chance", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("n", [40, 400, 3000])
def test_binary_effects_are_covered(n: int, chance: float) -> None:
    effects = (np.random.default_rng(n).random((1000, n)) < chance).astype(float)
    error = np.sqrt(0.05 * 0.95 / 1000)  # .007
    assert missed(effects, chance) <= 0.05 + 3 * error


def test_continuous_effects_are_covered() -> None:
    effects = np.random.default_rng(0).beta(0.3, 2.0, (1500, 300)) * 2 - 1
    assert missed(effects, 2 * 0.3 / 2.3 - 1) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_one_unit_says_nothing() -> None:
    assert mean_interval(1, 0.5, 0.25) == (0.5, -1.0, 1.0)


def test_ties_alone_leave_room_for_harm() -> None:
    _, _, high = mean_interval(200, 0.0, 0.0)
    assert high > 0.05


def test_more_confidence_is_wider() -> None:
    for n, total, squares in ((200, 4.0, 6.0), (400, 80.0, 120.0)):
        _, low, high = mean_interval(n, total, squares, 0.95)
        _, lower, higher = mean_interval(n, total, squares, 0.99)
        assert lower < low < high < higher


@pytest.mark.parametrize(("n", "total", "squares"), [(0, 0.0, 0.0), (9, np.nan, 1.0), (9, 1.0, np.inf)])
def test_no_or_broken_units_are_refused(n: int, total: float, squares: float) -> None:
    with pytest.raises(ValueError, match="at least one finite unit"):
        mean_interval(n, total, squares)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5, np.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        mean_interval(400, 200.0, 200.0, confidence)


def test_bernstein_is_the_published_formula() -> None:
    log_term = np.log(2 / 0.025)  # theorem 4 for one side, on a range of 2, at half of alpha
    expected = np.sqrt(2 * (4.0 / 99) * log_term / 100) + 14 * log_term / (3 * 99)
    assert empirical_bernstein(100, 4.0) == pytest.approx(expected)
