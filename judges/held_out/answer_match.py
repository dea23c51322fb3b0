"""Does a generated text say the right answer? Three stated ways to compare, none of them a model."""

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

Normalisation = Literal["squad", "verbatim", "number"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_SYMBOLS = set("$+<=>^`|~")  # ASCII that SQuAD drops although Unicode does not call it punctuation
_NUMBER = re.compile(
    r"(?:(?<![\w.,/)])[-+−])?(?<![\w.,/])"  # a sign has nothing before it: 10-20 is two numbers
    r"(?P<top>\d{1,3}(?:,\d{3}){1,10}(?:\.\d{1,30})?|\d{0,30}\.\d{1,30}|\d{1,30})"
    r"(?:/(?P<bottom>\d{1,30}))?(?![\d/_]|[.,]\d|[^\W\d_]+\d)"  # a unit may follow, as in 42kg
)


def matches(text: str, answers: Sequence[str], normalisation: Normalisation) -> bool:
    """Whether a text equals one of the gold answers.

    squad: without case, punctuation and English articles (Rajpurkar et al. 2016, arXiv:1606.05250, section 6).
    verbatim: character by character, blanks around it apart.
    number: its last number has the value of an answer's (Cobbe et al. 2021, arXiv:2110.14168: a solution ends in it).

    >>> matches("The Eiffel Tower!", ["eiffel tower"], "squad")
    True
    >>> matches("so 1,200 + 34 = 1,234.0 dollars", ["1234"], "number")
    True
    """
    if normalisation == "number":
        said = last_number(text)
        return said is not None and said in {last_number(answer) for answer in answers}
    normalised = squad_normalised if normalisation == "squad" else str.strip
    return normalised(text) in {normalised(answer) for answer in answers}


def squad_normalised(text: str) -> str:
    """A text as SQuAD's evaluation compares it: lower case, no punctuation, no English articles, single blanks.

    Other scripts' punctuation is dropped like that of ASCII, and characters are composed (NFC) first.

    >>> squad_normalised(" The  U.S.A. — an idea")
    'usa idea'
    """
    lower = unicodedata.normalize("NFC", text).lower()
    bare = "".join(one for one in lower if one not in _SYMBOLS and not unicodedata.category(one).startswith("P"))
    return " ".join(_ARTICLE.sub(" ", unicodedata.normalize("NFC", bare)).split())


def last_number(text: str) -> Fraction | None:
    """The value of the last number in a text, exactly; None if there is none.

    Read are signs, thousands in threes, decimals and fractions; a unit beside it ($, %, kg) is not part of the number.
    Neither 2.0.1 nor 3,14 is one.

    >>> last_number("between 3 and 4, so about $3,500.50")
    Fraction(7001, 2)
    >>> last_number("a half is 1/2, not version 2.0.1")
    Fraction(1, 2)
    """
    last = None
    for found in _NUMBER.finditer(text):
        last = found
    if last is None or (last["bottom"] and not int(last["bottom"])):
        return None
    value = Fraction(last["top"].replace(",", "")) / int(last["bottom"] or 1)
    return -value if last[0][0] in "-−" else value
