"""How is a model run over a plan? Packed where its architecture allows it, padded everywhere else.

Both give, for each item, the hidden states that its score is read from; what is read from them is a head's affair.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from judges.engine.attention import NAME, prepare, takes_varlen
from judges.engine.items import Encoded
from judges.engine.packing import Group, Pack, lay_out, plan_packs

# Dense causal decoders with full attention and positions given from outside; each one has a test.
PACKABLE = frozenset({"llama", "qwen2", "qwen3", "mistral", "gpt2", "gpt_neox", "olmo2", "smollm3"})


class Packed:
    """Without padding: a row of fixed size in which nobody sees anybody else. A score hangs on its item alone."""

    name = "packed"

    def __init__(self, model: Any, size: int, *, share: bool = True) -> None:
        self.model, self.size, self.share = model, size, share

    @property
    def attention(self) -> str:
        """The kernel that is used."""
        return "varlen" if takes_varlen(self.model.device, self.model.dtype) else "sdpa"

    def plan(self, encoded: Sequence[Encoded]) -> list[Pack]:
        return plan_packs(encoded, self.size, share=self.share)

    @torch.inference_mode()
    def hidden(self, pack: Pack, encoded: Sequence[Encoded]) -> list[torch.Tensor]:
        attend_with(self.model, NAME)
        layout = lay_out(pack, encoded)
        on_device = prepare(layout, self.model.device, self.model.dtype)
        states = self.model.base_model(
            input_ids=on_device.tokens,
            position_ids=on_device.positions,
            attention_mask=None,
            use_cache=False,
            pack=on_device,
        ).last_hidden_state[0]
        read = states[torch.from_numpy(np.concatenate(layout.reads)).to(states.device)]
        return list(read.split([len(rows) for rows in layout.reads]))


class Padded:
    """Rows of like length side by side, filled up on the right, under a mask. Not batch-invariant.

    size: tokens of a batch, filler included.
    """

    name = "padded"

    def __init__(self, model: Any, size: int) -> None:
        self.model, self.size, self.share = model, size, False

    @property
    def attention(self) -> str:
        """The kernel that is used."""
        return plain_attention(self.model)

    def plan(self, encoded: Sequence[Encoded]) -> list[Pack]:
        by_length = sorted(range(len(encoded)), key=lambda at: (-len(encoded[at].tokens), at))
        packs: list[Pack] = []
        while by_length:
            longest = len(encoded[by_length[0]].tokens)
            count = max(1, self.size // longest)
            groups = tuple(Group(0, (at,)) for at in by_length[:count])
            used = sum(len(encoded[at].tokens) for at in by_length[:count])
            packs.append(Pack(longest * len(groups), groups, used))
            by_length = by_length[count:]
        return packs

    @torch.inference_mode()
    def hidden(self, pack: Pack, encoded: Sequence[Encoded]) -> list[torch.Tensor]:
        attend_with(self.model, plain_attention(self.model))
        items = [encoded[member] for member in pack.members]
        states = self._forward(items)
        return [states[row, torch.from_numpy(item.reads).to(states.device).long()] for row, item in enumerate(items)]

    def _forward(self, items: Sequence[Encoded]) -> torch.Tensor:
        states: torch.Tensor = self.model.base_model(**batch_of(items, self.model.device), use_cache=False)[0]
        return states


class Encoder(Padded):
    """A model that reads both ways and pools by itself: what comes out is its logits, one row an item."""

    @torch.inference_mode()
    def hidden(self, pack: Pack, encoded: Sequence[Encoded]) -> list[torch.Tensor]:
        attend_with(self.model, plain_attention(self.model))
        batch = batch_of([encoded[member] for member in pack.members], self.model.device)
        del batch["position_ids"]  # an encoder counts its own, and some begin at two
        logits: torch.Tensor = self.model(**batch).logits
        return list(logits[:, None])


Runs = Packed | Padded


def attend_with(model: Any, implementation: str) -> None:
    """Switch the attention of all layers, unless it is that already."""
    if model.config._attn_implementation != implementation:
        model.set_attn_implementation(implementation)


def plain_attention(model: Any) -> str:
    """The model's own attention: torch's where transformers knows it to be the same, else the one written out."""
    return "sdpa" if model._supports_sdpa else "eager"


def batch_of(items: Sequence[Encoded], device: torch.device) -> dict[str, torch.Tensor]:
    """Items side by side, filled up on the right; a lone item needs no mask."""
    longest = max(len(item.tokens) for item in items)
    tokens = np.zeros((len(items), longest), np.int64)
    mask = np.zeros_like(tokens)
    types = np.zeros_like(tokens)
    for row, item in enumerate(items):
        tokens[row, : len(item.tokens)] = item.tokens
        mask[row, : len(item.tokens)] = 1
        if item.types is not None:
            types[row, : len(item.tokens)] = item.types
    positions = np.broadcast_to(np.arange(longest), tokens.shape).copy()
    batch = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
    if items[0].types is not None:
        batch["token_type_ids"] = types
    if len(items) == 1:
        del batch["attention_mask"]
    return {name: torch.from_numpy(array).to(device) for name, array in batch.items()}


def is_packable(config: Any) -> bool:
    """Whether every layer attends fully and causally, with positions given from outside."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None)
    return config.model_type in PACKABLE and kinds == {"full_attention"} and not windowed
