"""Does every way to run every architecture give what plain transformers gives for each item alone?"""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from judges.engine.items import Encoded, Item
from judges.engine.models import Packed, Padded
from judges.engine.scorer import How, Scorer, likelihood_scorer, reward_scorer, token_scorer
from judges.engine.verify import HALF_PRECISION
from tests.judges import alone
from tests.judges.tiny_models import DECODERS, chat_tokenizer, conversations, language_model, reward_model

ITEMS = conversations(3, 3, seed=1)
IDS = {"yes": 40, "no": 41, "other": 300}
READINGS = ("one reward", "three rewards", "likelihood", "tokens")
Alone = Callable[[Item], list[float]]


@functools.cache
def ruler(kind: str, reading: str, dtype: torch.dtype = torch.float32) -> tuple[Scorer, Alone]:
    """A scorer, and the same thing done by hand."""
    tokenizer, how = chat_tokenizer(), How(size=512)
    if "reward" in reading:
        model = reward_model(kind, dtype, num_labels=3 if "three" in reading else 1)
        return reward_scorer(model, tokenizer, "0" * 64, how), lambda item: alone.reward(model, tokenizer, item)
    model = language_model(kind, dtype)
    if reading == "likelihood":
        scorer = likelihood_scorer(model, tokenizer, "0" * 64, how)
        return scorer, lambda item: alone.likelihood(model, tokenizer, item)
    scorer = token_scorer(model, tokenizer, "0" * 64, IDS, how)
    return scorer, lambda item: alone.tokens(model, tokenizer, item, list(IDS.values()))


def scores(scorer: Scorer, items: list[Item]) -> list[tuple[float, ...]]:
    """The numbers of all items, in their order."""
    encoded = [result for result in scorer.encode(items) if isinstance(result, Encoded)]
    assert len(encoded) == len(items)
    found: dict[int, tuple[float, ...]] = {}
    for pack in scorer.plan(encoded):
        found.update(zip(pack.members, scorer.score(pack, encoded), strict=True))
    return [found[at] for at in range(len(items))]


@functools.cache
def by_hand(kind: str, reading: str, dtype: torch.dtype = torch.float32) -> list[list[float]]:
    """All items one by one, with plain transformers."""
    return [ruler(kind, reading, dtype)[1](item) for item in ITEMS]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("kind", DECODERS)
def test_every_architecture_packed_is_as_one_by_one(kind: str, reading: str) -> None:
    scorer, _ = ruler(kind, reading)
    assert scorer.spec.runs == "packed"
    assert scorer.spec.shares_prefixes
    assert alone.far(scores(scorer, ITEMS), by_hand(kind, reading)) <= 1
    assert scorer.verified([e for e in scorer.encode(ITEMS) if isinstance(e, Encoded)])[1] is None


@pytest.mark.parametrize("way", ["shared", "unshared", "padded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
def test_every_way_to_run_is_as_one_by_one(kind: str, reading: str, dtype: torch.dtype, way: str) -> None:
    scorer, _ = ruler(kind, reading, dtype)
    ways = {
        "shared": Packed(scorer.model, 512),
        "unshared": Packed(scorer.model, 512, share=False),
        "padded": Padded(scorer.model, 512),
    }
    half = None if dtype == torch.float32 else HALF_PRECISION[ways[way].name]
    assert alone.far(scores(replace(scorer, runs=ways[way]), ITEMS), by_hand(kind, reading, dtype), half) <= 1


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "gpt_neox", "olmo2", "smollm3"])
def test_every_architecture_agrees_in_half_precision(kind: str) -> None:
    scorer, _ = ruler(kind, "one reward", torch.bfloat16)
    expected = by_hand(kind, "one reward", torch.bfloat16)
    assert alone.far(scores(scorer, ITEMS), expected, HALF_PRECISION["packed"]) <= 1


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_an_encoder_reads_question_and_answer_as_a_pair(kind: str) -> None:
    tokenizer = chat_tokenizer(chat=False)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    types = {"type_vocab_size": 2, "num_labels": 2}
    model = reward_model(kind, **types)
    scorer = reward_scorer(model, tokenizer, "0" * 64, How(size=512))
    assert scorer.spec.runs == "padded"
    expected = []
    with torch.inference_mode(), alone.written_out(model):
        for item in ITEMS:
            pair = tokenizer(item.prompt[0].content, item.answer, return_tensors="pt", return_token_type_ids=True)
            assert pair["token_type_ids"].unique().tolist() == [0, 1]
            expected.append(model(**pair).logits[0].tolist())
    assert alone.far(scores(scorer, ITEMS), expected) <= 1


def test_an_encoder_whose_tokenizer_has_no_types_is_given_none() -> None:
    tokenizer = chat_tokenizer(chat=False)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    scorer = reward_scorer(reward_model("bert"), tokenizer, "0" * 64, How(size=512))
    assert all(isinstance(result, Encoded) and result.types is None for result in scorer.encode(ITEMS))


def test_positions_that_begin_behind_the_padding_token_leave_fewer_of_them() -> None:
    model = reward_model("roberta", pad_token_id=1, max_position_embeddings=66)
    scorer = reward_scorer(model, chat_tokenizer(chat=False), "0" * 64, How(size=512))
    assert scorer.spec.longest == 64
    filled = [Item.of(str(n), "Hm?", "ab" * n) for n in range(20, 40)]
    fitting = [result for result in scorer.encode(filled) if isinstance(result, Encoded)]
    assert max(len(result.tokens) for result in fitting) == 64
    assert len(fitting) < len(filled)
    assert scorer.verified(fitting)[1] is None


def test_a_bias_of_the_reward_head_counts() -> None:
    model, tokenizer = reward_model("llama"), chat_tokenizer()
    model.score.bias = torch.nn.Parameter(torch.tensor([5.0]))
    scorer = reward_scorer(model, tokenizer, "0" * 64, How(size=512))
    assert alone.far(scores(scorer, ITEMS), [alone.reward(model, tokenizer, item) for item in ITEMS]) <= 1
