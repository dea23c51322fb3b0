"""What model and tokenizer are in a checked folder? The only door from a checkpoint to torch and transformers.

Weights are read into memory, compared with their seal there, and used from there: transformers is given tensors and
settings, and never a folder of somebody else's.
"""

import json
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from transformers import AutoConfig, PreTrainedTokenizerFast

from judges.artefacts.adapters import Adapter, label_count, merge, read_adapter
from judges.artefacts.config_keys import UNREAD
from judges.artefacts.contents import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    GENERATION_CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    read_settings,
    read_tokenizer_files,
    weight_files,
)
from judges.artefacts.fit import Task, model_class, refusing
from judges.artefacts.rejection import ArtifactRejected
from judges.artefacts.tensors import read_tensors
from judges.checkpoints import Checkpoint

MARKS_SIDES = {"bert", "electra", "deberta", "debertav2"}  # tokenizers of these
MAX_GROWTH = 64
LANGUAGE_HEADS = {"lm_head.weight", "embed_out.weight"}

constants.HF_HUB_OFFLINE = True  # nothing below names a repository; should a release look for one, it finds none


def load_config(checkpoint: Checkpoint) -> Any:
    """The settings of the model, as transformers understands them. Raises ArtifactRejected."""
    told = {key: value for key, value in checkpoint.config.items() if key not in UNREAD}
    model_type = told.pop("model_type")
    with refusing(checkpoint, "bad_value", "config.json"):
        return AutoConfig.for_model(model_type, **told)


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """The tokenizer exactly as tokenizer.json describes it, with its chat template. Raises ArtifactRejected.

    An adapter's own is taken where it has one, else its base's.
    """
    if checkpoint.base is not None and TOKENIZER not in checkpoint.manifest.files:
        return load_tokenizer(checkpoint.base)
    files = read_tokenizer_files(checkpoint.folder, checkpoint.manifest)
    with refusing(checkpoint, "bad_tokenizer", TOKENIZER), tempfile.TemporaryDirectory() as private:
        for name, data in files.items():
            (Path(private) / name).write_bytes(data)
        made: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
            private, local_files_only=True, trust_remote_code=False
        )
    made.name_or_path = checkpoint.name
    if (growth := _growth(made.backend_tokenizer)) > MAX_GROWTH:
        cause = f"{TOKENIZER}: its rules may make a text {growth:,} times as long"
        raise ArtifactRejected(checkpoint.folder, "bad_tokenizer", cause)
    if _tells_sides_apart(checkpoint):
        made.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return made


def load_model(
    checkpoint: Checkpoint,
    task: Task = "causal",
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Any:
    """The model with all its weights, an adapter merged into its base, ready to be read from.

    task: "causal" for likelihoods and generation, "sequence_classification" for a reward model's head.
    Raises ArtifactRejected: `unfit` when a weight of the task is missing, left over or of another shape (transformers
    would warn and score with random numbers), `not_finite` for NaN or infinity, `altered`, `bad_adapter`.
    """
    whole = checkpoint.base or checkpoint
    adapter = None if checkpoint.base is None else _read_adapter(checkpoint)
    config = load_config(checkpoint)
    if adapter is not None and task == "sequence_classification" and (labels := label_count(adapter)):
        config.num_labels = labels
    brought = {} if adapter is None else adapter.whole
    kind = model_class(whole, config, task, sum(one.numel() for one in brought.values()))
    model = _filled(whole, kind, config, _read_weights(whole), dtype, set(brought))
    if adapter is not None:
        merge(adapter, model)
    if task == "causal":
        _name_ends(whole, model)
    _check_finite(checkpoint, model)
    return model.to(device).eval()


def _growth(tokenizer: Any) -> int:
    """How many times longer a text may become by what is replaced and put in front, one rule after the other."""
    growth = 1
    for stage in (tokenizer.normalizer, tokenizer.pre_tokenizer):
        told = [] if stage is None else [json.loads(stage.__getstate__())]
        while told:
            rule = told.pop()
            told += rule.get("normalizers") or rule.get("pretokenizers") or []
            growth *= max(1, len(rule.get("content") or ""), len(rule.get("prepend") or "") + 1)
    return growth


def _tells_sides_apart(checkpoint: Checkpoint) -> bool:
    """Whether the tokenizer marks which side of a pair a token is of. That is no part of tokenizer.json: transformers
    knows it by the tokenizer's class, and by the model's type where no class is named."""
    told: Mapping[str, Any] = {}
    if TOKENIZER_CONFIG in checkpoint.manifest.files:
        told = read_settings(checkpoint.folder, checkpoint.manifest, TOKENIZER_CONFIG)
    kind = str(told.get("tokenizer_class") or checkpoint.config["model_type"])
    marks = kind.removesuffix("Fast").removesuffix("Tokenizer").lower().replace("-", "") in MARKS_SIDES
    return marks and "model_input_names" not in told


def _read_weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for name in weight_files(checkpoint.folder, checkpoint.manifest):
        found = read_tensors(checkpoint.folder, checkpoint.manifest, name)
        if twice := sorted(set(found) & set(weights)):
            raise ArtifactRejected(checkpoint.folder, "bad_weights", f"{name}: {twice[0]!r} is in another file too")
        weights |= found
    return weights


def _read_adapter(checkpoint: Checkpoint) -> Adapter:
    told = read_settings(checkpoint.folder, checkpoint.manifest, ADAPTER_CONFIG)
    tensors = read_tensors(checkpoint.folder, checkpoint.manifest, ADAPTER_WEIGHTS)
    return read_adapter(checkpoint.folder / ADAPTER_WEIGHTS, told, tensors)


def _filled(
    checkpoint: Checkpoint,
    kind: Any,
    config: Any,
    weights: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
    brought: set[str],
) -> Any:
    """The model from its weights, none missing, none left over. brought: those an adapter will fill in.

    An adapter may bring a reward head to a base that comes with the head of a language model.
    """
    with refusing(checkpoint, "unfit", "its weights"):
        model, told = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(weights),
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below and refused
            local_files_only=True,
            use_safetensors=True,
        )
    odd = {
        "missing": sorted(set(told["missing_keys"]) - brought),
        "left over": sorted(set(told["unexpected_keys"]) - (LANGUAGE_HEADS if brought else set())),
        "of another shape": sorted(name for name, *_ in told["mismatched_keys"]),
        "unreadable": sorted(map(str, told.get("error_msgs", ()))),
    }
    if wrong := [f"{len(names)} {how}, such as {names[0][:200]!r}" for how, names in odd.items() if names]:
        raise ArtifactRejected(checkpoint.folder, "unfit", f"weights for {kind.__name__}: {'; '.join(wrong)}")
    return model


def _name_ends(checkpoint: Checkpoint, model: Any) -> None:
    """Take the tokens that end an answer from generation_config.json; how to sample is the scorer's affair."""
    if GENERATION_CONFIG in checkpoint.manifest.files:
        told = read_settings(checkpoint.folder, checkpoint.manifest, GENERATION_CONFIG)
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(model.generation_config, key, told.get(key, getattr(model.generation_config, key)))


def _check_finite(checkpoint: Checkpoint, model: Any) -> None:
    for name, weight in chain(model.named_parameters(), model.named_buffers()):
        if not bool(torch.isfinite(weight).all()):
            raise ArtifactRejected(checkpoint.folder, "not_finite", f"weight {name!r} holds NaN or infinity")
