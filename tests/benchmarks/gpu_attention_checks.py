"""Does the attention of packs do on a device what it promises? Causality, shared prefixes, grouped heads, both kernels.

Each check gives a row; those of half precision meet the variable-length kernel wherever the device has it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from judges.engine.attention import Prepared, packed_attention, prepare
from judges.engine.items import Encoded
from judges.engine.packing import Layout, lay_out, plan_packs
from tests.benchmarks.scoring_rows import Row

HEADS, KEY_HEADS, HEAD = 8, 2, 64
SIZE = 1024
ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # of states that vary by 1

States = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def attention_rows(device: torch.device) -> list[Row]:
    """All checks, in both precisions."""
    layout = _layout()
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        prepared = prepare(layout, device, dtype)
        states = _states(device, dtype)
        kernel = "segments" if prepared.varlen is None else "varlen"
        name = f"{str(dtype).removeprefix('torch.')} ({kernel})"
        found = {
            "rows whose view of the others is wrong": _wrong_views(layout, prepared, states),
            "rows that differ when key heads are repeated by hand": _apart(
                _attend(prepared, states), _attend(prepared, _repeated(states)), ROUNDING[dtype]
            ),
            "rows that differ from one segment after the other in 32 bits": _apart(
                _attend(prepared, states),
                _attend(prepare(layout, device, torch.float32), _float(states)),
                ROUNDING[dtype],
            ),
            "rows that differ from one segment after the other": _apart(
                _attend(prepared, states), _attend(_by_segment(layout, device, dtype), states), ROUNDING[dtype]
            ),
        }
        rows += [Row.at_most("attention", f"{name}: {what}", wrong, 0) for what, wrong in found.items()]
    return rows


def _layout() -> Layout:
    """One pack: groups of answers behind prefixes of several lengths, and filler at its end."""
    rng = np.random.default_rng(3)
    items = []
    for prompt, answers in ((100, 3), (37, 2), (16, 1), (5, 1)):
        asked = rng.integers(400, size=prompt, dtype=np.int32)
        for answer in range(answers):
            tokens = np.concatenate([asked, rng.integers(400, size=40 + 17 * answer, dtype=np.int32)])
            items.append(Encoded(tokens, prompt, np.array([len(tokens) - 1], np.int32)))
    [pack] = plan_packs(items, SIZE)
    return lay_out(pack, items)


def _states(device: torch.device, dtype: torch.dtype) -> States:
    generator = torch.Generator().manual_seed(5)
    heads = (HEADS, KEY_HEADS, KEY_HEADS)
    query, key, value = (torch.randn(1, count, SIZE, HEAD, generator=generator).to(device, dtype) for count in heads)
    return query, key, value


@torch.inference_mode()
def _attend(prepared: Prepared, states: States) -> torch.Tensor:
    """Shape (rows, heads x head), in 32 bits."""
    found, _ = packed_attention(torch.nn.Identity(), *states, None, HEAD**-0.5, pack=prepared)
    return found[0].flatten(1).float()


def _wrong_views(layout: Layout, prepared: Prepared, states: States) -> int:
    """Change one row's value at a time: those that may see it must change, and no bit of any other."""
    before, wrong = _attend(prepared, states), 0
    query, key, value = states
    for row, seeing in _who_sees(layout):
        changed = value.clone()
        changed[:, :, row] += 8.0
        moved = (_attend(prepared, (query, key, changed)) != before).any(1)
        wrong += int((moved.cpu() != torch.from_numpy(seeing)).sum())
    return wrong


def _who_sees(layout: Layout) -> "Iterator[tuple[int, np.ndarray[tuple[int], np.dtype[np.bool_]]]]":
    """First, middle and last row of every segment, and which rows of the pack may see it."""
    for segment in layout.segments:
        for row in {segment.start, (segment.start + segment.end) // 2, segment.end - 1}:
            seeing = np.zeros(SIZE, np.bool_)
            seeing[row : segment.end] = True
            for other in layout.segments:
                if other.prefix_start <= row < other.prefix_end:
                    seeing[other.start : other.end] = True
            yield row, seeing


def _repeated(states: States) -> States:
    query, key, value = states
    times = HEADS // KEY_HEADS
    return query, key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1)


def _float(states: States) -> States:
    query, key, value = states
    return query.float(), key.float(), value.float()


def _by_segment(layout: Layout, device: torch.device, dtype: torch.dtype) -> Prepared:
    """Prepared for segments one by one, whatever kernel the device has."""
    prepared = prepare(layout, device, torch.float32)
    return replace(prepared, masks=tuple(None if mask is None else mask.to(dtype) for mask in prepared.masks))


def _apart(found: torch.Tensor, expected: torch.Tensor, bound: float) -> int:
    """How many rows differ by more than rounding."""
    return int(((found - expected).abs() > bound).any(1).sum())
