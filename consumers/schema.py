"""What does a valid event look like, for machines? JSON Schema 2020-12, generated from the models."""

from typing import Any

import msgspec

from consumers.events import TYPES, Envelope

Schema = dict[str, Any]


def event_schema() -> Schema:
    """The schema of one event: the envelope, and `data` by type. Unknown fields are allowed everywhere.

    Times also have to lie between the years 2000 and 2100 and text may hold no NUL, which no schema can say.
    """
    _, parts = msgspec.json.schema_components([Envelope, *TYPES.values()], ref_template="#/$defs/{name}")
    definitions = {name: _open(part) for name, part in parts.items()}
    for name, rule in _RULES.items():
        definitions[name].update(rule)
    envelope = definitions.pop("Envelope")
    envelope["properties"]["type"] = {"enum": list(TYPES)}
    envelope["properties"]["data"] = {"type": "object"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "reward-drift event, version 1",
        **{key: value for key, value in envelope.items() if key != "title"},
        "allOf": [_data_of(name, payload.__name__) for name, payload in TYPES.items()],
        "$defs": definitions,
    }


def _data_of(type_name: str, definition: str) -> Schema:
    return {
        "if": {"properties": {"type": {"const": type_name}}, "required": ["type"]},
        "then": {"properties": {"data": {"$ref": f"#/$defs/{definition}"}}},
    }


def _open(part: Any) -> Any:
    """Unknown fields are kept, so the schema must not refuse them as the decoders' fast path does."""
    if isinstance(part, dict):
        return {key: _open(value) for key, value in part.items() if key != "additionalProperties" or value is not False}
    return [_open(value) for value in part] if isinstance(part, list) else part


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _null_needs_status(name: str) -> Schema:
    failed = {"required": ["status"], "properties": {"status": {"enum": ["unscoreable", "refused", "error"]}}}
    return {"if": failed, "then": {"properties": {name: {"type": "null"}}}, "else": _given(name)}


def _signal(name: str, then: Schema) -> Schema:
    return {"if": {"properties": {"signal": {"const": name}}, "required": ["signal"]}, "then": then}


# The rules between fields, which the models state in `__post_init__`.
_RULES: dict[str, Schema] = {
    "Outcome": {"oneOf": [_given(name) for name in ("response_id", "conversation_id", "user")]},
    "Score": _null_needs_status("value"),
    "Preference": _null_needs_status("choice"),
    "Feedback": {
        "allOf": [
            _signal("thumbs", {"required": ["value"], "properties": {"value": {"enum": [0, 1]}}}),
            _signal("rating", {"allOf": [_given("value"), _given("scale")]}),
        ]
    },
}
