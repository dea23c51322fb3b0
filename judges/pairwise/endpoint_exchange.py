"""What comes of one attempt at one question? A verdict, a reason to try again, or the end of the run.

Redirects are not followed, environment proxies are not used, answers are bounded in size and time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from judges.pairwise.endpoint_address import CHAT, KEY_VARIABLE, EndpointError
from judges.pairwise.endpoint_answer import Answer, read_answer, read_error
from judges.pairwise.judge_prompt import Question
from judges.pairwise.retries import Timing, asked_seconds, is_passing
from judges.pairwise.verdict import RawVerdict

ANSWER_BYTES = 1 << 20
ANSWER_TOKENS = 8
LIKELY_TOKENS = 5  # log-probabilities asked for; some servers give no more
SEED = 0
_WRONG_CALL = frozenset({401, 402, 403, 404, 405})


class Again(NamedTuple):
    """The attempt failed in a way that may pass. asked_seconds: how long the server asks to wait, if it does."""

    reason: str
    asked_seconds: float | None = None


class Exchange:
    """Requests to one address. key: bearer token, None for none; it goes into one header and no message repeats it.

    attempt_seconds: for one attempt, however slowly the bytes drip.
    """

    def __init__(
        self, url: str, model: str, key: str | None, timing: Timing, attempt_seconds: float, connections: int
    ) -> None:
        self.url = url
        self._model, self._key, self._timing, self._seconds = model, key, timing, attempt_seconds
        self._settings = asked_settings(url)
        self._client = httpx.Client(
            timeout=attempt_seconds,
            limits=httpx.Limits(max_connections=connections),
            headers={"accept-encoding": "identity", **({"authorization": f"Bearer {key}"} if key else {})},
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def attempt(self, question: Question, stopped: Callable[[], bool]) -> Answer | Again:
        """Ask once. Raises EndpointError when the endpoint would refuse every question as it refuses this one."""
        ends = self._timing.clock() + self._seconds
        settings = self._settings
        try:
            with self._client.stream("POST", self.url, json=self._body(question, settings)) as response:
                body = self._read(response, lambda: stopped() or self._timing.clock() > ends)
        except httpx.TransportError as fault:
            return Again(type(fault).__name__)
        if not isinstance(body, bytes):
            return body
        if not response.is_success:
            return self._refused(response, body, settings)
        try:
            return read_answer(body)
        except ValueError as fault:
            return Again(str(fault))

    def _read(self, response: httpx.Response, is_over: Callable[[], bool]) -> bytes | Answer | Again:
        """The body, if it is there in time and not too large."""
        if response.headers.get("content-encoding", "identity") != "identity":
            return _failed("the answer is compressed, which was not asked for")
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > ANSWER_BYTES:
                return _failed(f"the answer has more than {ANSWER_BYTES:,} bytes")
            if is_over():
                return Again(f"no whole answer within {self._seconds:g} s")
        return bytes(body)

    def _refused(self, response: httpx.Response, body: bytes, settings: dict[str, Any]) -> Answer | Again:
        """What an HTTP status other than 2xx means for this question, or for all of them."""
        status = response.status_code
        name, message = read_error(body)
        said = f"HTTP {status} {name}".rstrip()
        if is_passing(status):
            return Again(said, asked_seconds(response.headers.get("retry-after"), self._timing.wall()))
        if response.is_redirect:
            raise EndpointError(f"{self.url} redirects, and redirects are not followed; give the final --endpoint")
        if status in _WRONG_CALL:
            told = f"{said} {self._without_key(message)[:200]}".rstrip()
            raise EndpointError(f"{self.url} refuses: {told}; see --endpoint, --model and {KEY_VARIABLE}")
        if "content_filter" in name:
            return Answer(RawVerdict("refused", reason=said), None)
        if status in (400, 422) and (adapted := _without_unknown(settings, message)) is not None:
            self._settings = adapted  # threads may each leave out something else: the next refusal puts that right
            return Again(said, 0.0)
        return _failed(said)

    def _body(self, question: Question, settings: dict[str, Any]) -> dict[str, Any]:
        common = {"model": self._model, **settings}
        if not self.url.endswith(CHAT):
            return {**common, "prompt": f"{question.system}\n\n{question.user}\n\nVerdict:"}
        roles = (("system", question.system), ("user", question.user))
        return {**common, "messages": [{"role": role, "content": content} for role, content in roles]}

    def _without_key(self, text: str) -> str:
        plain = text if self._key is None else text.replace(self._key, "***")
        return "".join(filter(str.isprintable, plain))


def asked_settings(url: str) -> dict[str, Any]:
    """The deterministic settings that are asked for; log-probabilities and seed where the server knows them."""
    chat = url.endswith(CHAT)
    likely: dict[str, Any] = {"logprobs": True, "top_logprobs": LIKELY_TOKENS} if chat else {"logprobs": LIKELY_TOKENS}
    return {"temperature": 0, "seed": SEED, "max_tokens": ANSWER_TOKENS, **likely}


def _without_unknown(settings: dict[str, Any], message: str) -> dict[str, Any] | None:
    """The settings without what the server says it does not know; None if it names nothing that can be left out."""
    if "logprobs" in message and "logprobs" in settings:
        return {name: value for name, value in settings.items() if name not in ("logprobs", "top_logprobs")}
    if "max_completion_tokens" in message and "max_tokens" in settings:
        kept = {name: value for name, value in settings.items() if name != "max_tokens"}
        return {**kept, "max_completion_tokens": ANSWER_TOKENS}
    if "seed" in message and "seed" in settings:
        return {name: value for name, value in settings.items() if name != "seed"}
    return None


def _failed(reason: str) -> Answer:
    return Answer(RawVerdict("error", reason=reason), None)
