"""Does the client of an endpoint get its answers through faults, and never ask too much, too often or elsewhere?"""

import json
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.pairwise.endpoint import AWAY_AFTER, Endpoint, EndpointAway, Limits
from judges.pairwise.endpoint_address import EndpointError, checked_key, is_loopback, request_url
from judges.pairwise.endpoint_answer import read_answer, read_error
from judges.pairwise.endpoint_exchange import ANSWER_BYTES
from judges.pairwise.judge_prompt import Question, question
from judges.pairwise.pairs import Pair
from judges.pairwise.rate_limit import Bucket
from judges.pairwise.retries import Timing, asked_seconds, back_off_seconds
from judges.pairwise.verdict import RawVerdict
from tests.judges.judge_server import Asked, JudgeServer, Reply, error, judge_server, said, sensible, with_logs

KEY = "sk-very-secret-4711"
QUESTION = question(Pair.of("p", "Which?", "apple", "pear"), "ab", b"secret")


class Time:
    """A clock that only pauses move; every pause is on record."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.pauses.append(seconds)

    @property
    def waited(self) -> float:
        return sum(self.pauses)

    def timing(self, chance: float = 1.0) -> Timing:
        return Timing(clock=lambda: self.now, wall=lambda: self.now, pause=self.pause, chance=lambda: chance)


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


def asks(server: JudgeServer, time: Time, *questions: Question, **limits: Any) -> list[RawVerdict]:
    with Endpoint(server.url, "judge", key=KEY, limits=Limits(**limits), timing=time.timing()) as endpoint:
        return [raw for _, raw in endpoint.ask(questions or [QUESTION])]


def in_turn(*replies: Reply) -> Any:
    """These replies first, then a sensible judge."""
    return lambda asked: replies[asked.number] if asked.number < len(replies) else sensible(asked)


def test_a_question_is_asked_with_deterministic_settings_and_the_key_in_its_header(
    server: JudgeServer, time: Time
) -> None:
    assert asks(server, time) == [RawVerdict("ok", "A", served="judge-1")]
    (asked,) = server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert {name: asked.body[name] for name in ("model", "temperature", "seed", "max_tokens", "logprobs")} == {
        "model": "judge",
        "temperature": 0,
        "seed": 0,
        "max_tokens": 8,
        "logprobs": True,
    }
    assert KEY not in json.dumps(asked.body)


def test_log_probabilities_are_used_where_the_endpoint_gives_them(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: with_logs("B", {"B": math.log(0.7), "A": math.log(0.2), "x": math.log(0.1)})
    (raw,) = asks(server, time)
    assert raw.letter == "B"
    assert {letter: math.exp(log) for letter, log in raw.logs.items()} == pytest.approx({"A": 0.2, "B": 0.7})


def test_the_place_of_the_verdict_is_found_behind_brackets(server: JudgeServer, time: Time) -> None:
    places = [{"token": "[[", "logprob": -0.1}, {"token": "A", "logprob": -0.3}, {"token": "]]", "logprob": -0.1}]
    server.answers = lambda _: said("[[A]]", logprobs={"content": places})
    assert asks(server, time)[0].logs == pytest.approx({"A": -0.3})


def test_plain_completions_are_asked_where_the_address_says_so(server: JudgeServer, time: Time) -> None:
    logs = {"tokens": [" A"], "token_logprobs": [-0.2], "top_logprobs": [{" A": -0.2, " B": -2.0}]}
    server.answers = lambda _: said(" A", logprobs=logs)
    server.url += "/completions"
    assert asks(server, time)[0].logs == pytest.approx({"A": -0.2, "B": -2.0})
    (asked,) = server.requests
    assert asked.path == "/v1/completions"
    assert "messages" not in asked.body


@pytest.mark.parametrize("logprobs", [None, {}, [], "x", {"content": 7}, {"content": [{}]}, {"tokens": ["A"]}])
def test_log_probabilities_that_cannot_be_read_leave_the_text_to_decide(
    server: JudgeServer, time: Time, logprobs: object
) -> None:
    server.answers = lambda _: said("A", logprobs=logprobs)
    assert asks(server, time) == [RawVerdict("ok", "A", served="judge-1")]


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again_with_growing_pauses(server: JudgeServer, time: Time, status: int) -> None:
    server.answers = in_turn(*[error(status, "busy")] * 3)
    assert asks(server, time)[0].letter == "A"
    assert len(server.requests) == 4
    assert time.waited == pytest.approx(1 + 2 + 4)


def test_a_server_that_says_how_long_is_believed(server: JudgeServer, time: Time) -> None:
    server.answers = in_turn(error(429, "rate", retry_after="20"), error(503, "x", retry_after="0"))
    assert asks(server, time)[0].letter == "A"
    assert time.waited == pytest.approx(20)


def test_a_wait_longer_than_the_patience_ends_the_question_at_once(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: error(429, "rate", retry_after="3600")
    assert asks(server, time) == [RawVerdict("error", reason="HTTP 429 rate, 1 attempts")]
    assert time.waited == 0


def test_attempts_are_limited(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: error(500, "")
    assert asks(server, time, attempts=3) == [RawVerdict("error", reason="HTTP 500, 3 attempts")]
    assert len(server.requests) == 3


def test_the_time_for_one_question_is_limited(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: error(500, "")
    asks(server, time, attempts=1000, question_seconds=100.0)
    assert 60 < time.waited <= 100


@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"not json"),
        Reply(b"{}"),
        Reply(b'{"choices": []}'),
        Reply(b'{"choices": [1]}'),
        Reply(b"[" * 10_000),
        Reply(said("A").body, cut=20),
        Reply(said("A").body, reset=True),
        Reply(b"\xff\xfe"),
    ],
)
def test_half_answers_and_dropped_connections_are_tried_again(server: JudgeServer, time: Time, fault: Reply) -> None:
    server.answers = in_turn(fault, fault)
    assert asks(server, time)[0].letter == "A"
    assert len(server.requests) == 3


def test_a_slow_answer_is_given_up_and_asked_again(server: JudgeServer, time: Time) -> None:
    server.answers = in_turn(Reply(said("A").body, seconds=30))
    assert asks(server, time, attempt_seconds=0.2)[0].letter == "A"
    assert len(server.requests) == 2


def test_an_answer_that_drips_is_given_up_when_its_time_is_over(server: JudgeServer, time: Time) -> None:
    def drip(asked: Asked) -> Reply:
        if asked.number == 0:
            time.now += 61
        return sensible(asked)

    server.answers = drip
    assert asks(server, time)[0].letter == "A"
    assert len(server.requests) == 2


def test_an_answer_too_large_is_an_error_and_is_not_read_on(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: Reply(b" " * (8 * ANSWER_BYTES) + said("A").body)
    (raw,) = asks(server, time)
    assert (raw.status, raw.reason) == ("error", "the answer has more than 1,048,576 bytes")
    assert len(server.requests) == 1


def test_a_compressed_answer_is_an_error_and_is_not_unpacked(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: Reply(said("A").body, headers={"content_encoding": "gzip"})
    assert asks(server, time)[0].status == "error"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (said("I'm sorry, I can't compare these."), "refused"),
        (said(None, message={"content": None, "refusal": "No."}), "refused"),
        (said("", finish_reason="content_filter"), "refused"),
        (error(400, "content_filter"), "refused"),
        (said(""), "unscoreable"),
        (said(None, finish_reason="length"), "unscoreable"),
        (said("Both have merits"), "unscoreable"),
        (error(400, "context_length_exceeded", "words of somebody"), "error"),
        (error(413, ""), "error"),
    ],
)
def test_what_is_no_verdict_says_why_and_is_not_asked_twice(
    server: JudgeServer, time: Time, reply: Reply, status: str
) -> None:
    server.answers = lambda _: reply
    (raw,) = asks(server, time)
    assert (raw.status, raw.letter) == (status, None)
    assert raw.reason
    assert "somebody" not in raw.reason
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_a_wrong_key_model_or_address_ends_the_run_and_the_key_is_not_repeated(
    server: JudgeServer, time: Time, status: int
) -> None:
    server.answers = lambda _: error(status, "invalid", f"your key {KEY}\x1b[2J does not exist")
    with pytest.raises(EndpointError, match="does not exist") as told:
        asks(server, time)
    assert KEY not in str(told.value)
    assert "\x1b" not in str(told.value)


def test_a_redirect_is_not_followed(server: JudgeServer, time: Time) -> None:
    with judge_server() as elsewhere:
        server.answers = lambda _: Reply(status=307, headers={"location": f"{elsewhere.url}/chat/completions"})
        with pytest.raises(EndpointError, match="redirects"):
            asks(server, time)
        assert elsewhere.requests == []


def test_an_endpoint_that_is_away_ends_the_run(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: error(503, "")
    with pytest.raises(EndpointAway, match="no answer"):
        asks(server, time, *[QUESTION] * 100, concurrency=1, attempts=2)
    assert len(server.requests) == 2 * AWAY_AFTER


def test_a_refused_connection_is_an_error_with_its_reason(server: JudgeServer, time: Time) -> None:
    with judge_server() as gone:
        pass
    (raw,) = asks(gone, time, attempts=2)
    assert (raw.status, raw.reason) == ("error", "ConnectError, 2 attempts")


@pytest.mark.parametrize(
    ("message", "left_out"),
    [
        ("logprobs is not supported", "logprobs"),
        ("unknown field `seed`", "seed"),
        (
            "use max_completion_tokens instead",
            "max_tokens",
        ),
    ],
)
def test_a_setting_that_the_server_does_not_know_is_left_out(
    server: JudgeServer, time: Time, message: str, left_out: str
) -> None:
    server.answers = lambda asked: error(400, "unsupported", message) if left_out in asked.body else sensible(asked)
    assert [raw.letter for raw in asks(server, time, *[QUESTION] * 3, concurrency=3)] == ["A"] * 3
    assert time.waited == 0
    assert server.requests[-1].body["temperature"] == 0


def test_questions_wait_for_their_turn(server: JudgeServer, time: Time) -> None:
    asks(server, time, *[QUESTION] * 31, concurrency=1, requests_per_minute=60)
    assert time.waited == pytest.approx(30, rel=0.1)


def test_tokens_are_counted_as_the_server_counts_them(server: JudgeServer, time: Time) -> None:
    server.answers = lambda _: said("A", tokens=1000)
    asks(server, time, *[QUESTION] * 11, concurrency=1, tokens_per_minute=6000)
    assert time.waited == pytest.approx(100, rel=0.1)


def test_no_more_questions_are_open_than_allowed(server: JudgeServer, time: Time) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def counting(asked: Asked) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        reply = sensible(asked)
        with lock:
            now -= 1
        return reply

    server.answers = counting
    assert len(asks(server, time, *[QUESTION] * 50, concurrency=3)) == 50
    assert most <= 3


def test_whoever_stops_listening_ends_the_asking(server: JudgeServer, time: Time) -> None:
    with Endpoint(server.url, "judge", limits=Limits(concurrency=2), timing=time.timing()) as endpoint:
        next(iter(endpoint.ask([QUESTION] * 1000)))
    assert len(server.requests) < 20


@pytest.mark.parametrize(
    "url",
    [
        "http://judge.example/v1",
        "ftp://judge.example",
        "judge.example/v1",
        "",
        "https://",
        "https://user:pass@judge.example/v1",
        "https://judge.example/v1?key=1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "http://10.0.0.1/v1",
        "https://judge.example:port/v1",
    ],
)
def test_an_address_in_the_open_or_with_secrets_is_refused(url: str) -> None:
    with pytest.raises(EndpointError) as told:
        request_url(url)
    assert "pass@" not in str(told.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert is_loopback(host)
    shown = f"[{host}]" if ":" in host else host
    assert request_url(f"http://{shown}:8000/v1") == f"http://{shown}:8000/v1/chat/completions"


@pytest.mark.parametrize("key", ["a b", "sk-ü", "sk\n\nx", "\x7f"])
def test_a_key_that_no_header_carries_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(EndpointError) as told:
        checked_key(key)
    assert key not in str(told.value)


def test_no_key_is_no_header(server: JudgeServer, time: Time) -> None:
    with Endpoint(server.url, "judge", key="  ", timing=time.timing()) as endpoint:
        list(endpoint.ask([QUESTION]))
    assert "authorization" not in server.requests[0].headers


@given(st.binary(max_size=60))
def test_no_body_breaks_the_reading(body: bytes) -> None:
    assert isinstance(read_error(body), tuple)
    with pytest.raises(ValueError, match="answer"):
        read_answer(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "tokens", "token", "logprob", "top_logprobs"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_shape_of_log_probabilities_breaks_the_reading(logprobs: object) -> None:
    verdict = read_answer(said("A", logprobs=logprobs).body.replace(b"NaN", b"null").replace(b"Infinity", b"9")).verdict
    assert verdict.letter == "A" or verdict.status == "unscoreable"


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_pause_is_bounded_however_many_attempts(attempts: int, chance: float) -> None:
    assert 0 <= back_off_seconds(attempts, chance) <= 60


@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_reading(header: str) -> None:
    seconds = asked_seconds(header, 0.0)
    assert seconds is None or seconds >= 0


@given(st.lists(st.floats(1, 500), min_size=1, max_size=50))
def test_a_bucket_lets_out_no_more_than_flows_in(amounts: list[float]) -> None:
    time = Time()
    bucket = Bucket(600, lambda: time.now)
    start = time.now
    for amount in amounts:
        while seconds := bucket.take(amount):
            time.pause(seconds)
    assert sum(amounts[:-1]) <= 10 * (time.now - start) + 10 + 1e-6
