"""Do numbers that others have published come out of our functions?

What needs the public annotations of AlpacaEval reads them from the folder in REWARD_DRIFT_DATA, or is skipped.
"""

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from monitor.statistics.agreement import agreement
from monitor.statistics.best_of_n import best_of_n_kl
from monitor.statistics.evasion import escape_change
from monitor.statistics.label_budget import plan_for_budget, plan_for_precision
from monitor.statistics.length_controlled import Comparisons, fit_length_controlled
from monitor.statistics.preference_leakage import leakage_score


def test_cohen_s_kappa() -> None:
    """Cohen 1960, table 1: proportions .25 .13 .12 / .12 .02 .16 / .03 .15 .02 of 200; agreement .29, kappa -.092."""
    counts = np.array([[50, 26, 24], [24, 4, 32], [6, 30, 4]])
    first, second = (np.repeat(codes, counts.ravel()) for codes in np.indices((3, 3)).reshape(2, 9) - 1)
    found = agreement(first, second)
    assert found.share.value == pytest.approx(0.29)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(-0.092, abs=0.001)


def test_newcombe_s_interval_of_a_difference() -> None:
    """Newcombe 1998, table II: 56/70 against 48/80 gives .2 with .0524 to .3339."""
    value, low, high = escape_change(np.arange(70) >= 56, np.arange(80) >= 48)
    assert (value, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_how_far_best_of_n_leads() -> None:
    """log n - (n - 1)/n (Stiennon et al. 2020); Gao et al. 2022 give about 10 nats for the best of 60,000."""
    assert best_of_n_kl(60_000) == pytest.approx(10.0, abs=0.01)
    assert [round(best_of_n_kl(n), 3) for n in (2, 4, 8, 16, 64)] == [0.193, 0.636, 1.204, 1.835, 3.175]


def test_the_best_plans_of_labels_and_scores_for_a_budget_and_for_a_precision() -> None:
    """The worked examples of ppi-python's power analysis: correlation .97509, a label costs 1 and a score .1."""
    most = plan_for_budget(1000, 0.97509, label_cost=1.0, score_cost=0.1)
    assert most.n == 418
    assert most.unlabelled == pytest.approx(5398, abs=5)  # published; ours spends the remainder on scores
    assert most.effective == pytest.approx(3557, abs=1)
    assert most.cost <= 1000
    least = plan_for_precision(35000, 0.97509, label_cost=1.0, score_cost=0.1)
    assert least.n == pytest.approx(4115, abs=1)  # published; ours rounds up, so that 35,000 are reached
    assert least.unlabelled == pytest.approx(53100, abs=2)
    assert least.cost == pytest.approx(9836.5, abs=1.5)
    assert least.effective >= 35000


# Li et al. 2025, figures 2 and 3: per cent won by (student i under judges i, j), (student j under judges i, j);
# table 1: the score. Teachers in the order GPT-4o, LLaMA-3.3, Gemini-1.5.
TABLE_1 = [
    ("Mistral-7B, GPT-4o & Gemini, Arena-Hard", (38.4, 18.2, 27.0, 42.0), 28.7),
    ("Mistral-7B, GPT-4o & Gemini, AlpacaEval", (55.1, 36.8, 44.9, 63.2), 18.4),
    ("Mistral-7B, GPT-4o & LLaMA, Arena-Hard", (55.8, 50.4, 17.2, 14.6), -1.5),
    ("Mistral-7B, GPT-4o & LLaMA, AlpacaEval", (61.6, 60.3, 38.4, 39.7), 1.4),
    ("Mistral-7B, LLaMA & Gemini, Arena-Hard", (14.6, 9.2, 55.4, 59.4), 13.1),
    ("Mistral-7B, LLaMA & Gemini, AlpacaEval", (39.5, 22.6, 60.5, 77.4), 19.8),
    ("Qwen-2.5-14B, GPT-4o & Gemini, Arena-Hard", (49.8, 22.0, 21.2, 44.5), 37.1),
    ("Qwen-2.5-14B, GPT-4o & Gemini, AlpacaEval", (57.8, 39.3, 42.2, 60.7), 18.6),
    ("Qwen-2.5-14B, GPT-4o & LLaMA, Arena-Hard", (57.4, 39.0, 13.0, 9.2), 1.0),
    ("Qwen-2.5-14B, GPT-4o & LLaMA, AlpacaEval", (61.5, 59.3, 38.5, 40.7), 2.3),
    ("Qwen-2.5-14B, LLaMA & Gemini, Arena-Hard", (16.4, 10.0, 35.2, 60.6), 25.4),
    ("Qwen-2.5-14B, LLaMA & Gemini, AlpacaEval", (42.9, 26.2, 57.1, 73.8), 18.4),
]
ROUNDING = 0.1  # win rates are printed to 0.1, which moves the score by 0.1 on AlpacaEval and by more on Arena-Hard
AVERAGES = [23.6, -0.1, 16.4, 27.9, 1.7, 21.9]


@pytest.mark.parametrize(("name", "won", "published"), TABLE_1)
def test_preference_leakage_comes_out_of_the_win_rates(name: str, won: tuple[float, ...], published: float) -> None:
    assert 100 * leakage_score(np.array(won).reshape(2, 2) / 100) == pytest.approx(published, abs=ROUNDING)


def test_preference_leakage_averages_come_out() -> None:
    scores = np.array([leakage_score(np.array(won).reshape(2, 2) / 100) for _, won, _ in TABLE_1])
    assert 100 * scores.reshape(6, 2).mean(axis=1) == pytest.approx(AVERAGES, abs=ROUNDING)


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
    """Dubois et al. 2024: length-controlled .98, raw .94, MT-bench .94; here with the Arena of February 2024."""
    rows = [row for row in leaderboard().values() if row["arena_elo_2024_02_02"]]
    assert len(rows) == 37

    def correlation(column: str) -> float:
        pairs = [(float(row["arena_elo_2024_02_02"]), float(row[column])) for row in rows if row[column]]
        return float(spearmanr(*zip(*pairs, strict=True)).statistic)

    assert correlation("v2_lc_win_rate") == pytest.approx(0.975, abs=0.0006)
    assert correlation("v2_win_rate") == pytest.approx(0.931, abs=0.0006)
    assert correlation("mt_bench") == pytest.approx(0.942, abs=0.0006)  # of the 27 that have both
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
