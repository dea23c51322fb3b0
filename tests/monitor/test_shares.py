from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from monitor.statistics.shares import share_interval, wilson_interval


def coverage(interval: Callable[[float, int], tuple[float, ...]], n: int, chances: np.ndarray) -> np.ndarray:
    """Exact coverage at each chance, without simulation: over all numbers of successes."""
    low, high = np.array([interval(k, n)[-2:] for k in range(n + 1)]).T[..., None]
    return (stats.binom.pmf(np.arange(n + 1)[:, None], n, chances) * ((low <= chances) & (chances <= high))).sum(axis=0)


def test_wilson_covers_on_average_but_not_where_successes_are_rare() -> None:
    assert coverage(wilson_interval, 100, np.linspace(0.15, 0.85, 29)).mean() > 0.945
    assert coverage(wilson_interval, 100, np.array([0.0017])) < 0.9


@pytest.mark.parametrize("n", [20, 100, 400])
def test_the_interval_in_use_covers_everywhere(n: int) -> None:
    assert coverage(share_interval, n, np.linspace(0.001, 0.999, 500)).min() > 0.92


def test_a_simulation_agrees_with_the_exact_coverage() -> None:
    drawn = np.random.default_rng(1).binomial(80, 0.3, 4000)
    held = [low <= 0.3 <= high for _, low, high in (share_interval(int(k), 80) for k in range(81))]
    error = np.sqrt(0.05 * 0.95 / 4000)  # .0034
    assert abs(np.mean(np.array(held)[drawn]) - coverage(share_interval, 80, np.array([0.3]))) < 3 * error


def test_one_unit_says_little_and_none_is_refused() -> None:
    assert share_interval(1, 1) == (1.0, pytest.approx(0.025), 1.0)
    for successes, n in ((0, 0), (3, 2), (-1, 5), (np.nan, 5)):
        with pytest.raises(ValueError, match="need 0 <= successes <= n"):
            share_interval(successes, n)
