import numpy as np
import pytest

from monitor.statistics.evasion import escape_change, escape_score, outcome_bounds, outcome_change_bounds
from monitor.statistics.holdback import disjoint_groups


@pytest.mark.parametrize(("share", "before", "n"), [(0.1, 0.1, 60), (0.3, 0.1, 200), (0.02, 0.01, 500)])
def test_the_change_of_the_share_that_escapes_is_covered(share: float, before: float, n: int) -> None:
    rng, runs = np.random.default_rng(n), 1500
    answered, earlier = rng.random((runs, n)) >= share, rng.random((runs, 2 * n)) >= before
    found = [escape_change(a, b) for a, b in zip(answered, earlier, strict=True)]
    covered = np.mean([low <= share - before <= high for _, low, high in found])
    assert covered >= 0.95 - 3 * 0.0056 - 0.005  # Monte Carlo error; Newcombe's own dips


@pytest.mark.parametrize("hidden", [0.0, 0.4, 1.0])
def test_the_bounds_hold_the_outcome_whatever_hides_behind_what_is_missing(hidden: float) -> None:
    """A fifth escapes, and of those a share `hidden` succeeds."""
    rng, held = np.random.default_rng(1), []
    truth = 0.8 * 0.7 + 0.2 * hidden
    for _ in range(800):
        answered = rng.random(150) < 0.8
        found = outcome_bounds((rng.random(answered.sum()) < 0.7).astype(float), 150)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.95 - 3 * 0.0077  # Monte Carlo error; the bounds are one-sided at either end


def test_the_bounds_of_a_change_hold_it_and_an_evader_cannot_show_an_improvement() -> None:
    rng, held = np.random.default_rng(2), []
    for _ in range(800):
        before = outcome_bounds((rng.random(300) < 0.7).astype(float), 300)
        succeeded = rng.random(300) < 0.66
        shown = succeeded | (rng.random(300) < 0.5)  # half of the failures stay away
        new = outcome_bounds(succeeded[shown].astype(float), 300)
        change = outcome_change_bounds(new, before)
        held.append(change.low <= -0.04 <= change.high)
        assert change.worst == pytest.approx(succeeded.mean() - before.best)
    assert np.mean(held) >= 0.95


def test_with_nothing_missing_the_bounds_are_newcombe_s_interval() -> None:
    new, before = (
        outcome_bounds(np.repeat([1.0, 0.0], [56, 14]), 70),
        outcome_bounds(np.repeat([1.0, 0.0], [48, 32]), 80),
    )
    change = outcome_change_bounds(new, before)
    assert change.worst == change.best == pytest.approx(0.2)
    assert (change.low, change.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_users_who_answer_less_cancel_against_the_holdback_and_not_against_the_reference() -> None:
    rng, n = np.random.default_rng(3), 20_000
    held_back = rng.random(n) < 0.2
    answered = rng.random(n) < 0.5  # it was .7 in the reference, for reasons outside the model
    assert escape_score(answered, np.array([0.3])).mean() > 0.15
    effects, _ = disjoint_groups(answered.astype(float), held_back, *np.zeros((2, n), int), np.arange(n), 3)
    assert abs(effects.mean()) < 3 * effects.std() / np.sqrt(effects.size)


def test_a_model_that_evades_is_seen_by_both() -> None:
    rng, n = np.random.default_rng(4), 20_000
    held_back = rng.random(n) < 0.2
    answered = rng.random(n) < np.where(held_back, 0.7, 0.6)
    assert escape_score(answered[~held_back], np.array([0.3])).mean() == pytest.approx(0.1, abs=0.02)
    effects, _ = disjoint_groups(answered.astype(float), held_back, *np.zeros((2, n), int), np.arange(n), 3)
    assert effects.mean() == pytest.approx(0.1, abs=0.03)


def test_nobody_answering_leaves_everything_possible() -> None:
    found = outcome_bounds(np.zeros(0), 40)
    assert (found.worst, found.best, found.missing) == (0, 1, 40)
    assert (found.low, found.high) == pytest.approx((0, 1))


def test_empty_arms_broken_outcomes_and_flags_are_refused() -> None:
    nobody, flags = np.zeros(0, bool), np.ones(3, bool)
    with pytest.raises(ValueError, match="n >= 1"):
        escape_change(nobody, flags)
    with pytest.raises(ValueError, match="n >= 1"):
        escape_change(flags, nobody)
    with pytest.raises(ValueError, match="true or false"):
        escape_change(np.array([1.0, np.nan]), flags)
    with pytest.raises(ValueError, match="true or false"):
        escape_score(np.array([1, 0]), np.array([0.5]))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        escape_score(flags, np.array([np.nan]))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        outcome_bounds(np.array([np.nan]), 3)
    for outcome, asked in ((np.zeros(0), 0), (np.ones(4), 3)):
        with pytest.raises(ValueError, match="at least one asked"):
            outcome_bounds(outcome, asked)
