"""How is a judge behind an OpenAI-compatible endpoint asked? Patiently, within limits, several questions at a time."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Self

from judges.pairwise.endpoint_address import checked_key, request_url
from judges.pairwise.endpoint_answer import Answer
from judges.pairwise.endpoint_exchange import ANSWER_TOKENS, Again, Exchange, asked_settings
from judges.pairwise.judge_prompt import PROMPT_SHA256, Question
from judges.pairwise.rate_limit import Bucket
from judges.pairwise.retries import Timing, back_off_seconds
from judges.pairwise.verdict import VERSION, RawVerdict

AWAY_AFTER = 6  # questions in a row that no attempt got through
CHARACTERS_PER_TOKEN = 4  # a guess, corrected by what the server counts
SLICE_SECONDS = 0.5  # how long a request to stop may go unnoticed while waiting


class EndpointAway(ConnectionError):  # noqa: N818 - a noun of the domain
    """The endpoint does not answer. What it answered before is stored; the same command goes on from there."""


class _Stopped(Exception):  # noqa: N818 - a noun of the domain
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Limits:
    """How hard an endpoint may be pressed, and how long one question may take. None: no limit."""

    concurrency: int = 4
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 6
    attempt_seconds: float = 60.0
    question_seconds: float = 300.0


class Endpoint:
    """A judge over HTTP. url: as of `request_url`. model: the name the endpoint knows it by. key: bearer token.

    Use it in a `with`, which closes the connections. Raises EndpointError for an address or key that cannot be used.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        limits: Limits | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.url, self.model = request_url(url), model
        self._limits, self._timing = limits or Limits(), timing or Timing()
        self._requests = Bucket(self._limits.requests_per_minute, self._timing.clock)
        self._tokens = Bucket(self._limits.tokens_per_minute, self._timing.clock)
        seconds, connections = self._limits.attempt_seconds, self._limits.concurrency
        self._exchange = Exchange(self.url, model, checked_key(key), self._timing, seconds, connections)
        self._lock = threading.Lock()
        self._unreached = 0
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.close()

    @property
    def spec(self) -> Mapping[str, object]:
        """All that the answers depend on, but for the model that the server says answered."""
        return {
            "judge": "endpoint",
            "url": self.url,
            "model": self.model,
            "prompt_sha256": PROMPT_SHA256,
            "verdicts": VERSION,
            **asked_settings(self.url),
        }

    def ask(self, questions: Sequence[Question]) -> Iterator[tuple[Question, RawVerdict]]:
        """Each question with its answer, in the order of completion.

        Raises EndpointError when the endpoint refuses every question (key, model, address), EndpointAway when it
        cannot be reached.
        """
        left = iter(questions)
        self._stop.clear()
        with ThreadPoolExecutor(self._limits.concurrency, "judge") as pool:
            asked = {pool.submit(self._ask, one) for one in islice(left, self._limits.concurrency)}
            try:
                while asked:
                    answered, asked = wait(asked, return_when=FIRST_COMPLETED)
                    asked |= {pool.submit(self._ask, one) for one in islice(left, len(answered))}
                    yield from map(Future.result, answered)
            finally:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, question: Question) -> tuple[Question, RawVerdict]:
        """Attempts until there is an answer, or none may be hoped for."""
        self._wait_for_turn(question)
        until = self._timing.clock() + self._limits.question_seconds
        attempts = 0
        while True:
            attempts += 1
            came = self._exchange.attempt(question, self._stop.is_set)
            if isinstance(came, Answer):
                return question, self._got_through(question, came)
            jitter = back_off_seconds(attempts, self._timing.chance())
            seconds = jitter if came.asked_seconds is None else came.asked_seconds
            if attempts == self._limits.attempts or self._timing.clock() + seconds > until:
                return question, self._gave_up(came, attempts)
            self._pause(seconds)
            self._wait_for_turn(question)

    def _got_through(self, question: Question, came: Answer) -> RawVerdict:
        with self._lock:
            self._unreached = 0
        if came.tokens is not None:
            self._tokens.correct(came.tokens - _tokens(question))
        return came.verdict

    def _gave_up(self, came: Again, attempts: int) -> RawVerdict:
        with self._lock:
            self._unreached += 1
            if self._unreached >= AWAY_AFTER:
                raise EndpointAway(
                    f"{self.url}: {self._unreached} questions in a row got no answer, the last after {attempts}"
                    f" attempts ({came.reason}); what it answered before is stored, and the same command goes on there"
                )
        return RawVerdict("error", reason=f"{came.reason}, {attempts} attempts")

    def _wait_for_turn(self, question: Question) -> None:
        while seconds := self._requests.take(1):
            self._pause(seconds)
        while seconds := self._tokens.take(_tokens(question)):
            self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._stop.is_set():
            self._timing.pause(min(seconds, SLICE_SECONDS))
            seconds -= SLICE_SECONDS
        if self._stop.is_set():
            raise _Stopped


def _tokens(question: Question) -> int:
    return len(question.text) // CHARACTERS_PER_TOKEN + ANSWER_TOKENS
