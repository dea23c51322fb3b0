"""What is looked at before any page is? Every request but those of machines takes these steps; one that fails, ends it.

1 host     under which we are reached: a name that somebody made point at us is refused; of machines too, unless others
           than those of this one are expected
2 rate     of this visitor
3 visitor  who asks; without one, to the login
           whoever was led here by another site's page goes on from ours, with his cookie
4 site     another site's page may link to us, and make nobody do anything
5 body     bounded in size and time
6 code     of a form
7 turn     few pages are made at once, and fewer changes
"""

import asyncio
import ipaddress
import math
import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web.faults import problem
from monitor.web.rendering import render
from monitor.web.security.crowd import Crowd, Crowded
from monitor.web.security.forgery import FIELD, is_cookie, is_foreign, is_meant, new_cookie
from monitor.web.security.limits import RateLimit
from monitor.web.security.visitors import COOKIE, Doorkeeper, NotLetIn, Visitor, is_trusted, key_of, peer_of
from monitor.web.settings import WebSettings

MACHINES = ("/metrics", "/healthz", "/readyz")
LOGIN, STATIC = "/login", "/static/"
API = "/api/"
SAFE = ("GET", "HEAD", "OPTIONS")
MOST_BYTES = 64 * 1024
MOST_SECONDS = 10.0
MOST_FIELDS = 50
LOCAL_NAMES = ("localhost",)
HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")  # nothing that a path could hide in
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Refused(Exception):  # noqa: N818 - a noun of the domain
    """Why a request goes no further."""

    status: int
    message: str
    wait: float = 0.0


class Guard:
    """Stands before every page."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self._app, self._door, self._web = app, doorkeeper, doorkeeper.web
        self._names = {*LOCAL_NAMES, *(name.lower() for name in self._web.hosts)}
        per_minute = self._web.requests_per_minute
        self._rate = RateLimit(per_minute, burst=max(per_minute // 4, 10))
        self._asking, self._looking, self._changing = Crowd(2), Crowd(4), Crowd(2)  # a pool has 15 connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookie, is_new = _cookie_of(request)
        request.state.cookie, request.state.visitor = cookie, None
        if is_new and _is_page(request) and not _is_led_here(request):
            send = _giving(send, cookie, is_https(request, self._web))
        try:
            receive, answer = await self._let_in(request)
            await answer(scope, receive, send)
        except Refused as why:
            headers = {"retry-after": str(math.ceil(why.wait))} if why.wait else {}
            await problem(request, why.status, why.message, headers)(scope, receive, send)
        except Crowded:
            message = "too many ask at once, or the database is slow: try again in a moment"
            await problem(request, 503, message, {"retry-after": "10"})(scope, receive, send)

    async def _let_in(self, request: Request) -> tuple[Receive, ASGIApp]:
        """Takes the steps; gives what to answer with. Raises Refused."""
        is_for_machines = _path(request) in MACHINES
        if not (is_for_machines and self._door.needs_login):
            self._check_host(request)
        if is_for_machines:
            return request.receive, self._app
        self._check_rate(request)
        if _path(request).startswith(STATIC):  # nobody's secret, and a fault of the database is told in style
            return request.receive, self._app
        visitor = await self._visitor(request)
        if COOKIE not in request.cookies and _is_page(request) and _is_led_here(request):
            return request.receive, render(request, "onward.html")
        if visitor is None and _path(request) != LOGIN:
            return request.receive, _to_login(request)
        request.state.visitor = visitor
        if request.method in SAFE:
            return request.receive, partial(self._looking.make, self._app)
        if is_foreign(request):
            raise Refused(403, "another site's page sent this")
        body = await _body(request)
        _check_code(request, body)
        return _again(body), partial(self._changing.make, self._app)

    def _check_host(self, request: Request) -> None:
        match = HOST.fullmatch(request.headers.get("host", ""))
        host = match[1].lower() if match else ""
        if host not in self._names and not _is_address(host):
            raise Refused(400, "this name is none of ours: add it to web.hosts in the settings")

    def _check_rate(self, request: Request) -> None:
        if wait := self._rate.wait(key_of(request, self._web.proxy)):
            raise Refused(429, f"too many requests: try again in {math.ceil(wait)} s", wait)

    async def _visitor(self, request: Request) -> Visitor | None:
        try:
            async with self._asking.one():
                return await run_in_threadpool(self._door.visitor, request)
        except NotLetIn as why:
            raise Refused(401, str(why)) from None


def is_https(request: Request, web: WebSettings) -> bool:
    """Whether nobody between the visitor and us, or the trusted proxy, can read along."""
    is_vouched = web.proxy is not None and is_trusted(peer_of(request), web.proxy)
    return request.url.scheme == "https" or (is_vouched and request.headers.get("x-forwarded-proto") == "https")


def _cookie_of(request: Request) -> tuple[str, bool]:
    """The visitor's cookie, and whether it is new."""
    known = request.cookies.get(COOKIE)
    return (known, False) if known is not None and is_cookie(known) else (new_cookie(), True)


def _path(request: Request) -> str:
    """As the router sees it; the URL that the framework puts together holds whatever stands in the host header."""
    return str(request.scope["path"])


def _is_page(request: Request) -> bool:
    return not _path(request).startswith((API, STATIC)) and _path(request) not in MACHINES


def _is_led_here(request: Request) -> bool:
    """Whether another site's page led here: a browser then brings no strict cookie, which it does from our own page."""
    return request.method in SAFE and request.headers.get("sec-fetch-site") == "cross-site"


def _to_login(request: Request) -> Response:
    if _path(request).startswith(API) or request.method not in SAFE:
        return problem(request, 401, "log in first, or send a token: Authorization: Bearer rdm_...")
    query = request.scope["query_string"].decode("latin-1")
    asked = _path(request) + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)


async def _body(request: Request) -> bytes:
    """The whole body. Raises Refused for too long a one, in bytes or in time."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > MOST_BYTES:
                    raise Refused(413, f"more than {MOST_BYTES // 1024} KiB")
                parts.append(part)
    except TimeoutError:
        raise Refused(408, f"the request did not end within {MOST_SECONDS:.0f} s") from None
    return b"".join(parts)


def _check_code(request: Request, body: bytes) -> None:
    """Of the API a token is asked instead, which no browser sends by itself."""
    if _path(request).startswith(API):
        if request.state.visitor.by != "token":
            raise Refused(401, "to change something over the API, send a token: Authorization: Bearer rdm_...")
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(415, "this page takes its own form alone")
    given = _fields(body)
    if not is_meant(request.state.cookie, given.get(FIELD, [""])[0]):
        raise Refused(403, "the form is too old or not ours: go back, reload the page and send it again")


def _fields(body: bytes) -> dict[str, list[str]]:
    """What a form holds. Raises Refused for more than any of ours has."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused(422, f"more than {MOST_FIELDS} fields") from None


def _again(body: bytes) -> Receive:
    """The body, to be read once more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _giving(send: Send, cookie: str, is_https: bool) -> Send:
    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "set-cookie" not in headers:
                headers.append("set-cookie", cookie_text(cookie, is_https))
        await send(message)

    return with_cookie


def cookie_text(cookie: str, is_https: bool) -> str:
    """The cookie as it is set: for this host alone, out of reach of scripts and of other sites' pages."""
    return f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if is_https else "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
