"""How is something POSTed to a URL from a settings file without reaching where it must not?

https only (http to this host alone, where a person allowed it). The host is resolved once, every address is checked,
and exactly a checked one is dialled, with the name kept for TLS and the Host header. Redirects are not followed,
proxies of the environment are not used, nothing of the answer but its status and Retry-After is read.
"""

import datetime as dt
import email.utils
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import httpcore
import httpx

from monitor.oncall.receivers.addresses import why_forbidden
from monitor.oncall.receivers.port import DeliveryFailed

TIMEOUT_SECONDS = 10.0
LONGEST_WAIT = dt.timedelta(hours=1)
PIECE = 16_384
FINAL = (400, 413, 422)  # about this message; others may end when somebody mends the receiver

T = TypeVar("T")
Resolve = Callable[[str, int], Sequence[str]]


def resolve_host(host: str, port: int) -> list[str]:
    """Every address of a name, as the system resolves it; odd forms such as 0x7f000001 become what they mean."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises, or TimeoutError after so many seconds; it is then left behind in its thread."""
    done: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((call(), None))
        except Exception as fault:
            done.put((None, fault))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, fault = done.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError from None
    if fault is not None:
        raise fault
    return result  # type: ignore[return-value]


def checked_addresses(
    host: str, port: int, *, encrypted: bool, allow_private: bool, seconds: float, resolve: Resolve = resolve_host
) -> list[str]:
    """The addresses of a host, resolved once, all of which may be dialled. Raises DeliveryFailed."""
    try:
        addresses = within(seconds, lambda: list(resolve(host, port)))
    except (OSError, UnicodeError) as fault:
        raise DeliveryFailed(f"its host cannot be resolved: {type(fault).__name__}") from None
    for address in addresses:
        if why := why_forbidden(address, allow_private=allow_private, encrypted=encrypted):
            raise DeliveryFailed(f"its host is {address}: {why}")
    if not addresses:
        raise DeliveryFailed("its host has no address")
    return addresses


class Endpoint:
    """One URL that messages are POSTed to. It is a secret, and stands in no message.

    timeout_seconds: from the first step to the status of the answer, all together. tls: whom to trust, default the
    system's authorities.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_private: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self.allow_private, self.timeout_seconds = url, allow_private, timeout_seconds
        self.resolve, self.tls = resolve, tls

    def url(self) -> httpx.URL:
        """The URL, if it may be used at all. Raises DeliveryFailed."""
        try:
            url = httpx.URL(self._url)
        except (httpx.InvalidURL, ValueError):
            raise DeliveryFailed("its URL cannot be read") from None
        if not url.host or url.userinfo or (url.port is not None and not 0 < url.port < 1 << 16):
            raise DeliveryFailed("its URL has no host, no port that exists, or a password before the host")
        if url.scheme != "https" and not (url.scheme == "http" and self.allow_private):
            raise DeliveryFailed("its URL is not https:// (http:// is for this host, with allow_private)")
        return url

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raises DeliveryFailed unless the endpoint answers 2xx in time."""
        url, deadline = self.url(), time.monotonic() + self.timeout_seconds
        dialling = _Dialling(self, encrypted=url.scheme == "https", deadline=deadline)
        sent = [("host", url.netloc.decode()), ("content-length", str(len(body))), *headers.items()]
        where = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            with (
                httpcore.ConnectionPool(self.tls, network_backend=dialling) as pool,
                pool.stream("POST", where, headers=sent, content=body) as answer,
            ):
                status, told = answer.status, {name.lower(): value for name, value in answer.headers}
        except (httpcore.ConnectError, httpcore.TimeoutException) as fault:
            raise DeliveryFailed(f"{type(fault).__name__}: {fault}".rstrip(": ")) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as fault:
            raise DeliveryFailed(type(fault).__name__) from None  # its text may quote the answer
        if not 200 <= status < 300:
            raise DeliveryFailed(f"HTTP {status}", retry_after(told.get(b"retry-after", b"")), final=status in FINAL)


def retry_after(asked: bytes, now: Callable[[], float] = time.time) -> dt.timedelta:
    """How long a receiver asked us to wait, in seconds or as a date: at most an hour, nothing if it makes no sense.

    >>> retry_after(b"120"), retry_after(b"Thu, 01 Jan 1970 00:01:00 GMT", lambda: 0.0), retry_after(b"soon")
    (datetime.timedelta(seconds=120), datetime.timedelta(seconds=60), datetime.timedelta(0))
    """
    text = asked.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return dt.timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    try:
        seconds = email.utils.parsedate_to_datetime(text).timestamp() - now()
    except (ValueError, OverflowError):
        return dt.timedelta(0)
    return min(dt.timedelta(seconds=max(seconds, 0.0)), LONGEST_WAIT)


class _Dialling(httpcore.NetworkBackend):
    """Dials a checked address and lets nothing take longer than the deadline."""

    def __init__(self, endpoint: Endpoint, *, encrypted: bool, deadline: float) -> None:
        self.endpoint, self.encrypted, self.deadline = endpoint, encrypted, deadline
        self.sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = checked_addresses(
            host,
            port,
            encrypted=self.encrypted,
            allow_private=self.endpoint.allow_private,
            seconds=_left(self.deadline),
            resolve=self.endpoint.resolve,
        )
        for number, address in enumerate(addresses, start=1):
            try:
                return _Timed(self.sockets.connect_tcp(address, port, _left(self.deadline)), self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("a checked host has an address")


class _Timed(httpcore.NetworkStream):
    """A connection whose every step ends at one deadline, however slowly its bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):
            self.stream.write(buffer[start : start + PIECE], _left(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return _Timed(self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline)), self.deadline)
        except httpcore.TimeoutException:
            self.close()  # nobody else knows of this connection yet
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("no answer in time")
    return left
