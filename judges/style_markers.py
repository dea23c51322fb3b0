"""What about the voice moved? Rates of function words, hedges, lists and the like, beside those of the teacher.

Explanation only: a classifier says that texts sound more like the teacher, these say what a reader would notice.
Source: Burrows 2002, Lit. Linguist. Comput. 17:267 (delta: the mean distance of standardised function word rates).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judges.lexicon import KINDS, Lexicon, load_lexicon

Array = NDArray[np.float64]

WORD = re.compile(r"[\w']+")
SENTENCE = re.compile(r"[.!?]+(?:\s|$)|\n+")
LIST_ITEM = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s", re.MULTILINE)
HEADING = re.compile(r"^\s*(?:#{1,6}\s|\*\*[^*\n]+\*\*:?\s*$)", re.MULTILINE)
FUNCTION_WORDS = tuple(
    WORD.findall(
        "the of and to a in that it is was i for on you he be with as by at have are this not but had his they from"
        " she which or we an there her were one do been all their has would will what if can when so no my more some"
        " could them other than then its time only into also out up about any your these may such like our how should"
        " while each who because being here however both between over many most through where"
    )
)


@dataclass(frozen=True)
class Marker:
    """A rate in the texts of the teacher, of the reference and of the checkpoint asked about. unit: what is counted."""

    name: str
    unit: str
    teacher: float
    reference: float
    new: float

    @property
    def change(self) -> float:
        """New minus reference."""
        return self.new - self.reference

    @property
    def nearer(self) -> float:
        """By how much the distance to the teacher's rate fell; negative where it grew."""
        return abs(self.reference - self.teacher) - abs(self.new - self.teacher)


def style_markers(teacher: Sequence[str], reference: Sequence[str], new: Sequence[str]) -> list[Marker]:
    """Every marker in the three sets of texts, Burrows's delta to the teacher first (its own distance being 0).

    A rate of texts without a word is 0. Raises ValueError for an empty set.
    """
    sets = (teacher, reference, new)
    if not all(sets):
        raise ValueError("markers need texts of the teacher, of the reference and of the checkpoint")
    lexicon = load_lexicon()
    rates = [_rates(texts, lexicon) for texts in sets]
    words = np.array([_function_word_rates(texts) for texts in sets])
    near = [burrows_delta(row, words[0], words.std(axis=0)) for row in words]
    markers = [Marker(name, unit, *(rate[name, unit] for rate in rates)) for name, unit in rates[0]]
    return [Marker("Burrows's delta to the teacher", "mean z", *near), *markers]


def burrows_delta(first: Array, second: Array, spread: Array) -> float:
    """Mean absolute difference of two voices' function word rates in units of their spread, where they have one.

    All of shape (words,).

    >>> burrows_delta(np.array([0.1, 0.2]), np.array([0.3, 0.2]), np.array([0.1, 0.0]))
    2.0
    """
    used = spread > 0
    return float((np.abs(first - second)[used] / spread[used]).mean().round(12)) if used.any() else 0.0


def _rates(texts: Sequence[str], lexicon: Lexicon) -> dict[tuple[str, str], float]:
    words = max(sum(len(WORD.findall(text)) for text in texts), 1)
    sentences = max(sum(len([s for s in SENTENCE.split(text) if s and s.strip()]) for text in texts), 1)
    per_hundred = {
        **{kind: sum(lexicon.count(kind, text) for text in texts) for kind in KINDS},
        "exclamation mark": sum(text.count("!") for text in texts),
        "question mark": sum(text.count("?") for text in texts),
        "comma": sum(text.count(",") for text in texts),
        "list item": sum(len(LIST_ITEM.findall(text)) for text in texts),
        "heading": sum(len(HEADING.findall(text)) for text in texts),
    }
    rates = {(name, "per 100 words"): 100 * count / words for name, count in per_hundred.items()}
    return {**rates, ("sentence", "words"): words / sentences, ("answer", "words"): words / len(texts)}


def _function_word_rates(texts: Sequence[str]) -> Array:
    places = {word: place for place, word in enumerate(FUNCTION_WORDS)}
    counts, total = np.zeros(len(FUNCTION_WORDS)), 0
    for text in texts:
        words = WORD.findall(text.lower())
        total += len(words)
        for word in words:
            if word in places:
                counts[places[word]] += 1
    return counts / max(total, 1)
