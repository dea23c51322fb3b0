"""Who attends to whom in a pack? Every segment to itself and its prefix, and to nothing else.

Registered with transformers as an attention implementation. No mask over the whole pack is ever built, since that would
cost time and memory quadratic in its size. The pack's plan travels through the forward pass as the keyword `pack`.
"""

import inspect
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from judges.engine.packing import Layout, Segment

NAME = "reward_drift_packed"
HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pack on its device, prepared once for all layers.

    masks: for each segment what is added to its logits, shape (rows, prefix + rows): 0 where a row may look, minus
    infinity elsewhere; or None where plain causal.
    varlen: what the variable-length kernel needs, or None where segments are computed one by one.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    segments: tuple[Segment, ...]
    masks: tuple[torch.Tensor | None, ...]
    varlen: "Varlen | None"


@dataclass(frozen=True, eq=False)
class Varlen:
    """Cumulative lengths of queries and keys, and the rows of the pack that each segment's keys are gathered from."""

    queries: torch.Tensor
    keys: torch.Tensor
    gather: torch.Tensor
    longest_query: int
    longest_key: int
    used: int


def prepare(layout: Layout, device: torch.device, dtype: torch.dtype) -> Prepared:
    """Put a pack on its device. Half precision on a GPU takes the variable-length kernel, all else single segments."""
    varlen = _varlen(layout, device) if takes_varlen(device, dtype) else None
    masks = (None,) * len(layout.segments) if varlen else tuple(_mask(s, device, dtype) for s in layout.segments)
    tokens, positions = (torch.from_numpy(a).to(device, torch.long)[None] for a in (layout.tokens, layout.positions))
    return Prepared(tokens, positions, layout.segments, masks, varlen)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    *,
    pack: Prepared,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one layer over one pack. query: shape (1, heads, size, head); key and value may have fewer heads.

    Returns shape (1, size, heads, head); rows of no segment are zero. Raises ValueError if transformers hands over a
    mask, which would mean that it does not leave masking to us.
    """
    if attention_mask is not None:
        raise ValueError("transformers built a mask for the packed attention; this release cannot be used for packing")
    if pack.varlen is not None:
        return _by_varlen(query, key, value, scaling, pack.varlen), None
    return _by_segment(query, key, value, scaling, pack), None


def _by_segment(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, pack: Prepared
) -> torch.Tensor:
    grouped = query.shape[1] != key.shape[1]
    out = torch.zeros_like(query)
    for segment, mask in zip(pack.segments, pack.masks, strict=True):
        rows = slice(segment.start, segment.end)
        out[:, :, rows] = scaled_dot_product_attention(
            query[:, :, rows],
            _with_prefix(key, segment),
            _with_prefix(value, segment),
            attn_mask=mask,
            is_causal=mask is None and segment.end - segment.start > 1,
            scale=scaling,
            enable_gqa=grouped,
        )
    return out.transpose(1, 2)


def _with_prefix(states: torch.Tensor, segment: Segment) -> torch.Tensor:
    own = states[:, :, segment.start : segment.end]
    if segment.prefix_end == segment.prefix_start:
        return own
    return torch.cat([states[:, :, segment.prefix_start : segment.prefix_end], own], dim=2)


def _mask(segment: Segment, device: torch.device, dtype: torch.dtype) -> torch.Tensor | None:
    """Causal, aligned to the lower right: row i sees the prefix and rows 0 to i."""
    rows, prefix = segment.end - segment.start, segment.prefix_end - segment.prefix_start
    if not prefix:
        return None
    return torch.full((rows, prefix + rows), -torch.inf, dtype=dtype, device=device).triu(prefix + 1)


def _varlen(layout: Layout, device: torch.device) -> Varlen:
    queries, keys, gather = [0], [0], []
    for start, end, prefix_start, prefix_end in layout.segments:
        queries.append(queries[-1] + end - start)
        keys.append(keys[-1] + end - start + prefix_end - prefix_start)
        gather += [torch.arange(prefix_start, prefix_end), torch.arange(start, end)]
    return Varlen(
        queries=torch.tensor(queries, dtype=torch.int32, device=device),
        keys=torch.tensor(keys, dtype=torch.int32, device=device),
        gather=torch.cat(gather).to(device),
        longest_query=max(b - a for a, b in pairwise(queries)),
        longest_key=max(b - a for a, b in pairwise(keys)),
        used=queries[-1],
    )


def takes_varlen(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the variable-length kernel can be used: half precision, a GPU of compute capability 8 or newer, and a
    torch whose kernel can be told its scale and to be causal, aligned to the lower right."""
    if device.type != "cuda" or dtype not in HALF or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    from torch.nn.attention.varlen import varlen_attn

    return {"window_size", "scale"} <= inspect.signature(varlen_attn).parameters.keys()


def _by_varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, plan: Varlen
) -> torch.Tensor:
    """One kernel for all segments of the pack; one split of the keys, so that a segment's company changes nothing."""
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"num_splits": 1} if "num_splits" in known else {}
    if query.shape[1] != key.shape[1] and "enable_gqa" in known:
        options["enable_gqa"] = True
    elif query.shape[1] != key.shape[1]:
        key, value = (states.repeat_interleave(query.shape[1] // states.shape[1], dim=1) for states in (key, value))
    seen = varlen_attn(
        query[0].transpose(0, 1)[: plan.used],
        key[0].transpose(0, 1)[plan.gather],
        value[0].transpose(0, 1)[plan.gather],
        plan.queries,
        plan.keys,
        plan.longest_query,
        plan.longest_key,
        scale=scaling,
        window_size=(-1, 0),
        **options,
    )
    assert isinstance(seen, torch.Tensor)
    out = query.new_zeros(1, query.shape[2], *seen.shape[1:])
    out[0, : plan.used] = seen
    return out


AttentionInterface.register(NAME, packed_attention)
