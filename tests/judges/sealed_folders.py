"""Folders of small checkpoints as transformers writes them, made once and copied for each test."""

import atexit
import functools
import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from judges.artefacts.manifest import NAME
from judges.checkpoints import Checkpoint, open_checkpoint, seal_checkpoint
from tests.judges.tiny_models import chat_tokenizer, language_model, reward_model

CAUSAL, REWARD = "causal", "sequence_classification"


@functools.cache
def _written(kind: str, task: str, changes: tuple[tuple[str, Any], ...]) -> Path:
    made = Path(tempfile.mkdtemp(prefix="checkpoint-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    folder = made / kind
    model = (language_model if task == CAUSAL else reward_model)(kind, **dict(changes))
    model.save_pretrained(folder)
    chat_tokenizer().save_pretrained(folder)
    return folder


def write_model(folder: Path, kind: str = "llama", task: str = CAUSAL, **changes: Any) -> Path:
    """A folder that is not sealed yet."""
    return Path(shutil.copytree(_written(kind, task, tuple(sorted(changes.items()))), folder))


def sealed_model(folder: Path, kind: str = "llama", task: str = CAUSAL, **changes: Any) -> Checkpoint:
    """A sealed and opened folder."""
    seal_checkpoint(write_model(folder, kind, task, **changes))
    return open_checkpoint(folder)


def change_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    told = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in told.items() if value is not None}))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Write model.safetensors anew after a change of its tensors."""
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def write_tensors(path: Path, header: Mapping[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> None:
    """A safetensors file by hand. length: what it claims its header takes."""
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(told) if length is None else length) + told + data)


def seal_anyway(folder: Path) -> None:
    """A manifest that fits the folder as it is, as somebody writes it who does not use our `seal`."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
        if path.is_file() and path.name != NAME
    }
    told = {"format": "reward-drift.manifest.v1", "files": files, "lineage": {}}
    (folder / NAME).write_text(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
