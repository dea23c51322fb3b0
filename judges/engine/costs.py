"""What does a plan cost? Operations, memory, and the tokens that a naive run would have computed. Pure: no torch.

F = 2 P T + 4 L H D sum over segments of (q p + q (q + 1) / 2): P parameters that every token crosses, T unique tokens,
L layers of H query heads of size D, q queries over a prefix of p (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judges.engine.items import Encoded
from judges.engine.packing import Pack

_EMBEDDINGS = ("embed", "wte.", "wpe.", "lm_head.", "score.", "classifier.")


@dataclass(frozen=True)
class Shape:
    """What of a model decides its cost. body: parameters that every token crosses, without embeddings and heads."""

    layers: int
    heads: int
    head_size: int
    hidden: int
    inner: int
    body: int
    parameters: int


@dataclass(frozen=True)
class Cost:
    """Of one or more packs. flops: useful ones. tokens: unique; computed: with filler; naive: without any sharing."""

    flops: float
    tokens: int
    computed: int
    naive: int

    @classmethod
    def nothing(cls) -> "Cost":
        return cls(0.0, 0, 0, 0)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.flops + other.flops,
            self.tokens + other.tokens,
            self.computed + other.computed,
            self.naive + other.naive,
        )


def shape_of(config: Mapping[str, Any], tensors: Mapping[str, Sequence[int]]) -> Shape:
    """From a configuration and the shapes of all weights by name; neither weights nor torch are needed.

    Raises KeyError for a configuration that does not tell its layers, heads or width under any of the usual names.
    """
    hidden = _first(config, "hidden_size", "n_embd", "dim", "d_model")
    heads = _first(config, "num_attention_heads", "n_head", "n_heads")
    sizes = {name: math.prod(shape) for name, shape in tensors.items()}
    crossed = (
        size for name, size in sizes.items() if len(tensors[name]) > 1 and not any(word in name for word in _EMBEDDINGS)
    )
    return Shape(
        layers=_first(config, "num_hidden_layers", "n_layer", "n_layers"),
        heads=heads,
        head_size=config.get("head_dim") or hidden // heads,
        hidden=hidden,
        inner=config.get("intermediate_size") or config.get("n_inner") or config.get("hidden_dim") or 4 * hidden,
        body=sum(crossed),
        parameters=sum(sizes.values()),
    )


def cost_of(pack: Pack, encoded: Sequence[Encoded], shape: Shape) -> Cost:
    """What one pack costs."""
    attended = 0.0
    for group in pack.groups:
        attended += group.prefix * (group.prefix + 1) / 2
        for member in group.members:
            own = len(encoded[member].tokens) - group.prefix
            attended += own * group.prefix + own * (own + 1) / 2
    flops = 2.0 * shape.body * pack.tokens + 4.0 * shape.layers * shape.heads * shape.head_size * attended
    naive = sum(len(encoded[member].tokens) for member in pack.members)
    return Cost(flops, pack.tokens, pack.size, naive)


def total_cost(packs: Sequence[Pack], encoded: Sequence[Encoded], shape: Shape) -> Cost:
    """What all packs cost together."""
    return sum((cost_of(pack, encoded, shape) for pack in packs), Cost.nothing())


def peak_bytes(shape: Shape, size: int, bytes_per_number: int) -> int:
    """Weights, and the widest moment of one layer over a pack: residual, queries, keys, values, and the inner layer
    three times. An estimate; what a run really took is told after it."""
    return bytes_per_number * (shape.parameters + size * (6 * shape.hidden + 3 * shape.inner))


def _first(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if config.get(name) is not None:
            return int(config[name])
    raise KeyError(f"the configuration tells none of {', '.join(names)}")
