"""How much sooner are items scored than by the usual ways, and is a score the same in whatever company?

    python -m tests.benchmarks.scoring_bench

Everything is run on one thread of the CPU; what is compared runs on one model and the same items, in interleaved
rounds. A GPU has a benchmark of its own, gpu_scoring_bench.
"""

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from judges.engine.items import Encoded, Item
from judges.engine.scorer import Scorer, reward_scorer
from tests.benchmarks.results_file import save
from tests.benchmarks.scoring_rerun import ANSWERS, killed, rerun_share
from tests.benchmarks.scoring_rivals import Way, ours, ours_without_checks, pipeline_of, sorted_of
from tests.benchmarks.scoring_rows import Row, told, verdict
from tests.benchmarks.scoring_world import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    SPREAD,
    conversations,
    reward_model,
    tokenizer,
)

ROUNDS = 3
ITEMS, LAYERS, WIDTH = 400, 8, 256
SMALL_LAYERS, SMALL_WIDTH = 4, 128
RERUN_PROMPTS = 1_250
SUBSETS = 5
RIVALS: dict[str, Way] = {
    "pipeline(32)": pipeline_of(32),
    "pipeline(8)": pipeline_of(8),
    "sorted(32)": sorted_of(32),
}
SHARED_WAYS: dict[str, Way] = {"ours": ours, "ours without checks": ours_without_checks, **RIVALS}
SINGLE_WAYS: dict[str, Way] = {"ours": ours, "pipeline(32)": RIVALS["pipeline(32)"], "sorted(32)": RIVALS["sorted(32)"]}


@dataclass
class Comparison:
    """Ways of scoring the same items, round after round. seconds: CPU time by way. scores: of the last round."""

    items: Sequence[Item]
    ways: Mapping[str, Way]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, scorer: Scorer) -> None:
        """One round."""
        for name, way in self.ways.items():
            start = time.process_time()
            self.scores[name] = way(scorer, self.items)
            self.seconds.setdefault(name, []).append(time.process_time() - start)

    def ratios(self, rival: str, mine: str = "ours") -> list[float]:
        """Round by round, how many times as long the rival took."""
        return [theirs / own for theirs, own in zip(self.seconds[rival], self.seconds[mine], strict=True)]


def main() -> None:
    """Measure everything once, then compare the ways again; what is known so far is saved after every round."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    scorer = reward_scorer(reward_model(LAYERS, WIDTH), tokenizer(), "0" * 64)
    shared = Comparison(conversations(ITEMS // ANSWERS, ANSWERS, seed=1), SHARED_WAYS)
    single = Comparison(conversations(ITEMS, 1, seed=2), SINGLE_WAYS)
    others: list[Row] = []
    for done in range(1, ROUNDS + 1):
        for comparison in (shared, single):
            comparison.measure(scorer)
        others = others or [*again(), *in_any_company(), in_half_precision()]
        rows = [*with_shared_prompts(scorer, shared), *without_sharing(single), *others]
        save(
            "scoring_bench",
            "Scoring with a reward model on a CPU",
            "a column of the table; speed-ups are their time over ours",
            [vars(row) for row in rows],
            details(scorer, done),
        )


def details(scorer: Scorer, done: int) -> dict[str, Any]:
    """What a reader needs to know about the figures."""
    return {
        "time": "CPU seconds of one thread; median (least to most) of the rounds, in which all ways take turns",
        "rounds": done,
        "ours": "a whole run: rendering, tokenising, verification against the model's own forward pass, canaries,"
        " packs, SQLite. Without checks: no verification and no canaries, whose cost does not grow with the items",
        "model": f"Qwen2 architecture, random weights, fp32, {LAYERS} layers of {WIDTH},"
        f" {scorer.model.num_parameters():,} parameters, packs of {scorer.spec.size} tokens",
        "items": f"{ITEMS}, lengths log-normal, medians {PROMPT_TOKENS} (prompt) and {RESPONSE_TOKENS} (answer) tokens,"
        f" deviation of the logs {SPREAD}; about 18 tokens of template before the answer; shuffled",
        "sorted(32)": "as lm-evaluation-harness: longest first, 32 a batch, padded on the right under a mask",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def with_shared_prompts(scorer: Scorer, found: Comparison) -> list[Row]:
    """B1: four answers to each prompt."""
    apart = max(abs(a - b) for a, b in zip(found.scores["ours"], found.scores["pipeline(32)"], strict=True))
    spread = np.std(found.scores["ours"])
    return [
        Row.at_least("B1", "speed-up over pipeline(32)", found.ratios("pipeline(32)"), 4.0),
        Row.at_least("B1", "speed-up over pipeline(8)", found.ratios("pipeline(8)"), 2.8),
        Row.at_least("B1", "speed-up over sorted(32)", found.ratios("sorted(32)"), 1.4),
        Row.at_most("B1", f"largest difference to pipeline(32); deviation of scores {spread:.2f}", apart, 1e-4),
        Row.at_most("B1", "tokens computed / tokens of all items", computed_share(scorer, found.items), 0.72),
        *(
            Row("B1", f"without checks: speed-up over {name}", told(found.ratios(name, "ours without checks")))
            for name in RIVALS
        ),
        *(Row("B1", f"CPU seconds: {name}", f"{statistics.median(found.seconds[name]):.1f}") for name in SHARED_WAYS),
    ]


def without_sharing(found: Comparison) -> list[Row]:
    """B2: one answer to each prompt, so that nothing can be shared."""
    return [
        Row.at_least("B2", "no shared prompts: speed-up over pipeline(32)", found.ratios("pipeline(32)"), 3.5),
        Row.at_least("B2", "no shared prompts: speed-up over sorted(32)", found.ratios("sorted(32)"), 1.1),
    ]


def again() -> list[Row]:
    """B3: most is known already; and a process that dies."""
    rerun = rerun_share(RERUN_PROMPTS, SMALL_LAYERS, SMALL_WIDTH, ROUNDS)
    dead = killed(SMALL_LAYERS, SMALL_WIDTH)
    what = (
        f"{RERUN_PROMPTS * ANSWERS:,} items, {SMALL_LAYERS} layers of {SMALL_WIDTH}, 90% known: share of the cold run"
    )
    identical = bool(dead["identical"])
    return [
        Row.at_most("B3", f"{what} of {rerun['cold_seconds']:.1f} CPU seconds", rerun["share"], 0.12),
        Row.at_most("B3", f"{dead['kills']} times kill -9: packs repeated a kill, at most", dead["repeated_a_kill"], 1),
        Row("B3", "table after the kills, bit by bit", "same" if identical else "other", "same", verdict(identical)),
    ]


def in_any_company() -> list[Row]:
    """B4: random subsets in random orders; how many scores differ in any bit from those of the whole set."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        scorer = reward_scorer(reward_model(SMALL_LAYERS, SMALL_WIDTH, dtype), tokenizer(), "0" * 64)
        items = conversations(20, ANSWERS, seed=4)
        changed, compared = changed_bits(scorer, items, np.random.default_rng(5))
        what = f"{scorer.spec.dtype}: bitwise changed of {compared:,} scores, {SUBSETS} subsets and orders"
        rows.append(Row.at_most("B4", what, changed, 0))
    return rows


def in_half_precision() -> Row:
    """B1b: only where the CPU multiplies bfloat16 by itself; here it would be emulated."""
    flags = set(Path("/proc/cpuinfo").read_text().split())
    able = sorted(flags & {"avx512_bf16", "amx_bf16"})
    if not able:
        return Row("B1b", "speed-up in bfloat16", "not run: this CPU has neither avx512_bf16 nor AMX", ">= 6.0")
    items = conversations(ITEMS // ANSWERS, ANSWERS, seed=1)
    half = Comparison(items, {"ours": ours})
    full = Comparison(items, {"pipeline(32)": RIVALS["pipeline(32)"]})
    half.measure(reward_scorer(reward_model(LAYERS, WIDTH, torch.bfloat16), tokenizer(), "0" * 64))
    full.measure(reward_scorer(reward_model(LAYERS, WIDTH), tokenizer(), "0" * 64))
    ratio = full.seconds["pipeline(32)"][0] / half.seconds["ours"][0]
    return Row.at_least("B1b", f"{able[0]}: speed-up over pipeline(32) in fp32", [ratio], 6.0)


def computed_share(scorer: Scorer, items: Sequence[Item]) -> float:
    """Rows of all packs, filler included, over the tokens that the items have one by one."""
    encoded = encoded_of(scorer, items)
    return sum(pack.size for pack in scorer.plan(encoded)) / sum(len(one.tokens) for one in encoded)


def changed_bits(scorer: Scorer, items: Sequence[Item], rng: np.random.Generator) -> tuple[int, int]:
    """How many scores of random subsets are not bit by bit those of the whole set, and how many were compared."""
    whole = numbers_of(scorer, items)
    changed = compared = 0
    for _ in range(SUBSETS):
        some = [
            items[at] for at in rng.permutation(len(items))[: int(rng.integers(len(items) // 3, len(items)))].tolist()
        ]
        found = numbers_of(scorer, some)
        changed += sum(found[item.item_id] != whole[item.item_id] for item in some)
        compared += len(some)
    return changed, compared


def numbers_of(scorer: Scorer, items: Sequence[Item]) -> dict[str, tuple[float, ...]]:
    """All outputs by item, straight from the packs."""
    encoded = encoded_of(scorer, items)
    found: dict[str, tuple[float, ...]] = {}
    for pack in scorer.plan(encoded):
        names = [items[at].item_id for at in pack.members]
        found.update(zip(names, scorer.score(pack, encoded), strict=True))
    return found


def encoded_of(scorer: Scorer, items: Sequence[Item]) -> list[Encoded]:
    encoded = [result for result in scorer.encode(items) if isinstance(result, Encoded)]
    assert len(encoded) == len(items)
    return encoded


if __name__ == "__main__":
    main()
