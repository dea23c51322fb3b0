"""What does a JSON file of somebody else's say, when it must say one thing only?"""

import json
from pathlib import Path
from typing import Any

from judges.artefacts.rejection import refused

MAX_DEPTH = 16  # levels of nesting; fixed, so that acceptance never depends on the caller's stack


def parse_object(path: Path, data: bytes | bytearray) -> dict[str, Any]:
    """The object that a file holds, its bytes given. Raises ArtifactRejected, code `bad_json`, for anything else:
    a key given twice (readers differ in which they take), NaN, deep nesting, text that is not UTF-8."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails for half a surrogate pair, which no file can hold
    except RecursionError:
        raise refused(path, "bad_json", f"more than {MAX_DEPTH} levels of nesting") from None
    except ValueError as fault:
        raise refused(path, "bad_json", str(fault)) from None
    if not isinstance(value, dict):
        raise refused(path, "bad_json", "not an object")
    if _is_deeper(value, MAX_DEPTH):
        raise refused(path, "bad_json", f"more than {MAX_DEPTH} levels of nesting")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"key {name[:80]!r} is given twice")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inside)
