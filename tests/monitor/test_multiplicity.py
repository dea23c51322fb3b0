from collections.abc import Callable

import numpy as np
import online_fdr.e_values as library
import pytest

from monitor.statistics.multiplicity import all_pass, e_bh, e_lond, holm
from tests.benchmarks.interval_table import cohort_gate, false_discoveries


def test_one_cohort_at_the_margin_stops_the_gate() -> None:
    assert cohort_gate(800, at_margin=1) <= 0.05 + 2 * 0.008  # Monte Carlo error .008
    assert cohort_gate(400, at_margin=0) > 0.85


def test_absence_is_never_a_pass() -> None:
    assert not all_pass(np.array([0.001, np.nan]))
    with pytest.raises(ValueError, match="at least one"):
        all_pass(np.array([]))


def test_holm_keeps_any_wrong_rejection_rare_under_dependence() -> None:
    rng = np.random.default_rng(0)
    shared = rng.random((3000, 1))
    p_values = np.where(rng.random((3000, 8)) < 0.5, shared, rng.random((3000, 8)))
    assert np.mean([holm(row).any() for row in p_values]) <= 0.05 + 3 * 0.004


def test_holm_rejects_more_than_bonferroni() -> None:
    assert holm(np.array([0.012, 0.016, 0.02, 0.04])).tolist() == [True, True, True, True]
    assert holm(np.array([0.02, 0.001, 0.9])).tolist() == [True, True, False]
    assert holm(np.array([])).tolist() == []


def test_false_discoveries_are_rare_under_dependence_and_the_planted_are_found() -> None:
    found = false_discoveries(1500)
    assert found["e_bh"] <= 0.05
    assert found["e_lond"] <= 0.05
    assert found["e_bh_power"] > 0.4
    assert found["e_lond_power"] > 0.3


def least(rejects: Callable[[float], bool]) -> float:
    """The smallest e-value that a rule rejects."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rejects(middle) else (middle, high)
    return high


def test_e_bh_keeps_its_promise_where_dependence_is_worst() -> None:
    """Of ten true nulls, k are just large enough together, k as chance will have it; every e-value has mean 1."""
    rng, runs, nulls = np.random.default_rng(4), 10_000, 10
    sizes = [least(lambda e, k=k: e_bh(np.repeat([e, 0.0], [k, nulls - k])).any()) for k in range(1, nulls + 1)]
    chances = 1 / (np.arange(1, nulls + 1) * sizes)
    false = 0
    for together in rng.choice(nulls + 1, runs, p=[1 - chances.sum(), *chances]):
        e_values = np.repeat([sizes[together - 1], 0.0], [together, nulls - together])
        false += e_bh(rng.permutation(e_values)).any()
    assert abs(false / runs - 0.05) < 3 * 0.0022  # Monte Carlo error; the bound is reached


@pytest.mark.parametrize("found", [0, 3])
def test_e_lond_keeps_its_promise_where_dependence_is_worst_and_one_looks_for_the_worst_week(found: int) -> None:
    """After `found` true discoveries, at most one of the true nulls up to week 20 is just large enough; means are 1."""
    rng, runs, before = np.random.default_rng(5), 10_000, [np.inf] * found
    sizes = [least(lambda e, w=w: e_lond(np.array([*before, *w * [0.0], e]))[-1]) for w in range(20 - found)]
    chances = 1 / np.array(sizes)
    worst = []
    for hit in rng.choice(21 - found, runs, p=[*chances, 1 - chances.sum()]):
        rejected = e_lond(np.array([*before, *(size * (week == hit) for week, size in enumerate(sizes))]))
        worst.append((np.cumsum(rejected)[found:] - found).max() / rejected.sum().clip(1))
    promised = 0.05 * (1 / (found + 1) - 1 / 21)  # .0476, and .0101 after three
    assert abs(np.mean(worst) - promised) < 3 * np.std(worst) / np.sqrt(runs)


class Shares:
    """The shares of alpha that e_lond gives to the weeks, as the library asks for them."""

    def calc_gamma(self, week: int, **_: float) -> float:
        return 1 / (week * (week + 1))


def test_both_rules_decide_as_online_fdr_does() -> None:
    rng = np.random.default_rng(3)
    for size in rng.integers(1, 60, 300):
        e_values = rng.exponential(10 ** rng.uniform(0, 4.5), size)
        stream = library.ELond(0.05, Shares())
        assert e_lond(e_values).tolist() == [stream.test_one(one) for one in e_values.tolist()]
        assert e_bh(e_values).tolist() == library.e_bh(e_values.tolist(), 0.05)


def test_e_bh_is_its_definition() -> None:
    e_values = np.random.default_rng(1).exponential(60.0, (200, 6))
    for row in e_values:
        ranked = np.sort(row)[::-1]
        k = max((k for k in range(1, 7) if ranked[k - 1] >= 6 / (0.05 * k)), default=0)
        assert e_bh(row).sum() == k


def test_e_lond_never_takes_back_an_answer() -> None:
    e_values = np.random.default_rng(2).exponential(3000.0, 40)
    whole = e_lond(e_values)
    assert whole.any()
    for week in range(40):
        assert e_lond(e_values[:week]).tolist() == whole[:week].tolist()


def test_overwhelming_evidence_is_rejected() -> None:
    assert e_bh(np.array([np.inf, 0.0])).tolist() == [True, False]
    assert e_lond(np.array([np.inf, 0.0])).tolist() == [True, False]
    assert e_bh(np.array([])).tolist() == e_lond(np.array([])).tolist() == []


@pytest.mark.parametrize("values", [[np.nan], [-0.1]])
def test_values_that_are_no_evidence_are_refused(values: list[float]) -> None:
    for rule in (e_bh, e_lond):
        with pytest.raises(ValueError, match="e-values"):
            rule(np.array(values))
    with pytest.raises(ValueError, match="p-values"):
        holm(np.array(values))


@pytest.mark.parametrize("alpha", [0.0, 1.0, np.nan])
def test_alpha_must_be_a_share(alpha: float) -> None:
    for rule in (all_pass, holm, e_bh, e_lond):
        with pytest.raises(ValueError, match="alpha"):
            rule(np.array([0.5]), alpha)
