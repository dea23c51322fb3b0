from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import integrate

from monitor.statistics.fixed_panel import Flips, count_flips, panel_evidence


def exactly(toward: int, away: int) -> Fraction:
    """The e-value in whole numbers: the likelihood ratio integrated over chances in [1/2, 1]."""
    n = toward + away
    return Fraction(sum(comb(n + 1, k) for k in range(toward + 1)), (n + 1) * comb(n, toward))


@pytest.mark.parametrize("n", [*range(41), 105, 300])
def test_the_expectation_under_the_null_is_exactly_one_at_every_n(n: int) -> None:
    assert sum(Fraction(comb(n, u), 2**n) * exactly(u, n - u) for u in range(n + 1)) == 1
    found = np.exp([panel_evidence(Flips(u, n - u)) for u in range(n + 1)])
    np.testing.assert_allclose(found, [float(exactly(u, n - u)) for u in range(n + 1)], rtol=1e-9)


def test_it_is_the_published_integral() -> None:
    for toward, away in ((3, 1), (12, 30), (0, 5)):
        ratio, _ = integrate.quad(lambda p, u=toward, d=away: 2 * (2 * p) ** u * (2 * (1 - p)) ** d, 0.5, 1)
        assert np.exp(panel_evidence(Flips(toward, away))) == pytest.approx(ratio)


def test_fewer_flips_toward_the_teacher_than_half_expect_less_than_one() -> None:
    chances = [comb(60, u) * 0.4**u * 0.6 ** (60 - u) for u in range(61)]
    assert sum(p * float(exactly(u, 60 - u)) for u, p in enumerate(chances)) < 1


def test_false_alerts_over_checks_that_share_the_stored_verdicts() -> None:
    """Twelve checks, averaged: 105 anchors on which person and teacher differ, a judge that is noisy but unmoved."""
    rng, runs, panel = np.random.default_rng(1), 1000, np.ones(105, int)
    stored = np.where(rng.random((runs, 1, 105)) < 0.3, -1, 1)
    now = np.where(rng.random((runs, 12, 105)) < 0.3, -1, 1)
    moves = np.stack([(now < stored).sum(axis=2).ravel(), (now > stored).sum(axis=2).ravel()], axis=1)
    known, where = np.unique(moves, axis=0, return_inverse=True)
    values = np.exp([panel_evidence(Flips(*map(int, move))) for move in known])[where].reshape(runs, 12)
    assert count_flips(stored[0, 0], now[0, 0], panel, -panel).toward == (now < stored)[0, 0].sum()
    averaged = np.cumsum(values, axis=1) / np.arange(1, 13)
    assert np.mean(values[:, 0] >= 20) <= 0.05  # measured .004
    assert np.mean((averaged >= 20).any(axis=1)) <= 0.05 + 3 * 0.007  # Monte Carlo error .007; measured below .02


def test_a_captured_judge_is_found() -> None:
    rng, panel = np.random.default_rng(2), np.ones(105, int)
    stored, now = np.where(rng.random((2, 200, 105)) < np.array([0.27, 0.5])[:, None, None], -1, 1)
    found = [panel_evidence(count_flips(a, b, panel, -panel)) >= np.log(20) for a, b in zip(stored, now, strict=True)]
    assert np.mean(found) > 0.7


def test_an_unchanged_judge_gives_an_e_value_of_one() -> None:
    verdicts = np.array([1, -1, 0])
    assert count_flips(verdicts, verdicts, verdicts, -verdicts) == (0, 0)
    assert panel_evidence(Flips(0, 0)) == 0


def test_thousands_of_flips_neither_overflow_nor_vanish() -> None:
    assert panel_evidence(Flips(0, 5000)) == pytest.approx(-np.log(5001))
    assert 3000 < panel_evidence(Flips(5000, 0)) < 5001 * np.log(2)


@pytest.mark.parametrize("codes", [[2], [np.nan]])
def test_other_codes_unequal_shapes_and_negative_counts_are_refused(codes: list[float]) -> None:
    one = np.array([1])
    with pytest.raises(ValueError, match="need verdicts"):
        count_flips(np.array(codes), one, one, one)
    with pytest.raises(ValueError, match="need verdicts"):
        count_flips(np.array([1, 1]), one, one, one)
    with pytest.raises(ValueError, match="counts"):
        panel_evidence(Flips(-1, 3))
