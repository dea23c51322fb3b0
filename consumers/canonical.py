"""When do two events say the same? When their canonical content, and so its digest, is equal."""

from hashlib import blake2b
from typing import Any

import msgspec

from consumers.rejection import EventRejected

MAX_DEPTH = 100  # levels of nesting in free-form values; fixed, so that acceptance never depends on the caller's stack
_EXACT = 2**53  # integers up to here are the same number as a float

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical_value(value: Any, path: str = "", depth: int = 0) -> Any:
    """A plain JSON value with 1.0 written as 1.

    Raises EventRejected for NUL in any text or key, for nesting, and for integers that need more than 64 bits.
    """
    if isinstance(value, str):
        return _without_nul(value, path)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise EventRejected("number_out_of_range", f"{path[:200]}: integer of more than 64 bits")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        raise EventRejected("too_deep", f"more than {MAX_DEPTH} levels of nesting")
    if isinstance(value, dict):
        return {
            _without_nul(key, path): canonical_value(item, f"{path}.{key}" if path else key, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [canonical_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return value


def canonical_json(value: Any) -> str:
    """The one way to write a canonical value: keys sorted, no spaces, text unescaped."""
    return _encode(value).decode()


def content_digest(event: msgspec.Struct) -> bytes:
    """BLAKE2b-128 of an event's fields."""
    return blake2b(_encode(event), digest_size=16).digest()


def _without_nul(text: str, path: str) -> str:
    if "\x00" in text:
        raise EventRejected("nul_character", f"{path[:200] or 'event'}: text holds a NUL character")
    return text
