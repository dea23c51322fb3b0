"""With which ruler was this measured? Everything that may move a score, and one name for all of it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from judges.engine.items import Encoded, Item

CODE_VERSION = 1  # raised whenever the same model, items and settings would give another score


@dataclass(frozen=True)
class ScoreSpec:
    """What a score hangs on beside its item. Two scores compare only under one `spec_id`.

    checkpoint: digest of the scoring model's sealed folder, which covers weights, configuration and tokenizer.
    reading: reward, likelihood or tokens. outputs: names of the numbers an item gets, the score first.
    runs: packed, padded or alone. size: tokens of a pack or batch. longest: tokens of the longest item.
    device: type and, on a CPU, the instructions in use. threads: on a CPU; they decide how sums are split.
    """

    checkpoint: str
    reading: str
    outputs: tuple[str, ...]
    template_sha256: str
    adds_special_tokens: bool
    longest: int
    runs: str
    shares_prefixes: bool
    size: int
    dtype: str
    attention: str
    device: str
    threads: int
    torch: str
    transformers: str
    code: int = CODE_VERSION

    @cached_property
    def spec_id(self) -> str:
        """The name of the ruler: 32 hexadecimal digits of a hash over all fields."""
        return hashlib.blake2b(self.as_json().encode(), digest_size=16).hexdigest()

    def as_json(self) -> str:
        """All fields, keys sorted: the same in every process."""
        return json.dumps(asdict(self), sort_keys=True)


def item_key(spec_id: str, encoded: Encoded) -> bytes:
    """Where the score of these tokens is kept: BLAKE2b-128 of the ruler, the tokens and what is read of them.

    The caller's name for the item is no part of it: equal content is scored once.
    """
    content = hashlib.blake2b(bytes.fromhex(spec_id), digest_size=16)
    for part in (encoded.tokens, encoded.reads, encoded.types):
        array = np.empty(0, np.int32) if part is None else part
        content.update(len(array).to_bytes(4, "little"))
        content.update(array.astype("<i4").tobytes())
    content.update(encoded.prompt_end.to_bytes(4, "little") + encoded.answer_bytes.to_bytes(4, "little"))
    return content.digest()


def text_key(spec_id: str, item: Item) -> bytes:
    """The same of an item's text: to find what is known without tokenising it, and for what has no tokens."""
    text = json.dumps([list(message) for message in item.messages], ensure_ascii=False)
    return hashlib.blake2b(bytes.fromhex(spec_id) + text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
