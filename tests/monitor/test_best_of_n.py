import numpy as np
import pytest
from scipy import integrate

from monitor.statistics.best_of_n import best_of_n_kl, best_of_n_kl_exact


@pytest.mark.parametrize("n", [1, 2, 4, 16, 1000, 2.5])
def test_the_closed_form_is_the_divergence_without_ties(n: float) -> None:
    def density_times_log(u: float) -> float:
        return n * u ** (n - 1) * (np.log(n) + (n - 1) * np.log(u)) if u > 0 else 0.0

    found, _ = integrate.quad(density_times_log, 0, 1, limit=400)
    assert best_of_n_kl(n) == pytest.approx(found, abs=1e-6)


def test_the_exact_value_is_that_of_sampled_best_answers() -> None:
    rng, masses, n = np.random.default_rng(1), np.array([0.4, 0.3, 0.2, 0.1]), 5
    best = np.bincount(rng.choice(4, (400_000, n), p=masses).max(axis=1), minlength=4) / 400_000
    assert best_of_n_kl_exact(masses, n) == pytest.approx(np.sum(best * np.log(best / masses)), abs=0.003)


@pytest.mark.parametrize("n", [2, 8, 500])
def test_ties_only_lower_it_and_fine_levels_reach_the_closed_form(n: int) -> None:
    values = [best_of_n_kl_exact(np.full(levels, 1 / levels), n) for levels in (1, 2, 5, 50, 10_000, 100_000)]
    assert values[0] == 0
    assert (np.diff(values) > 0).all()
    assert values[-1] <= best_of_n_kl(n)
    assert values[-1] == pytest.approx(best_of_n_kl(n), rel=0.01)


def test_an_enormous_n_takes_the_best_level_alone() -> None:
    assert best_of_n_kl_exact(np.array([0.5, 0.25, 0.25]), 1e9) == pytest.approx(np.log(4))


@pytest.mark.parametrize("n", [0, 0.5, -3, np.nan, np.inf])
def test_an_n_under_one_or_not_finite_is_refused(n: float) -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        best_of_n_kl(n)
    with pytest.raises(ValueError, match="n >= 1"):
        best_of_n_kl_exact(np.ones(1), n)


@pytest.mark.parametrize("masses", [[], [0.5, 0.4], [1.0, 0.0], [np.nan, 1.0]])
def test_masses_that_are_no_distribution_are_refused(masses: list[float]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        best_of_n_kl_exact(np.array(masses), 4)
