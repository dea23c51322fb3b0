"""Does our way of running a model give what transformers gives for each item alone?

The reference shares nothing with ours but the tokens: the model's own forward pass, its own attention, its own head.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from judges.heads import Head
from judges.items import Encoded
from judges.models import Runs, attend_with

ITEMS = 8
FULL_PRECISION = 1e-4  # of the score itself
HALF_PRECISION = 5e-2  # of the spread of scores


class Disagreement(NamedTuple):
    """How far our scores were from those one by one, and how far they may be. difference: NaN where either is."""

    difference: float
    bound: float

    def __str__(self) -> str:
        return f"scores differ by {self.difference:.2g} from those one by one; {self.bound:.2g} is allowed"


def compare_with_stock(model: Any, runs: Runs, head: Head, encoded: Sequence[Encoded]) -> Disagreement | None:
    """Score a few items both ways; None when they agree.

    In 32 bits scores may differ by 1e-4, and a ten thousandth of their size; in 16 bits by a twentieth of their spread.
    """
    some = probe(encoded)
    alone = np.array([stock_scores(model, head, item)[0] for item in some])
    ours = np.empty(len(some))
    for pack in runs.plan(some):
        members = [some[member] for member in pack.members]
        ours[list(pack.members)] = [numbers[0] for numbers in head.read(runs.hidden(pack, some), members)]
    difference = float(np.abs(ours - alone).max(initial=0.0))
    bound = _bound(alone, model.dtype)
    return None if difference <= bound else Disagreement(difference, bound)


def probe(encoded: Sequence[Encoded]) -> list[Encoded]:
    """A few items to try: evenly over all lengths, so that the longest and the shortest are among them."""
    by_length = sorted(encoded, key=lambda item: (len(item.tokens), item.tokens.tobytes()))
    at = np.unique(np.linspace(0, len(by_length) - 1, min(ITEMS, len(by_length))).round().astype(int))
    return [by_length[i] for i in at.tolist()]


@torch.inference_mode()
def stock_scores(model: Any, head: Head, item: Encoded) -> tuple[float, ...]:
    """What transformers says of one item alone, without padding, under its own attention."""
    attend_with(model, "sdpa")
    tokens = torch.from_numpy(item.tokens).long()[None].to(model.device)
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if item.types is not None:
        inputs["token_type_ids"] = torch.from_numpy(item.types).long()[None].to(model.device)
    with _without_padding(model.config):
        return head.stock(model(**inputs).logits[0], item)


@contextmanager
def _without_padding(config: Any) -> Iterator[None]:
    """Where the padding token is also the last token of a text, the stock head would pool the token before it."""
    kept = config.pad_token_id
    config.pad_token_id = None
    try:
        yield
    finally:
        config.pad_token_id = kept


def _bound(alone: "np.ndarray[tuple[int], np.dtype[np.float64]]", dtype: torch.dtype) -> float:
    size = float(np.abs(alone).mean()) if len(alone) else 0.0
    if dtype == torch.float32:
        return FULL_PRECISION * max(1.0, size)
    return HALF_PRECISION * max(float(alone.std()) if len(alone) else 0.0, 0.02 * size, 0.1)
