"""What does a terminal show of the judges? One block each, then the leaderboard; at most 120 columns."""

import textwrap
from collections.abc import Iterator

from monitor.judging.judge_card import Cards, JudgeCard
from monitor.judging.judge_figures import Estimate
from monitor.judging.leaderboard import ESTIMATOR, Standing
from monitor.report.judges_words import (
    coverage_sentence,
    figure_lines,
    length_sentence,
    opening_sentences,
    standing_line,
)
from monitor.report.wording import count, day, name, percent

WIDTH = 120
TITLE = 15


def judges_text(cards: Cards) -> str:
    """The cards as plain text."""
    return "\n".join(_lines(cards)) + "\n"


def _lines(cards: Cards) -> Iterator[str]:
    yield f"Judges of {name(cards.loop)} as of {day(cards.as_of.date())}"
    for sentence in opening_sentences(cards):
        yield from _wrapped(sentence)
    for card in cards.judges:
        yield ""
        yield from _block(card, cards.teacher)
    if not cards.judges:
        yield "No judge: `judges.watched` in the settings is empty, and no preference event names one."
    if cards.leaderboard:
        yield ""
        yield from _board(cards.leaderboard)
    for row in cards.leaderboard:
        if not row.comparable:
            yield from _wrapped("! " + coverage_sentence(row), "  ")
    for found in cards.same_at_equal_length:
        yield from _wrapped("! " + length_sentence(found), "  ")


def _block(card: JudgeCard, teacher: str | None) -> Iterator[str]:
    family = f" (family {name(card.family, 20)})" if card.family else ""
    yield from _wrapped(f"{name(card.judge)}{family}: {standing_line(card)}", "  ")
    for title, told in figure_lines(card, teacher):
        yield from _wrapped(f"  {title:<{TITLE}}{told}", " " * (TITLE + 2))
    if len(card.weeks) > 1:
        yield from _wrapped(f"  {'by week':<{TITLE}}{'; '.join(_weeks(card))}", " " * (TITLE + 2))


def _weeks(card: JudgeCard) -> Iterator[str]:
    for week, found in card.weeks:
        agree = percent(found.agreement.share.value) if found.agreement else "-"
        capture = f", capture {percent(found.capture.value)}" if found.capture else ""
        yield f"{week:%d %b} {agree}{capture}"


def _board(rows: tuple[Standing, ...]) -> Iterator[str]:
    names = (("Leaderboard", 22), ("checkpoint", 22), ("opponent", 18))
    titles = " ".join(f"{title:<{width}}" for title, width in names)
    yield f"{titles} {'pairs':>6}  {'wins':<15} {'same length':<15} people"
    for row in rows:
        named = zip((row.judge, row.checkpoint, row.opponent), names, strict=True)
        shown = " ".join(f"{name(text, width):<{width}}" for text, (_, width) in named)
        wins = [_short(found) for found in (row.soft or row.win_rate, row.length_controlled, row.human)]
        if not row.comparable:
            wins[:2] = ["INCONCLUSIVE"] * 2
        yield f"{shown} {count(row.pairs):>6}  {wins[0]:<15} {wins[1]:<15} {wins[2]}"
    yield from _wrapped(
        f"Wins: mean of the judge's probabilities where it gives them, else a tie is half. Same length: {ESTIMATOR}."
    )
    for reason in sorted({row.uncontrolled for row in rows if row.uncontrolled}):
        yield from _wrapped(f"No length control: {reason}.")


def _short(found: Estimate | None) -> str:
    """
    >>> _short(Estimate(0.512, 0.48, 0.55, 100)), _short(None)
    ('51.2 (48..55)', '-')
    """
    return f"{100 * found.value:.1f} ({100 * found.low:.0f}..{100 * found.high:.0f})" if found else "-"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
