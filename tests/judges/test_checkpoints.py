"""Is a sealed folder the one that was meant, and does its manifest say where it comes from?"""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from consumers.incidents import ARTIFACT_REJECTED
from consumers.store import EventStore
from judges.artefacts.config_keys import MODEL_TYPES, check_settings
from judges.artefacts.lineage import Code, Lineage, Source, read_lineage
from judges.artefacts.loading import load_config
from judges.artefacts.manifest import NAME
from judges.artefacts.rejection import NEXT, record_rejection
from judges.checkpoints import ArtifactRejected, open_checkpoint, seal_checkpoint
from tests.end_to_end.command import reward_drift
from tests.judges.sealed_folders import change_json, seal_anyway, sealed_model, write_model

SHA = "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "ckpt-7")


def refusal(folder: Path, **asked: Any) -> ArtifactRejected:
    with pytest.raises(ArtifactRejected) as refused:
        open_checkpoint(folder, **asked)
    return refused.value


def test_a_sealed_folder_opens_and_its_digest_is_that_of_its_manifest(folder: Path) -> None:
    digest = seal_checkpoint(folder)
    opened = open_checkpoint(folder, expected=digest)
    assert digest == hashlib.sha256((folder / NAME).read_bytes()).hexdigest() == opened.digest
    assert (opened.name, opened.config["model_type"], opened.base) == ("ckpt-7", "llama", None)
    assert open_checkpoint(folder, name="mine").name == "mine"
    assert seal_checkpoint(folder) == digest


def test_a_copy_is_the_same_checkpoint_and_another_lineage_is_another_one(folder: Path, tmp_path: Path) -> None:
    digest = seal_checkpoint(folder)
    folder.rename(tmp_path / "elsewhere")
    assert open_checkpoint(tmp_path / "elsewhere").digest == digest
    assert seal_checkpoint(tmp_path / "elsewhere", Lineage(licence="Apache-2.0")) != digest


def test_without_a_manifest_the_message_names_the_next_command(folder: Path) -> None:
    refused = refusal(folder)
    assert refused.code == "not_sealed"
    assert f"`reward-drift checkpoint seal {folder}`" in str(refused)
    assert refusal(folder / "nowhere").code == "no_folder"


def test_another_digest_than_the_pinned_one_is_refused(folder: Path) -> None:
    seal_checkpoint(folder)
    assert refusal(folder, expected=SHA).code == "wrong_digest"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"])
def test_one_flipped_bit_is_refused(folder: Path, name: str) -> None:
    seal_checkpoint(folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    refused = refusal(folder)
    assert refused.code == "altered"
    assert name in str(refused)


def test_files_that_come_go_or_grow_after_the_seal_are_refused(folder: Path) -> None:
    seal_checkpoint(folder)
    (folder / "README.md").write_text("new")
    assert refusal(folder).code == "unlisted_file"
    (folder / "README.md").unlink()
    (folder / "config.json").rename(folder / "config.txt")
    assert refusal(folder).code == "unlisted_file"
    (folder / "config.txt").rename(folder / "config.json")
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert refusal(folder).code == "altered"
    (folder / "model.safetensors").unlink()
    assert refusal(folder).code == "missing_file"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"format": "reward-drift.manifest.v2"}',
        '{"format": "reward-drift.manifest.v1", "files": {}, "lineage": {}}',
    ],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / NAME).write_text(text)
    assert refusal(folder).code == "bad_manifest"


def test_a_manifest_has_one_way_to_be_written(folder: Path) -> None:
    seal_anyway(folder)
    open_checkpoint(folder)
    (folder / NAME).write_text(json.dumps(json.loads((folder / NAME).read_text())))
    assert refusal(folder).code == "bad_manifest"


def test_a_manifest_that_claims_terabytes_takes_no_memory(folder: Path) -> None:
    seal_checkpoint(folder)
    told = json.loads((folder / NAME).read_text())
    told["files"]["model.safetensors"]["bytes"] = 1 << 45
    (folder / NAME).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    assert refusal(folder).code == "altered"


def test_the_lineage_is_sealed_and_read_back(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "lineage.json"
    told = {
        "base_model": {"name": "base", "sha256": SHA, "licence": "Apache-2.0"},
        "data": [{"name": "clicks", "revision": "2026-11", "sha256": SHA}],
        "code": {"repository": "https://example.org/train", "revision": "0a1b2c"},
        "licence": "Apache-2.0",
    }
    file.write_text(json.dumps(told))
    seal_checkpoint(folder, read_lineage(file))
    assert open_checkpoint(folder).lineage == Lineage(
        base_model=Source("base", sha256=SHA, licence="Apache-2.0"),
        data=(Source("clicks", "2026-11", SHA),),
        code=Code("0a1b2c", "https://example.org/train"),
        licence="Apache-2.0",
    )


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ({"base_modell": {"name": "x"}}, "did you mean `base_model`"),
        ({"data": [{"name": "x", "licens": "MIT"}]}, "did you mean `licence`"),
        ({"code": {"zzz": "x"}}, "known: revision, repository, licence"),
        ({"data": [{"name": "x", "sha256": "abc"}]}, "data"),
        ({"data": {"name": "x"}}, "data"),
        ({"licence": ""}, "licence"),
    ],
)
def test_a_lineage_with_an_unknown_field_or_value_is_refused(tmp_path: Path, told: dict[str, Any], hint: str) -> None:
    file = tmp_path / "lineage.json"
    file.write_text(json.dumps(told))
    with pytest.raises(ArtifactRejected, match=hint) as refused:
        read_lineage(file)
    assert refused.value.code == "bad_lineage"


@pytest.mark.parametrize("kind", sorted(MODEL_TYPES))
def test_every_setting_that_transformers_writes_for_these_models_is_read(kind: str) -> None:
    check_settings(Path("folder/config.json"), {"model_type": kind, **CONFIG_MAPPING[kind]().to_dict()})


def test_settings_that_older_releases_wrote_are_read(folder: Path) -> None:
    change_json(
        folder / "config.json",
        rope_parameters=None,
        rope_theta=10_000.0,
        rope_scaling={"type": "linear", "factor": 2.0},
        torch_dtype="bfloat16",
        _name_or_path="someone/model",
        _attn_implementation_autoset=True,
        task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}},
    )
    seal_checkpoint(folder)
    open_checkpoint(folder)


def test_settings_that_other_tools_write_are_read_over(folder: Path) -> None:
    notes = {"unsloth_version": "2026.1", "unsloth_fixed": True, "is_llama_config": True, "rope_interleaved": False}
    change_json(folder / "config.json", **notes, **{"transformers.js_config": {"dtype": "q4"}, "unk_token_id": 0})
    seal_checkpoint(folder)
    assert load_config(open_checkpoint(folder)).to_dict().keys().isdisjoint(notes)


def test_rotations_in_another_order_than_is_read_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", rope_interleaved=True)
    with pytest.raises(ArtifactRejected, match="rope_interleaved"):
        seal_checkpoint(folder)


def test_a_key_written_wrong_is_told_the_nearest_one(folder: Path) -> None:
    change_json(folder / "config.json", hiden_size=64)
    with pytest.raises(ArtifactRejected, match="did you mean `hidden_size`"):
        seal_checkpoint(folder)


def test_what_is_sealed_is_checked_without_torch() -> None:
    ran = [sys.executable, "-c", "import judges.checkpoints, sys; sys.exit('torch' in sys.modules)"]
    assert subprocess.run(ran, check=False).returncode == 0


def test_every_reason_names_what_to_do_next() -> None:
    for code, advice in NEXT.items():
        assert "{" not in str(ArtifactRejected(Path("x"), code, "y")).replace(advice, "")


def test_a_refusal_is_an_open_incident_and_recorded_once(folder: Path) -> None:
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    with EventStore.open(":memory:") as store:
        for _ in range(2):
            record_rejection(store, "ckpt-7", refusal(folder), now)
        (incident,) = store.incidents()
    assert (incident.kind, incident.source) == (ARTIFACT_REJECTED, "checkpoint:ckpt-7")
    assert incident.detail.startswith("not_sealed: ")


def test_a_seal_that_fails_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(os.listdir(folder))
    (folder / "code.py").write_text("")
    with pytest.raises(ArtifactRejected):
        seal_checkpoint(folder)
    assert sorted(os.listdir(folder)) == sorted([*before, "code.py"])


def test_the_commands_seal_and_verify_a_folder(folder: Path, tmp_path: Path) -> None:
    lineage = tmp_path / "lineage.json"
    lineage.write_text('{"licence": "MIT"}')
    sealed = reward_drift("checkpoint", "seal", folder, "--lineage", lineage)
    digest = sealed.out.strip()
    assert (sealed.code, digest) == (0, open_checkpoint(folder).digest)
    told = reward_drift("checkpoint", "verify", folder, "--sha256", digest, "--json").json["checkpoint"]
    assert (told["accepted"], told["digest"], told["lineage"]) == (True, digest, {"licence": "MIT"})
    assert digest in reward_drift("checkpoint", "verify", folder).out
    wrong = reward_drift("checkpoint", "verify", folder, "--sha256", SHA, "--json")
    assert (wrong.code, wrong.json["checkpoint"]["code"]) == (1, "wrong_digest")
    assert reward_drift("checkpoint", "verify", folder / "nowhere").code == 2


def test_sealing_what_is_refused_is_wrong_usage(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"")
    ran = reward_drift("checkpoint", "seal", folder)
    assert (ran.code, "pickle" in ran.err, not (folder / NAME).exists()) == (2, True, True)


def test_sealed_model_of_the_tests_is_accepted(tmp_path: Path) -> None:
    assert sealed_model(tmp_path / "model").manifest.files
