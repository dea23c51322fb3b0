"""What did the endpoint answer? The body of a chat completion or a completion, read as a verdict."""

import re
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from judges.pairwise.judge_prompt import LETTERS
from judges.pairwise.verdict import RawVerdict, spoken

_NAME_CHARACTERS = 200


class _Message(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Usage(Struct):
    total_tokens: int | None = None


class _Body(Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _Usage | None = None


class _Error(Struct):
    code: str | int | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None


class _Refusal(Struct):
    error: _Error | str | None = None


class Answer(NamedTuple):
    """A verdict, and the tokens that it cost, None if the server does not say."""

    verdict: RawVerdict
    tokens: int | None


def read_answer(body: bytes) -> Answer:
    """What the body says. Raises ValueError when it is no completion."""
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("the answer is no completion in JSON") from None
    if not decoded.choices:
        raise ValueError("the answer holds no choice")
    tokens = decoded.usage.total_tokens if decoded.usage else None
    return Answer(_verdict(decoded.choices[0], _name(decoded.model)), tokens)


def read_error(body: bytes) -> tuple[str, str]:
    """(short name of an error, its message) of a body that is not 2xx; both may be empty."""
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    if not isinstance(error, _Error):
        return "", error or ""
    names = [str(name) for name in (error.code, error.type) if name]
    short = re.sub(r"[^\w.-]", "", names[0])[:64] if names else ""
    return short, f"{error.param or ''} {error.message or ''}".strip()


def _verdict(choice: _Choice, served: str | None) -> RawVerdict:
    text = choice.message.content if choice.message else choice.text
    if (choice.message and choice.message.refusal) or choice.finish_reason == "content_filter":
        return RawVerdict("refused", reason="the judge declined to compare", served=served)
    if not text or not text.strip():
        cut = " before it was cut off" if choice.finish_reason == "length" else ""
        return RawVerdict("unscoreable", reason=f"the judge said nothing{cut}", served=served)
    return spoken(text, _at_the_verdict(choice.logprobs), served)


def _at_the_verdict(logprobs: Any) -> dict[str, float] | None:
    """Log-probability of each likely token where the first letter was spoken; None if they cannot be read."""
    try:
        positions = _chat_positions(logprobs) if "content" in logprobs else _plain_positions(logprobs)
        return next((logs for token, logs in positions if token.strip() in LETTERS), None)
    except (TypeError, KeyError, IndexError, AttributeError, ValueError):
        return None


def _chat_positions(logprobs: Any) -> list[tuple[str, dict[str, float]]]:
    return [
        (place["token"], {one["token"]: float(one["logprob"]) for one in [*(place.get("top_logprobs") or []), place]})
        for place in logprobs["content"]
    ]


def _plain_positions(logprobs: Any) -> list[tuple[str, dict[str, float]]]:
    columns = zip(logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True)
    return [(token, {**likely, token: float(log)}) for token, log, likely in columns]


def _name(model: str | None) -> str | None:
    """A model's name as a database and a terminal can hold it."""
    return "".join(filter(str.isprintable, model))[:_NAME_CHARACTERS] or None if model else None
