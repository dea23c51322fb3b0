"""Places that alerts go to, as real HTTP servers on loopback: they answer as scripted and remember what they got."""

import json
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Step = int | str | tuple[int | str, Mapping[str, str]]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Sink:
    """One receiver's server. script: what it does with the next requests, `otherwise` when that is over.

    A step is a status, with headers if need be, or a misbehaviour: "hang" answers nothing, "endless" a body without
    end, "drip" headers byte by byte, "reset" cuts the connection. "held" answers 200 once `release` is set.
    """

    answer: int = 200
    body: bytes = b""
    script: list[Step] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    names: list[str] = field(default_factory=list)  # that TLS clients asked for

    def json(self) -> list[Any]:
        return [request.json() for request in self.requests]

    def step(self) -> tuple[int | str, Mapping[str, str]]:
        step = self.script.pop(0) if self.script else self.answer
        return step if isinstance(step, tuple) else (step, {})


class _Handler(BaseHTTPRequestHandler):
    sink: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.sink.requests.append(Request(self.command, self.path, headers, body))
        self.sink.came.set()
        status, more = self.sink.step()
        if status == "hang":
            self.sink.release.wait()
            self.close_connection = True
        elif status == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif status == "drip":
            self._write_until_released(b"HTTP/1.1 200 OK\r\n", b"x-drip: y\r\n")
        else:
            if status == "held":
                self.sink.release.wait()
            self._answer(status if isinstance(status, int) else 200, more, endless=status == "endless")

    do_GET = do_POST

    def _answer(self, status: int, headers: Mapping[str, str], *, endless: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.sink.body)
        if endless:
            self._write_until_released(b"", b"x" * 4096)

    def _write_until_released(self, first: bytes, more: bytes) -> None:
        self.close_connection = True
        try:
            self.wfile.write(first)
            while not self.sink.release.wait(0.02):
                self.wfile.write(more)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        pass

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def sink(answer: int = 200, script: Sequence[Step] = (), tls: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """A running server; with `tls` it speaks TLS and remembers which names were asked for."""
    made = Sink(answer, script=list(script))
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"sink": made}))
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: made.names.append(str(name))
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def listener() -> Iterator[tuple[int, Callable[[], int]]]:
    """A port on every address of this host, IPv4 and IPv6, and how many connections it got."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        listening.setblocking(False)
        count = [0]

        def connections() -> int:
            while True:
                try:
                    connection, _ = listening.accept()
                except BlockingIOError:
                    return count[0]
                connection.close()
                count[0] += 1

        yield listening.getsockname()[1], connections


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for a name, signed by itself: what a server shows, and what a client needs to trust it."""
    key, shown = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(shown), "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(shown, key)
    return server, ssl.create_default_context(cafile=str(shown))
