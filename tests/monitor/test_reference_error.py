"""Is the claimed error of the baseline the one that a bootstrap over users finds?"""

import numpy as np
import pytest
from scipy import stats

from monitor.statistics.calibrate import fit_calibrator
from monitor.statistics.reference_error import QUANTILE, ReferenceError, allowance_by_day, reference_error
from tests.benchmarks.calibrator_table import CONTINUOUS, OUTCOME, by_cells, day_runs, draw_reference, summed_up


def draw(rng: np.random.Generator, users: int, each: int, kind: str) -> dict[str, np.ndarray]:
    """Answers of users who differ: three cohorts, thumbs or a continuous reward that goes with the outcome."""
    user = np.repeat(np.arange(users), each)
    cohort = (user % 3).astype(np.int64)
    taste = np.repeat(rng.normal(0, 0.12, users), each)
    reward = np.clip(rng.beta(2, 2, user.size) + taste, 0, 1)
    if kind == "thumbs":
        reward = (reward > 0.5).astype(float)
    chance = np.clip(0.35 + 0.1 * cohort + 0.3 * reward + taste, 0, 1)
    outcome = (rng.random(user.size) < chance).astype(float)
    return {"user": user, "cohort": cohort, "reward": reward, "outcome": outcome}


def claimed(data: dict[str, np.ndarray]) -> ReferenceError:
    fitted = fit_calibrator(data["reward"], data["outcome"], data["cohort"])
    n = data["user"].size
    return reference_error(
        fitted.expected(data["reward"], data["cohort"]) - data["outcome"],
        data["outcome"],
        fitted.cells(data["reward"], data["cohort"]),
        np.arange(n),
        data["user"],
        data["cohort"],
        np.arange(n) % 7,
        fitted.leans(),
    )


@pytest.mark.parametrize("kind", ["thumbs", "continuous"])
@pytest.mark.parametrize("each", [1, 8])
def test_error_is_that_of_a_bootstrap_over_users(kind: str, each: int) -> None:
    """The mean prediction at the reference's mix moves as far between bootstrap samples of users as is claimed.

    400 samples: the bootstrap's own error is 3.5%; the claim adds an unseen success and failure a cell.
    """
    rng = np.random.default_rng(each)
    data = draw(rng, 2400 // each, each, kind)
    rows = [np.flatnonzero(data["user"] == user) for user in range(2400 // each)]
    means = []
    for _ in range(400):
        drawn = np.concatenate([rows[user] for user in rng.integers(0, len(rows), len(rows))])
        fitted = fit_calibrator(data["reward"][drawn], data["outcome"][drawn], data["cohort"][drawn])
        means.append(fitted.expected(data["reward"], data["cohort"]).mean())
    assert 0.9 <= claimed(data).error / np.std(means) <= 1.3


def test_allowance_covers_the_truth_in_nineteen_of_twenty_references() -> None:
    """Known truth: cohorts with fixed chances. The baseline leans against us by more than the allowance in 5%."""
    rng, chance, missed, runs = np.random.default_rng(9), np.array([0.9, 0.7, 0.5]), 0, 600
    for _ in range(runs):
        cohort = rng.integers(0, 3, 300)
        outcome = (rng.random(300) < chance[cohort]).astype(float)
        means = np.array([outcome[cohort == k].mean() for k in range(3)])
        units = np.arange(300)
        found = reference_error(means[cohort] - outcome, outcome, cohort, units, units, cohort, units % 7, {})
        missed += bool((means - chance)[cohort].mean() > found.allowance())
    assert missed / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)  # Monte Carlo error .009


@pytest.mark.parametrize("curve", ["saturating", "rising in half the cohorts"])
def test_allowance_covers_the_truth_for_a_selected_policy(curve: str) -> None:
    """Best of 16 of a continuous reward, 4 cohorts; 150 references, Monte Carlo error .018."""
    rng = np.random.default_rng(1)
    references = [draw_reference(curve, 600, 4, rng) for _ in range(150)]
    found = summed_up([by_cells(each, each.fit())["best of 16"] for each in references])
    assert found["covers"] >= 0.95 - 3 * 0.018
    assert abs(found["bias"]) < 1.5


@pytest.mark.parametrize("series", [CONTINUOUS, OUTCOME])
def test_allowance_covers_the_truth_on_weekdays_on_weekends_and_over_the_week(series: str) -> None:
    """Weekends bring other cohorts, away from whose means shrinkage leans; 150 references, Monte Carlo error .018."""
    found = day_runs(series, 600, 150)
    assert min(found["weekday"], found["weekend"], found["week"]) >= 0.95 - 3 * 0.018


@pytest.mark.parametrize("n", [30, 100, 300])
def test_allowance_covers_the_truth_of_few_units_with_rare_failures(n: int) -> None:
    """Counted exactly over every number of successes; without the tilt the worst chance of success has .82 to .91."""
    codes, chances = np.arange(n), np.linspace(0.05, 0.95, 91)
    covered = np.zeros(chances.size)
    for successes in range(n + 1):
        outcome = (codes < successes).astype(float)
        mean = successes / n
        found = reference_error(mean - outcome, outcome, codes * 0, codes, codes, codes * 0, codes % 7, {})
        covered += stats.binom.pmf(successes, n, chances) * (mean - chances <= found.allowance() + 1e-12)
    assert covered.min() >= 0.93
    assert 0.945 <= covered.mean() <= 0.97


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_cell_without_variation_never_claims_zero_error(value: float) -> None:
    n = np.arange(50)
    found = reference_error(np.zeros(50), np.full(50, value), n * 0, n, n, n * 0, n % 7, {})
    assert found.error == pytest.approx(np.sqrt(1 / 52 * 51 / 52 / 50))  # one more of each kind
    assert min(variance for variance, _, _ in found.cells.values()) > 0


def test_no_reference_is_all_error() -> None:
    none, whole = np.zeros(0), np.zeros(0, np.int64)
    found = reference_error(none, none, whole, whole, whole, whole, whole, {})
    assert (found.error, found.units) == (1.0, 0)


def test_weekend_traffic_of_a_noisy_cohort_counts() -> None:
    rng, n = np.random.default_rng(4), 1400
    days = np.arange(n) % 7
    weekend = np.isin((days + 3) % 7, (5, 6))
    cohort = np.where(rng.random(n) < np.where(weekend, 0.9, 0.02), 1, 0)
    outcome = (rng.random(n) < np.where(cohort == 1, 0.5, 0.99)).astype(float)
    means = np.array([outcome[cohort == k].mean() for k in range(2)])
    args = (means[cohort] - outcome, outcome, cohort, np.arange(n), np.arange(n), cohort)
    mixed, even = reference_error(*args, days, {}), reference_error(*args, np.zeros(n, np.int64), {})
    assert mixed.weekend is not None
    assert mixed.weekday is not None
    assert mixed.weekend > 1.3 * even.allowance() > 1.3 * mixed.weekday
    assert even.weekend is None  # no such day in the reference: the error at its whole mix is conceded
    saturday = np.array([2])
    assert even.allowances(saturday)[0] == even.allowance()
    assert mixed.allowances(saturday)[0] == mixed.weekend


def test_a_notable_lean_of_shrinkage_is_conceded() -> None:
    n = np.arange(100)
    args = (np.zeros(100), (n % 2).astype(float), n % 2, n, n, n * 0, n % 7)
    plain, leaning = reference_error(*args, {}), reference_error(*args, {0: 0.02, 1: 0.0})
    assert leaning.bias == pytest.approx(0.01)
    assert leaning.allowance() == pytest.approx(plain.allowance() + 0.01)
    assert reference_error(*args, {0: -0.02, 1: 0.0}).bias == 0.0


def test_a_baseline_above_its_cells_leans_even_if_nobody_said_so() -> None:
    n = np.arange(200)
    cell, day = n % 2, np.where(n % 2, 2, 4)  # one cell on Saturdays, one on Mondays
    outcome = ((n // 2) % 2).astype(float)
    found = reference_error(0.6 * cell + 0.2 - outcome, outcome, cell, n, n, cell, day, {})
    assert {cell: round(lean, 9) for cell, (_, lean, _) in found.cells.items()} == {0: -0.3, 1: 0.3}
    assert found.bias == 0.0
    assert found.weekday is not None
    assert found.weekend == pytest.approx(found.weekday + 0.3)


def test_the_allowance_of_a_day_knows_only_earlier_days() -> None:
    baseline = ReferenceError(0.01, 0.0, 1000, {0: (0.0001, 0.0, 0.0), 1: (0.01, 0.0, 0.0)})
    days, cells = np.repeat(np.arange(4, 9), 50), np.repeat([0, 0, 1, 1, 1], 50)  # Monday to Friday
    whole = allowance_by_day(baseline, days, cells)[1]
    changed = allowance_by_day(baseline, days, np.where(days == 8, 0, cells))[1]
    assert (whole == changed).all()
    assert whole[2] == pytest.approx(QUANTILE * 0.01)
    assert whole[4] > whole[3] > whole[2]


def test_an_unknown_cell_is_as_uncertain_as_the_worst() -> None:
    baseline = ReferenceError(0.01, 0.0, 1000, {0: (0.0001, 0.0, 0.0), 1: (0.01, 0.0, 0.0)})
    days = np.repeat([0, 1], 50)
    assert allowance_by_day(baseline, days, np.full(100, 9))[1][1] == pytest.approx(QUANTILE * 0.1)


def test_a_weekend_after_a_moved_week_concedes_what_moved() -> None:
    baseline = ReferenceError(
        0.01, 0.0, 1000, {0: (0.0001, 0.0, 0.0), 1: (0.01, 0.0, 0.0)}, weekday=0.0165, weekend=0.033
    )
    days, moved = np.repeat([8, 9, 16], 50), np.ones(150, np.int64)  # a Friday, the Saturday after it, the next one
    allowances = allowance_by_day(baseline, days, moved)[1]
    assert allowances == pytest.approx([0.0165, QUANTILE * 0.1, QUANTILE * 0.1])
    assert allowance_by_day(baseline, days, moved * 0)[1] == pytest.approx([0.0165, 0.033, 0.033])
