"""Is the model that is loaded the one in the folder, to the bit, with its adapter where it has one?"""

import json
import math
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from judges.artefacts.loading import load_config, load_model, load_tokenizer
from judges.artefacts.tensor_header import WIDTHS
from judges.artefacts.tensors import DTYPES, read_tensors
from judges.checkpoints import ArtifactRejected, Checkpoint, open_checkpoint, seal_checkpoint
from tests.judges.sealed_folders import CAUSAL, REWARD, change_json, change_weights, sealed_model, write_model
from tests.judges.tiny_models import TEXTS, chat_tokenizer

TOKENS = torch.arange(3, 40)[None]
FACTORIES: dict[str, Any] = {CAUSAL: AutoModelForCausalLM, REWARD: AutoModelForSequenceClassification}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("loading asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("llama", CAUSAL),
        ("gpt2", CAUSAL),
        ("gpt_neox", CAUSAL),
        ("olmo2", CAUSAL),
        ("mistral", CAUSAL),
        ("qwen2", REWARD),
        ("qwen3", REWARD),
        ("bert", REWARD),
    ],
)
def test_a_loaded_model_gives_the_logits_transformers_gives(kind: str, task: Any, tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / kind, kind, task)
    model, stock = load_model(checkpoint, task), FACTORIES[task].from_pretrained(checkpoint.folder)
    assert not model.training
    with torch.no_grad():
        assert torch.equal(model(TOKENS).logits, stock.eval()(TOKENS).logits)


def test_the_tokenizer_is_the_one_that_was_saved(tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / "model")
    loaded, saved = load_tokenizer(checkpoint), chat_tokenizer()
    stock = AutoTokenizer.from_pretrained(checkpoint.folder)
    chat = [{"role": "user", "content": TEXTS[0]}]
    for other in (saved, stock):
        assert loaded(list(TEXTS))["input_ids"] == other(list(TEXTS))["input_ids"]
        assert loaded.apply_chat_template(chat, tokenize=False) == other.apply_chat_template(chat, tokenize=False)
        assert loaded.special_tokens_map == other.special_tokens_map


@pytest.mark.parametrize("named", ["Bert", "Electra", "DebertaV2", "Roberta", "Albert", "PreTrained"])
def test_sides_of_a_pair_are_marked_where_the_tokenizers_class_marks_them(named: str, tmp_path: Path) -> None:
    name = "PreTrainedTokenizerFast" if named == "PreTrained" else f"{named}Tokenizer"
    folder = write_model(tmp_path / "model", "bert", REWARD)
    change_json(folder / "tokenizer_config.json", tokenizer_class=name)
    seal_checkpoint(folder)
    marks = "token_type_ids" in getattr(transformers, name).model_input_names
    assert ("token_type_ids" in load_tokenizer(open_checkpoint(folder))("A?", "B.")) == marks


def test_sides_are_marked_by_the_models_type_where_no_class_is_named(tmp_path: Path) -> None:
    for kind, marks in (("bert", True), ("roberta", False)):
        folder = write_model(tmp_path / kind, kind, REWARD)
        change_json(folder / "tokenizer_config.json", tokenizer_class=None)
        seal_checkpoint(folder)
        assert ("token_type_ids" in load_tokenizer(open_checkpoint(folder))("A?", "B.")) == marks


def test_tied_embeddings_need_no_head_in_the_file(tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / "model", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(checkpoint.folder / "model.safetensors")
    model = load_model(checkpoint)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_shards_are_one_model_and_no_weight_stands_in_two(tmp_path: Path) -> None:
    whole = sealed_model(tmp_path / "whole")
    model = load_model(whole)
    parts = write_model(tmp_path / "parts")
    (parts / "model.safetensors").unlink()
    model.save_pretrained(parts, max_shard_size="100KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    seal_checkpoint(parts)
    with torch.no_grad():
        assert torch.equal(load_model(open_checkpoint(parts))(TOKENS).logits, model(TOKENS).logits)
    first, second, *_ = sorted(parts.glob("*.safetensors"))
    save_file(load_file(second) | dict(list(load_file(first).items())[:1]), second)
    seal_checkpoint(parts)
    with pytest.raises(ArtifactRejected, match="is in another file too"):
        load_model(open_checkpoint(parts))


def test_weights_are_computed_in_the_type_that_is_asked_for(tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / "model")
    assert load_model(checkpoint, dtype=torch.bfloat16).dtype is torch.bfloat16


def test_every_type_of_a_header_is_read_even_where_it_is_not_aligned(tmp_path: Path) -> None:
    assert {name: dtype.itemsize for name, dtype in DTYPES.items()} == WIDTHS
    folder = write_model(tmp_path / "model")
    change_weights(folder, lambda tensors: tensors.update(odd=torch.tensor([True]), wide=torch.arange(3)))
    seal_checkpoint(folder)
    manifest = open_checkpoint(folder).manifest
    wanted = load_file(folder / "model.safetensors")
    found = read_tensors(folder, manifest, "model.safetensors")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) and found[name].dtype == wanted[name].dtype for name in wanted)


def test_answers_end_where_the_generation_settings_say(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    change_json(folder / "generation_config.json", eos_token_id=[2, 5], temperature=0.7, do_sample=True)
    seal_checkpoint(folder)
    assert load_model(open_checkpoint(folder)).generation_config.eos_token_id == [2, 5]


def test_where_a_config_was_once_loaded_from_is_not_handed_on(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    change_json(folder / "config.json", _name_or_path="someone/model")
    seal_checkpoint(folder)
    assert load_config(open_checkpoint(folder)).name_or_path == ""


def write_adapter(
    base: Checkpoint, folder: Path, targets: list[str], *, whole: dict[str, torch.Tensor] | None = None, **changes: Any
) -> Path:
    """A LoRA adapter as PEFT lays it out, on every module of the base that is called as one of the targets."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(3)
    tensors = dict(whole or {})
    for name, weight in load_file(base.folder / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if module.rpartition(".")[2] in targets:
            out, width = reversed(weight.shape) if base.config["model_type"] == "gpt2" else weight.shape
            tensors[f"base_model.model.{module}.lora_A.weight"] = torch.randn(4, width, generator=generator)
            tensors[f"base_model.model.{module}.lora_B.weight"] = torch.randn(out, 4, generator=generator) / 9
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "someone/base",
        "r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.1,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": targets,
        "modules_to_save": ["score"] if whole else None,
        "use_dora": False,
        "use_rslora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "a_feature_to_come": None,
        **changes,
    }
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return folder


def opened(folder: Path, base: Checkpoint) -> Checkpoint:
    seal_checkpoint(folder, base=base.folder)
    return open_checkpoint(folder, base=base.folder)


@pytest.mark.parametrize(("rslora", "scale"), [(False, 8 / 4), (True, 8 / math.sqrt(4))])
def test_an_adapter_is_added_to_the_weights_of_its_base(tmp_path: Path, rslora: bool, scale: float) -> None:
    base = sealed_model(tmp_path / "base")
    folder = write_adapter(base, tmp_path / "adapter", ["q_proj", "down_proj"], use_rslora=rslora)
    merged = load_model(opened(folder, base)).state_dict()
    delta = load_file(folder / "adapter_model.safetensors")
    for name, weight in load_model(base).state_dict().items():
        module = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{module}.lora_A.weight" in delta:
            weight = weight + scale * delta[f"{module}.lora_B.weight"] @ delta[f"{module}.lora_A.weight"]
            assert not torch.equal(weight, load_model(base).state_dict()[name])
        torch.testing.assert_close(merged[name], weight, rtol=0, atol=1e-6)


def test_an_adapter_gives_what_its_two_factors_give_beside_the_base(tmp_path: Path) -> None:
    base = sealed_model(tmp_path / "base", "gpt2")  # its layers hold their weights the other way round
    folder = write_adapter(base, tmp_path / "adapter", ["c_attn"])
    beside = load_model(base)
    delta = load_file(folder / "adapter_model.safetensors")
    for name, module in beside.named_modules():
        if name.endswith("c_attn"):
            down, up = (delta[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
            module.register_forward_hook(lambda _, args, out, a=down, b=up: out + 2.0 * (args[0] @ a.T @ b.T))
    with torch.no_grad():
        found = load_model(opened(folder, base))(TOKENS).logits
        torch.testing.assert_close(found, beside(TOKENS).logits, rtol=1e-4, atol=1e-3)
        assert not torch.allclose(found, load_model(base)(TOKENS).logits)


@pytest.mark.parametrize("tied", [True, False])
def test_an_adapter_may_bring_the_reward_head_that_its_base_lacks(tmp_path: Path, tied: bool) -> None:
    base = sealed_model(tmp_path / "base", tie_word_embeddings=tied)
    head = {"base_model.model.score.weight": torch.randn(1, 64)}
    checkpoint = opened(write_adapter(base, tmp_path / "a", ["v_proj"], whole=head, task_type="SEQ_CLS"), base)
    model = load_model(checkpoint, REWARD)
    assert torch.equal(model.score.weight, head["base_model.model.score.weight"])
    assert model.config.num_labels == 1
    headless = opened(write_adapter(base, tmp_path / "b", ["v_proj"]), base)
    with pytest.raises(ArtifactRejected, match=r"missing, such as 'score.weight'"):
        load_model(headless, REWARD)


@pytest.mark.parametrize(
    "change",
    [
        {"peft_type": "IA3"},
        {"use_dora": True},
        {"init_lora_weights": "pissa"},
        {"a_feature_to_come": {"a": 1}},
        {"rank_pattern": {"q_proj": 8}},
        {"alpha_pattern": {"q_proj": 8}},
        {"bias": "all"},
        {"r": 8},
        {"target_modules": ["q_proj", "v_proj"]},
        {"auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
        {"target_parameters": ["experts"]},
        {"megatron_config": {"a": 1}},
        {"task_type": "FEATURE_EXTRACTION"},
    ],
)
def test_anything_but_plain_lora_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    base = sealed_model(tmp_path / "base")
    with pytest.raises(ArtifactRejected) as refused:
        load_model(opened(write_adapter(base, tmp_path / "adapter", ["q_proj"], **change), base))
    assert refused.value.code in {"bad_adapter", "bad_value", "unknown_key", "remote_code"}


@pytest.mark.parametrize(
    ("module", "cause"), [("model.embed_tokens", "no linear layer"), ("lm_head", "tied to another")]
)
def test_an_adapter_of_a_layer_that_cannot_be_merged_is_refused(tmp_path: Path, module: str, cause: str) -> None:
    base = sealed_model(tmp_path / "base", tie_word_embeddings=True)
    folder = write_adapter(base, tmp_path / "adapter", ["embed_tokens"], target_modules=[module])
    path = folder / "adapter_model.safetensors"
    save_file({name.replace("model.embed_tokens", module): one for name, one in load_file(path).items()}, path)
    with pytest.raises(ArtifactRejected, match=cause):
        load_model(opened(folder, base))


def test_an_adapter_with_infinite_weights_is_refused(tmp_path: Path) -> None:
    base = sealed_model(tmp_path / "base")
    folder = write_adapter(base, tmp_path / "adapter", ["q_proj"])
    path = folder / "adapter_model.safetensors"
    save_file({name: one * float("inf") for name, one in load_file(path).items()}, path)
    with pytest.raises(ArtifactRejected, match="not_finite"):
        load_model(opened(folder, base))


def test_an_adapter_is_opened_on_the_base_it_was_sealed_on_and_on_no_other(tmp_path: Path) -> None:
    base, other = sealed_model(tmp_path / "base"), sealed_model(tmp_path / "other", "llama", REWARD)
    folder = write_adapter(base, tmp_path / "adapter", ["q_proj"])
    checkpoint = opened(folder, base)
    assert checkpoint.base is not None
    assert (checkpoint.base.digest, checkpoint.config) == (base.digest, base.config)
    assert load_tokenizer(checkpoint)(TEXTS[0]) == load_tokenizer(base)(TEXTS[0])
    for wrong, code in ((None, "no_base"), (other.folder, "wrong_base")):
        with pytest.raises(ArtifactRejected) as refused:
            open_checkpoint(folder, base=wrong)
        assert refused.value.code == code
    with pytest.raises(ArtifactRejected) as refused:
        open_checkpoint(base.folder, base=other.folder)
    assert refused.value.code == "wrong_base"
    shutil.copy(base.folder / "model.safetensors", folder)
    with pytest.raises(ArtifactRejected) as refused:
        seal_checkpoint(folder, base=base.folder)
    assert refused.value.code == "bad_adapter"


def test_an_adapter_may_bring_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    base = sealed_model(tmp_path / "base")
    folder = write_adapter(base, tmp_path / "adapter", ["q_proj"])
    own = chat_tokenizer(chat=False)
    own.save_pretrained(folder)
    assert load_tokenizer(opened(folder, base)).chat_template is None
    assert load_tokenizer(base).chat_template is not None
