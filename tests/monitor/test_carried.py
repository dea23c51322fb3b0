import numpy as np
import pytest

from monitor.statistics.anytime import gate_path
from monitor.statistics.carried import Carried, Week, carried, carried_decision, look_alpha
from monitor.statistics.sample_test import sample_test
from tests.benchmarks.interval_table import paired

MARGIN = 0.03
ALPHA = 0.05
NONE = np.zeros(0)


def weeks(
    harm: float, count: int, rng: np.random.Generator, n: int = 150, rho: float = 0.7, others: int = 4
) -> list[Week]:
    found = []
    for _ in range(count):
        effect, judged = paired(harm, rho, rng, n * (1 + others))
        found.append(Week("v2, v1", effect[:n], judged[:n], judged[n:]))
    return found


def test_a_wrong_answer_ever_stays_at_alpha_over_all_weeks() -> None:
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(100):  # one of three cohorts at the margin: neither answer is right
        slices = {str(harm): carried(weeks(harm, 8, rng), MARGIN, 4) for harm in (MARGIN, -0.1, -0.09)}
        answers.append(carried_decision(slices, ALPHA)[0])
    assert answers.count("GO") / 100 <= ALPHA + 2 * 0.022  # Monte Carlo error .022
    assert answers.count("NO-GO") / 100 <= ALPHA + 2 * 0.022


def test_looks_at_all_labels_so_far_stay_at_alpha_over_all_weeks() -> None:
    rng = np.random.default_rng(1)
    passed = failed = 0
    for _ in range(250):
        units = paired(MARGIN, 0.0, rng, 8 * 150)[0]
        found = [(sample_test(units[: 150 * look], MARGIN), look_alpha(look, ALPHA)) for look in range(1, 9)]
        passed += any(one.p_safe < level for one, level in found)
        failed += any(one.p_harm < level for one, level in found)
    assert max(passed, failed) / 250 <= ALPHA + 2 * 0.0138  # Monte Carlo error .0138
    assert sum(look_alpha(look, ALPHA) for look in range(1, 10_000)) < ALPHA


def test_candidates_are_decided_in_time() -> None:
    rng = np.random.default_rng(2)
    better = [carried_decision({"all": carried(weeks(-0.04, 8, rng), MARGIN, 4)}) for _ in range(30)]
    worse = [carried_decision({"all": carried(weeks(0.12, 8, rng), MARGIN, 4)}) for _ in range(30)]
    assert sum(one[0] == "GO" for one in better) >= 25
    assert sum(one[0] == "NO-GO" for one in worse) >= 25
    assert all(one[0] == "INCONCLUSIVE" or one[1] <= 8 for one in better + worse)


def test_a_later_week_leaves_the_earlier_ones_as_they_were() -> None:
    given = weeks(0.0, 4, np.random.default_rng(3))
    whole = carried(given, MARGIN, 4)
    for count in (1, 2, 3):
        part = carried(given[:count], MARGIN, 4)
        for side in ("go", "no_go", "best_go"):
            assert getattr(part, side) == pytest.approx(getattr(whole, side)[:count])


def test_evidence_of_weeks_is_that_of_one_long_gate() -> None:
    given = weeks(0.0, 3, np.random.default_rng(4))
    effects, judged, unlabelled = (
        np.concatenate([getattr(week, side) for week in given]) for side in ("effects", "judged", "unlabelled")
    )
    path = gate_path(effects, judged, unlabelled, effects.size, MARGIN)
    found = carried(given, MARGIN, 4)
    assert found.go == pytest.approx(path.go[[149, 299, 449]])
    assert found.no_go[-1] == pytest.approx(path.no_go[-1])
    assert found.best_go[-1] == pytest.approx(path.go.max())


def test_a_week_without_enough_scores_goes_without_the_judge() -> None:
    first, second = weeks(0.0, 2, np.random.default_rng(5))
    short = Week(second.about, second.effects, second.judged, second.unlabelled[:10])
    blind = Week(second.about, second.effects, np.zeros(150), np.zeros(600))
    assert carried([first, short], MARGIN, 4).go == pytest.approx(carried([first, blind], MARGIN, 4).go)
    alone = gate_path(first.effects, np.zeros(150), NONE, 150, MARGIN)
    assert carried([first], MARGIN).go == pytest.approx(alone.go[[-1]])


def test_a_week_without_labels_changes_nothing() -> None:
    first = weeks(0.0, 1, np.random.default_rng(6))[0]
    found = carried([first, Week(first.about, NONE, NONE, NONE)], MARGIN, 4)
    assert found.go[0] == found.go[1]
    assert carried([Week(0, NONE, NONE, NONE)], MARGIN).go.tolist() == [0.0]


def test_harm_in_the_week_of_a_pass_blocks() -> None:
    sure = Carried(np.array([9.0]), np.array([9.0]), np.array([9.0]))
    assert carried_decision({"a": sure}) == ("NO-GO", 1)
    waits = Carried(np.array([0.0, 4.0]), np.zeros(2), np.array([0.0, 4.0]))
    went = Carried(np.array([5.0, 1.0]), np.zeros(2), np.array([5.0, 5.0]))
    assert carried_decision({"a": waits, "b": went}) == ("GO", 2)


def test_wrong_arguments_are_refused() -> None:
    week = weeks(0.0, 1, np.random.default_rng(7))[0]
    for given, keys in (
        ([], {}),
        ([week, Week("v3, v1", week.effects, week.judged, week.unlabelled)], {}),
        ([week], {"batch": -1}),
        ([Week("v2, v1", np.array([np.nan]), np.zeros(1), NONE)], {}),
    ):
        with pytest.raises(ValueError, match=r"evidence|batch|finite"):
            carried(given, MARGIN, **keys)
    one, two = carried([week], MARGIN), carried([week, week], MARGIN)
    for slices in ({}, {"a": one, "b": two}):
        with pytest.raises(ValueError, match="slice"):
            carried_decision(slices)
    with pytest.raises(ValueError, match="looks"):
        look_alpha(0)
