"""Does a record that nobody could read speak of a person? Names and longer quotations, in any escaping.

A name counts as a whole word; one of fewer than three characters only as a whole JSON value. A text of 12 to 39
characters counts as a whole, a longer one by any 40 characters of it in a row, unless other people's texts say the same
(an instruction to the model stands in all of them). In doubt the record is taken for a mention: it was not accepted
anyway.
"""

import base64
import binascii
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

_SHORT_NAME = 3  # characters; a shorter one is part of every date
_BLOCK, _STEP = 32, 8  # any run of _BLOCK + _STEP characters of a text holds one of its blocks
_SHORT_TEXT = 12
_COMMON = 3  # other texts that say the same
_ROUNDS = 4  # JSON in a string in JSON in a string

_WORD_START = re.compile(r"(?<![^\W_])\S")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BASE64 = re.compile(r'"data_base64"\s*:\s*"([A-Za-z0-9+/]*)')
_WIDE = (("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4))


class Mentions:
    r"""What to look for: a person's names (of the user, of responses, of conversations) and texts.

    others: texts of other people; what three of them say too is nobody's.

    >>> about = Mentions(["u-9"], ["The kettle leaks."])
    >>> [about.found_in(raw) for raw in (rb'{"user": "u\u002d9', b'"u-91"', b"so: The kettle leaks.", b"kettle")]
    [True, False, True, False]
    """

    def __init__(self, names: Iterable[str], texts: Iterable[str], others: Iterable[str] = ()) -> None:
        names = {_normal(name) for name in names}
        short = [re.escape(name) for name in names if len(name) < _SHORT_NAME]
        self._values = re.compile(rf':\s*"?(?:{"|".join(short)})(?=["\s,}}\]]|$)') if short else None
        self._names = _Phrases(name for name in names if len(name) >= _SHORT_NAME)
        self._texts, self._blocks = _uncommon({_normal(text).strip() for text in texts}, others)

    def found_in(self, raw: bytes) -> bool:
        """Is any name or text in these bytes, as UTF-8, Latin-1, UTF-16 or UTF-32, JSON escapes undone?"""
        return any(self._named_in(text) or self.quoted_in(text) for text in _readings(raw))

    def quoted_in(self, text: str) -> bool:
        """Is any of the texts in this one?"""
        text = _normal(text)
        return self._texts.found_in(text) or not self._blocks.isdisjoint(_windows(text))

    def _named_in(self, text: str) -> bool:
        text = _normal(text)
        return self._names.found_in(text) or (self._values is not None and self._values.search(text) is not None)


class _Phrases:
    """Strings that are looked for between characters that are no letters and no digits."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = frozenset(phrases)
        self._sizes = sorted({len(phrase) for phrase in self._phrases})
        self._heads = frozenset(phrase[:_SHORT_NAME] for phrase in self._phrases)

    def found_in(self, text: str) -> bool:
        if not self._phrases:
            return False
        starts = [match.start() for match in _WORD_START.finditer(text)]
        likely = [at for at in starts if text[at : at + _SHORT_NAME] in self._heads]
        return any(
            text[at : at + size] in self._phrases and not text[at + size : at + size + 1].isalnum()
            for at in likely
            for size in self._sizes
        )


def _uncommon(texts: set[str], others: Iterable[str]) -> tuple[_Phrases, set[str]]:
    """(short texts, blocks of the longer ones), without those that several others hold too."""
    long = {text for text in texts if len(text) >= _BLOCK + _STEP}
    blocks = {text[at : at + _BLOCK] for text in long for at in range(0, len(text) - _BLOCK + 1, _STEP)}
    short = {text for text in texts - long if len(text) >= _SHORT_TEXT}
    held: Counter[str] = Counter()
    for other in map(_normal, others):
        held.update(blocks.intersection(_windows(other)))
        held.update(short.intersection([other.strip()]))
    common = {phrase for phrase, count in held.items() if count >= _COMMON}
    return _Phrases(short - common), blocks - common


def _windows(text: str) -> list[str]:
    return [text[at : at + _BLOCK] for at in range(len(text) - _BLOCK + 1)]


def _readings(raw: bytes) -> Iterator[str]:
    """The bytes as text in every way a producer may have meant them, each also with its escapes undone."""
    for text in _decoded(raw):
        yield text
        for _ in range(_ROUNDS):
            if "\\" not in text:
                break
            text = _unescaped(text)
            yield text
        for encoded in _BASE64.findall(text):
            yield from _decoded(_from_base64(encoded))


def _decoded(raw: bytes) -> Iterator[str]:
    yield raw.decode("utf-8", "replace")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        yield raw.decode("latin-1")
    if b"\x00" in raw:
        yield raw.replace(b"\x00", b"").decode("latin-1")
        for codec, width in _WIDE:  # a line that was cut out of a file may begin anywhere in a character
            for start in range(width):
                yield raw[start:].decode(codec, "replace")


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _PLAIN.get(m[2], m[2]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # halves of a pair meet


def _from_base64(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded[: len(encoded) // 4 * 4])
    except binascii.Error:
        return b""


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
