"""A real HTTP server that answers as a judge would, or as a broken one does: a function of what is asked."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from judges.pairwise.judge_canaries import CANARIES, known_bad


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it. number: how many came before it."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All that a model would read."""
        return self.body.get("prompt") or "\n".join(message["content"] for message in self.body["messages"])

    @property
    def fence(self) -> str:
        found = re.search(r"carry the code (\w+)", self.text)
        assert found
        return found[1]

    def fenced(self, name: str) -> str:
        """What stands between the true markers of "request", "answer A" or "answer B"."""
        found = re.search(rf"\[{name} {self.fence}\]\n(.*)\n\[end of {name} {self.fence}\]", self.text, re.DOTALL)
        assert found
        return found[1]


@dataclass(frozen=True)
class Reply:
    """What goes over the wire. cut: bytes of the body that are sent of those announced. seconds: to wait before.

    reset: end the connection with a reset instead.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    seconds: float = 0.0
    reset: bool = False


def said(text: str | None, *, model: str | None = "judge-1", tokens: int = 100, **choice: Any) -> Reply:
    """A chat completion and a completion in one, as no server sends it and every client reads it."""
    choices = [{"message": {"role": "assistant", "content": text}, "text": text, "finish_reason": "stop", **choice}]
    return Reply(json.dumps({"choices": choices, "model": model, "usage": {"total_tokens": tokens}}).encode())


def with_logs(text: str, logs: Mapping[str, float]) -> Reply:
    """The same with log-probabilities at its one token."""
    top = [{"token": token, "logprob": log} for token, log in logs.items()]
    place = {"token": text, "logprob": logs[text], "top_logprobs": top}
    return said(text, logprobs={"content": [place]})


def error(status: int, code: str, message: str = "", **headers: str) -> Reply:
    return Reply(json.dumps({"error": {"code": code, "message": message}}).encode(), status, headers)


def sensible(asked: Asked) -> Reply:
    """A judge that knows the canaries, and otherwise prefers the answer that comes first in the alphabet."""
    first, second = asked.fenced("answer A"), asked.fenced("answer B")
    if (canary := canary_asked(asked)) is not None:
        return said(canary)
    return said("C" if first == second else "A" if first < second else "B")


def canary_asked(asked: Asked) -> str | None:
    """The letter of the good answer if this is a canary, else None."""
    shown = (asked.fenced("answer A"), asked.fenced("answer B"))
    for pair in CANARIES:
        for order in ("ab", "ba"):
            if pair.shown(order) == shown:
                bad_first = (known_bad(pair) == "a") == (order == "ab")
                return "B" if bad_first else "A"
    return None


class JudgeServer:
    """requests: all that were seen, in order of arrival. answers: may be exchanged at any time."""

    def __init__(self, answers: Callable[[Asked], Reply]) -> None:
        self.answers = answers
        self.requests: list[Asked] = []
        self.lock = threading.Lock()
        self.url = ""

    @property
    def pairs_asked(self) -> list[Asked]:
        """Requests that were no canaries."""
        return [asked for asked in self.requests if canary_asked(asked) is None]


@contextmanager
def judge_server(answers: Callable[[Asked], Reply] = sensible) -> Iterator[JudgeServer]:
    """A judge on a free port of this machine. `url` ends in /v1."""
    seen = JudgeServer(answers)

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with seen.lock:
                asked = Asked(len(seen.requests), self.path, dict(self.headers.items()), body)
                seen.requests.append(asked)
            self._send(seen.answers(asked))

        do_GET = do_POST

        def _send(self, reply: Reply) -> None:
            if reply.seconds:
                stopped.wait(reply.seconds)
            if reply.reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            self.close_connection = reply.cut is not None

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    stopped = threading.Event()
    with Server(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        seen.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield seen
        finally:
            stopped.set()
            server.shutdown()
            thread.join()
