"""Does failing on bad answers ever make a model look better?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.coverage_bound import comparable, covered, difference_bounds

JUDGMENTS = st.lists(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), min_size=1, max_size=40)


@given(JUDGMENTS, JUDGMENTS)
def test_whatever_the_failed_judgments_would_have_said_lies_within_the_bounds(
    new: list[float], old: list[float]
) -> None:
    sides = [np.array(new), np.array(old)]
    low, high = difference_bounds(covered(sides[0]), covered(sides[1]))
    for filled in (0.0, 0.5, 1.0):
        rates = [np.nan_to_num(side, nan=filled) for side in sides]
        found = covered(sides[0])
        assert found.least - 1e-12 <= rates[0].mean() <= found.most + 1e-12
        assert low - 1e-12 <= rates[0].mean() - rates[1].mean() <= high + 1e-12


@given(JUDGMENTS, st.data())
def test_a_judge_that_fails_on_more_answers_never_raises_the_least(judged: list[float], data: st.DataObject) -> None:
    told = np.array(judged)
    lost = np.array(data.draw(st.lists(st.booleans(), min_size=told.size, max_size=told.size)))
    fewer, more = covered(np.where(lost, np.nan, told)), covered(told)
    assert fewer.least <= more.least + 1e-12
    assert fewer.most >= more.most - 1e-12


def test_leaving_the_worst_answers_out_raises_the_rate_but_not_its_least() -> None:
    won = np.repeat([1.0, 0.0], [50, 50])
    failing = np.where(np.arange(100) >= 80, np.nan, won)
    assert covered(failing).value == 0.625
    assert covered(failing).least == 0.5
    assert not comparable(covered(failing), covered(won))


def test_nobody_who_judged_is_no_rate_but_a_bound() -> None:
    found = covered(np.full(3, np.nan))
    assert (found.value, found.least, found.most, found.coverage) == (None, 0.0, 1.0, 0.0)


@pytest.mark.parametrize("judged", [[], [1.5], [np.inf], [-0.1, np.nan]])
def test_judgments_that_are_none_are_refused(judged: list[float]) -> None:
    with pytest.raises(ValueError, match="each in"):
        covered(np.array(judged))
