"""What is scored? Conversations that end in an answer, and the tokens they become."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

IntArray = np.ndarray[tuple[int], np.dtype[np.int32]]


class Message(NamedTuple):
    """One turn. role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Item:
    """A conversation under a name of the caller's. The last message is the answer that is scored."""

    item_id: str
    messages: tuple[Message, ...]

    @classmethod
    def of(cls, item_id: str, prompt: str, response: str) -> "Item":
        """One question and its answer.

        >>> Item.of("i-1", "2 + 2?", "4").answer
        '4'
        """
        return cls(item_id, (Message("user", prompt), Message("assistant", response)))

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        return self.messages[-1].content


@dataclass(frozen=True, eq=False)
class Encoded:
    """An item as a model sees it, when alone.

    tokens: shape (n,). prompt_end: how many leading tokens the prompt alone decides; two answers to one prompt agree
    on them. reads: positions whose hidden state the score needs, ascending. types: segment ids of an encoder, or None.
    answer_bytes: UTF-8 length of the answer.
    """

    tokens: IntArray
    prompt_end: int
    reads: IntArray
    answer_bytes: int = 0
    types: IntArray | None = None

    @property
    def split(self) -> int:
        """The canonical split: where the prefix that answers may share ends. The item alone decides it.

        A score must not depend on who else is scored, so the split is never the longest prefix common to those present.
        """
        return min(self.prompt_end // SPLIT_STEP * SPLIT_STEP, len(self.tokens) - 1)


SPLIT_STEP = 16  # tokens; a coarse grid lets prompts that differ in their last words still share what they have


@dataclass(frozen=True)
class Unscoreable:
    """Why an item has no score. status: too_long, refused or error, as in the wire format's failures."""

    status: str
    detail: str


def prompts_of(items: Sequence[Item]) -> int:
    """How many different prompts there are."""
    return len({item.prompt for item in items})
