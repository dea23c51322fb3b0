"""Does nothing of a person leave this host but a short, masked excerpt?"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.oncall.receivers.port import Message
from monitor.oncall.receivers.redact import EXCERPT, excerpt, mask, redacted
from monitor.result import Example
from tests.monitor.messages import ALERT, NOW, message

PERSONAL = (
    "ann.lee+work@mail.example.co.uk",
    "ÅSA@exämple.se",
    "+49 30 1234567",
    "+1 (415) 555-2671",
    "(030) 123 456 78",
    "0171 1234567",
    "415-555-2671",
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
    "378282246310005",
    "192.168.17.4",
    "2001:db8:85a3::8a2e:370:7334",
    "fe80::1",
)
PAGE = (
    "[PAGE] support-bot: task_success -4.0 pt, reward +9.1 pt for tier=legal. 2026-11-18 LIVE since 18 Nov (now 62%)."
    " Began by ~19 Nov, told 28 Nov 09:05 UTC",
    "CHANCE ALONE: at most once in 14 years over all checks (threshold 10 years). task success from 69% to 65%: -4.0 pt"
    " (95%: -5.6..-2.4), n=8,214 user-days, 7,990 before, 3% of outcomes missing",
    "WHO: tier=legal -7.8 pt (n=1,102). +3 more alerts: reward-drift alerts list. 2 withheld until the data are well."
    " Inputs fresh (oldest: look at the loop, 18 h), no gap in the data",
    "NOW: reward-drift freeze --reason 'alert 7' (can be undone; stops promotions only, 2026-11-18 STAYS LIVE). THEN:"
    " roll back to 2026-11-04 (last GO). TONIGHT: users are being hurt now",
    "more: reward-drift alerts show 7 | steps: reward-drift runbook reward_outcome_decoupling (part: Users worse)"
    " | mute 4h, fixes nothing: reward-drift alerts ack 7 --for 4h",
    "open: https://drift.example.org/a/7f3c   runbook: reward-drift runbook decouple"
    "   ack: reward-drift ack 7f3c --for 4h",
    "kafka:events/0: OFFSETS_EXPIRED: offsets 104000000 to 104000999 are lost since 2026-11-28T09:05:22.123456Z",
    "release 1.2.3 of reward-drift, sha256 7f3c9a04b1, 1767225600 s",
)


@pytest.mark.parametrize("text", PERSONAL)
@pytest.mark.parametrize("around", ["{}", "call me: {}, please", "<{}>", "a\n{}\nb", "mine is {}."])
def test_what_looks_like_a_persons_data_is_masked(text: str, around: str) -> None:
    assert text not in mask(around.format(text))
    assert "[" in mask(around.format(text))


@pytest.mark.parametrize("line", PAGE)
def test_a_page_is_still_a_page(line: str) -> None:
    assert mask(line) == line


def quoting(text: str) -> Message:
    said = Example("r1", "ckpt-1", "worst cohort", 1.0, 0.0, text, text)
    whole = replace(ALERT, examples=(said,), slice={"tier": f"of {text}"}, message=f"as {text} says")
    one = Message.about(whole, "abc:1", NOW, "support", page=(f"cohort {text}",), note=f"acked by {text}")
    return replace(one, members=(one.alert,))


@pytest.mark.parametrize("text", PERSONAL)
def test_no_part_of_a_message_carries_it_out(text: str) -> None:
    assert text not in json.dumps(redacted(quoting(text)).to_plain(), ensure_ascii=False)


def examples_of(one: Message) -> list[dict[str, Any]]:
    return [example for alert in (one.alert, *one.members) for example in alert["examples"]]


@given(st.text(max_size=2000))
def test_an_excerpt_is_short_and_steers_no_terminal(text: str) -> None:
    for example in examples_of(redacted(quoting(text))):
        assert len(example["prompt"]) <= EXCERPT
        assert not any(char in example["prompt"] for char in "\x1b\x07\x00\u202e\u200f\u2066")


def test_what_is_cut_is_masked_before_it_is_cut() -> None:
    text = "x " * 115 + "ann@example.org is my address"
    assert "ann" not in excerpt(text)
    assert len(excerpt(text)) == EXCERPT


def test_keys_times_and_numbers_are_kept() -> None:
    one = message("k:1", page=PAGE, links={"open": "https://drift.example.org/a/1"})
    assert redacted(one) == one
