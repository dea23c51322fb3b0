import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.statistics.pooling import CohortSample, PastGate, cohort_tests, deviation_limit, most_spread
from tests.benchmarks.decision_table import CHOSEN, JUDGED, PAIRED, UNPAIRED, carried_rows, false_rows, week_rows
from tests.benchmarks.interval_table import paired

MARGIN = 0.03
ALPHA = 0.05


def cohorts(harms: list[float], n: int, rng: np.random.Generator, rho: float = 0.0) -> dict[str, CohortSample]:
    found = {}
    for place, harm in enumerate(harms):
        effect, judged = paired(harm, rho, rng, 11 * n if rho else n)
        found[str(place)] = CohortSample(effect[:n], 1.0, judged[:n], judged[n:]) if rho else CohortSample(effect, 1.0)
    return found


def wrong(harms: list[float], runs: int, rho: float = 0.0, **keys: object) -> float:
    """How often the first cohort passes."""
    rng = np.random.default_rng(runs)
    passed = [
        cohort_tests(cohorts(harms, 140, rng, rho), MARGIN, **keys).tests["0"].p_safe < ALPHA  # type: ignore[arg-type]
        for _ in range(runs)
    ]
    return float(np.mean(passed))


def test_a_declared_spread_keeps_the_error_while_it_holds_and_not_beyond() -> None:
    assert wrong([MARGIN, *[0.0175] * 4], 200, spread=0.01) <= ALPHA + 2 * 0.0154  # Monte Carlo error .0154
    assert wrong([MARGIN, *[0.0] * 4], 200, spread=0.01) > ALPHA + 0.03
    assert wrong([MARGIN, *[0.0] * 4], 200, spread=0.025) <= ALPHA + 2 * 0.0154


def test_a_declared_spread_keeps_the_error_with_judges() -> None:
    assert wrong([MARGIN, *[0.0175] * 4], 80, 0.7, spread=0.01) <= ALPHA + 2 * 0.024  # Monte Carlo error .024


def test_harm_is_called_wrongly_no_more_often_than_alpha_while_the_spread_holds() -> None:
    rng = np.random.default_rng(0)
    harms = [MARGIN, *[0.0425] * 4]
    called = [cohort_tests(cohorts(harms, 140, rng), MARGIN, spread=0.01).tests["0"].p_harm < ALPHA for _ in range(200)]
    assert np.mean(called) <= ALPHA + 2 * 0.0154  # Monte Carlo error .0154


def test_a_normal_deviation_of_past_gates_keeps_the_error_on_average_over_cohorts() -> None:
    rng = np.random.default_rng(1)
    deviation, error, passed, harmed = 0.02, 0.447 / np.sqrt(140), 0, 0
    for _ in range(80):
        past = [PastGate(rng.normal(0, np.hypot(error, deviation), 5), np.full(5, error**2)) for _ in range(20)]
        harms = (0.02 + rng.normal(0, deviation, 5)).clip(-0.15, 0.15)
        found = cohort_tests(cohorts(harms.tolist(), 140, rng), MARGIN, past=past)
        assert "normally" in found.assumption
        assert "21 gates" in found.assumption
        for harm, one in zip(harms, found.tests.values(), strict=True):
            passed, harmed = passed + (one.high < harm), harmed + (one.low > harm)
    assert max(passed, harmed) / 400 <= ALPHA + 2 * 0.0154  # Monte Carlo error up to .0154, five cohorts a gate


def test_the_limit_of_a_deviation_covers_it() -> None:
    rng = np.random.default_rng(2)
    for deviation in (0.0, 0.02, 0.1):
        limits = []
        for _ in range(60):
            variances = rng.uniform(0.0002, 0.002, (8, 5))
            gates = [PastGate(rng.normal(0.01, np.sqrt(one + deviation**2)), one) for one in variances]
            limits.append(deviation_limit(gates))
        assert np.mean(np.array(limits) >= deviation) >= 0.95 - 2 * 0.028  # Monte Carlo error .028
    assert deviation_limit([PastGate(np.array([1.0, -1.0]), np.array([1e-6, 1e-6]))]) == 2.0


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.floats(0, 0.05), st.floats(0.01, 0.2))
def test_bounds_and_p_values_agree_and_a_wider_spread_widens_them(seed: int, spread: float, alpha: float) -> None:
    given_cohorts = cohorts([0.0, 0.01, -0.02], 90, np.random.default_rng(seed), 0.7)
    narrow = cohort_tests(given_cohorts, MARGIN, spread=spread, alpha=alpha)
    wide = cohort_tests(given_cohorts, MARGIN, spread=spread + 0.01, alpha=alpha)
    past = cohort_tests(given_cohorts, MARGIN, past=[], alpha=alpha)
    for name, one in narrow.tests.items():
        for found in (one, past.tests[name]):
            assert (found.p_safe < alpha) == (found.high < MARGIN)
            assert (found.p_harm < alpha) == (found.low > MARGIN)
        more = wide.tests[name]
        assert more.high - more.value >= one.high - one.value - 1e-3  # the weight is chosen on a grid


def test_without_a_declaration_each_cohort_is_alone() -> None:
    given_cohorts = cohorts([0.0] * 5, 140, np.random.default_rng(3))
    found = cohort_tests(given_cohorts, MARGIN)
    assert found.tests == found.own
    assert "alone" in found.assumption
    assert {one.method for one in found.tests.values()} == {"t"}
    huge = cohort_tests(given_cohorts, MARGIN, spread=1.0)
    assert huge.tests == found.tests
    pooled = cohort_tests(given_cohorts, MARGIN, spread=0.01)
    assert {one.method for one in pooled.tests.values()} == {"pooled"}
    assert "1 points" in pooled.assumption
    assert pooled.own == found.tests
    told = pooled.tests["0"]
    assert told.effective > 2 * told.n
    assert told.needed is not None
    assert found.tests["0"].needed is not None
    assert told.needed == 0 or told.needed < found.tests["0"].needed


def test_the_spread_that_a_go_would_need_is_where_it_turns() -> None:
    given_cohorts = cohorts([-0.03] * 5, 140, np.random.default_rng(4))
    edge = most_spread(given_cohorts, MARGIN)
    assert edge is not None
    for spread, passes in ((edge, True), (edge + 0.001, False)):
        tests = cohort_tests(given_cohorts, MARGIN, spread=spread).tests.values()
        assert all(one.p_safe < ALPHA for one in tests) == passes
    assert most_spread(cohorts([0.1] * 5, 140, np.random.default_rng(5)), MARGIN) is None
    assert most_spread(cohorts([-0.09] * 2, 3000, np.random.default_rng(6)), MARGIN) == 1.0


def test_cohorts_of_few_labels_neither_lend_nor_borrow() -> None:
    given_cohorts = cohorts([0.0] * 4, 140, np.random.default_rng(7))
    with_small = {**given_cohorts, "small": CohortSample(np.zeros(19), 1.0)}
    found = cohort_tests(with_small, MARGIN, spread=0.0)
    assert found.tests["small"] == found.own["small"]
    assert found.tests["0"] == cohort_tests(given_cohorts, MARGIN, spread=0.0).tests["0"]
    ties = {name: CohortSample(np.zeros(50), 1.0) for name in "ab"}
    assert cohort_tests(ties, MARGIN, spread=0.0).tests == cohort_tests(ties, MARGIN).tests
    assert cohort_tests(ties, MARGIN, past=[]).tests == cohort_tests(ties, MARGIN).tests


def test_a_baseline_of_its_own_widens_a_cohort() -> None:
    rng = np.random.default_rng(8)
    units = {name: 0.8 - (rng.random(200) < 0.8) for name in "abc"}
    known = {name: CohortSample(one, 1.0) for name, one in units.items()}
    off = {name: CohortSample(one, 1.0, baseline_error=0.02) for name, one in units.items()}
    for spread in (None, 0.01):
        assert (
            cohort_tests(off, MARGIN, spread=spread).tests["a"].high
            > cohort_tests(known, MARGIN, spread=spread).tests["a"].high
        )


def test_wrong_arguments_are_refused() -> None:
    fine = cohorts([0.0] * 2, 40, np.random.default_rng(9))
    for given_cohorts, keys in (
        ({}, {}),
        ({"a": CohortSample(np.zeros(40), 0.0)}, {}),
        (fine, {"spread": 1.5}),
        (fine, {"spread": np.nan}),
        (fine, {"spread": 0.1, "past": []}),
        ({"a": CohortSample(np.full(40, np.nan), 1.0)}, {}),
    ):
        with pytest.raises(ValueError, match=r"need|spread"):
            cohort_tests(given_cohorts, MARGIN, **keys)
    for gates in ([], [PastGate(np.zeros(1), np.ones(1))], [PastGate(np.zeros(2), np.zeros(2))]):
        with pytest.raises(ValueError, match="need"):
            deviation_limit(gates)


def test_the_table_of_decisions_can_be_made() -> None:
    for world in (UNPAIRED, PAIRED, JUDGED[0], CHOSEN):
        rows = list(week_rows(world, 1))
        assert {row["rule"] for row in rows} == {"own units", "spread 1 pt", "cohorts 10 pt"}
        assert all(row["worse GO"] == "0.00" for row in rows)
    assert len(list(false_rows(1))) == 6
    assert next(carried_rows(PAIRED, 1))["way"] == "own units, e-values"
