"""How many labels and how many judge scores answer a question at the least cost?

With n labels, N further scored items and correlation rho between judge and outcome, the optimal prediction-powered
variance is that of n_eff labels without a judge: 1 / n_eff = (1 - rho^2) / n + rho^2 / (n + N).
Source: Angelopoulos et al. 2023, arXiv:2311.01453 (optimal weight), minimised under a cost per label and per score.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelPlan:
    """n: labels. unlabelled: further items to score (0: no judge is worth its cost). effective, cost: of the plan."""

    n: int
    unlabelled: int
    effective: float
    cost: float


def effective_labels(n: float, unlabelled: float, correlation: float) -> float:
    """Labels that would say as much without a judge; at most n / (1 - correlation^2).

    correlation: of judge score and outcome (multiple correlation for several judges), in [-1, 1].
    Raises ValueError for n <= 0, unlabelled < 0 or a correlation outside [-1, 1].

    >>> [round(effective_labels(100, others, 0.7), 1) for others in (0, 100, 1700)]
    [100.0, 132.5, 186.1]
    """
    if not (0 < n < np.inf and unlabelled >= 0 and -1 <= correlation <= 1):
        raise ValueError(f"need n > 0, unlabelled >= 0, |correlation| <= 1: {n}, {unlabelled}, {correlation}")
    return float(1 / ((1 - correlation**2) / n + correlation**2 / (n + unlabelled)))


def seen_correlation(n: int, unlabelled: int, effective: float) -> float:
    """Size of the correlation that would explain a measured number of effective labels, in [0, 1].

    The inverse of `effective_labels`. 0 where no judge was used. Raises ValueError for n < 1 or effective <= 0.

    >>> round(seen_correlation(100, 1700, 186.1), 3)
    0.7
    """
    if not (n >= 1 and effective > 0):
        raise ValueError(f"need at least one label, got n={n}, effective={effective}")
    if unlabelled <= 0:
        return 0.0
    return float(np.sqrt(np.clip((1 - n / effective) * (1 + n / unlabelled), 0.0, 1.0)))


def plan_for_budget(budget: float, correlation: float, label_cost: float, score_cost: float) -> LabelPlan:
    """Most effective labels that a budget buys. Every labelled item is scored too, if the judge is used at all.

    budget, label_cost, score_cost: the same money, positive and finite. Raises ValueError for others, for a
    correlation outside [-1, 1], or for a budget that buys no label.

    >>> plan = plan_for_budget(1000, 0.97509, 1.0, 0.1)
    >>> plan.n, plan.unlabelled, round(plan.effective)
    (418, 5402, 3558)
    """
    scored_each = _scored_per_label(correlation, label_cost, score_cost)
    if not 0 < budget < np.inf or budget < label_cost + scored_each * score_cost:
        raise ValueError(f"a budget of {budget} buys no label with its scores")
    n = int(budget / (label_cost + scored_each * score_cost))
    scored = int((budget - n * label_cost) / score_cost) if scored_each else 0
    return _plan(n, scored, correlation, label_cost, score_cost)


def plan_for_precision(effective: float, correlation: float, label_cost: float, score_cost: float) -> LabelPlan:
    """Cheapest plan that says at least as much as `effective` labels without a judge.

    effective: labels asked for, positive. Costs and errors as of `plan_for_budget`.

    >>> plan_for_precision(35000, 0.97509, 1.0, 0.1).n, plan_for_precision(100, 0.1, 1.0, 0.1).unlabelled
    (4116, 0)
    """
    scored_each = _scored_per_label(correlation, label_cost, score_cost)
    if not 0 < effective < np.inf:
        raise ValueError(f"effective labels must be positive and finite, got {effective}")
    share = 1 - correlation**2 + correlation**2 / scored_each if scored_each else 1.0
    n = int(np.ceil(effective * share))
    return _plan(n, int(np.ceil(effective * share * scored_each)), correlation, label_cost, score_cost)


def _scored_per_label(correlation: float, label_cost: float, score_cost: float) -> float:
    """Items scored for every label in the best plan; 0 where labels alone are cheaper."""
    if not (-1 <= correlation <= 1 and 0 < label_cost < np.inf and 0 < score_cost < np.inf):
        raise ValueError(f"need |correlation| <= 1 and positive costs: {correlation}, {label_cost}, {score_cost}")
    unexplained = max(1 - correlation**2, 1e-9)
    scored = float(np.sqrt(correlation**2 / unexplained * label_cost / score_cost))
    if scored <= 1:
        return 0.0
    judged_cost = (label_cost + scored * score_cost) * (unexplained + correlation**2 / scored)
    return scored if judged_cost < label_cost else 0.0


def _plan(n: int, scored: int, correlation: float, label_cost: float, score_cost: float) -> LabelPlan:
    unlabelled = max(scored - n, 0)
    cost = n * label_cost + (scored * score_cost if unlabelled else 0.0)
    return LabelPlan(n, unlabelled, effective_labels(n, unlabelled, correlation), cost)
