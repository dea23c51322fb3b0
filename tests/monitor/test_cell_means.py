import numpy as np
import pytest

from monitor.statistics.cell_means import fit_cell_means


def test_the_stated_error_is_that_of_the_mean_expectation() -> None:
    rng, chances, mix = np.random.default_rng(1), np.array([0.9, 0.6, 0.3]), np.array([0, 0, 0, 1, 1, 2])
    cells = np.repeat([0, 1, 2], [50, 100, 30])
    fits = [fit_cell_means((rng.random(180) < chances[cells]).astype(float), cells) for _ in range(1500)]
    off = np.array([fit.expected(mix).mean() - chances[mix].mean() for fit in fits])
    stated = np.array([fit.error(mix) for fit in fits])
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(1500)
    assert 0.95 < stated.mean() / off.std() < 1.1  # Monte Carlo error 2%
    covered = np.mean(np.abs(off) <= 1.96 * stated)
    assert abs(covered - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 1500)  # .0056


def test_an_all_success_cell_does_not_claim_zero_error() -> None:
    assert fit_cell_means(np.ones(20), np.zeros(20, int)).error(np.zeros(5, int)) > 0.04


def test_an_unknown_cell_gets_the_pooled_mean_and_a_large_error() -> None:
    fitted = fit_cell_means(np.array([1.0, 1.0, 0.0]), np.array([1, 1, 2]))
    assert fitted.expected(np.array([9])).tolist() == pytest.approx([2 / 3])
    assert fitted.error(np.array([9])) == 0.5


@pytest.mark.parametrize("values", [[], [np.nan], [1.2], [-0.1]])
def test_no_values_or_values_off_the_scale_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"non-empty|in \[0, 1\]"):
        fit_cell_means(np.array(values), np.zeros(len(values), int))


def test_no_item_has_no_error() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        fit_cell_means(np.ones(3), np.zeros(3, int)).error(np.zeros(0, int))
