"""What is one held-out item, and who says what is right about it? Four kinds, labelled by people or by exact rules."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta, Struct

from judges.held_out.answer_match import Normalisation, last_number, squad_normalised

Kind = Literal["exact", "choice", "preference", "rubric"]
Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]

MODELS = frozenset({"model", "judge", "teacher", "reward_model", "llm", "synthetic"})


class _Labelled(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all kinds share. method: how the label was made, `human` or `exact`, as in outcome events."""

    item_id: Name
    prompt: Text
    method: str
    category: Name | None = None

    def __post_init__(self) -> None:
        if self.method in MODELS:
            raise ValueError(
                f"its labels were made by a {self.method}, and what a model says anchors nothing: what is measured"
                " would be agreement with that model; have people label the item, or leave it out"
            )
        if self.method not in ("human", "exact"):
            raise ValueError(f"`method` is {self.method[:40]!r}; say how it was labelled, `human` or `exact`")
        if not self.prompt.strip():
            raise ValueError("`prompt` is blank")


class ExactItem(_Labelled, frozen=True, kw_only=True):
    """A question with one or more right answers. normalisation: how a text is compared with them."""

    answers: Annotated[tuple[Text, ...], Meta(min_length=1)]
    normalisation: Normalisation
    annotators: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_people(self.method, self.annotators)
        for answer in self.answers:
            if self.normalisation == "number" and last_number(answer) is None:
                raise ValueError(f"the answer {answer[:40]!r} holds no number; normalise by squad or verbatim instead")
            if not answer.strip() or (self.normalisation == "squad" and not squad_normalised(answer)):
                raise ValueError(f"the answer {answer[:40]!r} is empty once normalised, and would match an empty text")


class ChoiceItem(_Labelled, frozen=True, kw_only=True):
    """A question with options. right: index of the right one, from 0."""

    options: Annotated[tuple[Text, ...], Meta(min_length=2)]
    right: Annotated[int, Meta(ge=0)]
    annotators: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_people(self.method, self.annotators)
        if self.right >= len(self.options):
            raise ValueError(f"`right` is {self.right}, but the {len(self.options)} options are numbered from 0")
        if len(set(self.options)) < len(self.options):
            raise ValueError("the same option stands twice")


class Vote(Struct, frozen=True, forbid_unknown_fields=True):
    """What one annotator preferred."""

    annotator: Name
    vote: Literal["a", "b", "tie"]


class PreferenceItem(_Labelled, frozen=True, kw_only=True):
    """Two answers to one prompt, and which of them people preferred."""

    a: Text
    b: Text
    votes: Annotated[tuple[Vote, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_one_each([vote.annotator for vote in self.votes])
        if self.a == self.b:
            raise ValueError("`a` and `b` are the same text")


class Grade(Struct, frozen=True, forbid_unknown_fields=True):
    """What one annotator graded, on the item's scale."""

    annotator: Name
    grade: float


class RubricItem(_Labelled, frozen=True, kw_only=True):
    """An answer that people graded. scale: lowest and highest grade. checkpoint: who answered, if a known one did."""

    response: Text
    scale: tuple[float, float]
    grades: Annotated[tuple[Grade, ...], Meta(min_length=1)]
    checkpoint: Name | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_one_each([grade.annotator for grade in self.grades])
        low, high = self.scale
        if not low < high:
            raise ValueError("expected `scale` [low, high] with low < high")
        for grade in self.grades:
            if not low <= grade.grade <= high:
                raise ValueError(
                    f"the grade {grade.grade:g} of {grade.annotator} is outside the scale {low:g}..{high:g}"
                )


AnchorItem: TypeAlias = ExactItem | ChoiceItem | PreferenceItem | RubricItem

KINDS: Mapping[Kind, type[AnchorItem]] = {
    "exact": ExactItem,
    "choice": ChoiceItem,
    "preference": PreferenceItem,
    "rubric": RubricItem,
}


def annotators_of(item: AnchorItem) -> tuple[str, ...]:
    """Who labelled an item."""
    match item:
        case ExactItem() | ChoiceItem():
            return item.annotators
        case PreferenceItem():
            return tuple(vote.annotator for vote in item.votes)
        case RubricItem():
            return tuple(grade.annotator for grade in item.grades)
        case _:
            assert_never(item)


def texts_of(item: AnchorItem) -> dict[str, str]:
    """Every text of an item by the name of its place, the prompt first."""
    match item:
        case ExactItem():
            rest = {f"answers[{number}]": answer for number, answer in enumerate(item.answers)}
        case ChoiceItem():
            rest = {f"options[{number}]": option for number, option in enumerate(item.options)}
        case PreferenceItem():
            rest = {"a": item.a, "b": item.b}
        case RubricItem():
            rest = {"response": item.response}
        case _:
            assert_never(item)
    return {"prompt": item.prompt} | rest


def _need_people(method: str, annotators: tuple[str, ...]) -> None:
    if method == "human" and not annotators:
        raise ValueError("`annotators` is empty; name the people who labelled it, by their ids")
    _need_one_each(list(annotators))


def _need_one_each(annotators: list[str]) -> None:
    twice = sorted({name for name in annotators if annotators.count(name) > 1})
    if twice:
        raise ValueError(f"annotator {twice[0]} stands twice; keep one label of each")
