import numpy as np
import pytest

from monitor.statistics.preference_leakage import leakage_interval, leakage_score

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
def test_table_1_comes_out_of_the_published_win_rates(name: str, won: tuple[float, ...], published: float) -> None:
    assert 100 * leakage_score(np.array(won).reshape(2, 2) / 100) == pytest.approx(published, abs=ROUNDING)


def test_the_published_averages_come_out() -> None:
    scores = np.array([leakage_score(np.array(won).reshape(2, 2) / 100) for _, won, _ in TABLE_1])
    assert 100 * scores.reshape(6, 2).mean(axis=1) == pytest.approx(AVERAGES, abs=ROUNDING)


@pytest.mark.parametrize("prompts", [60, 500])
def test_the_score_is_covered_though_judges_share_the_prompts(prompts: int) -> None:
    rng, runs, held = np.random.default_rng(prompts), 1200, []
    chances = np.array([[0.55, 0.4], [0.3, 0.45]])
    for _ in range(runs):
        luck = rng.random((2, 1, prompts)) * 0.5 + rng.random((2, 2, prompts)) * 0.5  # judges agree more than by chance
        rank = np.where(luck < 0.5, 2 * luck**2, 1 - 2 * (1 - luck) ** 2)
        _, low, high = leakage_interval((rank < chances[..., None]).astype(float))
        held.append(low <= leakage_score(chances) <= high)
    assert abs(np.mean(held) - 0.95) < 3 * 0.0063  # Monte Carlo error


def test_judges_that_agree_show_no_leakage() -> None:
    assert leakage_score(np.array([[0.6, 0.6], [0.3, 0.3]])) == 0
    same = np.random.default_rng(1).random((2, 1, 50)) < 0.5
    assert leakage_interval(np.repeat(same, 2, axis=1).astype(float)) == (0, 0, 0)


@pytest.mark.parametrize("rates", [np.full((2, 2), np.nan), np.full((2, 2), 1.1), np.ones((2, 3)), np.zeros((2, 2))])
def test_rates_without_a_score_are_refused(rates: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"win rates must|never wins"):
        leakage_score(rates)


def test_too_few_prompts_or_a_student_who_never_wins_are_refused() -> None:
    for wins in (np.ones((2, 2, 29)), np.ones((2, 2, 0)), np.ones((4, 40))):
        with pytest.raises(ValueError, match="at least 30 prompts"):
            leakage_interval(wins)
    with pytest.raises(ValueError, match="never wins"):
        leakage_interval(np.zeros((2, 2, 40)))
