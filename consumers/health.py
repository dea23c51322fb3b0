"""Is this reader alive, and does it get anywhere? Answered over HTTP for supervisors and for Prometheus.

Whoever can reach the port can read the answers: there is no login. They hold names of topics, counts and times, and no
word of any event.
"""

import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, NamedTuple

from consumers.flood import FloodHalted
from consumers.kafka import Polled

log = logging.getLogger(__name__)

ALIVE_SECONDS = 120.0  # longer than any database statement may take that is not an outage
FETCH_SECONDS = 60.0


class Address(NamedTuple):
    """Where to listen. port: 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """HOST:PORT or [IPV6]:PORT, with the host written out, so that nobody is listened to by oversight.

    Raises ValueError that says what to write.

    >>> parse_address("127.0.0.1:9464")
    Address(host='127.0.0.1', port=9464)
    """
    host, _, port = text.rpartition(":")
    try:
        address = Address(str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), int(port))
        if not 0 <= address.port < 1 << 16:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{text}: write an IP address and a port, as 127.0.0.1:9464; 0.0.0.0:9464 lets every machine that reaches"
            " this one read it, for there is no login"
        ) from None
    return address


class Health:
    """What is known of the loop. Written by the loop, read by the server's threads. clock: seconds, never set back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turned_at = self._fetched_at = clock()
        self._fetched: float | None = None
        self._partitions = self._unread = 0
        self._waiting: str | None = None
        self._flood: str | None = None

    def polled(self, polled: Polled) -> None:
        """The loop turned."""
        self._turned_at = self._clock()
        self._partitions = len(polled.partitions)
        self._unread = sum(one.lag is None for one in polled.partitions)
        if polled.fetched_at != self._fetched:
            self._fetched, self._fetched_at = polled.fetched_at, self._clock()

    def waiting(self, said: str | None) -> None:
        """The loop waits for the database, which said this; None: it goes on."""
        self._turned_at = self._clock()
        self._waiting = said

    def flooded(self, flood: FloodHalted) -> None:
        """The loop ends, because too much was rejected."""
        self._flood = str(flood)

    def is_alive(self) -> bool:
        """True if the loop turned lately, or is known to wait for the database."""
        return self._waiting is not None or self._clock() - self._turned_at < ALIVE_SECONDS

    def reasons(self) -> list[str]:
        """Why nothing gets into the store now; empty if it does, or would."""
        return list(self._reasons())

    def _reasons(self) -> Iterator[str]:
        if self._flood is not None:
            yield self._flood
        if self._waiting is not None:
            yield f"the database is away: {self._waiting}"
        if self._fetched is None:
            yield "no broker has answered a fetch yet"
        elif (age := self._clock() - self._fetched_at) >= FETCH_SECONDS:
            yield f"no broker has answered for {age:.0f} s"
        if not self._partitions:
            yield "no partition is assigned to this reader"
        if self._unread:
            yield f"{self._unread} of {self._partitions} partitions cannot be read: not fetched yet, or no such topic"
        if not self.is_alive():
            yield f"the loop has not turned for {self._clock() - self._turned_at:.0f} s"


@contextmanager
def serving(address: Address, health: Health, metrics: Callable[[], bytes]) -> Iterator[Address]:
    """Answer /metrics, /healthz and /readyz in threads of their own; gives the address with the port that was bound.

    Raises OSError if the address cannot be had.
    """

    class Bound(_Answers):
        pages: ClassVar = {
            "/metrics": lambda: (200, "text/plain; version=0.0.4; charset=utf-8", metrics()),
            "/healthz": lambda: _verdict([] if health.is_alive() else health.reasons()),
            "/readyz": lambda: _verdict(health.reasons()),
        }

    kind = _ServerV6 if ":" in address.host else _Server
    with kind((address.host, address.port), Bound) as server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield Address(address.host, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


Answer = tuple[int, str, bytes]


def _verdict(reasons: list[str]) -> Answer:
    body = {"ok": not reasons, "reasons": reasons}
    return 503 if reasons else 200, "application/json", json.dumps(body).encode() + b"\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours."""
        log.info("a request could not be answered", exc_info=True)


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Answers(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, Callable[[], Answer]]]
    timeout = 5  # seconds that one client may keep a thread waiting
    server_version = "reward-drift"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            self._send((404, "application/json", json.dumps({"pages": sorted(self.pages)}).encode() + b"\n"))
        else:
            self._send(page())

    def _send(self, answer: Answer) -> None:
        status, kind, body = answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a path may hold anything."""
