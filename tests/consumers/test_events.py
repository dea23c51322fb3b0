import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.events import Event, EventRejected, Outcome, Response, parse_event
from consumers.schema import event_schema
from tests.consumers.examples import BAD, DATA, RESPONSE, envelope, line, response_with


@pytest.mark.parametrize("kind", DATA)
def test_every_type_is_read(kind: str) -> None:
    event = parse_event(line(kind))
    assert (event.source, event.id, event.type) == ("/test", f"{kind}-1", f"rewarddrift.{kind}.v1")
    assert event.time_us == 1_772_442_000_000_000
    assert type(event.data).__name__ == kind.capitalize()
    assert event.extra is None


@pytest.mark.parametrize("name", BAD)
def test_bad_record_is_rejected_with_its_reason(name: str) -> None:
    raw, reason = BAD[name]
    with pytest.raises(EventRejected) as rejection:
        parse_event(raw)
    assert rejection.value.reason == reason
    assert 0 < len(rejection.value.detail) <= 500


@pytest.mark.parametrize("raw", [b"", b"   ", b"\xef\xbb\xbf", b"\n"])
def test_tombstone_is_rejected_as_empty(raw: bytes) -> None:
    with pytest.raises(EventRejected, match="empty"):
        parse_event(raw)


def test_detail_names_the_field_and_what_was_expected() -> None:
    with pytest.raises(EventRejected) as rejection:
        parse_event(line("feedback", changes={"actor": {"role": "king"}}))
    allowed = "end_user, engineer, on_call, annotator, support, bot, unknown"
    assert rejection.value.detail == f"data.actor.role: Invalid enum value 'king'; use one of {allowed}"
    with pytest.raises(EventRejected) as rejection:
        parse_event(line("score", changes={"scorer": {}}))
    assert rejection.value.detail == "data.scorer: Object missing required field `name`"


def test_record_that_was_bounded_is_too_large_by_its_first_size() -> None:
    with pytest.raises(EventRejected, match="5000 bytes, the limit is 4000"):
        parse_event(RESPONSE, limit=4000, size=5000)


def test_byte_order_mark_is_ignored() -> None:
    assert parse_event(b"\xef\xbb\xbf" + RESPONSE) == parse_event(RESPONSE)


def test_escaped_backslash_before_u0000_is_plain_text() -> None:
    event = parse_event(RESPONSE.replace(b"Why?", rb"C:\\u0000"))
    assert isinstance(event.data, Response)
    assert event.data.prompt == r"C:\u0000"


def test_surrogate_pairs_and_all_other_unicode_are_text() -> None:
    event = parse_event(RESPONSE.replace(b"Why?", rb"\ud83d\ude00" + "\u202e\U0001f600\ufeff".encode()))
    assert isinstance(event.data, Response)
    assert event.data.prompt == "\U0001f600\u202e\U0001f600\ufeff"


def test_unknown_fields_are_kept_as_they_were_nested() -> None:
    actor = {"id": "u", "role": "end_user", "team": "red"}
    event = parse_event(line("feedback", changes={"actor": actor, "mood": {"x": [1.0, None, "é"]}}))
    assert event.extra == {"actor": {"team": "red"}, "mood": {"x": [1, None, "é"]}}
    assert event.data == parse_event(line("feedback", changes={"actor": {"id": "u", "role": "end_user"}})).data


def test_extension_attributes_of_the_envelope_change_nothing() -> None:
    plain, traced = parse_event(RESPONSE), parse_event(line("response", traceparent="00-ab", subject="r-1"))
    assert plain == traced
    assert plain.digest() == traced.digest()


def test_null_means_absent_for_optional_fields() -> None:
    assert parse_event(line("response", changes={"user": None})).digest() == parse_event(RESPONSE).digest()


def test_time_with_another_offset_is_the_same_moment() -> None:
    moved = parse_event(line("response", time="2026-03-02T10:30:00.000+01:30"))
    assert moved.digest() == parse_event(RESPONSE).digest()


def test_true_and_one_are_both_values_of_an_outcome() -> None:
    for given_value, expected in ((True, True), (1, 1.0), (2.5, 2.5)):
        data = parse_event(line("outcome", changes={"value": given_value})).data
        assert isinstance(data, Outcome)
        assert data.value == expected


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("unknown", [{}, {"new": {"b": 1, "a": [2.0, {"d": 1, "c": 2}]}}])
def test_digest_survives_serialising_again(kind: str, unknown: dict[str, Any]) -> None:
    event = envelope(kind, changes=unknown)
    other = json.dumps(_floats(_reversed(event)), indent=1, ensure_ascii=True).encode()
    assert parse_event(other).digest() == parse_event(json.dumps(event).encode()).digest()


def test_digest_tells_other_content_apart() -> None:
    raws = [
        RESPONSE,
        line("response", changes={"response": "so."}),
        line("response", changes={"response": ...}),
        line("response", time="2026-03-02T09:00:00.000001Z"),
        line("response", changes={"new": 1}),
        line("response", changes={"new": 2}),
        line("response", changes={"new": "1"}),
    ]
    assert len({parse_event(raw).digest() for raw in raws}) == len(raws)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([line(kind) for kind in DATA] + [response_with('{"a": [1]}')]), st.data())
def test_mutated_bytes_give_an_event_or_a_rejection(raw: bytes, data: st.DataObject) -> None:
    mutated = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        removed = data.draw(st.integers(0, 3))
        mutated[at : at + removed] = data.draw(st.sampled_from(_TOKENS) | st.binary(max_size=3))
    try:
        event = parse_event(bytes(mutated))
    except EventRejected:
        return
    assert isinstance(event, Event)
    assert len(event.digest()) == 16


_TOKENS = [b'"', b"\\", rb"\u0000", rb"\ud800", b"{", b"}", b"[", b"]", b",", b":", b"null", b"NaN", b"1e999", b"\x00"]


def test_schema_describes_every_type_and_allows_unknown_fields() -> None:
    schema = event_schema()
    text = json.dumps(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["type"]["enum"] == [f"rewarddrift.{kind}.v1" for kind in DATA]
    assert '"additionalProperties": false' not in text
    for kind, data in DATA.items():
        assert set(data) <= set(schema["$defs"][kind.capitalize()]["properties"])
    references = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert references <= set(schema["$defs"])


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    return value


def _floats(value: Any) -> Any:
    """Whole numbers as floats, as some languages write them."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if type(value) is int else value
