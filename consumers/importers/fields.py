"""Which fields does an event have, and what may each hold? Read from the models themselves."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec

from consumers.events import TYPES, Payload

SHORT_TYPES = {name.split(".")[1]: name for name in TYPES}
"""The type of an event by its short name, e.g. response."""


@cache
def fields_of(payload: type[Payload]) -> Mapping[str, Any]:
    """Name the fields of a payload, each with its type."""
    return {field.name: field.type for field in msgspec.structs.fields(payload)}


@cache
def required_fields(payload: type[Payload]) -> frozenset[str]:
    """Name the fields without which a payload is rejected."""
    return frozenset(field.name for field in msgspec.structs.fields(payload) if field.required)


def nested_payload(kind: Any) -> type[Payload] | None:
    """Find the payload that a field holds, e.g. Actor in `Actor | None`; None if it holds something else."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, Payload):
            return part
    return None


def entry_type(kind: Any) -> Any:
    """What the entries of an object of free keys hold, e.g. of a cohort; None if the field is no such object."""
    return next((get_args(part)[1] for part in (kind, *get_args(kind)) if get_origin(part) is dict), None)


def choices(kind: Any) -> list[str]:
    """List the words a field admits, if only certain words are admitted."""
    words = [word for part in (kind, *get_args(kind)) if get_origin(part) is Literal for word in get_args(part)]
    return [word for word in words if isinstance(word, str)]
