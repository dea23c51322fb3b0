"""In which ways are the same items scored? Ours, and what people use; each way is given items and gives scores."""

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from consumers.database import open_engine
from judges.engine.items import Encoded, Item
from judges.engine.models import attend_with
from judges.engine.scorer import Scorer
from judges.engine.spec import item_key
from judges.scores import ScoreBoard, value_of
from judges.scoring import Scored, score_items

Way = Callable[[Scorer, Sequence[Item]], list[float]]


def ours_whole(scorer: Scorer, items: Sequence[Item]) -> Scored:
    """As the product runs: rendering, tokenising, verification, canaries, packs, SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        board = ScoreBoard(open_engine(f"{folder}/store.sqlite"))
        try:
            return score_items(scorer, items, board, subject="benchmark", now_us=lambda: 0)
        finally:
            board.engine.dispose()


def ours(scorer: Scorer, items: Sequence[Item]) -> list[float]:
    """The scores of a whole run, in the items' order."""
    scored = ours_whole(scorer, items)
    return [_number(scored.values[item.item_id].value) for item in items]


def ours_without_checks(scorer: Scorer, items: Sequence[Item]) -> list[float]:
    """The same without verification and canaries, which cost as much for ten items as for ten thousand."""
    with tempfile.TemporaryDirectory() as folder:
        board = ScoreBoard(open_engine(f"{folder}/store.sqlite"))
        encoded = [result for result in scorer.encode(items) if isinstance(result, Encoded)]
        keys = [item_key(scorer.spec.spec_id, one) for one in encoded]
        named = {item.item_id: key for item, key in zip(items, keys, strict=True)}
        run = board.begin("run", scorer.spec, "benchmark", named, {}, 0)
        for number, pack in enumerate(scorer.plan(encoded)):
            outputs = scorer.score(pack, encoded)
            values = [
                value_of(keys[at], numbers, len(encoded[at].tokens), encoded[at].split, number)
                for at, numbers in zip(pack.members, outputs, strict=True)
            ]
            board.write(run, values, 0)
        results = board.results(run)
        board.engine.dispose()
    return [_number(results[item.item_id].value) for item in items]


def pipeline_of(size: int) -> Way:
    """The pipeline of transformers, in arrival order, `size` texts a batch, padded to the longest of each."""

    def way(scorer: Scorer, items: Sequence[Item]) -> list[float]:
        tokenizer = scorer.renderer.tokenizer
        attend_with(scorer.model, "sdpa")
        pipeline = transformers.pipeline(
            "text-classification",
            model=scorer.model,
            tokenizer=tokenizer,
            function_to_apply="none",
            batch_size=size,
            device=scorer.model.device,
        )
        found = pipeline(rendered(tokenizer, items))
        return [float(one["score"]) for one in found]

    return way


def sorted_of(size: int) -> Way:
    """The way of lm-evaluation-harness: longest first, `size` texts a batch, padded on the right under a mask. No cache
    of keys is built, which it would do."""

    def way(scorer: Scorer, items: Sequence[Item]) -> list[float]:
        attend_with(scorer.model, "sdpa")
        tokens = scorer.renderer.tokenizer(rendered(scorer.renderer.tokenizer, items))["input_ids"]
        order = sorted(range(len(tokens)), key=lambda at: -len(tokens[at]))
        found: dict[int, float] = {}
        for begin in range(0, len(order), size):
            members = order[begin : begin + size]
            found.update(zip(members, padded_scores(scorer.model, [tokens[at] for at in members]), strict=True))
        return [found[at] for at in range(len(items))]

    return way


def rendered(tokenizer: Any, items: Sequence[Item]) -> list[str]:
    """The texts that a model is shown."""
    return [tokenizer.apply_chat_template([turn._asdict() for turn in i.messages], tokenize=False) for i in items]


@torch.inference_mode()
def padded_scores(model: Any, tokens: Sequence[Sequence[int]]) -> list[float]:
    """One batch, as wide as its longest member."""
    rows = [torch.as_tensor(one, dtype=torch.long) for one in tokens]
    inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    device = model.device
    logits = model(input_ids=inputs.to(device), attention_mask=mask.to(device), use_cache=False).logits
    scores: list[float] = logits[:, 0].float().tolist()
    return scores


def _number(value: float | None) -> float:
    assert value is not None
    return value
