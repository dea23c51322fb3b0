import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.statistics.multiplicity import holm
from monitor.statistics.sample_test import sample_test
from monitor.statistics.worst_slice import worst_slice

MARGIN = 0.03
ALPHA = 0.05


def effects_of(harm: np.ndarray, discordance: float, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.random(harm.size)
    return np.where(drawn < (discordance + harm) / 2, 1.0, np.where(drawn < discordance, -1.0, 0.0))


@pytest.mark.parametrize(
    ("discordance", "n", "keys", "values"), [(0.2, 2000, 4, 4), (0.4, 2400, 1, 60), (0.05, 4000, 3, 5)]
)
def test_no_slice_is_shown_more_often_than_alpha_where_all_are_at_the_margin(
    discordance: float, n: int, keys: int, values: int
) -> None:
    rng = np.random.default_rng(n)
    shown = 0
    for _ in range(120):
        codes = rng.integers(0, values, (n, keys))
        shown += bool(worst_slice(effects_of(np.full(n, MARGIN), discordance, rng), codes, MARGIN).shown)
    assert shown / 120 <= ALPHA + 2 * 0.02  # Monte Carlo error .020


def test_rare_successes_do_not_make_a_slice_harmed() -> None:
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(100):  # a baseline of .1, successes in .07: a slice that drew none looks 10 points worse
        effects = 0.1 - (rng.random(6000) < 0.07)
        shown += bool(worst_slice(effects, rng.integers(0, 40, (6000, 1)), MARGIN).shown)
    assert shown / 100 <= ALPHA + 2 * 0.022  # Monte Carlo error .022


def test_a_harmed_pair_is_found_and_named() -> None:
    rng = np.random.default_rng(1)
    named = 0
    for _ in range(20):
        codes = rng.integers(0, 4, (4000, 4))
        harm = np.where((codes[:, 1] == 2) & (codes[:, 3] == 0), 0.3, 0.0)
        found = worst_slice(effects_of(harm, 0.35, rng), codes, MARGIN)
        named += (
            bool(found.shown) and found.worst is not None and (found.worst.keys, found.worst.codes) == ((1, 3), (2, 0))
        )
    assert named >= 15


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(1, 3), st.integers(1, 20), st.randoms())
def test_each_slice_is_told_as_a_test_of_it_alone_and_all_by_holm(
    seed: int, n: int, keys: int, least: int, chance: object
) -> None:
    rng = np.random.default_rng(seed)
    codes, effects = rng.integers(-1, 3, (n, keys)), effects_of(np.full(n, 0.3), 0.5, rng)
    found = worst_slice(effects, codes, MARGIN, least, alpha=0.2)
    if found.worst is not None:
        worst = found.worst
        inside = (codes[:, worst.keys] == worst.codes).all(axis=1)
        alone = sample_test(effects[inside], MARGIN)
        assert inside.sum() == worst.n >= least
        assert (worst.value, worst.p_value) == pytest.approx((alone.value, alone.p_harm), abs=1e-9)
        assert worst.adjusted == pytest.approx(min(1.0, worst.p_value * found.searched))
        assert bool(found.shown) == (worst.adjusted < 0.2)
    order = np.arange(n)
    chance.shuffle(order)  # type: ignore[attr-defined]
    mixed = worst_slice(effects[order], codes[order], MARGIN, least, alpha=0.2)
    assert mixed.searched == found.searched
    assert [one.codes for one in mixed.shown] == [one.codes for one in found.shown]


def test_what_is_shown_is_what_holm_rejects() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 6, (3000, 1))
    effects = effects_of(np.where(codes[:, 0] < 2, 0.15, 0.02), 0.3, rng)
    found = worst_slice(effects, codes, MARGIN)
    p_values = np.array([sample_test(effects[codes[:, 0] == one], MARGIN).p_harm for one in range(6)])
    assert sorted(one.codes[0] for one in found.shown) == np.flatnonzero(holm(p_values, ALPHA)).tolist()


def test_slices_of_too_few_units_and_unknown_values_are_not_searched() -> None:
    codes = np.array([[0, -1]] * 40 + [[1, 5]] * 29)
    found = worst_slice(np.ones(69), codes, MARGIN)
    assert found.searched == 1
    assert found.worst is not None
    assert (found.worst.keys, found.worst.codes) == ((0,), (0,))
    for empty in (worst_slice(np.ones(5), np.zeros((5, 1)), MARGIN), worst_slice(np.ones(0), np.zeros((0, 2)), MARGIN)):
        assert (empty.shown, empty.worst, empty.searched) == ((), None, 0)


def test_a_pair_that_is_one_of_its_values_is_searched_once() -> None:
    region = np.repeat([0, 1], 100)
    assert worst_slice(np.zeros(200), np.stack([region, region], axis=1), MARGIN).searched == 4
    assert worst_slice(np.zeros(200), np.stack([region, np.zeros(200, int)], axis=1), MARGIN).searched == 3


def test_broken_input_is_refused() -> None:
    fine = np.zeros((3, 1), int)
    for effects, codes, keys in (
        (np.array([0.0, np.nan, 0.0]), fine, {}),
        (np.array([0.0, 1.1, 0.0]), fine, {}),
        (np.zeros(2), fine, {}),
        (np.zeros(3), np.zeros(3, int), {}),
        (np.zeros(3), fine, {"least": 0}),
        (np.zeros(3), fine, {"alpha": 0.0}),
    ):
        with pytest.raises(ValueError, match=r"need|effects"):
            worst_slice(effects, codes, MARGIN, **keys)
    with pytest.raises(ValueError, match="tolerance"):
        worst_slice(np.zeros(3), fine, np.nan)
