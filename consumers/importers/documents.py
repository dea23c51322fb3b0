"""What does a JSON document say, whatever its size, and without taking what stands in it for granted?"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from consumers.importers.rows import TableError

DOCUMENT_BYTES = 1 << 30

T = TypeVar("T")


def read_document(path: Path) -> bytes:
    """The bytes of a file (also .gz), at most `DOCUMENT_BYTES`. Raises TableError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; see what is there: ls {path.parent}") from None
    except (EOFError, OSError) as fault:
        raise TableError(f"{path}: cannot be read: {fault}") from fault
    if len(raw) > DOCUMENT_BYTES:
        raise TableError(f"{path}: more than {DOCUMENT_BYTES:,} bytes in one document; split it, or leave samples out")
    return raw.removeprefix(b"\xef\xbb\xbf")


def decoded(raw: bytes, kind: type[T], place: str) -> T:
    """A JSON document as `kind`; what `kind` does not name is skipped. place: for messages. Raises TableError."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # Python's writers leave NaN in JSON, which only its reader takes; or it is broken, which that one tells
    try:
        return msgspec.convert(json.loads(raw), kind)
    except (ValueError, RecursionError, msgspec.ValidationError) as fault:
        raise TableError(f"{place}: not the JSON that was expected: {fault}") from None


def object_of(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: what is not there says nothing."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> Iterator[dict[str, Any]]:
    """The objects of a list."""
    yield from (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
