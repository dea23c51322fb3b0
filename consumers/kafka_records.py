"""What is a Kafka record as an event? CloudEvents in structured mode as they are, in binary mode put together again."""

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from consumers.rejection import EventRejected, decode_json
from consumers.sources import BYTE_ORDER_MARK, Record, Refusal

_new = functools.partial(tuple.__new__, Record)  # the constructor's speed matters: once an event

_OFFSET, _VALUE, _HEADERS, _SIZE = 3, 7, 8, 11  # of a ConsumerRecord, by number because that is faster than by name

Header = tuple[str, bytes | None]


class Fault(NamedTuple):
    """Why a record could not be read, in place of a header's value. first: offset of the first that it stands for."""

    reason: str
    first: int
    detail: str


def read_records(polled: Sequence[Any], limit: int) -> tuple[list[Record], list[Refusal]]:
    """Records of one partition as `kafka-python` polled them; limit: most bytes of an event that are kept whole.

    Never raises for what a record holds. A tombstone becomes a record without content.
    """
    records = [
        _new((one[_VALUE], f"offset {one[_OFFSET]}", one[_SIZE]))
        for one in polled
        if not one[_HEADERS] and 0 <= one[_SIZE] <= limit
    ]
    if len(records) == len(polled):
        return records, []
    read = [_read_record(one, limit) for one in polled]
    return [one for one in read if isinstance(one, Record)], [one for one in read if isinstance(one, Refusal)]


def _read_record(one: Any, limit: int) -> Record | Refusal:
    raw = one.value or b""
    record = _new((raw[: limit + 1], f"offset {one.offset}", len(raw)))
    if not any(name.startswith("ce_") or type(value) is Fault for name, value in one.headers):
        return record
    fault = one.headers[0][1]
    if isinstance(fault, Fault):
        place = record.position if fault.first == one.offset else f"offset {fault.first} to {one.offset}"
        return Refusal(record._replace(position=place), fault.reason, fault.detail)
    try:
        whole = assemble_event(one.headers, raw)
    except EventRejected as rejection:
        return Refusal(record, rejection.reason, rejection.detail)
    return record if whole is None else _new((whole[: limit + 1], record.position, len(whole)))


def assemble_event(headers: Sequence[Header], data: bytes) -> bytes | None:
    """Binary mode as structured JSON: attributes from the `ce_` headers, `data` as it is. None: it is structured.

    Raises EventRejected.

    >>> assemble_event([("ce_id", b"e-1"), ("ce_type", b"t"), ("content-type", b"application/json")], b'{"a": 1}')
    b'{"id":"e-1","type":"t","data":{"a": 1}}'
    """
    media = _media_type(headers)
    if media.startswith("application/cloudevents"):
        return None
    attributes = _attributes(headers)
    if media not in ("", "application/json", "text/json") and not media.endswith("+json"):
        raise EventRejected("not_json", f"content-type {media[:128]!r}: the data of an event is JSON")
    return _join(attributes, data.removeprefix(BYTE_ORDER_MARK))


def _media_type(headers: Sequence[Header]) -> str:
    """Without its parameters; "" if none is given."""
    given = [value for name, value in headers if name.lower() in ("content-type", "content_type") and value is not None]
    return given[0].decode(errors="replace").partition(";")[0].strip().lower() if given else ""


def _attributes(headers: Sequence[Header]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in headers:
        if name.startswith("ce_"):
            if name[3:] in attributes:
                raise EventRejected("bad_value", f"header {name[:128]!r}: comes twice")
            attributes[name[3:]] = _text(name, value)
    if "data" in attributes:
        raise EventRejected("bad_value", "header ce_data: the data of an event is the record's value")
    return attributes


def _join(attributes: dict[str, str], data: bytes) -> bytes:
    if not data.strip():
        raise EventRejected("empty", "no content (a tombstone or a blank record)")
    try:
        msgspec.json.decode(data, type=msgspec.Raw)  # one whole value, so that it cannot end the envelope early
    except (msgspec.DecodeError, RecursionError):
        decode_json(data)
    envelope = json.dumps(attributes, separators=(",", ":")).encode()
    return envelope[:-1] + b',"data":' + data + b"}"


def _text(name: str, value: bytes | None) -> str:
    if value is None:
        raise EventRejected("bad_value", f"header {name[:128]!r}: has no value")
    try:
        return value.decode()
    except UnicodeDecodeError as fault:
        raise EventRejected("not_utf8", f"header {name[:128]!r}: {fault.reason} at byte {fault.start}") from None
