"""The tensors of a sealed safetensors file, made from memory that was compared with its seal."""

from pathlib import Path

import torch

from judges.artefacts.manifest import Manifest
from judges.artefacts.sealed_files import read_sealed
from judges.artefacts.tensor_header import Tensor, parse_header

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_tensors(folder: Path, manifest: Manifest, name: str) -> dict[str, torch.Tensor]:
    """All tensors of one file, by name; they share one piece of memory. Raises ArtifactRejected."""
    held = read_sealed(folder / name, manifest.files[name])
    found = parse_header(folder / name, memoryview(held), len(held))
    return {one.name: _view(held, one) for one in found}


def _view(held: bytearray, one: Tensor) -> torch.Tensor:
    dtype = DTYPES[one.dtype]
    count = (one.end - one.start) // dtype.itemsize
    tensor = torch.frombuffer(held, dtype=dtype, count=count, offset=one.start).reshape(one.shape)
    return tensor.clone() if one.start % dtype.itemsize else tensor  # kernels may count on aligned memory
