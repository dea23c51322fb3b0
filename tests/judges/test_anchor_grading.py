"""Do the grades of anchors say what people, or an exact rule, said?"""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.held_out.anchor_grading import Choice, choose, human_verdict, is_right, mean_grade
from judges.held_out.anchor_items import ChoiceItem, ExactItem, Grade, PreferenceItem, RubricItem, Vote
from judges.held_out.answer_match import last_number, matches, squad_normalised

SHARED: dict[str, Any] = {"item_id": "i", "prompt": "?", "method": "human"}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Denver Broncos", True),
        ("the Denver Broncos.", True),
        (" DENVER\n broncos!! ", True),
        ("“Denver Broncos”", True),
        ("Denver", False),
        ("Denver Broncos won", False),
        ("", False),
    ],
)
def test_squad_compares_without_case_punctuation_and_articles(text: str, right: bool) -> None:
    item = ExactItem(
        **SHARED, answers=("Denver Broncos", "Broncos of Denver"), normalisation="squad", annotators=("x",)
    )
    assert is_right(item, text) is right


def test_any_of_several_answers_is_right_and_verbatim_means_each_character() -> None:
    assert matches(" b\n", ["a", "b"], "verbatim")
    assert not matches("B", ["a", "b"], "verbatim")
    assert not matches("b.", ["a", "b"], "verbatim")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 42.", 42),
        ("#### 1,234", 1234),
        ("$3.50!", Fraction(7, 2)),
        (".5", Fraction(1, 2)),
        ("-7", -7),
        ("−7", -7),
        ("+7", 7),
        ("is 3/4 of it", Fraction(3, 4)),
        ("50%", 50),
        ("7 km", 7),
        ("42kg", 42),
        ("the 3rd of 4", 4),
        ("1e5", None),
        ("0x1f", None),
        ("(-2)", -2),
        ("a-2", 2),
        ("10-20", 20),
        ("5 - 3", 3),
        ("1/0", None),
        ("v1.2.3", None),
        ("x2", None),
        ("none", None),
        ("", None),
        ("1,23", None),
        ("1" * 31, None),
        ("9" * 30, 10**30 - 1),
    ],
)
def test_the_last_number_of_a_text_is_read_exactly(text: str, value: Fraction | None) -> None:
    assert last_number(text) == value


def test_a_number_is_right_by_its_value() -> None:
    assert matches("0.5 and so 1/2", ["0.50"], "number")
    assert not matches("about 0.33", ["1/3"], "number")
    assert not matches("no idea", ["1"], "number")


@given(st.fractions(min_value=-(10**12), max_value=10**12, max_denominator=10**6), st.text(max_size=5))
def test_every_fraction_is_read_back(value: Fraction, before: str) -> None:
    said = f"{value.numerator}/{value.denominator}"
    assert last_number(f"{before} so {said}") == value


@given(st.text())
def test_reading_hostile_text_never_fails_and_normalising_twice_is_normalising_once(text: str) -> None:
    assert last_number(text) is None or isinstance(last_number(text), Fraction)
    once = squad_normalised(text)
    assert squad_normalised(once) == once


@given(st.text(alphabet="0123456789.,/-+ e", max_size=60))
def test_reading_odd_numbers_never_fails(text: str) -> None:
    assert last_number(text) is None or isinstance(last_number(text), Fraction)


def choice(options: tuple[str, ...], right: int = 0) -> ChoiceItem:
    return ChoiceItem(**SHARED, options=options, right=right, annotators=("x",))


def test_the_likeliest_option_depends_on_what_it_is_divided_by() -> None:
    chosen = choose(choice(("no", "certainly"), right=1), [(-4.0, -4.0, -2.0), (-9.0, -1.5, -1.0)])
    assert chosen == (Choice(0, False), Choice(1, True), Choice(1, True))


def test_options_that_are_equally_likely_are_no_choice_whatever_their_order() -> None:
    for right in (0, 1):
        assert choose(choice(("yes", "not"), right), [(-2.0,) * 3, (-2.0,) * 3]).total == Choice(None, False)
    never = (-math.inf,) * 3
    assert choose(choice(("yes", "not")), [never, never]).per_byte == Choice(None, False)
    assert choose(choice(("yes", "not")), [(-5.0,) * 3, never]).total == Choice(0, True)


@pytest.mark.parametrize(
    "values",
    [[], [(-1.0, -1.0, -1.0)], [(-1.0, -1.0, math.nan), (-1.0,) * 3], [(math.inf,) * 3, (-1.0,) * 3], [(-1.0,)] * 2],
)
def test_numbers_that_are_not_those_of_the_options_are_refused(values: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"options|number|values to unpack"):
        choose(choice(("yes", "no")), values)


@given(st.permutations(range(4)), st.lists(st.tuples(*[st.floats(-100, -1)] * 3), min_size=4, max_size=4))
def test_the_order_of_the_options_changes_nothing(order: list[int], values: list[tuple[float, float, float]]) -> None:
    options = ("a", "bb", "ccc", "dddd")
    shuffled = choice(tuple(options[n] for n in order), right=order.index(2))
    before = choose(choice(options, right=2), values)
    after = choose(shuffled, [values[n] for n in order])
    assert [one.right for one in before] == [one.right for one in after]


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ("a", "a"),
        ("b", "b"),
        ("t", "tie"),
        ("aab", "a"),
        ("ab", "tie"),
        ("aabt", "tie"),
        ("aaabt", "a"),
        ("bbatt", "tie"),
        ("ttttb", "tie"),
    ],
)
def test_more_than_half_of_the_people_decide_a_pair(votes: str, verdict: str) -> None:
    cast = tuple(Vote(f"ann-{n}", {"a": "a", "b": "b", "t": "tie"}[one]) for n, one in enumerate(votes))  # type: ignore[arg-type]
    assert human_verdict(PreferenceItem(**SHARED, a="x", b="y", votes=cast)) == verdict


@given(st.lists(st.floats(-3, 7), min_size=1, max_size=9))
def test_a_mean_grade_is_a_share_of_the_scale(grades: list[float]) -> None:
    given_by = tuple(Grade(f"ann-{n}", grade) for n, grade in enumerate(grades))
    item = RubricItem(**SHARED, response="x", scale=(-3, 7), grades=given_by)
    assert -1e-12 <= mean_grade(item) <= 1 + 1e-12
    assert mean_grade(item) == pytest.approx((sum(grades) / len(grades) + 3) / 10)
