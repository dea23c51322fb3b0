"""Which tensors does a safetensors file hold, and do they fill the file exactly?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from judges.artefacts.rejection import refused
from judges.artefacts.sealed_files import opened
from judges.artefacts.strict_json import parse_object

PREFIX = 8  # bytes: the length of the header, little-endian
MAX_HEADER = 4 << 20  # bytes; a header of 1,000 tensors takes 0.1 MB
MAX_TENSORS = 10_000  # of a file; a dense model of 70 billion parameters has 723
MAX_DIMENSIONS = 8
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}  # bytes
FLOATING = {"F64", "F32", "F16", "BF16"}


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file. dtype: a key of WIDTHS. start, end: bytes from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> list[Tensor]:
    """The tensors of a file in the order of their bytes. Raises ArtifactRejected, code `bad_weights` or `bad_json`."""
    with opened(path) as (file, size):
        prefix = file.read(PREFIX)
        return parse_header(path, prefix + file.read(header_length(path, prefix, size)), size)


def header_length(path: Path, prefix: bytes, size: int) -> int:
    """Bytes of the header, told by the first bytes of the file of `size` bytes."""
    length = int.from_bytes(prefix[:PREFIX], "little")
    if len(prefix) < PREFIX or length < 2 or PREFIX + length > size:
        raise refused(path, "bad_weights", f"no safetensors file: a header of {length:,} bytes in a file of {size:,}")
    if length > MAX_HEADER:
        raise refused(path, "bad_weights", f"a header of {length:,} bytes; at most {MAX_HEADER:,} are read")
    return length


def parse_header(path: Path, data: bytes | bytearray | memoryview, size: int) -> list[Tensor]:
    """The tensors told by the first bytes of a file of `size` bytes, header included. Raises ArtifactRejected.

    They must be of known types and fill the file without gap or overlap, as the format demands.
    """
    begin = PREFIX + header_length(path, bytes(data[:PREFIX]), size)
    told = parse_object(path, bytes(data[PREFIX:begin]))
    told.pop("__metadata__", None)
    if len(told) > MAX_TENSORS:
        raise refused(path, "bad_weights", f"{len(told):,} tensors; at most {MAX_TENSORS:,} are read")
    tensors = sorted((_tensor(path, name, what, begin) for name, what in told.items()), key=lambda one: one.start)
    _fill(path, tensors, begin, size)
    return tensors


def _tensor(path: Path, name: str, told: Any, begin: int) -> Tensor:
    shown = name[:200]
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise refused(path, "bad_weights", f"tensor {shown!r}: needs dtype, shape and data_offsets, nothing else")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise refused(path, "bad_weights", f"tensor {shown!r}: type {str(dtype)[:40]!r}; known: {', '.join(WIDTHS)}")
    if not _counts(shape) or len(shape) > MAX_DIMENSIONS or 0 in shape:
        raise refused(path, "bad_weights", f"tensor {shown!r}: shape {str(shape)[:80]}")
    if not _counts(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * WIDTHS[dtype]:
        raise refused(path, "bad_weights", f"tensor {shown!r}: offsets {str(offsets)[:80]} do not fit its shape")
    return Tensor(name, dtype, tuple(shape), begin + offsets[0], begin + offsets[1])


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 48 for item in value)


def _fill(path: Path, tensors: Sequence[Tensor], begin: int, size: int) -> None:
    if not tensors:
        raise refused(path, "bad_weights", "it holds no tensor")
    for one, other in pairwise(tensors):
        if one.end != other.start:
            what = "overlaps" if one.end > other.start else "leaves a gap before"
            raise refused(path, "bad_weights", f"tensor {one.name[:200]!r} {what} {other.name[:200]!r}")
    if tensors[0].start != begin or tensors[-1].end != size:
        raise refused(path, "bad_weights", f"its tensors end at byte {tensors[-1].end:,}, the file at {size:,}")
