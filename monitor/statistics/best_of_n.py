"""How far from the initial policy does picking the best of n answers lead?

Assumption: the n answers to a prompt are drawn independently from the initial policy.
Sources: Stiennon et al. 2020, arXiv:2009.01325, appendix G.3 (the closed form); Beirami et al. 2024, arXiv:2401.01879
(why it is only a bound with ties).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def best_of_n_kl(n: float) -> float:
    """KL(best of n || initial policy) = log n - (n - 1)/n, in nats.

    Exact if no two answers ever share a reward; else an upper bound (best_of_n_kl_exact gives the value).
    Raises ValueError for n < 1 or not finite.

    >>> round(best_of_n_kl(4), 4), best_of_n_kl(1)
    (0.6363, 0.0)
    """
    if not (np.isfinite(n) and n >= 1):
        raise ValueError(f"the best of n needs a finite n >= 1, got {n}")
    return float(np.log(n) - (n - 1) / n)


def best_of_n_kl_exact(masses: Array, n: float) -> float:
    """KL(best of n || initial policy) in nats, where the reward takes finitely many values.

    masses: shape (levels,), probability of each reward value under the initial policy, in ascending order of reward;
    ties are broken at random. The best of n has level i with probability F_i^n - F_{i-1}^n.
    Raises ValueError for n < 1, or masses that are not positive or do not sum to 1.

    >>> round(best_of_n_kl_exact(np.array([0.5, 0.5]), 4), 4), round(best_of_n_kl_exact(np.full(10**5, 1e-5), 4), 4)
    (0.4594, 0.6363)
    """
    if not (np.isfinite(n) and n >= 1):
        raise ValueError(f"the best of n needs a finite n >= 1, got {n}")
    if not (masses > 0).all() or not abs(masses.sum() - 1) <= 1e-9:
        raise ValueError("masses must be positive and sum to 1")
    above = np.cumsum(masses) / masses.sum()
    below = np.concatenate([[0.0], above[:-1]])
    with np.errstate(divide="ignore"):
        best = np.exp(n * np.log(above)) - np.exp(n * np.log(below))
    met = best > 0
    return float(np.sum(best[met] * np.log(best[met] / masses[met])))
