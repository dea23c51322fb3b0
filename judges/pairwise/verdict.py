"""What does a raw answer of a judge mean, in one order and in both? Nothing is guessed, and nothing is dropped."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, cast

from judges.pairwise.judge_prompt import LETTERS, Letter, Question
from judges.pairwise.pairs import Order

VERSION = 1  # of the rules below; part of a judge's spec, because other rules are another ruler
LEAST_MASS = 0.5  # probability that the three letters must hold together, or the judge said something else

Status = Literal["ok", "unscoreable", "refused", "error"]
Choice = Literal["a", "b", "tie"]
WORST_FIRST: tuple[Status, ...] = ("error", "refused", "unscoreable")

_ALLOWED = re.compile(r"(?:\[\[([ABC])\]\]|\*\*([ABC])\*\*|([ABC]))\.?")
_REFUSAL = re.compile(
    r"(i['’]?m (very )?sorry|sorry|i apologi[sz]e|i (can|could|will|do)(no|['’])t|i can not|i['’]?m (not able|unable)"
    r"|i am (not able|unable|sorry)|i (must )?(decline|refuse))\b",
    re.IGNORECASE,
)


class RawVerdict(NamedTuple):
    """What came of one question. letter: the verdict as spoken, by position; None with the status and reason why not.

    logs: log-probabilities (natural) of the letters at the place of the verdict, as far as they were given; empty when
    the judge gives none. served: the model that the judge says answered, None if it does not say.
    """

    status: Status
    letter: Letter | None = None
    logs: Mapping[Letter, float] = {}
    reason: str | None = None
    served: str | None = None


class Asks(Protocol):
    """A judge that can be asked: an endpoint, or a model that runs here."""

    @property
    def spec(self) -> Mapping[str, object]:
        """All that its answers depend on, JSON-able: another spec is another ruler."""

    def ask(self, questions: Sequence[Question]) -> Iterator[tuple[Question, RawVerdict]]:
        """Each question with its answer, in the order of completion. A failed question is an answer too."""


def read_letter(text: str) -> Letter | None:
    """The verdict that a reply is, or None. A reply that holds a verdict among other words is none.

    >>> read_letter(" [[A]]. "), read_letter("**C**"), read_letter("A is better"), read_letter("a")
    ('A', 'C', None, None)
    """
    found = _ALLOWED.fullmatch(text.strip())
    return cast(Letter, found[1] or found[2] or found[3]) if found else None


def spoken(text: str, logs: Mapping[str, float] | None = None, served: str | None = None) -> RawVerdict:
    """What a reply says. logs: log-probability of each token at the place of the verdict, if they are known.

    With log-probabilities the likeliest letter counts, else the letter that the reply is.
    """
    letter = read_letter(text)
    if letter is None:
        refused = _REFUSAL.match(text.strip()) is not None
        reason = "the judge declined to compare" if refused else f"no verdict: {len(text):,} characters, not A, B or C"
        return RawVerdict("refused" if refused else "unscoreable", reason=reason, served=served)
    return RawVerdict("ok", letter, served=served) if not logs else by_tokens(logs, served)


def by_tokens(logs: Mapping[str, float], served: str | None = None) -> RawVerdict:
    """The likeliest letter among the tokens at one position. logs: token to log-probability (natural).

    Tokens that differ only in white space around the letter are added up.

    >>> by_tokens({"A": -0.2, " B": -2.0, "The": -5.0}).letter
    'A'
    >>> by_tokens({"The": -0.1, "A": -3.0}).reason
    'A, B and C hold 0.05 of the probability'
    """
    shares: dict[Letter, float] = dict.fromkeys(LETTERS, 0.0)
    for token, log in logs.items():
        letter = token.strip()
        if letter in LETTERS and not math.isnan(log):
            shares[letter] += math.exp(min(log, 0.0))
    mass = sum(shares.values())
    if not mass >= LEAST_MASS:
        return RawVerdict("unscoreable", reason=f"A, B and C hold {mass:.2f} of the probability", served=served)
    given = {letter: math.log(share) for letter, share in shares.items() if share > 0}
    likeliest: Letter = max(LETTERS, key=lambda letter: shares[letter])
    return RawVerdict("ok", likeliest, given, served=served)


@dataclass(frozen=True)
class Verdict:
    """One order's verdict, by answer and not by position. probability_a: of "a is better", a tie counting half; margin:
    log-odds of a against b in nats; both None unless the judge gave the log-probabilities that they need."""

    order: Order
    status: Status
    choice: Choice | None
    probability_a: float | None = None
    margin: float | None = None
    reason: str | None = None


def by_answer(order: Order, raw: RawVerdict) -> Verdict:
    """The verdict of one order, with the positions translated into answers.

    >>> by_answer("ba", RawVerdict("ok", "A")).choice
    'b'
    """
    if raw.letter is None:
        return Verdict(order, raw.status, None, reason=raw.reason)
    first: Choice = "a" if order == "ab" else "b"
    second: Choice = "b" if order == "ab" else "a"
    choice: dict[Letter, Choice] = {"A": first, "B": second, "C": "tie"}
    if not raw.logs:
        return Verdict(order, "ok", choice[raw.letter])
    share = {letter: math.exp(raw.logs[letter]) if letter in raw.logs else 0.0 for letter in LETTERS}
    first_wins = (share["A"] + share["C"] / 2) / sum(share.values())
    margin = raw.logs["A"] - raw.logs["B"] if "A" in raw.logs and "B" in raw.logs else None
    sign = 1 if order == "ab" else -1
    return Verdict(
        order,
        "ok",
        choice[raw.letter],
        first_wins if order == "ab" else 1 - first_wins,
        None if margin is None else sign * margin,
    )


@dataclass(frozen=True)
class Judgment:
    """Both orders of one pair. choice: the same one in both orders, else a tie; None, with the status that says why,
    if an order has no verdict. consistent: did both orders say the same? None without both. margin: mean of both."""

    orders: tuple[Verdict, Verdict]
    status: Status
    choice: Choice | None
    consistent: bool | None
    margin: float | None


def merged(ab: Verdict, ba: Verdict) -> Judgment:
    """What both orders say together; a missing half is never filled in from the other.

    >>> always_first = [by_answer(order, RawVerdict("ok", "A")) for order in ("ab", "ba")]
    >>> merged(*always_first).choice, merged(*always_first).consistent
    ('tie', False)
    """
    orders = (ab, ba)
    for status in WORST_FIRST:
        if status in (ab.status, ba.status):
            return Judgment(orders, status, None, None, None)
    margin = None if ab.margin is None or ba.margin is None else (ab.margin + ba.margin) / 2
    consistent = ab.choice == ba.choice
    return Judgment(orders, "ok", ab.choice if consistent else "tie", consistent, margin)
