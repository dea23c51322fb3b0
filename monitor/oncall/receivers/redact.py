"""What leaves this host of what people wrote? Short excerpts, in which what looks like a person's data is masked.

Masked are e-mail addresses, telephone numbers with a mark of one (+, brackets, a leading 0, or groups of 3-3-4), card
numbers that pass their check digit, and IP addresses. Not masked are names, places, and what people tell of themselves
in words: nothing here reads language, and the excerpt's length is the real limit. An example of an alert is at most 240
characters long. What identifies an alert (keys, checks, times) is left as it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from monitor.oncall.receivers.port import Message

EXCERPT = 240
IDENTITY = ("fingerprint", "check", "severity", "state", "fired_at", "likely_start")
QUOTED = ("prompt", "response")

EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]+(?:\.[\w-]+)+")
CARD = re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?!\d)")
PHONE = re.compile(
    r"(?<![\w.,:+/-])(?:\+\d{1,3}[ ./-]?(?:\(\d{1,5}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}"
    r"|\(\d{2,5}\)[ ./-]?\d(?:[ ./-]?\d){4,10}"
    r"|0\d{1,5}[ /-]?\d(?:[ /-]?\d){5,9}"
    r"|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w])"
)
IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3})(?![\w])"
)


def redacted(message: Message) -> Message:
    """The message as any receiver may get it. What is masked is a function of the text alone, so labels stay the same.

    The loop's name, links and keys are the operator's own and are kept.
    """
    return replace(
        message,
        alert=_alert(message.alert),
        members=tuple(_alert(member) for member in message.members),
        page=tuple(map(mask, message.page)),
        note=mask(message.note),
    )


def mask(text: str) -> str:
    """The text without what looks like a person's data, and without characters that steer a terminal.

    >>> mask("write to ann@example.org or +49 30 1234567 from 10.0.0.7, card 4111 1111 1111 1111")
    'write to [email] or [phone] from [ip], card [card]'
    >>> mask("n=8,214/7,990 from 2026-11-18 09:05:22, version 1.2.3")
    'n=8,214/7,990 from 2026-11-18 09:05:22, version 1.2.3'
    """
    text = "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else " " for c in text)
    text = EMAIL.sub("[email]", text)
    text = IP.sub(lambda found: "[ip]" if _is_ip(found[0]) else found[0], text)
    text = CARD.sub(lambda found: "[card]" if _passes_luhn(found[0]) else found[0], text)
    return PHONE.sub("[phone]", text)


def excerpt(text: str) -> str:
    """At most 240 characters of it, masked first, so that nothing is cut into a form that no mask knows."""
    text = mask(text[: 8 * EXCERPT])
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def _alert(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if key in IDENTITY else _plain(value) for key, value in alert.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        quoted = {key: excerpt(value[key]) for key in QUOTED if isinstance(value.get(key), str)}
        return {**{key: item if key in IDENTITY else _plain(item) for key, item in value.items()}, **quoted}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _passes_luhn(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
