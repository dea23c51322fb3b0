import numpy as np
import pytest

from monitor.statistics.non_inferiority import labels_needed, margin_test, power_at, visible_harm
from tests.benchmarks.interval_table import margin_decisions, paired

NONE = np.zeros(0)


@pytest.mark.parametrize(("correlation", "n"), [(0.0, 1374), (0.5, 1064), (0.7, 748), (0.85, 422)])
def test_power_and_error_are_as_planned(correlation: float, n: int) -> None:
    assert labels_needed(0.03, 0.2**0.5, correlation, 10_000) == n
    assert abs(margin_decisions(n, correlation, 0.0, 300)["GO"] - 0.8) <= 0.02 + 2 * 0.023  # Monte Carlo error .023
    at_margin = margin_decisions(n, correlation, 0.03, 500)
    assert max(at_margin.values()) <= 0.05 + 3 * 0.01  # Monte Carlo error .010


def test_harm_beyond_what_is_visible_is_called() -> None:
    harm = visible_harm(748, 0.03, 0.2**0.5, 0.7, 10_000)
    assert abs(margin_decisions(748, 0.7, harm, 300)["NO-GO"] - 0.8) <= 0.02 + 2 * 0.023


def test_few_labels_never_make_a_go() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        effect, judged = paired(0.03, 0.7, rng, 320)
        assert margin_test(effect[:20], judged[:20], judged[20:], 0.03).decision == "INCONCLUSIVE"


def test_ties_alone_are_inconclusive_and_say_what_would_settle_it() -> None:
    found = margin_test(np.zeros(60), np.zeros(60), NONE, margin=0.03)
    assert found.decision == "INCONCLUSIVE"
    assert found.needed is not None
    assert found.needed > 60


def test_clear_answers() -> None:
    effect, judged = paired(0.0, 0.7, np.random.default_rng(1), 3000)
    better, worse = np.where(effect > 0, 0.0, effect), np.where(effect < 0, 0.0, effect)
    assert margin_test(better[:500], judged[:500], judged[500:], 0.03).decision == "GO"
    assert margin_test(worse[:500], judged[:500], judged[500:], 0.03).decision == "NO-GO"


def test_no_number_of_labels_shows_that_equals_are_better() -> None:
    assert margin_test(np.zeros(50), np.zeros(50), NONE, margin=0.0).needed is None
    with pytest.raises(ValueError, match=r"margin \+ better > 0"):
        labels_needed(0.0, 0.4)


def test_the_plan_is_its_fixed_point() -> None:
    for correlation, others in ((0.0, 0), (0.6, 500), (0.9, 20_000), (1.0, 2000)):
        n, alone = labels_needed(0.02, 0.5, correlation, others), labels_needed(0.02, 0.5)
        assert n == pytest.approx(max(30, alone * (1 - correlation**2 * others / (n + others))), abs=2)


def test_a_better_candidate_needs_fewer_labels() -> None:
    assert labels_needed(0.03, 0.45, better=0.02) < labels_needed(0.03, 0.45) / 2


def test_power_grows_with_labels_and_meets_alpha_at_the_margin() -> None:
    powers = [power_at(n, 0.03, 0.45) for n in (50, 200, 1000, 5000)]
    assert powers == sorted(powers)
    assert power_at(500, 0.03, 0.45, better=-0.03) == pytest.approx(0.05)
    assert power_at(500, 0.03, 0.0) == 1.0


@pytest.mark.parametrize(
    "effects", [np.array([]), np.array([0.1, np.nan]), np.array([1.5, 0.0]), np.array([0.0, -np.inf])]
)
def test_broken_effects_are_refused(effects: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unit"):
        margin_test(effects, np.zeros(effects.size), NONE, 0.03)


def test_one_pair_is_inconclusive() -> None:
    assert margin_test(np.array([-1.0]), np.array([-1.0]), np.zeros(50), 0.03).decision == "INCONCLUSIVE"


@pytest.mark.parametrize(("margin", "better", "alpha"), [(-0.1, 0, 0.05), (1, 0, 0.05), (np.nan, 0, 0.05)])
def test_margins_must_be_shares(margin: float, better: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        margin_test(np.zeros(50), np.zeros(50), NONE, margin, better, alpha)


def test_impossible_plans_are_refused() -> None:
    for ask in (
        lambda: margin_test(np.zeros(50), np.zeros(50), NONE, 0.03, alpha=0.0),
        lambda: labels_needed(0.03, np.nan),
        lambda: labels_needed(0.03, 0.4, 1.2),
        lambda: labels_needed(0.03, 0.4, unlabelled=-1),
        lambda: labels_needed(0.03, 0.4, power=1.0),
        lambda: power_at(0, 0.03, 0.4),
        lambda: visible_harm(100, 0.03, np.nan),
    ):
        with pytest.raises(ValueError, match=r"must|need"):
            ask()
