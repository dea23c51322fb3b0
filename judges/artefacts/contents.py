"""Are the files of a checkpoint all there, and does each of them say only what it may?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judges.artefacts.config_keys import ENCODERS, FILES, MAX_TEMPLATE, check_model, check_settings
from judges.artefacts.manifest import Manifest
from judges.artefacts.rejection import ArtifactRejected, refused
from judges.artefacts.sealed_files import read_sealed
from judges.artefacts.strict_json import parse_object
from judges.artefacts.tensor_header import Tensor, read_header

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
GENERATION_CONFIG = "generation_config.json"
TOKENIZER, TOKENIZER_CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
TOKENIZER_FILES = (TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", TEMPLATE)
MAX_TOKENIZER = 64 << 20  # bytes; the largest known vocabularies take 34 MB
MAX_INDEX = 16 << 20  # bytes
# sizes told by config.json that some weight must have, so that a config cannot ask for more than the file holds
_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "n_embd", "n_positions", "dim", "hidden_dim", "ffn_dim")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_hidden_groups", "inner_group_num")
_POSITIONS = "max_position_embeddings"
_POSITIONED = ENCODERS - {"deberta", "deberta-v2"}  # their positions are weights


def is_adapter(manifest: Manifest) -> bool:
    """Whether the folder holds an adapter for another model and no model of its own."""
    return ADAPTER_CONFIG in manifest.files or ADAPTER_WEIGHTS in manifest.files


def check_contents(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder whose files are incomplete or say more than they may. Raises ArtifactRejected."""
    for name in FILES:
        if name in manifest.files:
            read_settings(folder, manifest, name)
    _check_tokenizer(folder, manifest)
    tensors = {name: read_header(folder / name) for name in weight_files(folder, manifest)}
    if not is_adapter(manifest):
        check_model(folder / "config.json", config := read_settings(folder, manifest, "config.json"))
        _check_sizes(folder / "config.json", config, [one for found in tensors.values() for one in found])


def read_settings(folder: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    """One of FILES, checked against its seal and its list of settings. Raises ArtifactRejected."""
    path = folder / name
    if name not in manifest.files:
        code = "missing_config" if name == "config.json" else "missing_weights"
        raise refused(path, code, "a checkpoint needs it")
    told = parse_object(path, _read(folder, manifest, name, FILES[name].limit))
    check_settings(path, told)
    return told


def weight_files(folder: Path, manifest: Manifest) -> list[str]:
    """The files that hold the weights. Raises ArtifactRejected if one is missing or there are others besides."""
    wanted = _wanted_weights(folder, manifest)
    here = {name for name in manifest.files if name.endswith(".safetensors")}
    if lost := sorted(wanted - here):
        raise refused(folder / lost[0], "missing_weights", "the weights are not there")
    if spare := sorted(here - wanted):
        raise refused(folder / spare[0], "bad_weights", "weights that belong to nothing in this folder")
    return sorted(wanted)


def read_tokenizer_files(folder: Path, manifest: Manifest) -> dict[str, bytearray]:
    """The files a tokenizer is made from, as they were sealed. Raises ArtifactRejected."""
    present = [name for name in TOKENIZER_FILES if name in manifest.files]
    return {name: _read(folder, manifest, name, MAX_TOKENIZER) for name in present}


def _wanted_weights(folder: Path, manifest: Manifest) -> set[str]:
    if is_adapter(manifest):
        if WEIGHTS in manifest.files or INDEX in manifest.files:
            raise ArtifactRejected(folder, "bad_adapter", "it holds both an adapter and a model: which is meant?")
        return {ADAPTER_WEIGHTS}
    if INDEX not in manifest.files:
        return {WEIGHTS}
    path = folder / INDEX
    told = parse_object(path, _read(folder, manifest, INDEX, MAX_INDEX)).get("weight_map")
    if not isinstance(told, dict) or not all(isinstance(name, str) for name in told.values()):
        raise refused(path, "bad_weights", "weight_map must name a file for each weight")
    return set(told.values())


def _read(folder: Path, manifest: Manifest, name: str, limit: int) -> bytearray:
    entry = manifest.files[name]
    if entry.bytes > limit:
        raise refused(folder / name, "too_large", f"{entry.bytes:,} bytes; at most {limit:,} are read")
    return read_sealed(folder / name, entry)


def _check_tokenizer(folder: Path, manifest: Manifest) -> None:
    if TOKENIZER in manifest.files:
        _read(folder, manifest, TOKENIZER, MAX_TOKENIZER)
    elif not is_adapter(manifest):
        raise refused(folder / TOKENIZER, "missing_tokenizer", "without it nobody knows what the model was shown")
    if TEMPLATE in manifest.files:
        _read(folder, manifest, TEMPLATE, MAX_TEMPLATE)


def _check_sizes(path: Path, config: Mapping[str, Any], tensors: Sequence[Tensor]) -> None:
    present = {size for tensor in tensors for size in tensor.shape}
    for key in (*_SIZES, _POSITIONS) if config["model_type"] in _POSITIONED else _SIZES:
        if isinstance(config.get(key), int) and config[key] not in present:
            raise refused(path, "unfit", f"{key} is {config[key]:,}, and no weight has that size")
    for key in _LAYERS:
        if isinstance(config.get(key), int) and not 1 <= config[key] <= len(tensors):
            raise refused(path, "unfit", f"{key} is {config[key]:,}, and there are {len(tensors):,} weights")
