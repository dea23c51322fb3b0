import numpy as np
import pytest

from monitor.statistics.preference_leakage import leakage_interval, leakage_score


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
    with pytest.raises(ValueError, match="confidence"):
        leakage_interval(np.ones((2, 2, 40)), 1.5)
