import numpy as np
import pytest

from monitor.statistics.detector import (
    BETS,
    COMPANION_FLOOR,
    DetectorState,
    advance,
    daily_log_sums,
    known_start,
    log_factors,
    mixture,
)

NOTHING = np.zeros((1, BETS.size))
ONE_A_DAY = np.zeros(1)


def walk(effects: np.ndarray, allowance: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Statistic and companion at the close of each day, one unit of mass a day; effects of shape (runs, days, n)."""
    runs, days, _ = effects.shape
    factors = log_factors(effects.ravel(), np.array([allowance]))
    sums = factors.reshape(runs, days, -1, BETS.size).sum(axis=2)
    state, statistic, companion = DetectorState.start(runs), np.empty((runs, days)), np.empty((runs, days))
    for day in range(days):
        state = advance(state, sums[:, day], np.zeros(runs))
        statistic[:, day], companion[:, day] = np.exp(mixture(state.restarting)), np.exp(mixture(state.companion))
    return statistic, companion


def at_the_boundary(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Residuals of a binary outcome with known chance .75: their mean is exactly the null's limit 0."""
    return 0.75 - (rng.random(shape) < 0.75)


@pytest.mark.parametrize(("a_day", "longest"), [(1, 58), (3, 64), (10, 69)])
def test_run_length_at_the_boundary_of_the_null_is_the_threshold(a_day: int, longest: float) -> None:
    """Longer only by what a day's block overshoots: about 54, 57 and 63 days."""
    statistic, _ = walk(at_the_boundary(np.random.default_rng(1), 600, 500, a_day))
    crossed = statistic >= 50
    assert crossed.any(axis=1).all()
    lengths = crossed.argmax(axis=1) + 1
    error = lengths.std() / np.sqrt(lengths.size)  # .8, 1.2 and 1.5 days
    assert lengths.mean() + 3 * error >= 50  # the promise
    assert lengths.mean() + 3 * error <= longest  # and it is tight


def test_run_length_of_the_e_cusum_alone_is_several_times_its_threshold() -> None:
    """Shin, Ramdas, Rinaldo 2022 promise it the threshold at least; runs are followed for 500 days."""
    statistic, companion = walk(at_the_boundary(np.random.default_rng(8), 300, 500, 3))
    restarting, alone = (
        np.where((s >= 50).any(axis=1), (s >= 50).argmax(axis=1) + 1, 500) for s in (statistic, companion)
    )
    error = alone.std() / np.sqrt(alone.size)  # 6.4 days; measured 457
    assert alone.mean() - 3 * error >= 6 * restarting.mean() >= 6 * 50


def test_false_alerts_with_latch_and_reset_are_at_most_days_over_threshold() -> None:
    rng, runs, days, threshold = np.random.default_rng(2), 600, 200, 50
    sums = log_factors(at_the_boundary(rng, runs * days * 20), np.zeros(1)).reshape(runs, days, 20, -1).sum(axis=2)
    state, latched_for, alerts = DetectorState.start(runs), np.full(runs, -1), np.zeros(runs)
    for day in range(days):
        state = advance(state, sums[:, day], np.zeros(runs))
        fresh = (latched_for < 0) & (mixture(state.restarting) >= np.log(threshold))
        alerts += fresh
        latched_for = np.where(fresh, 0, np.where(latched_for >= 0, latched_for + 1, -1))
        done = latched_for >= 5  # somebody resolves it five days later
        state.restarting[done], state.companion[done], latched_for[done] = -np.inf, 0.0, -1
    error = alerts.std() / np.sqrt(runs)  # 0.06
    assert alerts.mean() - 3 * error <= days / threshold
    assert alerts.mean() > 1  # the bound is not met by never alerting


def test_restart_mass_alone_has_no_companion() -> None:
    state, crossed, backed = DetectorState.start(1), False, False
    for _ in range(1000):
        state = advance(state, NOTHING, ONE_A_DAY)
        crossed |= bool(mixture(state.restarting)[0] >= np.log(365))
        backed |= bool(mixture(state.companion)[0] >= np.log(COMPANION_FLOOR))
    assert crossed
    assert not backed


def test_what_is_hot_of_a_series_takes_at_most_128_bytes() -> None:
    """Both logs of every bet; the day and the latch, which all series of a slice have in common, counted to each."""
    series = 1000
    state = DetectorState.start(series)
    day, latch = np.zeros(series, np.int64), np.zeros(series, np.int8)
    assert (state.restarting.nbytes + state.companion.nbytes + day.nbytes + latch.nbytes) / series <= 128


def test_daily_sums_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(3)
    effects, days, allowances = rng.uniform(-1, 1, 300), rng.integers(0, 9, 300), rng.uniform(0, 0.2, 9)
    order = rng.permutation(300)
    distinct, sums = daily_log_sums(effects, days, allowances[days])
    again, shuffled = daily_log_sums(effects[order], days[order], allowances[days[order]])
    assert (distinct == again).all()
    np.testing.assert_allclose(sums, shuffled, atol=1e-12)


def test_daily_sums_of_parts_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(4)
    effects, days = rng.uniform(-1, 1, 300), np.sort(rng.integers(0, 9, 300))
    _, whole = daily_log_sums(effects, days, np.zeros(1))
    parts = [daily_log_sums(effects[part::3], days[part::3], np.zeros(1))[1] for part in range(3)]
    np.testing.assert_allclose(sum(parts), whole, atol=1e-12)


def test_advance_is_the_textbook_recursion() -> None:
    rng = np.random.default_rng(5)
    effects, mass, allowance = rng.uniform(-1, 1, (3, 30, 4)), np.array([0.35, 0.1, 0.02]), 0.02
    state = DetectorState.start(3)
    for day in range(30):
        sums = np.stack([log_factors(effects[s, day], np.array([allowance])).sum(axis=0) for s in range(3)])
        state = advance(state, sums, np.log(mass))
    for series in range(3):
        for k, bet in enumerate(BETS):
            restarting, companion = 0.0, 1.0
            for day in range(30):
                restarting, companion = restarting + mass[series], max(companion, 1.0)
                for effect in effects[series, day]:
                    restarting *= 1 + bet * (effect - allowance)
                    companion *= 1 + bet * (effect - allowance)
            assert np.exp(state.restarting[series, k]) == pytest.approx(restarting)
            assert np.exp(state.companion[series, k]) == pytest.approx(companion)


def test_known_start_crosses_in_at_most_alpha_of_null_runs() -> None:
    rng, runs = np.random.default_rng(6), 2000
    sums = log_factors(at_the_boundary(rng, runs * 120 * 5), np.zeros(1)).reshape(runs, 120, 5, -1).sum(axis=2)
    log_values = known_start(np.swapaxes(sums, 0, 1), np.ones(runs))
    share = (log_values.max(axis=0) >= np.log(20)).mean()
    error = np.sqrt(share * (1 - share) / runs)  # 0.4 points
    assert share - 3 * error <= 0.05
    assert share > 0.01


@pytest.mark.parametrize(("allowance", "out"), [(0.0, 0), (0.2, 0), (0.25, 1), (0.5, 1), (1.5, 2)])
def test_a_bet_sits_out_where_a_factor_could_be_negative(allowance: float, out: int) -> None:
    factors = log_factors(np.array([-1.0]), np.array([allowance]))
    assert (factors == 0).sum() == out
    assert np.isfinite(factors).all()


@pytest.mark.parametrize("effect", [np.nan, np.inf, 1.1, -1.1])
def test_an_effect_off_the_scale_is_refused(effect: float) -> None:
    with pytest.raises(ValueError, match="finite and lie in"):
        log_factors(np.array([0.0, effect]), np.zeros(1))


def test_a_planted_shift_is_found() -> None:
    rng = np.random.default_rng(7)
    harmed = 0.75 - (rng.random((300, 120, 20)) < 0.65)
    statistic, companion = walk(harmed, allowance=0.01)
    crossed = (statistic >= 365) & (companion >= COMPANION_FLOOR)
    assert crossed.any(axis=1).all()
    delay = crossed.argmax(axis=1) + 1
    assert delay.mean() + 3 * delay.std() / np.sqrt(300) < 35  # 10 points at 20 units a day: about 24 days
