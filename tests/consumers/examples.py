"""Small valid events of every type, and every kind of record that is none."""

import json
from typing import Any

DATA: dict[str, dict[str, Any]] = {
    "checkpoint": {
        "checkpoint": "c-1",
        "order": 1,
        "stage": "serving",
        "traffic_share": 0.5,
        "lineage": {"data": ["a"]},
    },
    "response": {
        "response_id": "r-1",
        "checkpoint": "c-1",
        "cohort": {"tier": "pro"},
        "prompt": "Why?",
        "response": "So.",
    },
    "feedback": {
        "response_id": "r-1",
        "signal": "thumbs",
        "value": 1,
        "actor": {"id": "u-1", "role": "end_user"},
        "surface": {"name": "chat", "environment": "production", "purpose": "product"},
    },
    "outcome": {"response_id": "r-1", "metric": "task_success", "value": True, "method": "human"},
    "score": {"response_id": "r-1", "scorer": {"name": "rm", "kind": "reward_model", "revision": "1"}, "value": 0.25},
    "preference": {
        "pair_id": "p-1",
        "judge": {"name": "j", "kind": "model"},
        "choice": "a",
        "a": {"checkpoint": "c-1", "text": "yes"},
        "b": {"checkpoint": "c-0", "length": 3},
    },
    "evaluation": {
        "checkpoint": "c-1",
        "suite": "s",
        "category": "math",
        "metric": "accuracy",
        "value": 0.5,
        "n": 2,
        "samples": [{"id": "q1", "value": 1}, {"id": "q2", "value": 0}],
    },
    "erasure": {"user": "u-1", "requested_at": "2026-03-01T00:00:00Z"},
}


def envelope(kind: str, *, changes: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    """A valid event of a type; `changes` to its data, other keywords to the envelope; None removes."""
    event = {
        "specversion": "1.0",
        "id": f"{kind}-1",
        "source": "/test",
        "type": f"rewarddrift.{kind}.v1",
        "time": "2026-03-02T09:00:00Z",
        "data": _changed(DATA[kind], changes or {}),
    }
    return _changed(event, attributes)


def line(kind: str, **changes: Any) -> bytes:
    return json.dumps(envelope(kind, **changes), ensure_ascii=False).encode()


def _changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**content, **changes}.items() if value is not ...}


RESPONSE = line("response")


def response_with(json_text: str) -> bytes:
    """A response with an unknown field of this JSON text."""
    return RESPONSE.replace(b'"prompt"', b'"unknown": ' + json_text.encode() + b', "prompt"')


# name -> (raw, reason): every kind of record that cannot be an event.
BAD: dict[str, tuple[bytes, str]] = {
    "no_json": (b"hello", "not_json"),
    "two_values": (RESPONSE + b" {}", "not_json"),
    "truncated": (RESPONSE[:-9], "truncated"),
    "list_root": (b"[" + RESPONSE + b"]", "not_an_object"),
    "string_root": (b'"event"', "not_an_object"),
    "utf16_with_bom": (RESPONSE.decode().encode("utf-16"), "not_utf8"),
    "utf16_without_bom": (RESPONSE.decode().encode("utf-16-le"), "not_utf8"),
    "utf32": (RESPONSE.decode().encode("utf-32-be"), "not_utf8"),
    "invalid_utf8": (RESPONSE.replace(b"Why?", b"Wh\xff"), "not_utf8"),
    "encoded_surrogate": (RESPONSE.replace(b"Why?", b"\xed\xa0\x80"), "not_utf8"),
    "latin1_in_unknown_field": (response_with('"x"').replace(b'"x"', b'"\xe9"'), "not_utf8"),
    "literal_nul": (RESPONSE.replace(b"Why?", b"W\x00"), "nul_character"),
    "escaped_nul": (RESPONSE.replace(b"Why?", rb"W\u0000"), "nul_character"),
    "escaped_nul_after_backslash": (RESPONSE.replace(b"Why?", rb"W\\\u0000"), "nul_character"),
    "nul_in_unknown_field": (response_with(r'{"deep": ["\u0000"]}'), "nul_character"),
    "nul_in_unknown_key": (response_with(r'{"a\u0000": 1}'), "nul_character"),
    "lone_high_surrogate": (RESPONSE.replace(b"Why?", rb"\ud83d"), "lone_surrogate"),
    "lone_low_surrogate": (RESPONSE.replace(b"Why?", rb"\ude00 x"), "lone_surrogate"),
    "surrogate_in_unknown_field": (response_with(r'"\ud83d"'), "lone_surrogate"),
    "nan": (line("score", changes={"value": float("nan")}), "number_out_of_range"),
    "infinity": (line("score", changes={"value": float("inf")}), "number_out_of_range"),
    "nan_in_unknown_field": (response_with("[NaN]"), "number_out_of_range"),
    "too_large_number": (line("score").replace(b"0.25", b"1e999"), "number_out_of_range"),
    "too_large_number_in_unknown_field": (response_with("-1e999"), "number_out_of_range"),
    "70_bits_in_unknown_field": (response_with("[1180591620717411303424]"), "number_out_of_range"),
    "70_bits_in_lineage": (line("checkpoint", changes={"lineage": {"seed": 2**70}}), "number_out_of_range"),
    "5000_digits": (line("score").replace(b"0.25", b"9" * 5000), "number_out_of_range"),
    "5000_digits_in_unknown_field": (response_with("9" * 5000), "number_out_of_range"),
    "deep_list": (response_with("[" * 100_000 + "]" * 100_000), "too_deep"),
    "deep_object": (response_with('{"a":' * 100_000 + "1" + "}" * 100_000), "too_deep"),
    "rather_deep": (response_with("[" * 120 + "]" * 120), "too_deep"),
    "unclosed_depth": (b"[" * 100_000, "too_deep"),
    "too_large": (line("response", changes={"response": "x" * (1 << 20)}), "too_large"),
    "unknown_type": (line("response", type="com.example.order"), "unknown_type"),
    "unknown_major_version": (line("response", type="rewarddrift.response.v2"), "unknown_version"),
    "unknown_specversion": (line("response", specversion="0.3"), "unknown_version"),
    "no_specversion": (line("response", specversion=...), "missing_field"),
    "no_id": (line("response", id=...), "missing_field"),
    "no_type": (line("response", type=...), "missing_field"),
    "no_data": (line("response", data=...), "missing_field"),
    "data_in_base64": (line("response", data=..., data_base64="e30="), "missing_field"),
    "data_is_a_list": (line("response", data=[]), "bad_value"),
    "empty_id": (line("response", id=""), "bad_value"),
    "long_id": (line("response", id="x" * 513), "bad_value"),
    "id_of_too_many_bytes": (line("response", id="\U0001f642" * 512, source="é" * 300), "bad_value"),
    "number_as_id": (line("response", id=7), "bad_value"),
    "type_is_null": (line("response", type=None), "bad_value"),
    "no_offset": (line("response", time="2026-03-02T09:00:00"), "bad_time"),
    "no_time_at_all": (line("response", time="yesterday"), "bad_time"),
    "time_as_number": (line("response", time=1772442000), "bad_time"),
    "time_before_2000": (line("response", time="1970-01-01T00:00:00Z"), "bad_time"),
    "time_after_2100": (line("response", time="9999-12-31T23:59:59-12:00"), "bad_time"),
    "deadline_after_2100": (line("erasure", changes={"deadline": "2500-01-01T00:00:00Z"}), "bad_time"),
    "no_checkpoint": (line("response", changes={"checkpoint": ...}), "missing_field"),
    "number_as_text": (line("response", changes={"prompt": 5}), "bad_value"),
    "negative_length": (line("response", changes={"length": -1}), "bad_value"),
    "number_in_cohort": (line("response", changes={"cohort": {"tier": 1}}), "bad_value"),
    "unknown_environment": (line("response", changes={"environment": "prod"}), "bad_value"),
    "thumbs_of_two": (line("feedback", changes={"value": 2}), "bad_value"),
    "thumbs_as_bool": (line("feedback", changes={"value": True}), "bad_value"),
    "thumbs_without_value": (line("feedback", changes={"value": ...}), "missing_field"),
    "rating_without_scale": (line("feedback", changes={"signal": "rating", "value": 3}), "missing_field"),
    "rating_off_scale": (line("feedback", changes={"signal": "rating", "value": 6, "scale": [1, 5]}), "bad_value"),
    "scale_upside_down": (line("feedback", changes={"signal": "rating", "value": 1, "scale": [5, 1]}), "bad_value"),
    "unknown_role": (line("feedback", changes={"actor": {"role": "king"}}), "bad_value"),
    "outcome_of_nothing": (line("outcome", changes={"response_id": ...}), "bad_value"),
    "outcome_of_two": (line("outcome", changes={"user": "u-1"}), "bad_value"),
    "outcome_as_text": (line("outcome", changes={"value": "yes"}), "bad_value"),
    "score_without_value": (line("score", changes={"value": ...}), "missing_field"),
    "null_score_without_status": (line("score", changes={"value": None}), "bad_value"),
    "null_choice_with_status_ok": (line("preference", changes={"choice": None, "status": "ok"}), "bad_value"),
    "traffic_share_over_one": (line("checkpoint", changes={"traffic_share": 1.5}), "bad_value"),
    "sample_as_text": (line("evaluation", changes={"samples": [{"value": "x"}]}), "bad_value"),
}
