import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from monitor.statistics.bounded import betting_upper, mean_bounds
from monitor.statistics.paired import difference, p_no_harm
from monitor.statistics.prediction_powered import judged_bounds
from monitor.statistics.sample_test import SampleTest, open_test, sample_test
from tests.benchmarks.interval_table import paired

ALPHA = 0.05
MARGIN = 0.03

effects = st.one_of(
    st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=120),
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60),
).map(np.array)


def agrees(found: SampleTest, tolerance: float, alpha: float) -> None:
    """Bounds and p-values tell the same, but for rounding at the very edge."""
    for p_value, beyond in ((found.p_safe, tolerance - found.high), (found.p_harm, found.low - tolerance)):
        if abs(beyond) > 1e-7 and abs(p_value - alpha) > 1e-7:
            assert (p_value < alpha) == (beyond > 0), found


@settings(deadline=None, max_examples=40)
@given(effects, st.floats(0, 0.6), st.floats(0.001, 0.4), st.sampled_from([0.0, 0.004, 0.05]))
def test_bounds_and_p_values_agree(units: np.ndarray, tolerance: float, alpha: float, error: float) -> None:
    found = sample_test(units, tolerance, baseline_error=error, alpha=alpha)
    agrees(found, tolerance, alpha)
    assert -1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert 0 <= min(found.p_safe, found.p_harm) <= max(found.p_safe, found.p_harm) <= 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(1, 40), st.floats(0, 1, width=16), st.floats(0, 0.5), st.floats(0.005, 0.3))
def test_bounds_and_p_values_agree_where_exact(
    successes: int, failures: int, rate: float, tolerance: float, alpha: float
) -> None:
    found = sample_test(
        np.repeat([rate - 1, rate], [successes, failures]), tolerance, binary=bool(rate), baseline_error=0, alpha=alpha
    )
    agrees(found, tolerance, alpha)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.integers(0, 1000), st.floats(0, 0.2), st.booleans())
def test_bounds_and_p_values_agree_with_judges_and_weights(n: int, seed: int, tolerance: float, drawn: bool) -> None:
    rng = np.random.default_rng(seed)
    effect, judged = paired(0.02, 0.8, rng, n + 900)
    chances = rng.choice([0.1, 0.4], n) if drawn else None
    found = sample_test(
        effect[:n], tolerance, judged=judged[:n], unlabelled=judged[n:], chances=chances, everyone=judged, alpha=ALPHA
    )
    agrees(found, tolerance, ALPHA)


@settings(deadline=None, max_examples=40)
@given(effects, st.floats(0, 0.5), st.floats(0, 0.4), st.sampled_from([0.0, 0.02]))
def test_a_wider_tolerance_is_passed_more_easily(
    units: np.ndarray, tolerance: float, more: float, error: float
) -> None:
    narrow, wide = (sample_test(units, limit, baseline_error=error) for limit in (tolerance, tolerance + more))
    assert wide.p_safe <= narrow.p_safe + 1e-12
    assert wide.p_harm >= narrow.p_harm - 1e-12
    assert (wide.low, wide.high) == (narrow.low, narrow.high)


@settings(deadline=None, max_examples=40)
@given(effects, st.randoms(use_true_random=False), st.sampled_from([0.0, 0.01]))
def test_order_and_names_of_clusters_do_not_matter(units: np.ndarray, chance: object, error: float) -> None:
    order = np.arange(units.size)
    chance.shuffle(order)  # type: ignore[attr-defined]
    users = np.arange(units.size) // 2
    for plain, mixed in (
        (sample_test(units, MARGIN, baseline_error=error), sample_test(units[order], MARGIN, baseline_error=error)),
        (
            sample_test(units, MARGIN, clusters=users),
            sample_test(units[order], MARGIN, clusters=[f"user {one}" for one in users[order]]),
        ),
    ):
        for part in ("low", "high", "p_harm", "p_safe", "power"):
            assert getattr(mixed, part) == pytest.approx(getattr(plain, part), abs=1e-7)


def test_without_a_tolerance_to_meet_it_tells_what_the_known_bounds_tell() -> None:
    rng = np.random.default_rng(1)
    for n in (5, 29, 30, 80, 600):
        effect, judged = paired(0.01, 0.7, rng, n + 900)
        for found, known in (
            (sample_test(effect[:n], MARGIN), mean_bounds(effect[:n], 0.9)),
            (
                sample_test(effect[:n], MARGIN, judged=judged[:n], unlabelled=judged[n:]),
                judged_bounds(effect[:n], judged[:n], judged[n:], 0.9),
            ),
        ):
            assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-7)
            assert found.method == known.method
    ends = np.array([0.2, -0.2, 0.0, 0.1] * 5)
    assert sample_test(ends, MARGIN).high == pytest.approx(float(betting_upper(ends, ALPHA)), abs=1e-7)
    assert sample_test(ends, MARGIN).p_harm == pytest.approx(p_no_harm(ends, MARGIN))


def false_answers(shape: str, n: int, runs: int, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of passes and of failures where the harm is exactly the margin."""
    passed = failed = 0
    for _ in range(runs):
        kind, _, level = shape.partition(" ")
        if kind == "paired":
            drawn, half = rng.random(n), float(level) / 2
            units = np.where(drawn < half + MARGIN / 2, 1.0, np.where(drawn < 2 * half, -1.0, 0.0))
            found = sample_test(units, MARGIN)
        elif kind == "judged":
            effect, judged = paired(MARGIN, float(level), rng, n + 3000)
            found = sample_test(effect[:n], MARGIN, judged=judged[:n], unlabelled=judged[n:])
        elif kind == "weighted":
            effect, judged = paired(MARGIN, float(level), rng, 12 * n)
            chances = np.where(judged == 0, 0.06, 0.15)
            taken = rng.random(12 * n) < chances
            found = sample_test(effect[taken], MARGIN, judged=judged[taken], chances=chances[taken], everyone=judged)
        elif kind == "baseline":  # a baseline of 1,500 units, common to all effects
            baseline = rng.binomial(1500, 0.9) / 1500
            units = baseline - (rng.random(n) < 0.9 - MARGIN)
            error = np.sqrt(0.09 / 1500)
            found = sample_test(units, MARGIN, baseline_error=error, binary=level == "exact")
        else:
            users = np.repeat(np.arange(n), 5)
            leaning = np.repeat(rng.normal(size=n), 5) + rng.normal(size=5 * n)
            cuts = np.sqrt(2) * special.ndtri([0.1 - MARGIN / 2, 0.9 - MARGIN / 2])
            units = np.where(leaning > cuts[1], 1.0, np.where(leaning < cuts[0], -1.0, 0.0))
            found = sample_test(units, MARGIN, clusters=users)
        passed, failed = passed + (found.p_safe < ALPHA), failed + (found.p_harm < ALPHA)
    return passed / runs, failed / runs


@pytest.mark.parametrize(
    ("shape", "n"),
    [(f"paired {share}", n) for share in (0.031, 0.2, 0.4) for n in (20, 50, 200, 1000)]
    + [(f"judged {correlation}", n) for correlation in (0.0, 0.7) for n in (20, 60, 700)]
    + [("weighted 0.7", 40), ("weighted 0.7", 200)]
    + [("baseline t", 300), ("baseline exact", 25), ("baseline exact", 300), ("users", 60)],
)
def test_false_answers_at_the_margin_stay_at_alpha(shape: str, n: int) -> None:
    passed, failed = false_answers(shape, n, 200, np.random.default_rng(n))
    assert max(passed, failed) <= ALPHA + 3 * 0.0154  # Monte Carlo error .0154


def test_power_need_and_visible_harm_are_as_told() -> None:
    rng = np.random.default_rng(2)
    told = sample_test(np.repeat([1.0, -1.0, 0.0], [75, 68, 557]), MARGIN)
    passes = [sample_test(paired(0.0, 0, rng, 700)[0], MARGIN).p_safe < ALPHA for _ in range(300)]
    assert told.power == pytest.approx(np.mean(passes), abs=0.05 + 2 * 0.029)  # Monte Carlo error .029
    assert told.needed == pytest.approx(1374, rel=0.15)
    fails = [sample_test(paired(told.visible, 0, rng, 700)[0], MARGIN).p_harm < ALPHA for _ in range(300)]
    assert np.mean(fails) == pytest.approx(0.8, abs=0.04 + 2 * 0.023)  # Monte Carlo error .023


def test_few_ties_do_not_pass_and_say_what_would() -> None:
    for n in (1, 20, 60, 189):
        found = sample_test(np.zeros(n), MARGIN)
        assert found.p_safe >= ALPHA
        assert found.needed is not None
        assert found.needed > n
    assert sample_test(np.zeros(60), 0.0).needed is None
    assert sample_test(np.zeros(100_000), 0.0).p_safe == 1.0


def test_visible_harm_and_power_of_few_units_are_those_of_bets() -> None:
    rng = np.random.default_rng(3)
    found = sample_test(np.zeros(60), MARGIN)
    shown = [sample_test((rng.random(60) < found.visible) * 1.0, MARGIN).p_harm < ALPHA for _ in range(300)]
    assert np.mean(shown) >= 0.75
    assert found.power < 0.2
    assert sample_test(np.zeros(2), MARGIN).visible == 1.0


def test_an_error_of_the_baseline_that_no_number_of_units_mends_is_told() -> None:
    units = np.tile([0.25, -0.75, 0.25, 0.25], 100)
    assert sample_test(units, MARGIN, baseline_error=0.02).needed is None
    assert sample_test(np.zeros(20), MARGIN, baseline_error=0.02).needed is None
    mended = sample_test(np.tile([0.1, -0.9] + [0.1] * 8, 10), MARGIN, baseline_error=0.005)
    exact = sample_test(np.tile([0.1, -0.9] + [0.1] * 8, 10), MARGIN, baseline_error=0.005, binary=True)
    assert mended.needed is not None
    assert exact.needed is not None
    assert sample_test(units, MARGIN, baseline_error=0.01).high > sample_test(units, MARGIN).high


def test_open_units_count_at_their_worst_for_either_answer() -> None:
    rng = np.random.default_rng(4)
    new, old = (rng.random((2, 2000)) < 0.9).astype(float)
    new[:40] = np.nan
    least, most = difference(new, old)
    found = open_test(least, most, MARGIN)
    assert found.low == sample_test(least, MARGIN).low
    assert found.high == sample_test(most, MARGIN).high
    agrees(found, MARGIN, ALPHA)
    assert found.power < sample_test((least + most) / 2, MARGIN).power
    new[:200] = np.nan
    assert open_test(*difference(new, old), MARGIN).needed is None
    assert open_test(old, old, 0.2).p_safe == sample_test(old, 0.2).p_safe
    with pytest.raises(ValueError, match="least"):
        open_test(most, least, MARGIN)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.2, -1.2])
def test_broken_effects_are_refused(wrong: float) -> None:
    for units in (np.array([0.0, wrong]), np.array([wrong])):
        with pytest.raises(ValueError, match="unit"):
            sample_test(units, MARGIN)
        with pytest.raises(ValueError, match="unit"):
            open_test(units, units, MARGIN)


def test_wrong_arguments_are_refused() -> None:
    units = np.zeros(4)
    for keys in (
        {"baseline_error": np.nan},
        {"baseline_error": -0.1},
        {"alpha": 0.5},
        {"clusters": [1, 2]},
        {"clusters": [1, 1, 2, 2], "judged": units},
        {"binary": True, "chances": np.ones(4)},
        {"chances": np.array([0.5, 0.0, 1, 1])},
        {"judged": np.zeros(3), "unlabelled": np.zeros(9)},
    ):
        with pytest.raises(ValueError, match=r"need|clusters|binary"):
            sample_test(np.repeat(units, 10) if "judged" in keys and "clusters" not in keys else units, MARGIN, **keys)
    for tolerance in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="tolerance"):
            sample_test(units, tolerance)
    with pytest.raises(ValueError, match="1 apart"):
        sample_test(np.array([0.2, -0.5]), MARGIN, binary=True)
    with pytest.raises(ValueError, match="unit"):
        sample_test(np.zeros(0), MARGIN)
