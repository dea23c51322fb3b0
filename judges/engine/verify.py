"""Does our way of running a model give what transformers gives for each item alone?

The reference shares nothing with ours but the tokens: the model's own forward pass, its own attention, its own head.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from consumers.mendable import Mendable
from judges.engine.heads import Head
from judges.engine.items import Encoded
from judges.engine.models import Runs, attend_with, plain_attention

Numbers = np.ndarray[Any, np.dtype[np.float64]]

ITEMS = 8
FULL_PRECISION = 1e-4  # of the score itself
HALF_PRECISION = {"packed": 5e-2, "padded": 0.25}  # of the spread; filler alone was seen to move scores by 0.1 of it


class Disagreement(NamedTuple):
    """How far a number of ours was from the one scored alone, and how far it may be. difference: infinite where only
    one of the two is a number. name: of the output."""

    difference: float
    bound: float
    name: str

    def __str__(self) -> str:
        return f"{self.name} differs by {self.difference:.2g} from scoring one by one; {self.bound:.2g} is allowed"


class RulerRefused(Mendable):
    """No way we have to run this model gives what its own forward pass gives."""


def compare_with_stock(model: Any, runs: Runs, head: Head, encoded: Sequence[Encoded]) -> Disagreement | None:
    """Score a few items both ways; None when every number agrees, or is none both ways."""
    some = probe(encoded)
    ours: list[tuple[float, ...]] = [()] * len(some)
    for pack in runs.plan(some):
        members = [some[member] for member in pack.members]
        for member, numbers in zip(pack.members, head.read(runs.hidden(pack, some), members), strict=True):
            ours[member] = numbers
    return disagreement(model, runs, head, some, ours)


def disagreement(
    model: Any, runs: Runs, head: Head, items: Sequence[Encoded], ours: Sequence[tuple[float, ...]]
) -> Disagreement | None:
    """Whether our numbers of these items are those of the model alone; None when they are.

    In 32 bits scores may differ by 1e-4, and a ten thousandth of their size; in 16 bits by a twentieth of their spread
    when packed and a quarter when padded: the product of another number of rows is rounded otherwise.
    """
    shape = len(items), len(head.names)
    alone = np.array([stock_scores(model, head, item) for item in items]).reshape(shape)
    half = None if model.dtype == torch.float32 else HALF_PRECISION[runs.name]
    return next(_disagreements(np.array(ours).reshape(shape), alone, head.names, half), None)


def _disagreements(ours: Numbers, alone: Numbers, names: Sequence[str], half: float | None) -> Iterator[Disagreement]:
    numbers = np.isfinite(alone)
    for column, name in enumerate(names):
        known = numbers[:, column]
        expected, found = alone[known, column], ours[known, column]
        difference = float(np.abs(found - expected).max(initial=0.0))
        if np.isfinite(ours[~known, column]).any() or not math.isfinite(difference):
            difference = math.inf
        bound = _bound(expected, half)
        if not difference <= bound:
            yield Disagreement(difference, bound, name)


def probe(encoded: Sequence[Encoded]) -> list[Encoded]:
    """A few items to try: evenly over all lengths, so that the longest and the shortest are among them."""
    by_length = sorted(encoded, key=lambda item: (len(item.tokens), item.tokens.tobytes()))
    at = np.unique(np.linspace(0, len(by_length) - 1, min(ITEMS, len(by_length))).round().astype(int))
    return [by_length[i] for i in at.tolist()]


@torch.inference_mode()
def stock_scores(model: Any, head: Head, item: Encoded) -> tuple[float, ...]:
    """What transformers says of one item alone, without padding, under its own attention."""
    attend_with(model, plain_attention(model))
    tokens = torch.from_numpy(item.tokens).long()[None].to(model.device)
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if item.types is not None:
        inputs["token_type_ids"] = torch.from_numpy(item.types).long()[None].to(model.device)
    with _without_padding(model.config.get_text_config()):
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


def _bound(alone: Numbers, half: float | None) -> float:
    size = float(np.abs(alone).mean()) if len(alone) else 0.0
    if half is None:
        return FULL_PRECISION * max(1.0, size)
    return half * max(float(alone.std()) if len(alone) else 0.0, 0.02 * size, 0.1)
