"""How does a line become an event? Decoded, validated, unknown fields kept; or rejected with a reason.

The common case is decoded straight into its type. Whatever that refuses takes the slow path once more, which splits off
unknown fields and names the reason of a rejection. Both paths give equal events.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from consumers.canonical import canonical_value, content_digest
from consumers.payloads import (
    TYPES,
    Actor,
    AwareTime,
    Candidate,
    Checkpoint,
    Erasure,
    Evaluation,
    Feedback,
    Identifier,
    Judge,
    Outcome,
    Payload,
    Preference,
    Response,
    Score,
    Scorer,
    Surface,
    microseconds,
)
from consumers.rejection import EventRejected, decode_json, rejected_field

__all__ = [
    "EVENT_BYTES",
    "TYPES",
    "Actor",
    "Candidate",
    "Checkpoint",
    "Envelope",
    "Erasure",
    "Evaluation",
    "Event",
    "EventRejected",
    "Feedback",
    "Judge",
    "Outcome",
    "Payload",
    "Preference",
    "Response",
    "Score",
    "Scorer",
    "Surface",
    "parse_event",
]

EVENT_BYTES = 1 << 20  # default limit of one event
IDENTITY_BYTES = 2600  # of source and id together: what an index of PostgreSQL can hold
_BOM = b"\xef\xbb\xbf"


class _Attributes(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    specversion: Literal["1.0"]
    id: Identifier
    source: Identifier
    time: AwareTime
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


class Envelope(_Attributes, frozen=True, kw_only=True):
    """CloudEvents 1.0, structured mode. Extension attributes are allowed, and neither kept nor compared."""

    type: Annotated[str, Meta(min_length=1)]
    data: Raw


class Event(Struct, frozen=True, gc=False):
    """A validated event, identified by (source, id).

    time_us: when the thing itself happened, microseconds since 1970-01-01 UTC.
    extra: fields of `data` that the type does not know, nested as they came, or None.
    """

    source: str
    id: str
    type: str
    time_us: int
    data: Payload
    extra: dict[str, Any] | None = None

    def digest(self) -> bytes:
        """16 bytes, equal for events that say the same however they were serialised.

        Transport (subject, extension attributes) is no part of it.
        """
        return content_digest(self)


# Free-form values inside these must be walked, so they always take the slow path.
_FREE_FORM = (Checkpoint, Evaluation)
_NAMES = {payload: name for name, payload in TYPES.items() if payload not in _FREE_FORM}


def _typed_envelope(payload: type[Payload], name: str) -> type[Struct]:
    """The envelope of one type, for decoding in one pass: its `type` is the tag that chooses among them."""
    fields = [("data", payload)]
    return msgspec.defstruct(f"{payload.__name__}Envelope", fields, bases=(_Attributes,), tag_field="type", tag=name)


_decode: Callable[[bytes], Any] = msgspec.json.Decoder(
    Union[tuple(_typed_envelope(payload, name) for payload, name in _NAMES.items())]  # noqa: UP007 - made at run time
).decode


def parse_event(raw: bytes, *, limit: int = EVENT_BYTES, size: int | None = None) -> Event:
    """Decode and validate one event in CloudEvents structured mode.

    raw: UTF-8 JSON, a leading byte-order mark is ignored. limit: most bytes of an event. size: its bytes before `raw`
    was bounded, if it was. Raises EventRejected, and nothing else, for anything that is not a valid event.
    """
    size = size or len(raw)
    if size > limit:
        raise EventRejected("too_large", f"{size} bytes, the limit is {limit}")
    if b"\\" not in raw or b"\\u0000" not in raw:  # the first search is far faster, and mostly enough
        try:
            envelope = _decode(raw)
            data = envelope.data
            _check_identity(envelope.source, envelope.id)
            return Event(envelope.source, envelope.id, _NAMES[type(data)], microseconds(envelope.time), data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass  # the slow path finds the unknown fields, or the reason
    return _parse_slowly(raw.removeprefix(_BOM))


def _parse_slowly(raw: bytes) -> Event:
    if not raw.strip():
        raise EventRejected("empty", "no content (a tombstone or a blank record)")
    value = decode_json(raw)
    if not isinstance(value, dict):
        raise EventRejected("not_an_object", f"expected an object, got {_kind(value)}")
    value = canonical_value(value)
    payload_type = _payload_type(value)
    envelope = _convert_envelope(value)
    _check_identity(envelope.source, envelope.id)
    known, extra = _split_unknown(value["data"], payload_type)
    try:
        data = msgspec.convert(known, payload_type)
        time_us = microseconds(envelope.time)
    except msgspec.ValidationError as fault:
        raise rejected_field(fault, "data", payload_type) from None
    except ValueError as fault:
        raise EventRejected("bad_time", f"time: {fault}") from None
    return Event(envelope.source, envelope.id, envelope.type, time_us, data, extra or None)


def _payload_type(value: dict[str, Any]) -> type[Payload]:
    """The payload of an envelope's type. Version and type come first: they decide how to read everything else."""
    version, name = value.get("specversion", "1.0"), value.get("type", "")
    if isinstance(version, str) and version != "1.0":
        raise EventRejected("unknown_version", f'specversion: expected "1.0", got {version[:64]!r}')
    if not isinstance(name, str) or not name:
        reason = "bad_value" if "type" in value else "missing_field"
        raise EventRejected(reason, "type: expected the name of an event type")
    if name in TYPES:
        return TYPES[name]
    if re.sub(r"\.v\d[\w.]*$", ".v1", name) in TYPES:
        raise EventRejected("unknown_version", f"type: only v1 is known, got {name[:128]!r}")
    raise EventRejected("unknown_type", f"type: expected one of {', '.join(TYPES)}; got {name[:128]!r}")


def _convert_envelope(value: dict[str, Any]) -> Envelope:
    known = {name: value[name] for name in Envelope.__struct_fields__ if name in value}
    if not isinstance(known.get("data", {}), dict):
        raise EventRejected("bad_value", f"data: expected an object, got {_kind(known['data'])}")
    if "data" in known:
        known["data"] = Raw(b"{}")  # converted by its own type
    try:
        return msgspec.convert(known, Envelope)
    except msgspec.ValidationError as fault:
        raise rejected_field(fault, "") from None


def _check_identity(source: str, event_id: str) -> None:
    """Refuse what no index holds; only characters outside of ASCII make 512 of them so long."""
    if len(source) + len(event_id) > IDENTITY_BYTES // 4 and len((source + event_id).encode()) > IDENTITY_BYTES:
        raise EventRejected("bad_value", f"id: with its source, more than {IDENTITY_BYTES} bytes in UTF-8")


def _split_unknown(data: dict[str, Any], payload: type[Payload]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields the payload knows, the others), both nested like `data`."""
    known: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    parts = _nested(payload)
    for name, value in data.items():
        if name in parts and isinstance(value, dict):
            known[name], rest = _split_unknown(value, parts[name])
            if rest:
                unknown[name] = rest
        else:
            (known if name in payload.__struct_fields__ else unknown)[name] = value
    return known, unknown


@cache
def _nested(payload: type[Payload]) -> dict[str, type[Payload]]:
    """The fields of a payload that are payloads themselves."""
    return {
        field.name: part
        for field in msgspec.structs.fields(payload)
        for part in (get_args(field.type) or (field.type,))
        if isinstance(part, type) and issubclass(part, Payload)
    }


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
