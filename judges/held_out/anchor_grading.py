"""What do people, or an exact rule, say of one item? Raw grades: no interval, no verdict on a model."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from judges.held_out.anchor_items import ChoiceItem, ExactItem, PreferenceItem, RubricItem
from judges.held_out.answer_match import matches


class Choice(NamedTuple):
    """The likeliest option. option: its index, None if several are equally likely. right: whether it is the one."""

    option: int | None
    right: bool


class Choices(NamedTuple):
    """The likeliest option by log-likelihood, by that per token, and by that per byte of UTF-8."""

    total: Choice
    per_token: Choice
    per_byte: Choice


def is_right(item: ExactItem, text: str) -> bool:
    """Whether a generated text is one of the gold answers, compared as the item states."""
    return matches(text, item.answers, item.normalisation)


def choose(item: ChoiceItem, log_likelihoods: Sequence[Sequence[float]]) -> Choices:
    """The options that a model finds likeliest.

    log_likelihoods: of each option in nats: summed over its tokens, that per token, and that per byte of UTF-8.
    The three need not agree: a sum favours short options, tokens differ between models, bytes do not.
    Several that are equally likely are no choice, so that the order of the options decides nothing.
    Raises ValueError for another number of options, and for what is no number.
    Source: Gao et al. 2021, lm-evaluation-harness (acc, acc_norm).

    >>> item = ChoiceItem(item_id="i", prompt="2 + 2?", method="exact", options=("4", "twenty-two"), right=0)
    >>> choose(item, [(-3.0, -3.0, -3.0), (-6.0, -1.5, -0.6)]).total
    Choice(option=0, right=True)
    >>> choose(item, [(-3.0, -3.0, -3.0), (-6.0, -1.5, -0.6)]).per_byte
    Choice(option=1, right=False)
    """
    if len(log_likelihoods) != len(item.options):
        raise ValueError(f"{item.item_id}: {len(item.options)} options, log-likelihoods of {len(log_likelihoods)}")
    total, per_token, per_byte = zip(*log_likelihoods, strict=True)
    return Choices(_likeliest(item, total), _likeliest(item, per_token), _likeliest(item, per_byte))


def human_verdict(item: PreferenceItem) -> Literal["a", "b", "tie"]:
    """What more than half of the people voted; without such a majority a tie, as in the wire format."""
    votes = [vote.vote for vote in item.votes]
    for side in ("a", "b"):
        if 2 * votes.count(side) > len(votes):
            return side
    return "tie"


def mean_grade(item: RubricItem) -> float:
    """What people graded on average, from 0, the lowest grade of the scale, to 1, the highest.

    >>> from judges.held_out.anchor_items import Grade
    >>> grades = (Grade("ann-1", 5), Grade("ann-2", 4))
    >>> mean_grade(RubricItem(item_id="i", prompt="?", method="human", response="!", scale=(1, 5), grades=grades))
    0.875
    """
    low, high = item.scale
    return math.fsum((grade.grade - low) / (high - low) for grade in item.grades) / len(item.grades)


def _likeliest(item: ChoiceItem, values: Sequence[float]) -> Choice:
    if not all(value < math.inf for value in values):
        raise ValueError(f"{item.item_id}: a log-likelihood is no number below infinity: {list(values)}")
    best = [number for number, value in enumerate(values) if value == max(values)]
    return Choice(best[0], best[0] == item.right) if len(best) == 1 else Choice(None, False)
