import csv
import gzip
import json
import os
from pathlib import Path

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


def test_nothing_and_a_model_against_itself_are_refused() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        fit_length_controlled(Comparisons(*np.zeros((3, 0), int), *np.zeros((2, 0))))
    with pytest.raises(ValueError, match="with itself"):
        one_pair(np.full(60, 0.5), np.arange(60.0)).win_rate(1, 1)


DATA = Path(os.environ.get("REWARD_DRIFT_DATA", ""), "alpaca_eval")
needs_data = pytest.mark.skipif(
    not (DATA / "models.csv").exists(), reason="REWARD_DRIFT_DATA names no folder with alpaca_eval"
)


def leaderboard() -> dict[str, dict[str, str]]:
    with (DATA / "models.csv").open() as lines:
        return {row["model"]: row for row in csv.DictReader(lines)}


def annotations() -> list[dict[str, str | float]]:
    with gzip.open(DATA / "item_preferences.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@needs_data
def test_alpaca_eval_s_rank_correlations_with_human_votes_come_out() -> None:
    rows = [row for row in leaderboard().values() if row["arena_elo_2024_02_02"]]
    assert len(rows) == 37

    def correlation(column: str) -> float:
        pairs = [(float(row["arena_elo_2024_02_02"]), float(row[column])) for row in rows if row[column]]
        return float(spearmanr(*zip(*pairs, strict=True)).statistic)

    assert correlation("v2_lc_win_rate") == pytest.approx(0.975, abs=0.0006)
    assert correlation("v2_win_rate") == pytest.approx(0.931, abs=0.0006)
    assert correlation("avg_length_chars") == pytest.approx(0.30, abs=0.005)


@needs_data
def test_alpaca_eval_s_raw_win_rates_come_out_of_the_annotations() -> None:
    columns = {
        ("weighted_alpaca_eval_gpt4_turbo", "gpt4_1106_preview"): "v2_win_rate",
        ("alpaca_eval_gpt4_turbo_fn", "gpt4_1106_preview"): "v2_win_rate_gpt4turbo_fn",
        ("alpaca_eval_cot_gpt4_turbo_fn", "gpt4_1106_preview"): "v2_win_rate_cot_gpt4turbo",
        ("alpaca_eval_gpt4", "text_davinci_003"): "v1_win_rate_gpt4",
    }
    published, won = leaderboard(), {}
    for row in annotations():
        won.setdefault((row["judge"], row["comparator"], row["model"]), []).append(row["judge_prefers_model"])
    off = {
        (judge, model): 100 * np.mean(wins) - float(published[model][columns[judge, comparator]])
        for (judge, comparator, model), wins in won.items()
        if (judge, comparator) in columns and published.get(model, {}).get(columns[judge, comparator])
    }
    assert len(off) == 110
    assert off.pop(("alpaca_eval_gpt4_turbo_fn", "Mistral-7B-Instruct-v0.2")) == pytest.approx(-4.1, abs=0.01)  # theirs
    assert max(map(abs, off.values())) < 0.0005


@needs_data
def test_our_length_controlled_rates_come_near_the_published_ones() -> None:
    """Another estimator on the same annotations: 1.5 points apart on average (ours lower), 4.3 at most."""
    rows = [row for row in annotations() if row["judge"] == "weighted_alpaca_eval_gpt4_turbo"]
    names, first = np.unique([str(row["model"]) for row in rows], return_inverse=True)
    prompt = np.unique([int(row["item"]) for row in rows], return_inverse=True)[1]
    longer = np.array([float(row["len_chars_model"]) - float(row["len_chars_comparator"]) for row in rows])
    won = np.array([float(row["judge_prefers_model"]) for row in rows])
    fit = fit_length_controlled(Comparisons(first, np.full_like(first, names.size), prompt, longer, won))
    published = leaderboard()
    shown = [code for code, name in enumerate(names) if published.get(str(name), {}).get("v2_lc_win_rate")]
    theirs = np.array([float(published[str(names[code])]["v2_lc_win_rate"]) for code in shown])
    ours = 100 * np.array([fit.win_rate(code, names.size) for code in shown])
    raw = 100 * np.array([won[first == code].mean() for code in shown])
    assert len(shown) == 45
    assert np.abs(raw - theirs).mean() > 4
    assert np.abs(ours[:, 0] - theirs).mean() < 2
    assert np.abs(ours[:, 0] - theirs).max() < 5
    assert ((ours[:, 1] <= theirs) & (theirs <= ours[:, 2])).mean() > 0.8
    assert spearmanr(ours[:, 0], theirs).statistic > 0.96
