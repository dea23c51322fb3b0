import base64
import json

import pytest

from consumers.mentions import Mentions

USER, RESPONSE = "person/8-ä", "r:17"
PROMPT = 'The old kettle on my stove leaks, and it whistles "Grüße" all night long. What can I do about it?'
SHORT = "Yes, since 1999."
ABOUT = Mentions([USER, RESPONSE, "7"], [PROMPT, SHORT])


def event(**data: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": "e", "type": "rewarddrift.response.v2", "data": data}


NAMED = json.dumps(event(user=USER), ensure_ascii=False)
READABLE = {
    "plain": NAMED.encode(),
    "escaped": json.dumps(event(user=USER)).encode(),
    "every_character_escaped": ("".join(f"\\u{ord(c):04x}" for c in USER)).join(['{"user":"', '"}']).encode(),
    "slash_escaped": NAMED.replace("/", r"\/").encode(),
    "truncated": NAMED.encode()[: NAMED.encode().index(b"person") + len(USER.encode())],
    "json_in_a_string": json.dumps({"message": json.dumps(event(user=USER))}).encode(),
    "json_in_json_in_a_string": json.dumps({"m": json.dumps({"m": json.dumps(event(user=USER))})}).encode(),
    "decomposed": NAMED.replace("ä", "a\u0308").encode(),
    "latin_1": NAMED.encode("latin-1"),
    "utf_16": NAMED.encode("utf-16"),
    "utf_16_cut_by_the_line_feed": b"\x00" + NAMED.encode("utf-16-le"),
    "utf_32": NAMED.encode("utf-32-be"),
    "base64": json.dumps({"id": "e", "data_base64": base64.b64encode(NAMED.encode()).decode()}).encode(),
    "broken_utf_8": NAMED.encode() + b"\xff",
    "with_a_nul": NAMED.encode() + b"\x00",
    "a_response": b"response_id=r:17;",
    "a_short_name_as_value": b'{"user": 7, "prompt": 5',
    "a_whole_short_text": b'["Yes, since 1999."',
    "part_of_a_text": json.dumps(PROMPT[20:60]).encode(),
    "part_of_a_text_twice_escaped": json.dumps(json.dumps(PROMPT)[10:95]).encode(),
}


@pytest.mark.parametrize("name", READABLE)
def test_names_and_quotations_are_found_however_they_are_written(name: str) -> None:
    assert ABOUT.found_in(READABLE[name])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"user": "person/8-\xc3\xa4b"}',
        b'{"response_id": "r:171", "value": 17, "time": "2026-07-07T07:00:00Z"}',
        b'"Yes, since 1999.5"',
        json.dumps(PROMPT[20:50]).encode(),
        b"\x00\xff\xfe\\u12",
    ],
)
def test_parts_of_other_words_are_not_mentions(raw: bytes) -> None:
    assert not ABOUT.found_in(raw)


def test_what_everybody_says_is_nobodys() -> None:
    rules = "You are the assistant of a shop for kettles. Answer politely and in one sentence only."
    asked = f"{rules}\nMy kettle fell from the balcony and a neighbour has kept it since."
    about = Mentions(["u-9"], [asked, "Thank you very much!"], [f"{rules}\nQuestion {n}" for n in range(3)])
    assert not about.found_in(f'"{rules}"'.encode())
    assert about.found_in(b"My kettle fell from the balcony and a neighbour has kept it since.")
    assert about.found_in(b'"Thank you very much!"')
    assert not Mentions([], ["Thank you very much!"], ["Thank you very much!"] * 3).found_in(b'"Thank you very much!"')
