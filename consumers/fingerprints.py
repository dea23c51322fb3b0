"""When do two texts say the same to whoever trains on one and is measured on the other?

When their words are the same: without case, punctuation, layout and compatibility forms of characters. A fingerprint
keeps hashes of words, not the words.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32

SHORTEST = 8  # words that a text needs to be looked for inside others; the least N of Brown et al. 2020, appendix C


class Fingerprint(NamedTuple):
    """What is kept of a text. words: how many. head: a sum over its first SHORTEST words, None if it has fewer.
    whole: BLAKE2b-128 of them all."""

    words: int
    head: int | None
    whole: bytes


class Fingerprints:
    """Many texts, each found in another text that equals it or, from SHORTEST words on, holds it in one piece.

    >>> known = Fingerprints([fingerprint("How do I return a pair of shoes without the box?"), fingerprint("Hello!")])
    >>> known.hold("Q: how do I return a pair of shoes -- without the box? A:")
    True
    >>> known.hold("hello"), known.hold("hello you")
    (True, False)
    """

    def __init__(self, known: Iterable[Fingerprint] = ()) -> None:
        self._wholes: set[bytes] = set()
        self._lengths: dict[int, set[int]] = defaultdict(set)
        for one in known:
            self._wholes.add(one.whole)
            if one.head is not None:
                self._lengths[one.head].add(one.words)

    def hold(self, text: str | None) -> bool:
        """Whether the text says one of them. Takes time in proportion to the text."""
        if not self._wholes or not text:
            return False
        words = words_of(text)
        return _whole(words) in self._wholes or any(
            _whole(words[start : start + length]) in self._wholes
            for start, head in enumerate(_heads(words) if self._lengths else ())
            for length in self._lengths.get(head, ())
        )


def fingerprint(text: str) -> Fingerprint:
    """Take the fingerprint of a text."""
    words = words_of(text)
    return Fingerprint(len(words), next(_heads(words[:SHORTEST]), None), _whole(words))


def words_of(text: str) -> list[str]:
    """The words of a text in a form that does not depend on case, punctuation or layout.

    Letters, digits and their marks make words; a Chinese or Japanese character is one by itself. A text of other
    characters alone is split at blanks. The words of the words are the words again.

    >>> words_of("¿Ｄón-de está №5?"), words_of("東京 is big"), words_of("?! :)")
    (['dón', 'de', 'está', 'no5'], ['東', '京', 'is', 'big'], ['?!', ':)'])
    """
    folded = text.lower() if text.isascii() else _folded(text)
    return folded.translate(_SPACED).split() or text.split()


def _folded(text: str) -> str:
    """Caseless and without compatibility forms: Unicode 3.13, D146, composed at the end."""
    visible = text.translate(_WITHOUT_FORMAT)
    once = unicodedata.normalize("NFD", visible).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", once).casefold())


def _whole(words: Sequence[str]) -> bytes:
    return blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _heads(words: Sequence[str]) -> Iterator[int]:
    """The sum of the CRC-32 of SHORTEST words, from each word on: cheap to slide, and only a hint where to look."""
    sums = [0, *accumulate(crc32(word.encode("utf-8", "surrogatepass")) for word in words)]
    return (end - start for start, end in zip(sums, sums[SHORTEST:], strict=False))


class _Table(dict[int, str]):
    """A table for str.translate that is filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = self.of(chr(code))
        return self[code]

    def of(self, character: str) -> str:
        raise NotImplementedError


class _Spaced(_Table):
    def of(self, character: str) -> str:
        if unicodedata.category(character)[0] not in "LMN":
            return " "
        return f" {character} " if _stands_alone(character) else character


class _WithoutFormat(_Table):
    """Soft hyphens, joiners and marks of direction are layout."""

    def of(self, character: str) -> str:
        return "" if unicodedata.category(character) == "Cf" else character


def _stands_alone(character: str) -> bool:
    """Scripts that put no blanks between words, and have characters that mean something alone."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or character >= "\U00020000"


_SPACED, _WITHOUT_FORMAT = _Spaced(), _WithoutFormat()
