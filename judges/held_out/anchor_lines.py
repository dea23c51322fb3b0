"""Which lines of a file are items of one kind, and what is wrong with the others?"""

import difflib
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from consumers.lines import split_lines
from consumers.mendable import Mendable
from judges.held_out.anchor_items import KINDS, AnchorItem, Kind, texts_of

ITEM_BYTES = 1 << 20  # as an event, which an item becomes
MOST_TOLD = 20  # problems that are told one by one

_UNKNOWN = re.compile(r"unknown field `(.*?)`")


class AnchorsRejected(Mendable):
    """Items or a folder that cannot be anchors; one problem a line, each with its place, cause and what to do."""


def parse_items(path: Path, raw: bytes, kind: Kind) -> tuple[AnchorItem, ...]:
    """The items in the bytes of a file. Raises AnchorsRejected with the problems of all lines, up to a limit."""
    decoder = msgspec.json.Decoder(KINDS[kind])
    items: list[AnchorItem] = []
    problems: list[str] = []
    known: dict[str, int] = {}
    for number, line in _numbered(raw):
        try:
            item = _decode(decoder, line)
        except (ValueError, RecursionError) as fault:
            problems.append(f"{number}: {_cause(fault, kind)}")
            continue
        for what, key in (("item_id", item.item_id), ("content", _content(item))):
            if (first := known.setdefault(f"{what} {key}", number)) != number:
                problems.append(f"{number}: its {what} stands in line {first} already; keep one of them")
        items.append(item)
    if not items and not problems:
        problems.append("1: no items; a set needs at least one")
    if problems:
        raise AnchorsRejected(_told(path, problems))
    return tuple(items)


def _numbered(raw: bytes) -> Iterator[tuple[int, bytes]]:
    number = 0
    for lines in split_lines([raw.removeprefix(b"\xef\xbb\xbf")], ITEM_BYTES):
        for line in lines.raws:
            number += 1
            if line.strip():
                yield number, line


def _decode(decoder: msgspec.json.Decoder[AnchorItem], line: bytes) -> AnchorItem:
    if len(line) > ITEM_BYTES:
        raise ValueError(f"longer than {ITEM_BYTES:,} bytes")
    item = decoder.decode(line)
    named = {"item_id": item.item_id, "category": item.category or ""} | texts_of(item)
    if spoilt := [place for place, text in named.items() if "\0" in text]:
        raise ValueError(f"{spoilt[0]} holds a NUL character, which no event may")
    return item


def _content(item: AnchorItem) -> str:
    """What it asks and says, whatever it is called: twice the same would count twice."""
    return hashlib.sha256(msgspec.json.encode(texts_of(item))).hexdigest()


def _cause(fault: Exception, kind: Kind) -> str:
    said = str(fault)
    if unknown := _UNKNOWN.search(said):
        fields = KINDS[kind].__struct_fields__
        nearest = difflib.get_close_matches(unknown[1], fields, 1)
        return f"{said}; {f'did you mean `{nearest[0]}`?' if nearest else 'known: ' + ', '.join(fields)}"
    return said


def _told(path: Path, problems: Sequence[str]) -> str:
    told = [f"{path}:{problem}" for problem in problems[:MOST_TOLD]]
    if len(problems) > MOST_TOLD:
        told.append(f"{path}: and {len(problems) - MOST_TOLD:,} more problems; mend these first")
    return "\n".join(told)
