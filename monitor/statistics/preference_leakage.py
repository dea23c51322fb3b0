"""Do judges favour the students that learned from them?

Two teachers i and j each trained a student and both judge the two students against each other:

    PLS = 1/2 [ (WR(i,i) - AVG_i) / AVG_i + (WR(j,j) - AVG_j) / AVG_j ],   AVG_s = mean of WR(s,i) and WR(s,j)

with WR(s,k) the win rate of student s under judge k. 0: no leakage; positive: judges favour their own students.
Source: Li et al. 2025, arXiv:2502.01534 (preference leakage score). As there, a tie is a win for neither.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


def leakage_score(win_rates: Array) -> float:
    """Preference leakage score of two judges with their students.

    win_rates: shape (2, 2), students i, j down and judges i, j across, in [0, 1]. Returns a value in [-1, 1].
    Raises ValueError for another shape, rates outside [0, 1], or a student who never wins under either judge.

    >>> round(leakage_score(np.array([[0.384, 0.182], [0.270, 0.420]])), 3)
    0.287
    """
    if win_rates.shape != (2, 2) or not ((win_rates >= 0) & (win_rates <= 1)).all():
        raise ValueError("win rates must lie in [0, 1] and have shape (2, 2)")
    averages = win_rates.mean(axis=1)
    if not (averages > 0).all():
        raise ValueError("a student who never wins has no relative advantage")
    return float(np.mean(np.diag(win_rates) / averages - 1))


def leakage_interval(wins: Array, confidence: float = 0.95) -> tuple[float, float, float]:
    """Preference leakage score with its two-sided interval: (value, low, high).

    wins: shape (2, 2, prompts), students down, judges across: 1 if the student won that prompt, else 0.
    Assumption: prompts are independent; judgments of one prompt need not be. t interval on the prompts' influences
    (delta method), for which at least 30 prompts are needed. Guarantee: about nominal coverage.
    Raises ValueError as leakage_score, for fewer prompts, or for a confidence outside (0, 1).

    >>> wins = np.random.default_rng(0).random((2, 2, 400)) < np.array([[0.6, 0.4], [0.4, 0.6]])[..., None]
    >>> [round(v, 2) for v in leakage_interval(wins.astype(float))]
    [0.19, 0.14, 0.24]
    """
    if wins.ndim != 3 or wins.shape[:2] != (2, 2) or wins.shape[2] < 30:
        raise ValueError(f"need wins of shape (2, 2, prompts) on at least 30 prompts, got {wins.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    rates, prompts = wins.mean(axis=2), wins.shape[2]
    score = leakage_score(rates)
    own, other = np.diag(rates), np.diag(rates[:, ::-1])
    toward_own, toward_other = other / (own + other) ** 2, -own / (own + other) ** 2
    centred = wins - rates[..., None]
    influence = sum(toward_own[s] * centred[s, s] + toward_other[s] * centred[s, 1 - s] for s in (0, 1))
    reach = float(stats.t.ppf((1 + confidence) / 2, prompts - 1) * np.std(influence, ddof=1) / np.sqrt(prompts))
    return score, max(score - reach, -1.0), min(score + reach, 1.0)
