"""Why could an event not be accepted?"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, Never, get_args, get_origin

import msgspec

# Parts of msgspec's messages, each with the reason it stands for; the first match counts.
_REASONS = (
    ("missing required field", "missing_field"),
    ("out of range", "number_out_of_range"),
    ("RFC3339", "bad_time"),
    ("datetime", "bad_time"),
    ("year 2000", "bad_time"),
)
_DETAIL_CHARACTERS = 500  # msgspec quotes whole values, which may be as long as the event
_UTF16 = (b"\x00\x00", b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{", b"[\x00", b"\x00[")


class EventRejected(Exception):  # noqa: N818 - a noun of the domain, not a fault of the program
    """An event to keep aside. `reason` is a stable word to count by; `detail` names the field and what was expected."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail[:_DETAIL_CHARACTERS]


def rejected_field(
    fault: msgspec.ValidationError, prefix: str, decoded: type[msgspec.Struct] | None = None
) -> EventRejected:
    """What msgspec objects to, as a rejection; `prefix` is the path of the decoded part, e.g. "data".

    decoded: the type it was decoded to, whose values are listed where another was sent.
    """
    message, _, path = str(fault).partition(" - at `$")
    if "enum value" in message and decoded is not None:
        message += f"; use one of {', '.join(_choices(decoded, path.rstrip('`').strip('.').split('.')))}"
    where = (prefix + path.rstrip("`")).strip(".") or "event"
    reason = next((reason for part, reason in _REASONS if part in message), "bad_value")
    return EventRejected(reason, f"{where}: {message}")


def _choices(decoded: Any, path: list[str]) -> Iterator[str]:
    """The values that a field at a path may have, its types nested or not."""
    if not path:
        yield from map(str, get_args(decoded) if get_origin(decoded) is Literal else ())
    for part in get_args(decoded) if get_origin(decoded) is not Literal else ():
        yield from _choices(part, path)
    if path and isinstance(decoded, type) and issubclass(decoded, msgspec.Struct):
        for field in msgspec.structs.fields(decoded):
            if field.name == path[0]:
                yield from _choices(field.type, path[1:])


def decode_json(raw: bytes) -> Any:
    """Decode strictly to plain values: valid UTF-8, finite numbers, no lone surrogate. Raises EventRejected only."""
    _refuse_other_encodings(raw)
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise EventRejected("too_deep", "nested deeper than any event needs") from None
    except msgspec.ValidationError as fault:
        raise rejected_field(fault, "") from None
    except msgspec.DecodeError as fault:
        raise _malformed(raw, str(fault)) from None


def _refuse_other_encodings(raw: bytes) -> None:
    if raw.startswith(_UTF16):
        raise EventRejected("not_utf8", "looks like UTF-16 or UTF-32; events are UTF-8")
    if b"\x00" in raw:
        raise EventRejected("nul_character", f"NUL at byte {raw.index(0)}")
    try:
        raw.decode()
    except UnicodeDecodeError as fault:
        raise EventRejected("not_utf8", f"invalid UTF-8 at byte {fault.start}: {fault.reason}") from None


def _malformed(raw: bytes, message: str) -> EventRejected:
    """Python's more lenient decoder tells apart what msgspec reports with one message."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        return EventRejected("truncated" if "truncated" in message else "not_json", message)
    except RecursionError:
        return EventRejected("too_deep", "nested deeper than any event needs")
    except ValueError as fault:
        return EventRejected("number_out_of_range", str(fault))
    if _has_lone_surrogate(value):
        escape = re.search(rb"\\u[dD][89a-fA-F]", raw)
        return EventRejected("lone_surrogate", f"half a surrogate pair near byte {escape.start() if escape else 0}")
    return EventRejected("not_json", message)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a finite number")


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
