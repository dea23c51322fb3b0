"""What does a browser show of the judges? One self-contained page in the manner of the report."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.judging.judge_card import Cards, JudgeCard
from monitor.judging.leaderboard import ESTIMATOR
from monitor.report import wording
from monitor.report.judges_words import (
    coverage_sentence,
    figure_lines,
    length_sentence,
    level,
    opening_sentences,
    slice_words,
    standing_line,
)


def judges_html(cards: Cards) -> str:
    """The cards as one HTML document: no script, no request, strangers' names as escaped text, never an attribute."""
    return (
        _environment()
        .get_template("judges.html")
        .render(
            cards=cards,
            headline=headline(cards),
            anchors=list(opening_sentences(cards)),
            tables=[_parts(card) for card in cards.judges],
            estimator=ESTIMATOR,
        )
    )


def card_body(card: JudgeCard, teacher: str | None) -> Markup:
    """What that document says of one judge, for a page that has a head and the style already."""
    template = _environment().get_template("judge_card.html")
    return Markup(template.render(card=card, teacher=teacher, parts=_parts(card)))  # noqa: S704 - escaped there


def leaderboard_body(cards: Cards) -> Markup:
    """The same of the leaderboard."""
    template = _environment().get_template("leaderboard.html")
    return Markup(template.render(cards=cards, estimator=ESTIMATOR))  # noqa: S704 - escaped there


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(figure_lines=figure_lines)
    environment.filters.update(
        name=wording.name,
        count=wording.count,
        percent=wording.percent,
        day=wording.day,
        moment=wording.moment,
        level=level,
        standing=standing_line,
        length_sentence=length_sentence,
        coverage_sentence=coverage_sentence,
    )
    return environment


def headline(cards: Cards) -> str:
    """How many judges a gate may use."""
    usable = sum(card.calibration.gate == "usable" for card in cards.judges)
    return f"{usable} of {wording.plural(len(cards.judges), 'judge')} may be used by a gate"


def _parts(card: JudgeCard) -> list[tuple[str, list[tuple[str, object]]]]:
    """Tables of a judge: a caption, and what was found of each part."""
    tables: list[tuple[str, list[tuple[str, object]]]] = [
        ("By slice", [(slice_words(key), found) for key, found in card.slices]),
        ("By week, from Monday", [(wording.day(week), found) for week, found in card.weeks]),
        ("By revision", [(name or "not named", found) for name, found in card.revisions]),
    ]
    return [(caption, rows) for caption, rows in tables if len(rows) > 1]
