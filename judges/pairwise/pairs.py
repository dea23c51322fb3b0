"""Which two answers are compared? Pairs as people hand them over, and as a judge is shown them: in both orders."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from consumers.canonical import canonical_value
from consumers.importers.rows import read_rows
from consumers.mendable import Mendable
from consumers.payloads import Candidate, Identifier
from consumers.rejection import EventRejected
from judges.anchors import AnchorSet, open_anchors
from judges.held_out.anchor_items import PreferenceItem

Order = Literal["ab", "ba"]
ORDERS: tuple[Order, Order] = ("ab", "ba")
PROBLEMS_TOLD = 10
EXAMPLE = '{"pair_id": "x-1", "prompt": "...", "a": "...", "b": "..."}'


class PairsError(Mendable):
    """Pairs cannot be judged as they are; one problem a line, each with its file and line."""


class Pair(Struct, frozen=True, gc=False):
    """A prompt and two answers to it. a, b: the answers with what is known of each; `text` is always there.

    Everything but pair_id, prompt and the texts only travels into the event that tells the verdict.
    """

    pair_id: Identifier
    prompt: str
    a: Candidate
    b: Candidate
    category: Identifier | None = None
    prompt_id: Identifier | None = None
    anchor_set: Identifier | None = None
    cohort: Mapping[Identifier, Annotated[str, Meta(max_length=512)]] | None = None

    @classmethod
    def of(cls, pair_id: str, prompt: str, a: str, b: str, category: str | None = None) -> "Pair":
        """A pair of two plain texts."""
        return cls(pair_id, prompt, Candidate(text=a), Candidate(text=b), category)

    def shown(self, order: Order) -> tuple[str, str]:
        """(first text, second text) in this order.

        >>> Pair.of("p", "Hello?", "Hi", "No").shown("ba")
        ('No', 'Hi')
        """
        first, second = (self.a, self.b) if order == "ab" else (self.b, self.a)
        return first.text or "", second.text or ""


def read_pairs(paths: Sequence[Path]) -> list[Pair]:
    """The pairs of files and of sealed anchor sets, in their order.

    A file is JSONL (also .jsonl.gz), a line an object with pair_id, prompt, a and b, each answer a text or an object
    with `text`; category, prompt_id, anchor_set and cohort if they are known. Other fields are passed over.
    A folder is a sealed set of kind preference, whose people's votes are not read.

    Raises PairsError that tells every line that is no pair, and every pair_id that comes twice; AnchorsRejected for a
    folder that is no sealed set.
    """
    found: dict[str, Pair] = {}
    problems: list[str] = []
    for place, pair in _all(paths):
        if isinstance(pair, str):
            problems.append(f"{place}: {pair}")
        elif pair.pair_id in found:
            problems.append(f"{place}: pair_id {pair.pair_id!r} was there before; every pair needs its own")
        else:
            found[pair.pair_id] = pair
    if problems:
        more = [f"and {len(problems) - PROBLEMS_TOLD:,} more"] if len(problems) > PROBLEMS_TOLD else []
        raise PairsError("\n".join([*problems[:PROBLEMS_TOLD], *more]))
    if not found:
        raise PairsError(f"no pair in {', '.join(map(str, paths))}; a line is {EXAMPLE}")
    return list(found.values())


def pairs_of(anchors: AnchorSet) -> Iterator[Pair]:
    """The pairs of a sealed set, by the names that its prompts have in events. Raises PairsError for another kind."""
    for item in anchors.items:
        if not isinstance(item, PreferenceItem):
            raise PairsError(f"{anchors.folder}: of kind {anchors.kind}; only a set of kind preference holds pairs")
        a, b = Candidate(text=item.a), Candidate(text=item.b)
        name, prompt_id = anchored_pair_id(anchors, item), anchors.prompt_id(item)
        yield Pair(name, item.prompt, a, b, item.category, prompt_id=prompt_id, anchor_set=anchors.name)


def anchored_pair_id(anchors: AnchorSet, item: PreferenceItem) -> str:
    """The name of a set's pair in events, whoever judges it: SET/ITEM, and which sealing of the set it is."""
    sealing = hashlib.blake2b(anchors.digest.encode(), digest_size=8).hexdigest()
    return f"{anchors.prompt_id(item)}@{sealing}"


def _all(paths: Sequence[Path]) -> Iterator[tuple[str, Pair | str]]:
    """Every pair, or what is wrong with the line that is none, with its place."""
    for path in paths:
        if path.is_dir():
            yield from ((f"{path}: {pair.pair_id}", pair) for pair in pairs_of(open_anchors(path)))
            continue
        for row in read_rows(path):
            yield f"{path}:{row.line}", _pair(row.cells) if row.fault is None else f"{row.fault}; a line is {EXAMPLE}"


def _pair(cells: Mapping[str, Any]) -> Pair | str:
    known = {name: value for name, value in cells.items() if name in Pair.__struct_fields__}
    try:
        for side in ("a", "b"):
            known[side] = _candidate(side, cells.get(side))
        return msgspec.convert(_storable(known), Pair)
    except (ValueError, EventRejected) as fault:
        return str(fault)


def _candidate(side: str, given: Any) -> Mapping[str, Any]:
    answer = {"text": given} if isinstance(given, str) else given
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise ValueError(f"expected {side!r} to be a text, or an object with a `text`; a line is {EXAMPLE}")
    return {name: value for name, value in answer.items() if name in Candidate.__struct_fields__}


def _storable(known: dict[str, Any]) -> dict[str, Any]:
    """The same, or a fault for text that no event and no request can hold."""
    canonical_value(known)
    msgspec.json.encode(known)  # a lone surrogate has no UTF-8, and a UnicodeEncodeError is a ValueError
    return known
