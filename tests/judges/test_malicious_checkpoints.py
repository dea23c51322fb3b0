"""Does any folder get past the door that runs code, reads elsewhere, asks for memory it does not fill, or half fits?"""

import contextlib
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from judges.artefacts.loading import load_model, load_tokenizer
from judges.artefacts.manifest import NAME
from judges.artefacts.tensor_header import MAX_HEADER, MAX_TENSORS, parse_header
from judges.checkpoints import ArtifactRejected, open_checkpoint, seal_checkpoint
from tests.judges.sealed_folders import (
    REWARD,
    change_json,
    change_weights,
    seal_anyway,
    sealed_model,
    write_model,
    write_tensors,
)

WEIGHTS = "model.safetensors"


class Payload:
    """Unpickling one writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def code_of(folder: Path) -> str:
    """The code with which a folder is refused: by `seal`, and also when somebody else wrote a fitting manifest."""
    with pytest.raises(ArtifactRejected) as sealing:
        seal_checkpoint(folder)
    seal_anyway(folder)
    with pytest.raises(ArtifactRejected) as opening:
        load_all(folder)
    assert sealing.value.code == opening.value.code
    return opening.value.code


def load_all(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    load_tokenizer(checkpoint)
    load_model(checkpoint)


def test_a_pickle_is_refused_under_every_name_and_never_read(folder: Path, canary: Path) -> None:
    for name in (
        "pytorch_model.bin",
        "model.pt",
        "model.PTH",
        "a.ckpt",
        "a.pkl",
        "q.gguf",
        "training_args.bin",
    ):
        (folder / name).write_bytes(pickle.dumps(Payload(canary)))
        assert code_of(folder) == "pickle"
        (folder / name).unlink()
    assert not canary.exists()


def test_a_pickle_that_calls_itself_safetensors_is_refused(folder: Path, canary: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps(Payload(canary)))
    assert code_of(folder) == "bad_weights"
    torch.save(Payload(canary), folder / WEIGHTS)
    assert code_of(folder) == "bad_weights"
    assert not canary.exists()


def test_the_payload_of_these_tests_is_a_live_one(canary: Path) -> None:
    pickle.loads(pickle.dumps(Payload(canary)))
    assert canary.exists()


def test_code_that_comes_with_a_model_is_refused_and_does_not_run(folder: Path, canary: Path) -> None:
    code = f"open({str(canary)!r}, 'w')\nfrom transformers import LlamaConfig as C, LlamaForCausalLM as M\n"
    (folder / "modeling_x.py").write_text(code)
    assert code_of(folder) == "code"
    auto_map = {"AutoConfig": "modeling_x.C", "AutoModelForCausalLM": "modeling_x.M"}
    change_json(folder / "config.json", auto_map=auto_map)
    assert code_of(folder) == "code"
    (folder / "modeling_x.py").unlink()
    assert code_of(folder) == "remote_code"
    change_json(folder / "config.json", auto_map=None)
    change_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling_x.T", None]})
    assert code_of(folder) == "remote_code"
    assert not canary.exists()


@pytest.mark.parametrize(
    ("file", "key", "value", "code"),
    [
        ("config.json", "_attn_implementation_internal", "someone/kernel", "attention_kernel"),
        ("config.json", "attn_implementation", "someone/kernel", "attention_kernel"),
        ("config.json", "_attn_implementation", "eager", "attention_kernel"),
        ("config.json", "_experts_implementation_internal", "someone/kernel", "attention_kernel"),
        ("config.json", "kernel_config", {"RMSNorm": "someone/kernel:Norm"}, "attention_kernel"),
        ("config.json", "use_flash_attn", True, "attention_kernel"),
        ("config.json", "fusion_config", {"norm": True}, "remote_code"),
        ("config.json", "custom_pipelines", {"x": {"impl": "a.B"}}, "remote_code"),
        ("config.json", "backbone", "someone/backbone", "remote_code"),
        ("config.json", "quantization_config", {"quant_method": "bitsandbytes"}, "unknown_key"),
        ("config.json", "per_layer_config", {"0": {"hidden_size": 1}}, "unknown_key"),
        ("config.json", "transformers_weights", "../elsewhere.safetensors", "unknown_key"),
        ("config.json", "hidden_act", "someone/kernel", "bad_value"),
        ("config.json", "dtype", "hub", "bad_value"),
        ("config.json", "architectures", ["someone/model"], "bad_value"),
        ("config.json", "position_embedding_type", "someone/model", "bad_value"),
        ("config.json", "model_type", "someone/model", "bad_value"),
        ("config.json", "model_type", "rag", "unknown_model"),
        ("config.json", "vocab_size", 10**12, "bad_value"),
        ("config.json", "vocab_size", 10**7, "unfit"),
        ("config.json", "num_hidden_layers", 10**6, "unfit"),
        ("config.json", "num_hidden_layers", True, "bad_value"),
        ("config.json", "num_labels", 10**7, "bad_value"),
        ("config.json", "rope_parameters", {"rope_type": "default", "kernel": "x"}, "bad_value"),
        ("config.json", "id2label", {"x": "y"}, "bad_value"),
        ("generation_config.json", "custom_generate", "someone/generate", "remote_code"),
        ("generation_config.json", "compile_config", {"backend": "x"}, "unknown_key"),
        ("tokenizer_config.json", "tokenizer_file", "/etc/passwd", "remote_code"),
        ("tokenizer_config.json", "vocab_file", "/etc/passwd", "remote_code"),
        ("tokenizer_config.json", "tokenizer_class", "someone/Tokenizer", "bad_value"),
        ("tokenizer_config.json", "chat_template", "x" * (1 << 20), "bad_value"),
    ],
)
def test_a_setting_that_names_code_or_another_model_is_refused(
    folder: Path, file: str, key: str, value: Any, code: str
) -> None:
    change_json(folder / file, **{key: value})
    assert code_of(folder) == code


@pytest.mark.parametrize(
    "text",
    [
        '{"model_type": "llama", "model_type": "llama"}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"rope_parameters": ' + '{"a":' * 40 + "1" + "}" * 40 + "}",
        '{"rope_theta": NaN}',
        '{"model_type": "\\ud800"}',
        '["llama"]',
        "",
    ],
)
def test_json_that_does_not_say_one_thing_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert code_of(folder) == "bad_json"


def test_json_in_another_encoding_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    path.write_bytes(path.read_text().encode("utf-16"))
    assert code_of(folder) == "bad_json"


def tensor(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, 12),  # overlap
        ({"a": tensor(0, 8, [2]), "b": tensor(0, 8, [2])}, 8),
        ({"a": tensor(0, 8, [2]), "b": tensor(12, 20, [2])}, 20),  # gap
        ({"a": tensor(0, 8, [2])}, 16),  # bytes that belong to no tensor
        ({"a": tensor(0, 1 << 42, [1 << 40])}, 8),  # terabytes
        ({"a": tensor(0, 8, [1 << 60, 1 << 60])}, 8),
        ({"a": tensor(0, 0, [0, 1 << 40])}, 0),
        ({"a": tensor(8, 0, [2])}, 8),
        ({"a": tensor(-8, 0, [2])}, 8),
        ({"a": tensor(0, 8, [-2])}, 8),
        ({"a": tensor(0, 8, [3])}, 8),
        ({"a": tensor(0, 8, [True, 2])}, 8),
        ({"a": tensor(0, 8, [1] * 20 + [2])}, 8),
        ({"a": tensor(0, 8, [8], "F8_E4M3")}, 8),
        ({"a": tensor(0, 8, [2]) | {"file": "/etc/passwd"}}, 8),
        ({"a": 1}, 8),
        ({"__metadata__": {"format": "pt"}}, 0),
        ({}, 0),
    ],
)
def test_a_header_that_does_not_fit_its_bytes_is_refused(folder: Path, header: dict[str, Any], data: int) -> None:
    write_tensors(folder / WEIGHTS, header, b"\0" * data)
    assert code_of(folder) == "bad_weights"


def test_a_header_larger_than_any_known_one_is_refused(folder: Path) -> None:
    write_tensors(folder / WEIGHTS, b"{}", length=1 << 62)
    assert code_of(folder) == "bad_weights"
    bloated = b'{"__metadata__": {"x": "' + b"x" * MAX_HEADER + b'"}}'
    write_tensors(folder / WEIGHTS, bloated)
    assert code_of(folder) == "bad_weights"


def test_more_tensors_than_any_known_model_has_are_refused(folder: Path) -> None:
    many = {f"{n:x}": tensor(n, n + 1, [1], "U8") for n in range(MAX_TENSORS + 1)}
    write_tensors(folder / WEIGHTS, many, b"\0" * len(many))
    assert code_of(folder) == "bad_weights"


HEADERS = st.dictionaries(
    st.text(max_size=5),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "BF16", "F8", "U8", 3]),
            "shape": st.lists(st.integers(-1, 1 << 70), max_size=3) | st.none(),
            "data_offsets": st.lists(st.integers(-1, 64), max_size=3) | st.text(max_size=2),
        }
    )
    | st.integers(),
    max_size=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.builds(lambda told, data: prefixed(told) + data, HEADERS, st.binary(max_size=64)))
@example(struct.pack("<Q", 2) + b"{}")
@example(struct.pack("<Q", 1 << 63) + b"{}")
def test_any_bytes_as_safetensors_are_tensors_or_refused(data: bytes) -> None:
    with contextlib.suppress(ArtifactRejected):
        found = parse_header(Path("folder/model.safetensors"), data, len(data))
        assert sum(one.end - one.start for one in found) < len(data)


def prefixed(told: Any) -> bytes:
    text = json.dumps(told).encode()
    return struct.pack("<Q", len(text)) + text


def test_links_pipes_and_subfolders_are_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "vocab.json").symlink_to(secret)
    assert code_of(folder) == "link"
    (folder / "vocab.json").unlink()
    os.mkfifo(folder / "vocab.json")
    assert code_of(folder) == "not_a_file"
    (folder / "vocab.json").unlink()
    (folder / "original").mkdir()
    assert code_of(folder) == "not_a_file"


def test_a_manifest_that_is_a_link_or_names_a_path_is_refused(tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / "model")
    manifest = checkpoint.folder / NAME
    text = manifest.read_text()
    elsewhere = tmp_path / "manifest.json"
    elsewhere.write_text(text)
    manifest.unlink()
    manifest.symlink_to(elsewhere)
    with pytest.raises(ArtifactRejected, match="link"):
        open_checkpoint(checkpoint.folder)
    manifest.unlink()
    for name in ("../secret.json", "/etc/passwd", "", "..", NAME):
        manifest.write_text(text.replace('"config.json"', json.dumps(name)))
        with pytest.raises(ArtifactRejected) as refused:
            open_checkpoint(checkpoint.folder)
        assert refused.value.code == "bad_manifest"


def test_files_a_checkpoint_does_not_need_are_refused(folder: Path) -> None:
    for name in ("weights.xyz", "a.exe.", "\N{LATIN SMALL LETTER E WITH ACUTE}.json", "a\n.json"):
        (folder / name).write_text("{}")
        assert code_of(folder) == "unknown_file"
        (folder / name).unlink()


def test_weights_that_belong_to_nothing_are_refused(folder: Path) -> None:
    (folder / "extra.safetensors").write_bytes((folder / WEIGHTS).read_bytes())
    assert code_of(folder) == "bad_weights"
    (folder / "extra.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    assert code_of(folder) == "missing_weights"
    index.write_text(json.dumps({"weight_map": ["model.safetensors"]}))
    assert code_of(folder) == "bad_weights"


def test_a_folder_changed_after_it_was_opened_is_not_loaded(tmp_path: Path) -> None:
    checkpoint = sealed_model(tmp_path / "model")
    path = checkpoint.folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactRejected) as refused:
        load_model(checkpoint)
    assert refused.value.code == "altered"
    path = checkpoint.folder / "tokenizer.json"
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(ArtifactRejected) as refused:
        load_tokenizer(checkpoint)
    assert refused.value.code == "link"


def loading_code(folder: Path, task: str = "causal") -> str:
    """The code with which weights are refused that only show when they are loaded."""
    seal_checkpoint(folder)
    checkpoint = open_checkpoint(folder)
    with pytest.raises(ArtifactRejected) as refused:
        load_model(checkpoint, task)
    return refused.value.code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    change_weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(value))
    assert loading_code(folder) == "not_finite"


def test_numbers_too_large_for_the_chosen_type_are_refused(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(1e30))
    seal_checkpoint(folder)
    with pytest.raises(ArtifactRejected) as refused:
        load_model(open_checkpoint(folder), dtype=torch.float16)
    assert refused.value.code == "not_finite"


def test_a_head_of_random_numbers_never_scores(tmp_path: Path) -> None:
    assert loading_code(write_model(tmp_path / "causal"), REWARD) == "unfit"
    tied = write_model(tmp_path / "tied", tie_word_embeddings=True)
    assert loading_code(tied, REWARD) == "unfit"
    reward = write_model(tmp_path / "reward", "llama", REWARD)
    change_weights(reward, lambda tensors: tensors.pop("score.weight"))
    assert loading_code(reward, REWARD) == "unfit"


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"),
        lambda tensors: tensors.update(spare=torch.zeros(2)),
        lambda tensors: tensors.update({"model.norm.weight": torch.ones(1)}),
        lambda tensors: tensors.update({"score.weight": torch.ones(3, 64)}),
    ],
)
def test_weights_missing_left_over_or_of_another_shape_are_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    folder = write_model(tmp_path / "reward", "llama", REWARD)
    change_weights(folder, change)
    assert loading_code(folder, REWARD) == "unfit"


def test_a_config_that_asks_for_more_than_its_weights_are_is_refused_before_memory_is_taken(folder: Path) -> None:
    change_json(folder / "config.json", head_dim=1 << 22)
    assert loading_code(folder) == "unfit"


def test_weights_in_whole_numbers_are_refused(folder: Path) -> None:
    ints = torch.ones(64, dtype=torch.uint8)
    change_weights(folder, lambda tensors: tensors.update({"model.norm.weight": ints}))
    assert loading_code(folder) == "bad_weights"


def test_weights_far_larger_than_the_model_are_refused_before_memory_is_taken(folder: Path) -> None:
    spare = torch.zeros(1 << 25, dtype=torch.uint8)
    change_weights(folder, lambda tensors: tensors.update(spare=spare))
    seal_checkpoint(folder)
    with pytest.raises(ArtifactRejected, match="asks for 125,248 parameters, its weights are 33,679,680"):
        load_model(open_checkpoint(folder))


@pytest.mark.parametrize(
    "rules",
    [
        [{"type": "Replace", "pattern": {"Regex": "."}, "content": "x" * 1000}],
        [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40,
        [{"type": "Prepend", "prepend": "x" * 1000}],
    ],
)
def test_a_tokenizer_that_makes_texts_explode_is_refused(folder: Path, rules: list[dict[str, Any]]) -> None:
    change_json(folder / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": rules})
    seal_checkpoint(folder)
    with pytest.raises(ArtifactRejected, match="times as long") as refused:
        load_tokenizer(open_checkpoint(folder))
    assert refused.value.code == "bad_tokenizer"


def test_a_tokenizer_that_is_none_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": [["x", "y"]]}}')
    seal_checkpoint(folder)
    with pytest.raises(ArtifactRejected) as refused:
        load_tokenizer(open_checkpoint(folder))
    assert refused.value.code == "bad_tokenizer"
    (folder / "tokenizer.json").unlink()
    assert code_of(folder) == "missing_tokenizer"
