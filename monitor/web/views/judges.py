"""May the judges be trusted, and with whom do they side as time goes on? From the cards as last made."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from monitor.judging.judge_card import Cards, JudgeCard
from monitor.judging.judge_figures import Estimate
from monitor.settings import Settings
from monitor.telling.kept_cards import read_cards


@dataclass(frozen=True)
class Week:
    """How often a judge sided with the teacher where people differ from it, in the pairs of a week from its Monday.

    capture: None in a week without such a pair.
    """

    monday: dt.date
    pairs: int
    capture: Estimate | None


@dataclass(frozen=True)
class Bias:
    """How often a judge takes a side of one kind, beside people on the same pairs. people: None where none judged."""

    cue: str
    judge: Estimate
    people: Estimate | None
    difference: Estimate | None


@dataclass(frozen=True)
class JudgeView:
    """One card, and what of it is drawn."""

    card: JudgeCard
    weeks: Sequence[Week]
    biases: Sequence[Bias]


@dataclass(frozen=True)
class JudgesPage:
    """cards: None until they were made once. judges: in the order of their names."""

    cards: Cards | None
    judges: Sequence[JudgeView]


def judges_page(engine: Engine, settings: Settings) -> JudgesPage:
    """The cards of a loop's judges."""
    cards = read_cards(engine, settings.loop)
    judges = cards.judges if cards else ()
    return JudgesPage(cards, [JudgeView(card, _weeks(card), list(_biases(card))) for card in judges])


def _weeks(card: JudgeCard) -> list[Week]:
    return [Week(monday, found.pairs, found.capture) for monday, found in card.weeks]


def _biases(card: JudgeCard) -> Iterator[Bias]:
    beside = {"longer answer": card.longer, "own family": card.relatives.get("same_family")}
    beside["own students"] = card.relatives.get("own_student")
    for cue, found in beside.items():
        if found:
            yield Bias(cue, found.judge, found.people, found.difference)
        elif cue == "longer answer" and card.longer_chosen:
            yield Bias(cue, card.longer_chosen, None, None)
