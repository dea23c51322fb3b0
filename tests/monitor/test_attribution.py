"""Which story is named for streams planted with a known one? 100 labels and 400 more rewards a day, 84 days."""

import numpy as np
import pytest

from monitor.statistics.attribution import (
    LEAF_PATIENCE_DAYS,
    LEAF_SHARE,
    PARENT_SHARE,
    PARENTS,
    Stream,
    label_shares,
    name_label,
)

GAIN, REVERSE, WORTH, ERROR = 0.29, 0.35, 0.1, 0.006


def told(reward: float, outcome: float, seed: int, ramp: int = 1, days: int = 84) -> dict[str, float]:
    """Shares for a change of reward and outcome, in points, growing over `ramp` days from day 14 on."""
    rng = np.random.default_rng(seed)
    progress = np.clip((np.arange(days) - 13) / ramp, 0, 1)
    lift, fall = progress * reward / 100, progress * outcome / 100
    labels, rewards = np.full(days, 100.0), np.full(days, 500.0)
    lost = labels * (rng.normal(0, ERROR) - fall) + rng.normal(0, 0.45 * 10, days)
    gained = rewards * (lift + rng.normal(0, ERROR)) + rng.normal(0, 0.49 * np.sqrt(500), days)
    return label_shares(Stream(labels, lost, 0.2, ERROR), Stream(rewards, gained, 0.24, ERROR), GAIN, REVERSE, WORTH)


STORIES = {
    "gaming": (9.0, -4.0),
    "inflation": (9.0, 0.0),
    "blind_reward": (0.0, -6.0),
    "plain_harm": (-0.35 * 8, -8.0),
}


# Streams of 40 in which the leaf is named; measured 28 (inflation, seen only by what is missing) to 40.
LEAST = {"gaming": 34, "inflation": 24, "blind_reward": 34, "plain_harm": 38}


@pytest.mark.parametrize("ramp", [1, 42])
@pytest.mark.parametrize("story", STORIES)
def test_planted_stories_are_named_and_no_other_parent_is(story: str, ramp: int) -> None:
    reward, outcome = STORIES[story]
    names = [name_label(told(reward, outcome, seed, ramp), LEAF_PATIENCE_DAYS)[0] for seed in range(40)]
    assert names.count(story) >= LEAST[story]
    assert {PARENTS.get(name, name) for name in names} <= {PARENTS[story], "undecided"}


@pytest.mark.parametrize("outcome", [0.0, -7.0, -15.0])
def test_a_reward_that_rises_by_37_points_is_gaming_only_where_the_outcome_falls(outcome: float) -> None:
    names = [name_label(told(37.0, outcome, seed), LEAF_PATIENCE_DAYS)[0] for seed in range(20)]
    assert names.count("gaming" if outcome else "inflation") >= 18


@pytest.mark.parametrize("outcome", [2.6, 5.0])
def test_an_improvement_is_never_an_attribution(outcome: float) -> None:
    shares = [told(9.0, outcome, seed) for seed in range(40)]
    assert {name_label(one, 99)[0] for one in shares} == {"undecided"}
    assert {name_label(one, 99)[1] for one in shares} <= set(PARENTS)
    assert sum(one["benign"] > 0.5 for one in shares) >= 36


def test_shares_sum_to_one() -> None:
    shares = told(9.0, -4.0, 0)
    assert set(shares) == {*PARENTS, "benign"}
    assert sum(shares.values()) == pytest.approx(1.0)


def test_without_a_unit_nothing_is_named() -> None:
    empty = Stream(np.zeros(5), np.zeros(5), 0.2, 0.006)
    shares = label_shares(empty, empty, GAIN, REVERSE, WORTH)
    assert all(np.isfinite(list(shares.values())))
    assert name_label(shares, 99)[0] == "undecided"


def of(gaming: float, inflation: float, blind: float, plain: float) -> dict[str, float]:
    rest = 1 - gaming - inflation - blind - plain
    return {"gaming": gaming, "inflation": inflation, "blind_reward": blind, "plain_harm": plain, "benign": rest}


@pytest.mark.parametrize(
    ("shares", "days", "named"),
    [
        (of(LEAF_SHARE, 0.15, 0, 0), LEAF_PATIENCE_DAYS, "gaming"),
        (of(LEAF_SHARE, 0.15, 0, 0), LEAF_PATIENCE_DAYS - 1, "decoupling"),
        (of(LEAF_SHARE - 0.01, 0.15, 0, 0), 999, "decoupling"),
        (of(0.5, 0.39, 0.1, 0), 999, "undecided"),
        (of(0, 0, 0.45, PARENT_SHARE - 0.45), 999, "harm"),
        (of(0, 0, 0.1, 0.85), 999, "plain_harm"),
        (of(0.05, 0.02, 0, 0), 999, "undecided"),
        (of(np.nan, 0.9, 0, 0), 999, "undecided"),
    ],
)
def test_names_wait_for_their_share_and_their_days(shares: dict[str, float], days: int, named: str) -> None:
    assert name_label(shares, days)[0] == named


def test_leading_is_the_leaf_with_the_most_evidence_whatever_its_share() -> None:
    assert name_label(of(0.01, 0.02, 0.0, 0.0), 0) == ("undecided", "inflation")
