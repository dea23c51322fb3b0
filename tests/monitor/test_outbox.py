"""Does every alert reach its receiver at least once, under one key, through a real local HTTP server?"""

import datetime as dt
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from consumers.database import writing
from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.oncall.outbox import FIRST_RETRY, LAST_RETRY, Delivered, deliver, enqueue
from monitor.oncall.receivers.port import DeliveryFailed, Receiver
from monitor.oncall.receivers.stdout import StdoutReceiver
from monitor.oncall.receivers.webhook import WebhookReceiver
from tests.monitor.events import START, in_memory
from tests.monitor.live import query
from tests.sample_reports import gamed_report

NOW = START
ALERT = gamed_report().alerts[0]
SECRET = "s3cret"


class Endpoint:
    """Answers as scripted: a status with headers, or the name of a misbehaviour; 200 when the script is over."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []
        self.release = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.requests.append((self.path, dict(self.headers.items()), body))
                endpoint.answer(self)

            def do_GET(self) -> None:
                endpoint.requests.append(("GET " + self.path, {}, b""))
                endpoint.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        step = self.script.pop(0) if self.script else 200
        if step == "hang":
            self.release.wait()
            return
        status, headers = step if isinstance(step, tuple) else (step, {})
        handler.send_response(200 if status == "endless" else status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        while status == "endless" and not self.release.is_set():
            try:
                handler.wfile.write(b"x" * 4096)
            except OSError:
                return

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def store() -> Iterator[EventStore]:
    with in_memory() as store:
        MonitorState(store.engine)
        yield store


def enqueued(store: EventStore, *receivers: str, key: str = "abc:1") -> None:
    with writing(store.engine) as connection:
        enqueue(connection, key, ALERT, receivers, NOW)


def delivered(
    store: EventStore, receivers: Mapping[str, Receiver], now: dt.datetime = NOW
) -> tuple[Delivered, list[str]]:
    told: list[str] = []
    return deliver(store.engine, receivers, now, told.append), told


def webhook(endpoint: Endpoint, **more: Any) -> dict[str, Receiver]:
    return {"hook": WebhookReceiver(endpoint.url, SECRET, clock=lambda: 1_767_225_600.5, **more)}


def test_an_alert_is_posted_as_a_signed_cloud_event(store: EventStore, endpoint: Endpoint) -> None:
    enqueued(store, "hook")
    assert delivered(store, webhook(endpoint)) == (Delivered(1, 0), [])
    ((path, headers, body),) = endpoint.requests
    assert path == "/alerts"
    assert headers["content-type"] == "application/cloudevents+json"
    stamp, signature = (part.partition("=")[2] for part in headers["X-RewardDrift-Signature"].split(","))
    assert stamp == "1767225600"
    assert signature == hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["specversion"], event["type"]) == ("1.0", "rewarddrift.alert.v1")
    assert event["data"]["dedup_key"] == "abc:1"
    assert event["data"]["alert"]["severity"] == ALERT.severity


def test_without_a_secret_there_is_no_signature(store: EventStore, endpoint: Endpoint) -> None:
    enqueued(store, "hook")
    delivered(store, {"hook": WebhookReceiver(endpoint.url, None)})
    assert "X-RewardDrift-Signature" not in endpoint.requests[0][1]


def test_a_failure_is_retried_after_a_wait_with_the_same_event(store: EventStore, endpoint: Endpoint) -> None:
    enqueued(store, "hook")
    endpoint.script = [500]
    result, told = delivered(store, webhook(endpoint))
    assert result == Delivered(0, 1)
    assert told == ["alert not delivered to hook: HTTP 500; tried 1 times, will retry"]
    assert delivered(store, webhook(endpoint), NOW + FIRST_RETRY / 2)[0] == Delivered(0, 0)
    assert delivered(store, webhook(endpoint), NOW + FIRST_RETRY)[0] == Delivered(1, 0)
    assert delivered(store, webhook(endpoint), NOW + dt.timedelta(days=9))[0] == Delivered(0, 0)
    first, second = (json.loads(body) for _, _, body in endpoint.requests)
    assert first == second
    assert query(store, "SELECT attempts, last_error FROM outbox") == [(2, None)]


def test_waits_double_up_to_an_hour(store: EventStore, endpoint: Endpoint) -> None:
    enqueued(store, "hook")
    endpoint.script, now, waits = [503] * 12, NOW, []
    for _ in range(12):
        delivered(store, webhook(endpoint), now)
        ((due,),) = query(store, "SELECT next_attempt_us FROM outbox")
        due_at = dt.datetime.fromtimestamp(due / 1e6, dt.UTC)
        waits.append(due_at - now)
        now = due_at
    assert waits[:4] == [FIRST_RETRY * 2**n for n in range(4)]
    assert waits[-1] == LAST_RETRY


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("120", dt.timedelta(minutes=2)),
        ("1", FIRST_RETRY),
        ("999999", LAST_RETRY),
        ("soon", FIRST_RETRY),
        ("-5", FIRST_RETRY),
        ("Wed, 21 Oct 2026 07:28:00 GMT", FIRST_RETRY),
    ],
)
def test_retry_after_is_honoured_within_reason(
    store: EventStore, endpoint: Endpoint, asked: str, wait: dt.timedelta
) -> None:
    enqueued(store, "hook")
    endpoint.script = [(429, {"Retry-After": asked})]
    delivered(store, webhook(endpoint))
    assert delivered(store, webhook(endpoint), NOW + wait - dt.timedelta(seconds=1))[0] == Delivered(0, 0)
    assert delivered(store, webhook(endpoint), NOW + wait)[0] == Delivered(1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused(store: EventStore, endpoint: Endpoint, status: int) -> None:
    enqueued(store, "hook")
    endpoint.script = [(status, {"Location": endpoint.url + "/elsewhere"})]
    result, told = delivered(store, webhook(endpoint))
    assert result == Delivered(0, 1)
    assert f"HTTP {status}" in told[0]
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_hangs_fails_in_time_and_others_are_served(store: EventStore, endpoint: Endpoint) -> None:
    calm = Endpoint()
    try:
        enqueued(store, "hook", "calm")
        endpoint.script = ["hang"]
        receivers = {**webhook(endpoint, timeout_seconds=0.2), "calm": WebhookReceiver(calm.url, None)}
        result, told = delivered(store, receivers)
    finally:
        calm.close()
    assert result == Delivered(1, 1)
    assert "ReadTimeout" in told[0]
    assert len(calm.requests) == 1


def test_an_answer_without_end_holds_nothing_up(store: EventStore, endpoint: Endpoint) -> None:
    enqueued(store, "hook")
    endpoint.script = [("endless", {})]
    assert delivered(store, webhook(endpoint))[0] == Delivered(1, 0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody", "http://", "ftp://x/y", "not a url", "http://[::1"])
def test_an_endpoint_that_cannot_be_reached_is_a_failed_delivery(store: EventStore, url: str) -> None:
    enqueued(store, "hook")
    assert delivered(store, {"hook": WebhookReceiver(url, None)})[0] == Delivered(0, 1)


def test_the_environment_does_not_redirect_alerts(
    store: EventStore, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    enqueued(store, "hook")
    assert delivered(store, webhook(endpoint))[0] == Delivered(1, 0)


class Failing:
    def send(self, message: Mapping[str, Any]) -> None:
        raise DeliveryFailed("nobody home")


class Crashing:
    """The process ends right after the receiver took the alert."""

    def __init__(self) -> None:
        self.taken: list[Mapping[str, Any]] = []

    def send(self, message: Mapping[str, Any]) -> None:
        self.taken.append(message)
        if len(self.taken) == 1:
            raise KeyboardInterrupt


def test_one_receiver_that_fails_does_not_hold_up_another(
    store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    enqueued(store, "broken", "stdout")
    assert delivered(store, {"broken": Failing(), "stdout": StdoutReceiver()})[0] == Delivered(1, 1)
    assert json.loads(capsys.readouterr().out)["dedup_key"] == "abc:1"


def test_a_crash_after_the_receiver_took_it_sends_again_under_the_same_key(store: EventStore) -> None:
    enqueued(store, "r")
    receiver = Crashing()
    with pytest.raises(KeyboardInterrupt):
        delivered(store, {"r": receiver})
    assert delivered(store, {"r": receiver})[0] == Delivered(1, 0)
    assert receiver.taken[0] == receiver.taken[1]


def test_what_is_for_an_absent_receiver_waits(store: EventStore) -> None:
    enqueued(store, "later")
    assert delivered(store, {})[0] == Delivered(0, 0)
    assert query(store, "SELECT attempts, sent_us FROM outbox") == [(0, None)]
