"""What do preference rows of TRL say? That somebody, or something, preferred `chosen` to `rejected`.

Texts or conversations, with the prompt apart or as the turns that both have in common. Such rows never say who chose:
`judge` and `kind` must be given. Sides stand in an order that depends on the texts alone, so that the same two answers
under another judge's label are the same pair.
Source: the dataset formats in TRL's documentation.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from consumers.importers.cells import digest
from consumers.importers.foreign import Cells, Format, Given, Told, in_one_order
from consumers.importers.rows import RowFault

COLUMNS = ("chosen", "rejected")


@dataclass(frozen=True)
class Trl:
    """Rows of one preference data set."""

    given: Given

    def row(self, cells: Cells) -> Iterable[Told]:
        """The preference that one row tells."""
        if missing := [name for name in COLUMNS if cells.get(name) in (None, "", [])]:
            raise RowFault(f"no {' and no '.join(map(repr, missing))}")
        prompt, chosen, rejected = _parted(cells)
        if chosen == rejected:
            raise RowFault("chosen and rejected are the same answer")
        sides = {"chosen": _side(cells, "chosen", chosen), "rejected": _side(cells, "rejected", rejected)}
        a, b = COLUMNS if in_one_order(chosen, rejected) else COLUMNS[::-1]
        data: dict[str, Any] = {
            "pair_id": digest("trl", prompt, *sorted((chosen, rejected))),
            "judge": {"name": self.given.judge, "kind": self.given.kind},
            "choice": "a" if a == "chosen" else "b",
            "prompt_id": digest(prompt) if prompt else None,
            "a": sides[a],
            "b": sides[b],
        }
        return [Told("preference", data)]

    def finish(self) -> Iterable[Told]:
        """Rows say nothing together."""
        return ()


TRL = Format("trl", Trl, needs=("judge", "kind"))


def _parted(cells: Cells) -> tuple[str, str, str]:
    """Prompt, chosen and rejected as texts; without a prompt of its own, what both begin with is the prompt."""
    prompt, chosen, rejected = (_turns(cells.get(name)) for name in ("prompt", *COLUMNS))
    shared = 0
    while not prompt and shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    prompt = prompt or chosen[:shared]
    return "\n\n".join(prompt), "\n\n".join(chosen[shared:]), "\n\n".join(rejected[shared:])


def _turns(cell: Any) -> list[str]:
    """A text as one turn; a conversation as its turns, with who spoke where it is more than one."""
    if cell is None:
        return []
    if isinstance(cell, str):
        return [cell]
    if not isinstance(cell, list):
        raise RowFault(f"{str(cell)[:60]!r} is neither a text nor a conversation")
    return [_turn(one, len(cell) > 1) for one in cell]


def _turn(message: Any, named: bool) -> str:
    if not (isinstance(message, dict) and isinstance(message.get("role"), str)):
        raise RowFault(f"{str(message)[:60]!r} is no message with role and content")
    content = message.get("content")
    told = content if isinstance(content, str) else json.dumps(content, sort_keys=True, ensure_ascii=False)
    return f"{message['role']}: {told}" if named else told


def _side(cells: Cells, name: str, text: str) -> dict[str, Any]:
    """The model that wrote it, where the row has a column for that."""
    model = cells.get(f"{name}_model") or cells.get(f"model_{name}")
    return {"checkpoint": str(model) if model else None, "length": len(text), "text": text}
