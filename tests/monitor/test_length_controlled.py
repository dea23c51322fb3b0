import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from monitor.statistics.length_controlled import Comparisons, LengthControlled, fit_length_controlled

STRENGTH = np.array([0.0, -1.0, 0.5, 1.0])
LOADING = np.array([0.0, 1.0, 0.5, 1.5])
LENGTH = np.array([0.0, 0.8, 0.8, 1.5])
NORMAL = np.random.default_rng(9).normal(size=200_000)


def world(rng: np.random.Generator, models: int, prompts: int, longer: float = 0.7) -> Comparisons:
    """Models 1, 2 ... against model 0 on every prompt, with answers longer by `longer` deviations, which pay."""
    first, prompt = np.repeat(np.arange(1, models), prompts), np.tile(np.arange(prompts), models - 1)
    difference = rng.normal(longer, 1, first.size)
    odds = STRENGTH[first] + LENGTH[first] * np.tanh(difference) + LOADING[first] * rng.normal(size=prompts)[prompt]
    won = (rng.random(first.size) < expit(odds)).astype(float)
    return Comparisons(first, np.zeros_like(first), prompt, 300 * difference, won)


def true_rates(models: int) -> np.ndarray:
    return np.array([expit(STRENGTH[m] + LOADING[m] * NORMAL).mean() for m in range(1, models)])


@pytest.mark.parametrize(("models", "prompts", "runs"), [(2, 200, 80), (4, 60, 50)])
def test_the_win_rate_at_equal_lengths_is_covered_and_not_biased(models: int, prompts: int, runs: int) -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(runs):
        fit = fit_length_controlled(world(rng, models, prompts))
        found.append([fit.win_rate(model, 0) for model in range(1, models)])
    value, low, high = np.moveaxis(np.array(found), 2, 0)
    truth = true_rates(models)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert abs(covered - 0.95) < 3 * 0.024  # Monte Carlo error .024 and .018
    assert (abs(value.mean(axis=0) - truth) < 0.005 + 3 * value.std(axis=0) / np.sqrt(runs)).all()


def test_length_is_what_is_taken_out() -> None:
    """The judge's liking moves the raw rate by over 10 points and the controlled one by none."""
    rng = np.random.default_rng(1)
    plain, verbose = (world(rng, 3, 2000, longer) for longer in (0.0, 1.2))
    raw = [data.won[data.first == 2].mean() for data in (plain, verbose)]
    controlled = [fit_length_controlled(data).win_rate(2, 0) for data in (plain, verbose)]
    assert raw[1] - raw[0] > 0.1
    assert controlled[0][1] < true_rates(3)[1] < controlled[0][2]
    assert controlled[1][1] < true_rates(3)[1] < controlled[1][2]


def test_either_order_of_a_pair_and_of_the_rows_gives_the_same() -> None:
    rng = np.random.default_rng(2)
    data, turned = world(rng, 3, 100), rng.random(200) < 0.5
    other = Comparisons(
        np.where(turned, data.second, data.first),
        np.where(turned, data.first, data.second),
        data.prompt,
        np.where(turned, -data.length_difference, data.length_difference),
        np.where(turned, 1 - data.won, data.won),
    )
    order = rng.permutation(200)
    one, two = fit_length_controlled(data), fit_length_controlled(Comparisons(*(part[order] for part in other)))
    assert one.win_rate(2, 0) == pytest.approx(two.win_rate(2, 0), abs=0.003)
    value, low, high = one.win_rate(2, 0)
    assert one.win_rate(0, 2) == pytest.approx((1 - value, 1 - high, 1 - low))


def test_models_that_never_met_are_compared_through_the_others() -> None:
    fit = fit_length_controlled(world(np.random.default_rng(3), 4, 400))
    value, low, high = fit.win_rate(3, 1)
    assert low < expit(2.0 + 0.5 * NORMAL).mean() < high
    assert value > 0.7


def test_difficulty_is_recovered() -> None:
    rng, prompts = np.random.default_rng(4), 200
    difficulty = rng.normal(size=prompts)
    first, prompt = np.repeat(np.arange(1, 13), prompts), np.tile(np.arange(prompts), 12)
    won = (rng.random(first.size) < expit(1.5 * difficulty[prompt])).astype(float)
    fit = fit_length_controlled(Comparisons(first, np.zeros_like(first), prompt, rng.normal(size=first.size), won))
    assert abs(spearmanr(fit.difficulty, difficulty).statistic) > 0.85


def one_pair(won: np.ndarray, difference: np.ndarray) -> LengthControlled:
    n = won.size
    return fit_length_controlled(Comparisons(np.ones(n, int), np.zeros(n, int), np.arange(n), difference, won))


def test_all_ties_are_even_and_all_wins_stay_finite() -> None:
    difference = np.random.default_rng(6).normal(size=60)
    assert one_pair(np.full(60, 0.5), difference).win_rate(1, 0)[0] == pytest.approx(0.5)
    value, low, high = one_pair(np.ones(60), difference).win_rate(1, 0)
    assert 0.9 < low < value < high < 1


def test_equal_lengths_throughout_leave_the_raw_rate() -> None:
    won = (np.arange(90) < 60).astype(float)
    assert one_pair(won, np.zeros(90)).win_rate(1, 0)[0] == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length_difference": np.full(40, 120.0)}, "cannot be told apart"),
        ({"length_difference": np.full(40, np.nan)}, "finite"),
        ({"won": np.full(40, np.nan)}, "won must lie"),
        ({"won": np.full(40, 1.5)}, "won must lie"),
        ({"won": np.ones(39)}, "equal, non-empty"),
        ({"second": np.ones(40, int), "first": np.arange(40) % 2}, "with itself"),
        ({"first": np.full(40, 2)}, "without gaps"),
        ({"prompt": np.arange(40) % 20}, "at least 30 prompts"),
        ({"prompt": np.arange(40) + 1}, "without gaps"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change: dict[str, np.ndarray], said: str) -> None:
    rng = np.random.default_rng(7)
    data = Comparisons(np.ones(40, int), np.zeros(40, int), np.arange(40), rng.normal(size=40), rng.random(40))
    with pytest.raises(ValueError, match=said):
        fit_length_controlled(data._replace(**change))


def test_nothing_a_model_against_itself_and_no_confidence_are_refused() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        fit_length_controlled(Comparisons(*np.zeros((3, 0), int), *np.zeros((2, 0))))
    with pytest.raises(ValueError, match="with itself"):
        one_pair(np.full(60, 0.5), np.arange(60.0)).win_rate(1, 1)
    with pytest.raises(ValueError, match="confidence"):
        one_pair(np.full(60, 0.5), np.arange(60.0)).win_rate(1, 0, 1.5)
