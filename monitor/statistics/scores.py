"""What is one unit's effect? The scores A1 to A7 of reward against outcome; plus is worse, all in [-1, 1].

Arguments are arrays of one shape: reward R and outcome O in [0, 1], expected = m_g(R) of the frozen calibrator,
mean_outcome and mean_reward of the item's cohort in the reference. NaN in, NaN out.
Source: Dawid 1982, J. Am. Stat. Assoc. 77:605 (residuals of calibrated forecasts: A1).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def calibration_residual(expected: Array, outcome: Array) -> Array:
    """A1, m_g(R) - O: the outcome below what this reward used to mean.

    Fires on gaming and inflation, and on plain harm too (a weak reward falls less than the outcome).

    >>> calibration_residual(np.array([0.8]), np.array([0.0])).tolist()
    [0.8]
    """
    return expected - outcome


def outcome_loss(mean_outcome: Array, outcome: Array) -> Array:
    """A2, m_g - O: the outcome below its cohort's. Blind to inflation of the reward.

    >>> outcome_loss(np.array([0.7]), np.array([1.0])).round(3).tolist()
    [-0.3]
    """
    return mean_outcome - outcome


def reward_gain(reward: Array, mean_reward: Array) -> Array:
    """A4, R - m^R_g: reward above its cohort's. Never evidence of harm; it tells gaming from plain harm.

    >>> reward_gain(np.array([1.0]), np.array([0.6])).tolist()
    [0.4]
    """
    return reward - mean_reward


def reverse_residual(reward: Array, expected_reward: Array) -> Array:
    """A6, R - h_g(O): the reward above what this outcome used to bring; expected_reward = h_g(O), frozen like m_g.

    Fires on a reward inflated given the outcome, and on an honest improvement with it: never evidence of harm. Blind to
    harm that the reward sees.

    >>> reverse_residual(np.array([1.0]), np.array([0.25])).tolist()
    [0.75]
    """
    return reward - expected_reward


def unearned_reward(reward: Array, mean_reward: Array, outcome: Array, mean_outcome: Array, worth: float) -> Array:
    """A7, worth (R - m^R_g) - (O - m_g): reward that rose without the outcome it must at least be worth.

    worth: share of a point of outcome per point of reward, in [0, 1]. Sees what A1 cannot: reward rising over an
    outcome stuck at its floor.

    >>> unearned_reward(np.array([1.0]), np.array([0.2]), np.array([0.0]), np.array([0.0]), 0.1).round(3).tolist()
    [0.08]
    """
    return np.clip(worth * (reward - mean_reward) - (outcome - mean_outcome), -1.0, 1.0)
