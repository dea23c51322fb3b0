"""How much of a GPU does scoring use, and is a score the same there in whatever company?

    python -m tests.benchmarks.gpu_scoring_bench

Needs one CUDA device and about eight minutes of an H200. Models have the shapes of real ones and random weights; items
are random tokens, so that nothing is measured but the engine, except in the rows that say end to end.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from judges.engine.costs import Cost, total_cost
from judges.engine.items import Encoded
from judges.engine.models import attend_with
from judges.engine.scorer import How, Scorer, reward_scorer
from tests.benchmarks.gpu_attention_checks import attention_rows
from tests.benchmarks.results_file import save
from tests.benchmarks.scoring_bench import changed_bits
from tests.benchmarks.scoring_rivals import ours, padded_scores
from tests.benchmarks.scoring_rows import Row
from tests.benchmarks.scoring_world import SPREAD, conversations, reward_model, tokenizer

REFERENCE_FLOPS = 790e12  # a second: what matrix products in bfloat16 reach on one H200
RIVAL_ITEMS = 512  # the padded way is far slower: its rate is taken from fewer items
TARGET_RATE = 1600  # items a second

QWEN3_600M = {"hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8}
QWEN2_1500M = {"hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2}
LLAMA_8B = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}


@dataclass(frozen=True)
class Shape:
    """A model's shape and what it is given. prompt, response: median tokens; target: share of the peak."""

    name: str
    kind: str
    config: dict[str, int]
    items: int
    target: float
    answers: int = 4
    prompt: int = 300
    response: int = 400


@dataclass(frozen=True)
class Plan:
    """How much is measured. company: prompts whose scores are compared bit by bit. sizes: of packs, in tokens. sweep:
    items a size. texts: prompts of the run end to end. probe: rows of the matrix product that tells the peak."""

    shapes: Sequence[Shape]
    many_answers: Shape
    company: int = 20
    sizes: Sequence[int] = (4096, 8192, 16_384, 32_768)
    sweep: int = 800
    texts: int = 1000
    probe: int = 8192


_SMALL = Shape("0.6B", "qwen3", {**QWEN3_600M, "intermediate_size": 3072, "head_dim": 128}, 8000, 0.35)
FULL = Plan(
    shapes=(
        _SMALL,
        Shape("1.5B", "qwen2", {**QWEN2_1500M, "intermediate_size": 8960}, 8000, 0.45),
        Shape("8B", "llama", {**LLAMA_8B, "intermediate_size": 14_336}, 3000, 0.60),
    ),
    many_answers=Shape("0.6B", "qwen3", _SMALL.config, 8000, 0.35, answers=10, prompt=120, response=180),
)


def main() -> None:
    """Measure on the first CUDA device and save; without one say so."""
    if not torch.cuda.is_available():
        sys.exit("gpu_scoring_bench: there is no CUDA device here; run it on a machine with one")
    transformers.logging.set_verbosity_error()
    device = torch.device("cuda")
    rows = measure(device, FULL)
    properties = torch.cuda.get_device_properties(device)
    save(
        "scoring_gpu",
        "Scoring with a reward model on a GPU",
        "a column of the table",
        [vars(row) for row in rows],
        {
            "time": "wall seconds between two synchronisations, one run after a warm-up",
            "MFU": "useful operations (judges/engine/costs.py) / seconds / rate of a large bf16 matrix product here",
            "HFU": "the same with the filler of packs",
            "items": f"log-normal lengths in tokens around the medians given, deviation of the logs {SPREAD}",
            "padded(32)": f"arrival order, padded to the longest, bf16, no sharing; rate over {RIVAL_ITEMS} items",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "CUDA": torch.version.cuda,
        },
        machine=f"{properties.name}, {properties.total_memory >> 30} GiB",
    )


def measure(device: torch.device, plan: Plan) -> list[Row]:
    """All rows, correctness first."""
    rows = [*attention_rows(device), *company_rows(device, plan.company)]
    peak = matrix_rate(device, plan.probe)
    rows.append(Row("peak", f"bf16 product of {plan.probe}: TFLOP/s", f"{peak / 1e12:.3g}"))
    for shape in plan.shapes:
        rows += shape_rows(shape, device, plan, peak)
    return [*rows, *many_answers_rows(plan, device, peak)]


def company_rows(device: torch.device, prompts: int) -> list[Row]:
    """B4: no bit of a score hangs on what else is scored."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        scorer = reward_scorer(reward_model(4, 128, dtype).to(device), tokenizer(), "0" * 64, How(size=2048))
        changed, compared = changed_bits(scorer, conversations(prompts, 4, seed=4), np.random.default_rng(5))
        what = f"{scorer.spec.dtype}, {scorer.spec.attention}: bitwise changed of {compared} scores"
        rows.append(Row.at_most("B4", what, changed, 0))
    return rows


def matrix_rate(device: torch.device, size: int, seconds: float = 1.0) -> float:
    """Operations a second of one large matrix product in bfloat16, the best of several stretches."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    one = seconds_of(device, lambda: left @ right)
    times = max(1, round(seconds / 8 / max(one, 1e-5)))
    stretches = [seconds_of(device, lambda: [left @ right for _ in range(times)]) for _ in range(8)]
    return 2.0 * size**3 * times / min(stretches)


def shape_rows(shape: Shape, device: torch.device, plan: Plan, peak: float) -> list[Row]:
    """B5 of one model: use of the device, against padding, and packs of several sizes."""
    scorer = scorer_of(shape, device)
    items = random_items(shape, seed=1)
    rate, rows = engine_rows(shape, scorer, items, device, peak)
    some = items[:RIVAL_ITEMS]
    padded = len(some) / seconds_of(device, lambda: padded_way(scorer, some))
    rows.append(
        Row.at_least("B5", f"{shape.name}: items/s over padded(32), which makes {padded:.4g}", [rate / padded], 8.0)
    )
    for size in plan.sizes:
        sized = reward_scorer(scorer.model, tokenizer(), "0" * 64, How(size=size))
        cost, seconds = run(sized, items[: plan.sweep], device)
        what = f"{shape.name}: unique tokens/s in packs of {size:,}"
        rows.append(Row("sweep", what, f"{cost.tokens / seconds:,.0f}"))
    return rows


def many_answers_rows(plan: Plan, device: torch.device, peak: float) -> list[Row]:
    """Short texts with ten answers a prompt, as tokens and end to end from texts to SQLite."""
    shape = plan.many_answers
    scorer = scorer_of(shape, device)
    rate, rows = engine_rows(shape, scorer, random_items(shape, seed=2), device, peak)
    rows.append(Row.at_least("B5", f"{shape.name}: items/s, {shape.answers} answers a prompt", [rate], TARGET_RATE))
    texts = conversations(plan.texts, 4, seed=6)
    seconds = seconds_of(device, lambda: ours(scorer, texts))
    rows.append(Row("B5", f"{shape.name}: items/s end to end, {len(texts):,} texts", f"{len(texts) / seconds:,.0f}"))
    return rows


def engine_rows(
    shape: Shape, scorer: Scorer, items: Sequence[Encoded], device: torch.device, peak: float
) -> tuple[float, list[Row]]:
    """Items a second, and how much of the device they used."""
    cost, seconds = run(scorer, items, device)
    what = f"{shape.name}, {len(items):,} items, {shape.prompt} + {shape.response} x {shape.answers}"
    filler = 2.0 * scorer.shape.body * (cost.computed - cost.tokens)
    told = {
        "items/s": f"{len(items) / seconds:,.1f}",
        "unique tokens/s": f"{cost.tokens / seconds:,.0f}",
        "tokens/s without sharing": f"{cost.naive / seconds:,.0f}",
        "HFU": f"{(cost.flops + filler) / seconds / peak:.3f}",
        "MFU at 790 TFLOP/s": f"{cost.flops / seconds / REFERENCE_FLOPS:.3f}",
        "peak memory, GiB": f"{_peak_bytes(device) / 2**30:.1f}",
    }
    used = Row.at_least("B5", f"{what}: MFU", [cost.flops / seconds / peak], shape.target)
    return len(items) / seconds, [used, *(Row("B5", f"{what}: {name}", value) for name, value in told.items())]


def run(scorer: Scorer, items: Sequence[Encoded], device: torch.device) -> tuple[Cost, float]:
    """What scoring these costs, and the seconds it takes once warm."""
    packs = scorer.plan(items)
    scorer.score(packs[0], items)
    seconds = seconds_of(device, lambda: [scorer.score(pack, items) for pack in packs])
    return total_cost(packs, items, scorer.shape), seconds


def padded_way(scorer: Scorer, items: Sequence[Encoded], size: int = 32) -> None:
    """What a pipeline does: in arrival order, padded to the longest of each batch."""
    attend_with(scorer.model, "sdpa")
    for begin in range(0, len(items), size):
        padded_scores(scorer.model, [item.tokens for item in items[begin : begin + size]])


def scorer_of(shape: Shape, device: torch.device) -> Scorer:
    """A model made on its device, in bfloat16 from the start."""
    torch.manual_seed(7)
    config = transformers.AutoConfig.for_model(
        shape.kind,
        **{
            "vocab_size": 151_936,
            "num_labels": 1,
            "pad_token_id": 0,
            "max_position_embeddings": 40_960,
            **shape.config,
        },
    )
    with device:
        model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.bfloat16)
    return reward_scorer(model.eval(), tokenizer(), "0" * 64)


def random_items(shape: Shape, seed: int) -> list[Encoded]:
    """Prompts with their answers as random tokens, in shuffled order."""
    rng = np.random.default_rng(seed)

    def tokens(median: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        length = min(8 * median, max(1, round(rng.lognormal(np.log(median), SPREAD))))
        return rng.integers(1, 400, size=length, dtype=np.int32)

    items = []
    for _ in range(shape.items // shape.answers):
        asked = tokens(shape.prompt)
        for _ in range(shape.answers):
            whole = np.concatenate([asked, tokens(shape.response)])
            items.append(Encoded(whole, len(asked), np.array([len(whole) - 1], np.int32)))
    return [items[at] for at in rng.permutation(len(items)).tolist()]


def seconds_of(device: torch.device, work: Callable[[], Any]) -> float:
    """Wall seconds until the device has done it."""
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_bytes(device: torch.device) -> int:
    """The most that was taken since the process began."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


if __name__ == "__main__":
    main()
