"""Is the guard seldom wrong, for ever, and does it find what a rolling detector was made to forget?"""

import numpy as np
import pytest

from monitor.check import Measurement
from monitor.detection.book import SeriesBook
from monitor.detection.evidence import Path, family_weights, run
from monitor.detection.guard import CHECK, NAME, SLICE, THRESHOLDS, guard_path, spoken_for
from monitor.oncall.alerts import GUARD, Crossing, Episode, EpisodeKey
from monitor.statistics.detector import BET_WEIGHTS, BETS, guard_masses, log_factors
from monitor.statistics.family import GUARD_ALPHA

FIRST_DAY, CHANCE, PER_DAY = 20_000, 0.75, 100
WARNING = THRESHOLDS["warning"]


def evidence(rng: np.random.Generator, runs: int, chances: np.ndarray) -> np.ndarray:
    """E-value at the close of each day, shape (days, runs): 100 residuals a day of an outcome expected to be .75."""
    succeeded = rng.binomial(PER_DAY, np.broadcast_to(chances[:, None], (chances.size, runs)))[..., None]
    failure, success = log_factors(np.array([CHANCE, CHANCE - 1]), np.zeros(1))
    logs = succeeded * success + (PER_DAY - succeeded) * failure
    masses = np.broadcast_to(np.log(guard_masses(chances.size))[:, None], logs.shape[:2])
    return np.exp(run(logs, masses, {})[0])


def test_at_the_boundary_of_the_null_it_is_ever_wrong_with_probability_alpha_at_most() -> None:
    runs = 1000
    crossed = evidence(np.random.default_rng(1), runs, np.full(400, CHANCE)) >= WARNING
    share = crossed.any(axis=0).mean()  # .03 in 150 days, .035 in 400
    error = np.sqrt(GUARD_ALPHA * (1 - GUARD_ALPHA) / runs)  # .007
    assert share <= GUARD_ALPHA + 3 * error
    assert share > 0.01  # the bound is not met by never alerting


def test_a_harm_of_five_points_from_day_201_on_is_found_three_weeks_later() -> None:
    chances = np.full(300, CHANCE)
    chances[200:] -= 0.05
    crossed = evidence(np.random.default_rng(2), 600, chances) >= WARNING
    late = ~crossed[:200].any(axis=0)
    found = crossed.argmax(axis=0)[late] + 1
    error = 1.25 * found.std() / np.sqrt(found.size)  # of the median: .4 days
    assert crossed[:, late].any(axis=0).all()
    assert abs(np.median(found) - 221) <= 3 * error + 1


def test_masses_add_up_to_one_over_all_time() -> None:
    for days in (1, 7, 1000, 100_000):
        assert guard_masses(days).sum() == pytest.approx(1 - 1 / (days + 1))


def book_of(effects: dict[str, np.ndarray], days: np.ndarray) -> SeriesBook:
    book = SeriesBook(FIRST_DAY)
    measured = [
        (CHECK, Measurement(SLICE, ys, 0.02, series, days, baseline_allowance=np.zeros(ys.size)))
        for series, ys in effects.items()
    ]
    book.write(measured, 0.0, FIRST_DAY, int(days.max()) + 1)
    return book


def test_its_statistic_is_the_weighted_sum_of_restarted_products() -> None:
    rng, count = np.random.default_rng(3), 12
    days = np.arange(count) + FIRST_DAY
    effects = {series: rng.uniform(-1, 1, count) for series in ("A1", "A2", "A7", "A4")}
    path = guard_path(book_of(effects, days))
    assert path is not None
    expected = np.zeros(count)
    for series, weight in (("A1", 35 / 60), ("A2", 15 / 60), ("A7", 10 / 60)):
        for bet, share in zip(BETS, BET_WEIGHTS, strict=True):
            level = 0.0
            for day in range(count):
                level = (level + 1 / ((day + 1) * (day + 2))) * (1 + bet * effects[series][day])
                expected[day] += weight * share * level
    np.testing.assert_allclose(np.exp(path.total), expected)
    assert [key.series for key in path.members] == ["A1", "A2", "A7"]


def test_its_series_have_no_share_of_the_budget_in_days() -> None:
    days = np.arange(5) + FIRST_DAY
    book = book_of({"A1": np.zeros(5), "A2": np.zeros(5), "A7": np.zeros(5)}, days)
    assert family_weights(book, {}, {}) == {}


def test_without_its_series_there_is_no_guard() -> None:
    assert guard_path(SeriesBook(FIRST_DAY)) is None


def told(days: list[float]) -> Path:
    """The guard's path with these e-values on successive days."""
    statistic, nothing = np.log(np.array(days)), np.zeros(len(days))
    return Path(
        NAME, (), nothing[:, None], statistic, statistic, nothing + np.inf, nothing - np.inf, nothing > 0, GUARD
    )


def silent(path: Path, day: int, resolved: list[int], episode: Episode | None = None) -> bool:
    episodes = {EpisodeKey("", CHECK): episode} if episode else {}
    return spoken_for(path, FIRST_DAY + day, FIRST_DAY, episodes, [FIRST_DAY + r for r in resolved])


def test_a_crossing_is_a_warning_by_the_rule_of_the_guard() -> None:
    path = told([1.0, 19.9, 20.1])
    assert [path.level(day, THRESHOLDS) for day in range(3)] == [None, None, ("warning", "guard")]
    assert not silent(path, 2, [])


@pytest.mark.parametrize(
    ("severity", "since", "expected"), [("page", 1, True), ("ticket", 1, False), ("page", 3, False)]
)
def test_it_is_silent_while_an_alert_over_all_traffic_says_the_same(severity: str, since: int, expected: bool) -> None:
    episode = Episode(CHECK, "", {}, (Crossing(severity, "restarting", FIRST_DAY + since),))
    assert silent(told([1.0, 30.0, 30.0, 30.0]), 2, [], episode) is expected


def test_what_was_resolved_is_told_again_only_after_it_had_gone() -> None:
    path = told([1.0, 30.0, 30.0, 30.0, 5.0, 30.0])
    assert silent(path, 3, [2])
    assert not silent(path, 5, [2])
    assert not silent(path, 1, [4])  # a later decision says nothing of an earlier day


def test_a_decision_made_before_it_crossed_silences_nothing() -> None:
    assert not silent(told([1.0, 2.0, 30.0]), 2, [2])
