"""Would each known way to get scores wrong be noticed? Each is stepped into by hand, and is far from the truth."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import judges.engine.attention
from judges.engine.attention import Prepared
from judges.engine.heads import Vocabulary
from judges.engine.items import Encoded
from judges.engine.models import is_packable
from judges.engine.scorer import How, Scorer, likelihood_scorer, reward_scorer
from judges.engine.verify import RulerRefused, compare_with_stock
from tests.judges import alone
from tests.judges.tiny_models import chat_tokenizer, conversations, language_model, reward_model

ITEMS = conversations(3, 3, seed=2)
TOKENIZER = chat_tokenizer()
HOW = How(size=512)
FAR = 0.2  # of the spread of scores: what each trap costs at least, where noise costs 0.001


@pytest.fixture(scope="module")
def llama() -> Any:
    return reward_model("llama")


@pytest.fixture(scope="module")
def truth(llama: Any) -> np.ndarray[Any, Any]:
    return by_hand(llama)


def by_hand(model: Any, tokenizer: Any = TOKENIZER) -> np.ndarray[Any, Any]:
    return np.array([alone.reward(model, tokenizer, item)[0] for item in ITEMS])


def encoded(scorer: Scorer) -> list[Encoded]:
    return [result for result in scorer.encode(ITEMS) if isinstance(result, Encoded)]


def scores(scorer: Scorer) -> np.ndarray[Any, Any]:
    items, found = encoded(scorer), {}
    for pack in scorer.plan(items):
        found.update(zip(pack.members, scorer.score(pack, items), strict=True))
    return np.array([found[at][0] for at in range(len(items))])


def off(trapped: Any, truth: np.ndarray[Any, Any]) -> float:
    """The largest error, in spreads of the true scores."""
    return float(np.abs(np.array(trapped) - truth).max() / truth.std())


@torch.inference_mode()
def batched(model: Any, side: str, *, masked: bool = True, pooled: Callable[[Any], Any] | None = None) -> list[float]:
    """What a plain batch gives. pooled: from the mask, which position of each row is read; None: the model decides."""
    TOKENIZER.padding_side = side
    texts = [TOKENIZER.apply_chat_template([m._asdict() for m in i.messages], tokenize=False) for i in ITEMS]
    batch = TOKENIZER(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    TOKENIZER.padding_side = "right"
    mask = batch["attention_mask"] if masked else None
    model.set_attn_implementation("sdpa")
    if pooled is None:
        return list(model(input_ids=batch["input_ids"], attention_mask=mask).logits[:, 0].tolist())
    states = model.model(input_ids=batch["input_ids"], attention_mask=mask, use_cache=False).last_hidden_state
    rows = states[torch.arange(len(ITEMS)), pooled(batch["attention_mask"])]
    return list(model.score(rows)[:, 0].tolist())


def test_where_the_padding_token_ends_texts_the_last_token_is_still_read(llama: Any) -> None:
    """The stock head reads the last token that is no padding: one too early, even for a text alone."""
    tokenizer, model = chat_tokenizer(pad="</s>"), reward_model("llama", pad_token_id=2)
    expected = by_hand(model, tokenizer)
    assert off(scores(reward_scorer(model, tokenizer, "0" * 64, HOW)), expected) < 1e-4
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        stock = [model(torch.tensor(e.tokens[None]).long()).logits[0, 0].item() for e in encoded(ruler(llama))]
    assert off(stock, expected) > FAR


def ruler(model: Any, **changes: Any) -> Scorer:
    return replace(reward_scorer(model, TOKENIZER, "0" * 64, HOW), **changes)


def test_padding_on_the_left_is_no_part_of_a_score(llama: Any, truth: np.ndarray[Any, Any]) -> None:
    assert off(scores(ruler(llama)), truth) < 1e-4
    assert off(batched(llama, "left", pooled=lambda mask: mask.sum(1) - 1), truth) > FAR
    assert off(batched(llama, "left", masked=False), truth) > FAR


def test_padding_on_the_right_is_read_at_the_last_token_and_not_at_the_last_column(
    llama: Any, truth: np.ndarray[Any, Any]
) -> None:
    scorer = reward_scorer(llama, TOKENIZER, "0" * 64, How(size=512, pack=False))
    assert scorer.spec.runs == "padded"
    assert off(scores(scorer), truth) < 1e-4
    assert off(batched(llama, "right", pooled=lambda mask: mask.shape[1] - 1), truth) > FAR


def test_the_first_token_comes_once(llama: Any, truth: np.ndarray[Any, Any]) -> None:
    items = encoded(ruler(llama))
    assert {int((item.tokens == 1).sum()) for item in items} == {1}
    twice = [replace(item, tokens=np.insert(item.tokens, 0, 1), reads=item.reads + 1) for item in items]
    with torch.inference_mode(), alone.written_out(llama), alone.pooling_the_last(llama):
        doubled = [llama(torch.tensor(item.tokens[None]).long()).logits[0, 0].item() for item in twice]
    assert off(doubled, truth) > FAR / 10


def test_what_is_too_long_has_no_score(llama: Any, truth: np.ndarray[Any, Any]) -> None:
    lengths = [len(item.tokens) for item in encoded(ruler(llama))]
    short = reward_scorer(llama, TOKENIZER, "0" * 64, How(size=sorted(lengths)[4]))
    results = short.encode(ITEMS)
    assert ["too_long" if n > sorted(lengths)[4] else None for n in lengths] == [
        getattr(result, "status", None) for result in results
    ]
    with torch.inference_mode(), alone.written_out(llama), alone.pooling_the_last(llama):
        cut = [llama(torch.tensor(e.tokens[None, :40]).long()).logits[0, 0].item() for e in encoded(ruler(llama))]
    assert off(cut, truth) > FAR


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_positions_begin_anew_with_each_item(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = reward_model(kind)
    scorer, expected = ruler(model), by_hand(model)
    assert off(scores(scorer), expected) < 1e-4
    prepare = judges.engine.attention.prepare

    def running_on(*given: Any) -> Prepared:
        prepared = prepare(*given)
        return replace(prepared, positions=torch.arange(prepared.tokens.shape[1])[None])

    monkeypatch.setattr("judges.engine.models.prepare", running_on)
    assert off(scores(scorer), expected) > (FAR if kind == "gpt2" else 1e-4)


def test_items_do_not_see_each_other(llama: Any, truth: np.ndarray[Any, Any]) -> None:
    """Stock attention finds the borders of a pack in its positions, unless it keeps a cache, which is its default."""
    scorer = ruler(llama)
    items = encoded(scorer)
    [pack] = reward_scorer(llama, TOKENIZER, "0" * 64, How(size=4096, share=False)).plan(items)
    assert off(scores(scorer), truth) < 1e-4
    tokens = torch.tensor(np.concatenate([items[at].tokens for at in pack.members])[None]).long()
    positions = torch.tensor(np.concatenate([np.arange(len(items[at].tokens)) for at in pack.members])[None])
    ends = np.cumsum([len(items[at].tokens) for at in pack.members]) - 1
    llama.set_attn_implementation("sdpa")
    with torch.inference_mode():
        states = llama.model(tokens, position_ids=positions).last_hidden_state[0, ends]
        trapped = dict(zip(pack.members, llama.score(states)[:, 0].tolist(), strict=True))
    assert off([trapped[at] for at in range(len(items))], truth) > FAR


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mistral", {"sliding_window": 16}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 0}),
        ("gemma2", {}),
        ("bloom", {}),
        ("qwen3_next", {}),
    ],
)
def test_an_architecture_that_may_not_be_packed_is_padded_and_right(kind: str, changes: dict[str, Any]) -> None:
    model = reward_model(kind, **changes)
    assert not is_packable(model.config)
    scorer = ruler(model)
    assert scorer.spec.runs == "padded"
    assert not scorer.spec.shares_prefixes
    assert alone.far(scores(scorer), by_hand(model)) <= 1
    assert scorer.verified(encoded(scorer)) == (scorer, None)


@pytest.mark.parametrize("kind", ["mistral", "gemma2", "bloom", "qwen3_next"])
def test_packed_all_the_same_it_would_be_wrong_and_verify_would_notice(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("judges.engine.scorer.is_packable", lambda config: True)
    model = reward_model(kind, **({"sliding_window": 16} if kind == "mistral" else {}))
    scorer = ruler(model)
    assert scorer.spec.runs == "packed"
    try:
        fallback, apart = scorer.verified(encoded(scorer))
    except (TypeError, ValueError, RuntimeError):
        return  # its layers cannot even be given a pack
    assert apart is not None
    assert fallback.spec.runs == "padded"


def test_a_wrong_mask_is_noticed_and_the_ruler_renamed(
    llama: Any, truth: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("judges.engine.attention._mask", lambda *_: None)  # causal, but at the upper left
    scorer = ruler(llama)
    fallback, apart = scorer.verified(encoded(scorer))
    assert apart is not None
    assert apart.difference > 10 * apart.bound
    assert fallback.spec.runs == "padded"
    assert fallback.spec.spec_id != scorer.spec.spec_id
    assert off(scores(fallback), truth) < 1e-4


def test_a_fault_in_any_output_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = ruler(reward_model("llama", num_labels=3))
    read = type(scorer.head).read

    def skewed(head: Any, *given: Any) -> list[tuple[float, ...]]:
        return [(*numbers[:2], numbers[2] + 1.0) for numbers in read(head, *given)]

    monkeypatch.setattr(type(scorer.head), "read", skewed)
    apart = compare_with_stock(scorer.model, scorer.runs, scorer.head, encoded(scorer))
    assert apart is not None
    assert apart.name == "LABEL_2"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_where_there_is_none_is_noticed_and_none_in_both_is_not(
    value: float, llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = ruler(llama)
    monkeypatch.setattr(type(scorer.head), "stock", lambda *_: (value,))
    assert compare_with_stock(llama, scorer.runs, scorer.head, encoded(scorer)) is not None
    monkeypatch.setattr(type(scorer.head), "read", lambda _, __, items: [(value,)] * len(items))
    assert compare_with_stock(llama, scorer.runs, scorer.head, encoded(scorer)) is None
    monkeypatch.undo()
    monkeypatch.setattr(type(scorer.head), "read", lambda _, __, items: [(value,)] * len(items))
    assert compare_with_stock(llama, scorer.runs, scorer.head, encoded(scorer)) is not None


SCALED = {
    "cohere": {"logit_scale": 0.0625},
    "granite": {"logits_scaling": 8.0},
    "gemma2": {"final_logit_softcapping": 3.0},
}


@pytest.mark.parametrize("kind", SCALED)
def test_logits_that_a_family_scales_are_scaled(kind: str) -> None:
    model = language_model(kind, **SCALED[kind])
    scorer = likelihood_scorer(model, TOKENIZER, "0" * 64, HOW)
    assert scorer.verified(encoded(scorer)) == (scorer, None)
    expected = np.array([alone.likelihood(model, TOKENIZER, item)[0] for item in ITEMS])
    assert off(scores(scorer), expected) < 1e-4


@pytest.mark.parametrize("kind", ["llama", *SCALED])
def test_a_scaling_we_do_not_know_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where packing is to blame for nothing: the padded path must agree as well."""
    model = language_model(kind, **SCALED.get(kind, {}))
    if kind == "llama":
        forward = model.forward
        monkeypatch.setattr(model, "forward", lambda *a, **k: _halved(forward(*a, **k)))
    else:
        monkeypatch.setattr(Vocabulary, "logits", _unscaled)
    scorer = likelihood_scorer(model, TOKENIZER, "0" * 64, HOW)
    with pytest.raises(RulerRefused, match=f"{kind}: .* differs by .* no score of it can be trusted"):
        scorer.verified(encoded(scorer))


def _halved(output: Any) -> Any:
    output.logits = output.logits / 2
    return output


def _unscaled(vocabulary: Vocabulary, hidden: Any) -> Any:
    yield vocabulary._layer(torch.cat(list(hidden))).float()


def test_a_text_model_inside_a_larger_one_tells_its_own_length_and_costs() -> None:
    text = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    text |= {"intermediate_size": 128, "head_dim": 16, "vocab_size": 400, "max_position_embeddings": 77}
    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, num_labels=1)
    scorer = ruler(transformers.Gemma3ForSequenceClassification(config).eval())
    assert scorer.spec.longest == 77
    assert scorer.shape.layers == 2
    assert scorer.spec.runs == "padded"


def test_weights_in_few_bits_are_refused() -> None:
    model = reward_model("llama")
    model.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(
        torch.zeros(128, 64, dtype=torch.int8), requires_grad=False
    )
    with pytest.raises(RulerRefused, match="weights in int8"):
        reward_scorer(model, TOKENIZER, "0" * 64)
    model = reward_model("llama")
    model.config.quantization_config = {"quant_method": "gptq"}
    with pytest.raises(RulerRefused, match="quantised"):
        reward_scorer(model, TOKENIZER, "0" * 64)


def test_mixed_and_rounded_precision_name_another_ruler() -> None:
    model = reward_model("llama")
    plain = reward_scorer(model, TOKENIZER, "0" * 64).spec
    torch.set_float32_matmul_precision("medium")
    try:
        rounded = reward_scorer(model, TOKENIZER, "0" * 64).spec
    finally:
        torch.set_float32_matmul_precision("highest")
    assert plain.dtype == "float32"
    assert rounded.dtype == "float32, products medium"
    model.score.to(torch.bfloat16)
    assert reward_scorer(model, TOKENIZER, "0" * 64).spec.dtype == "bfloat16+float32"


def test_a_model_left_in_training_is_put_to_evaluation() -> None:
    model = reward_model("gpt2").train()
    scorer = ruler(model)
    assert off(scores(scorer), by_hand(model)) < 1e-4


def test_a_mask_by_transformers_is_refused(llama: Any) -> None:
    with pytest.raises(ValueError, match="this release cannot be used for packing"):
        judges.engine.attention.packed_attention(llama, *[torch.zeros(1, 4, 8, 16)] * 3, torch.ones(8, 8), pack=None)  # type: ignore[arg-type]


def test_comparing_leaves_the_configuration_as_it_was(llama: Any) -> None:
    """The padding token is put aside for a moment, so that the stock head reads the last token."""
    before = llama.config.pad_token_id
    scorer = ruler(llama)
    assert scorer.verified(encoded(scorer))[1] is None
    assert llama.config.pad_token_id == before == 0
