"""How are many answers combined without promising too much?

GO asks that every cohort passes (intersection-union), NO-GO names cohorts (Holm, e-BH), and a decision repeated every
week keeps its false discoveries rare (e-LOND). Assumption: every p-value, or e-value, is valid for its own null; they
may depend on each other in any way.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def all_pass(p_values: Array, alpha: float = 0.05) -> bool:
    """Whether every null may be rejected at alpha: no correction is needed, since all have to be.

    p_values: shape (nulls,), of "this cohort is harmed by the margin or more"; NaN (missing, failed) never passes.
    Guarantee: wrong with chance at most alpha if any null is true.
    Raises ValueError for an empty family, since absence is never a pass, and for values outside [0, 1].
    Source: Berger 1982, Technometrics 24 (intersection-union tests).

    >>> all_pass(np.array([0.01, 0.04])), all_pass(np.array([0.01, np.nan]))
    (True, False)
    """
    _check_level(alpha)
    p_values = np.asarray(p_values, dtype=np.float64)
    if not p_values.size or ((p_values < 0) | (p_values > 1)).any():
        raise ValueError("need at least one p-value, each in [0, 1] or missing")
    return bool((p_values <= alpha).all())


def holm(p_values: Array, alpha: float = 0.05, weights: Array | None = None) -> Flags:
    """Which nulls are rejected, from the smallest p-value for its weight upwards until one stays.

    p_values: shape (nulls,). weights: same shape, positive, what each is worth; chosen without sight of any p-value;
    None: all alike. Returns the same shape; an empty family rejects nothing.
    Guarantee: any null is rejected wrongly with chance at most alpha.
    Raises ValueError for values that are not in [0, 1], and for weights that are not positive.
    Source: Holm 1979, Scandinavian Journal of Statistics 6.

    >>> holm(np.array([0.01, 0.04, 0.02])).tolist(), holm(np.array([0.01, 0.04, 0.03])).tolist()
    ([True, True, True], [True, False, False])
    >>> holm(np.array([0.02, 0.03, 0.9]), weights=np.array([2.0, 1.0, 1.0])).tolist()
    [True, False, False]
    """
    _check_level(alpha)
    p_values = np.asarray(p_values, dtype=np.float64)
    weights = np.ones(p_values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("p-values must lie in [0, 1]")
    if weights.shape != p_values.shape or not (weights > 0).all():
        raise ValueError("need one positive weight a p-value")
    order = np.argsort(p_values / weights, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]  # of those not yet rejected
    passed = p_values[order] <= alpha * weights[order] / left
    rejected = np.zeros(p_values.size, bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def e_bh(e_values: Array, alpha: float = 0.05) -> Flags:
    """Which nulls of one family are rejected: the k largest, k the largest with e_(k) >= nulls / (alpha k).

    e_values: shape (nulls,), at least 0, infinity allowed. Returns the same shape; an empty family rejects nothing.
    Guarantee: a false discovery rate of at most alpha.
    Raises ValueError for values that are negative or not numbers.
    Source: Wang and Ramdas 2022, JRSS B 84, arXiv:2009.02824 (e-BH).

    >>> e_bh(np.array([70.0, 1.0, 35.0])).tolist()
    [True, False, True]
    """
    _check_level(alpha)
    e_values = _e_values(e_values)
    ranked = np.sort(e_values)[::-1]
    kept = np.flatnonzero(ranked >= e_values.size / (alpha * np.arange(1, e_values.size + 1)))
    found: Flags = e_values >= ranked[kept[-1]] if kept.size else np.zeros(e_values.size, bool)
    return found


def e_lond(e_values: Array, alpha: float = 0.05) -> Flags:
    """Which of a sequence of nulls are rejected as they come: week t when e_t >= t (t + 1) / (alpha (rejected + 1)).

    e_values: shape (weeks,), in time order, at least 0, infinity allowed. Returns the same shape. Later values never
    change earlier answers. Guarantee: a false discovery rate of at most alpha at any week, one chosen by looking too:
    the share of false rejections never exceeds the sum of alpha e_t / (t (t + 1)) over the true nulls.
    Raises ValueError for values that are negative or not numbers.
    Source: Xu and Ramdas 2024, arXiv:2311.06412 (e-LOND), with shares 1 / (t (t + 1)).

    >>> e_lond(np.array([40.0, 40.0, 60.0, 120.0])).tolist()
    [True, False, False, False]
    """
    _check_level(alpha)
    rejected: list[bool] = []
    for week, value in enumerate(_e_values(e_values), start=1):
        rejected.append(bool(value >= week * (week + 1) / (alpha * (sum(rejected) + 1))))
    return np.array(rejected, dtype=bool)


def _e_values(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    if not (values >= 0).all():
        raise ValueError("e-values must be numbers of at least 0")
    return values


def _check_level(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
