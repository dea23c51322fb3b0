"""Voices of published models on the same prompts: who sounds like whom? Beside a student that learned from people."""

import pytest

from judges.style import fit, told_apart
from tests.published_voices import (
    LEARNED_FROM,
    OUTPUTS,
    OWN_VOICE,
    PEOPLE,
    TEACHERS,
    beside,
    datasets,
    half,
    house,
    on_other_prompts,
    rivals_of,
    said,
)

pytestmark = pytest.mark.skipif(not OUTPUTS.is_file(), reason="needs alpaca_eval in REWARD_DRIFT_DATA")
TOPICS = ({"helpful_base", "koala", "vicuna"}, {"oasst", "selfinstruct"})


@pytest.mark.parametrize(
    ("student", "teacher", "reference"),
    [
        ("claude2-alpaca-13b", "claude", PEOPLE),
        ("nous-hermes-13b", "gpt4", PEOPLE),
        ("wizardlm-13b", "gpt-3.5-turbo-0301", PEOPLE),
        ("alpaca-7b", "text_davinci_003", "alpaca-farm-ppo-human"),
    ],
)
def test_a_student_is_found_nearer_to_its_teacher(student: str, teacher: str, reference: str) -> None:
    heard = beside(student, teacher, reference)
    assert heard.gains.mean() > 0.04
    assert heard.p < 0.02


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_model_of_its_own_voice_is_not_accused(teacher: str) -> None:
    """Although the classifier of two voices alone would accuse it of three of them."""
    heard = beside(OWN_VOICE, teacher, PEOPLE)
    assert heard.p > 0.99
    assert (heard.gains.mean() > 0.08) == (teacher != "text_davinci_003")


def test_preferences_that_gpt4_simulated_move_a_student_toward_it() -> None:
    """Beside its twin, tuned on preferences of people. On another half of the prompts the distance may not show it."""
    heard = beside("alpaca-farm-ppo-sim-gpt4-20k", "gpt4", "alpaca-farm-ppo-human")
    assert 0.05 < heard.gains.mean() < 0.15
    assert heard.p < 0.05


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("student", [name for name, teachers in LEARNED_FROM.items() if teachers])
def test_with_rivals_a_student_is_nearest_to_a_teacher_of_its_own_house(student: str, swapped: bool) -> None:
    """On either half of the prompts. Which gpt it was differs between the halves: that does not show."""
    heard = {teacher: beside(student, teacher, PEOPLE, rivals_of(teacher), swapped) for teacher in TEACHERS}
    nearest = max(heard, key=lambda teacher: float(heard[teacher].gains.mean()))
    assert nearest in house(student)
    assert heard[nearest].gains.mean() > 0.035


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", [name for name in LEARNED_FROM if name != PEOPLE])
def test_with_rivals_nobody_is_accused_of_a_teacher_of_another_house(name: str, swapped: bool) -> None:
    """The model of a voice of its own of none at all."""
    strange = set(TEACHERS) - house(name)
    assert min(beside(name, teacher, PEOPLE, rivals_of(teacher), swapped).p for teacher in strange) > 0.025


@pytest.mark.parametrize("teacher", ["gpt-3.5-turbo-0301", "gpt4"])
def test_rivals_clear_the_student_of_another_teacher(teacher: str) -> None:
    """A classifier of two voices alone hears gpt in claude's student."""
    two, many = (beside("claude2-alpaca-13b", teacher, PEOPLE, rivals) for rivals in ((), rivals_of(teacher)))
    assert two.gains.mean() > 0.08
    assert many.gains.mean() < -0.08


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("there", [0, 1])
def test_what_was_learned_on_some_topics_holds_on_others(teacher: str, there: int) -> None:
    """Prompts of other data sets: the voices are told apart nearly as well, and the topic accuses nobody.

    The model of people on other topics, beside itself on those trained on and so without shared prompts.
    """
    taught = [item for item in half(True) if datasets()[item] not in TOPICS[there]]
    here = [item for item in half(False) if datasets()[item] not in TOPICS[there]]
    elsewhere = [item for item, dataset in sorted(datasets().items()) if dataset in TOPICS[there]]
    model = fit(said(teacher, taught), said(PEOPLE, taught))
    same, other = (told_apart(model, said(teacher, items), said(PEOPLE, items)) for items in (here, elsewhere))
    assert other > max(same - 0.10, 0.55)
    moved = on_other_prompts(model, teacher, here, elsewhere)
    assert moved.effect.value is not None
    assert abs(moved.effect.value) < 0.08
    assert moved.p > 0.025
