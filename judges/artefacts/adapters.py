"""What does a LoRA adapter change in its base? Its weights are added to the base's, and the result is one plain model.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1: W + (alpha / r) B A; with rank-stabilised scaling alpha / sqrt(r)
(Kalajdzievski 2023, arXiv:2312.03732). Anything else that PEFT can write is refused by the list of its settings.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from judges.artefacts.rejection import refused

PREFIX = "base_model.model."
TASK_TYPES = (None, "CAUSAL_LM", "SEQ_CLS")


@dataclass(frozen=True)
class Adapter:
    """An adapter as it was read. pairs: module -> (A, B), shapes (r, in) and (out, r). whole: weights that replace the
    base's, such as a reward head. targets: module names it must cover wherever the base has them; None: not told."""

    path: Path
    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    whole: Mapping[str, torch.Tensor]
    scale: float
    targets: frozenset[str] | None


def read_adapter(path: Path, told: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Adapter:
    """Sort the tensors of an adapter file. told: its adapter_config.json, checked.

    Raises ArtifactRejected, code `bad_adapter`, for anything that is not plain LoRA.
    """
    rank, alpha = told.get("r"), told.get("lora_alpha")
    if told.get("peft_type") != "LORA" or told.get("task_type") not in TASK_TYPES or not rank or alpha is None:
        raise refused(path, "bad_adapter", "not a LoRA adapter of a causal model or a classifier")
    left: dict[str, torch.Tensor] = {}
    whole: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith(PREFIX) or not tensor.is_floating_point():
            raise refused(path, "bad_adapter", f"weight {name[:200]!r} belongs to no module of a base")
        inner = name.removeprefix(PREFIX)
        kept = left if ".lora_" in inner else whole
        kept[inner] = tensor
    modules = {name.partition(".lora_")[0] for name in left}
    pairs = {module: _pair(path, module, left, rank) for module in sorted(modules)}
    if not pairs or len(left) != 2 * len(pairs):
        raise refused(path, "bad_adapter", "its weights are not one lora_A and one lora_B for each module")
    _check_whole(path, whole, told.get("modules_to_save") or [])
    scale = alpha / (math.sqrt(rank) if told.get("use_rslora") else rank)
    return Adapter(path, pairs, whole, scale, _targets(told))


@torch.no_grad()
def merge(adapter: Adapter, model: torch.nn.Module) -> None:
    """Add an adapter to its base, in 32 bits. Raises ArtifactRejected if it does not fit."""
    modules = dict(model.named_modules())
    _check_targets(adapter, modules)
    shared = _shared_weights(model)
    for name, (down, up) in adapter.pairs.items():
        weight = _weight_of(adapter.path, name, modules.get(name))
        change = adapter.scale * (up.float() @ down.float())
        change = change.T if isinstance(modules[name], Conv1D) else change
        if change.shape != weight.shape or weight.data_ptr() in shared:
            raise refused(adapter.path, "bad_adapter", f"module {name[:200]!r}: another shape, or tied to another one")
        weight.copy_(weight.float() + change.to(weight.device))
    parameters = dict(model.named_parameters())
    for name, tensor in adapter.whole.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise refused(adapter.path, "bad_adapter", f"weight {name[:200]!r} is not one of the base")
        parameters[name].copy_(tensor)


def label_count(adapter: Adapter) -> int | None:
    """Outputs of the classifier's head that the adapter brings; None when it brings none."""
    rows = {len(tensor) for name, tensor in adapter.whole.items() if name in {"score.weight", "classifier.weight"}}
    return rows.pop() if rows else None


def _pair(path: Path, module: str, left: Mapping[str, torch.Tensor], rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    down, up = left.get(f"{module}.lora_A.weight"), left.get(f"{module}.lora_B.weight")
    if down is None or up is None or down.ndim != 2 or up.ndim != 2 or len(down) != rank or up.shape[1] != rank:
        raise refused(path, "bad_adapter", f"module {module[:200]!r} has no lora_A and lora_B of rank {rank}")
    return down, up


def _check_whole(path: Path, whole: Mapping[str, torch.Tensor], saved: list[str]) -> None:
    for name in whole:
        if name.rpartition(".")[0].rpartition(".")[2] not in saved:
            raise refused(path, "bad_adapter", f"weight {name[:200]!r} is neither LoRA nor of modules_to_save")


def _targets(told: Mapping[str, Any]) -> frozenset[str] | None:
    names = told.get("target_modules")
    chosen = any(told.get(key) is not None for key in ("layers_to_transform", "layers_pattern", "exclude_modules"))
    return frozenset(names) if isinstance(names, list) and not chosen else None


def _check_targets(adapter: Adapter, modules: Mapping[str, torch.nn.Module]) -> None:
    """An adapter of which a part was lost is another model."""
    if adapter.targets is None:
        return
    wanted = {name for name in modules if any(f".{name}".endswith(f".{target}") for target in adapter.targets)}
    if wanted != set(adapter.pairs):
        odd = sorted(wanted ^ set(adapter.pairs))[0]
        raise refused(adapter.path, "bad_adapter", f"module {odd[:200]!r} is in only one of target_modules and weights")


def _weight_of(path: Path, name: str, module: torch.nn.Module | None) -> torch.Tensor:
    if not isinstance(module, torch.nn.Linear | Conv1D):
        raise refused(path, "bad_adapter", f"module {name[:200]!r} is no linear layer of the base")
    return module.weight


def _shared_weights(model: torch.nn.Module) -> set[int]:
    """Places of weights that two modules use."""
    once: set[int] = set()
    twice: set[int] = set()
    for _, parameter in model.named_parameters(remove_duplicate=False):
        (twice if parameter.data_ptr() in once else once).add(parameter.data_ptr())
    return twice
