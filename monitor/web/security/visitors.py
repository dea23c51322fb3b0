"""Who asks, and what may he do? A token, a session, a proxy that vouches, or whoever sits at this machine."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from starlette.requests import Request

from consumers.store import Clock
from monitor.web.security.limits import neighbours
from monitor.web.security.tokens import find_session, find_token
from monitor.web.settings import SCOPES, ProxySettings, Scope, WebSettings

COOKIE = "reward_drift"
FORWARDED = re.compile(
    r"forwarded|via|x-forwarded.*|x-original-.*|x-envoy-.*|x-real-ip|(x-|true-|fly-|x-cluster-)?client-ip|cf-.*"
    r"|x-auth-request-.*|tailscale-.*"
)
LONGEST_NAME = 200


class NotLetIn(Exception):  # noqa: N818 - a noun of the domain
    """Credentials were given that count for nothing here; the message says why, without them."""


@dataclass(frozen=True)
class Visitor:
    """Who asks. by: "token" (sent with this very request), "session", "proxy", or "machine" (no login is asked for)."""

    name: str
    scope: Scope
    by: str

    def may(self, scope: Scope) -> bool:
        """Whether what he was given includes this."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


@dataclass(frozen=True)
class Doorkeeper:
    """Tells who asks. needs_login: nobody is let in for being on this machine."""

    engine: Engine
    clock: Clock
    web: WebSettings
    needs_login: bool

    def visitor(self, request: Request) -> Visitor | None:
        """None: he must log in first. Raises NotLetIn."""
        given = request.headers.get("authorization")
        if given is not None:
            return self._of_token(given)
        if (vouched := self._of_proxy(request)) is not None:
            return vouched
        if (session := self._of_session(request.cookies)) is not None:
            return session
        if self.needs_login or not is_loopback(peer_of(request)):
            return None
        if is_forwarded(request):
            raise NotLetIn(
                "a proxy stands in front, so being on this machine proves nothing: set web.login or web.proxy"
            )
        return Visitor("", "admin", "machine")

    def _of_token(self, given: str) -> Visitor:
        kind, _, secret = given.partition(" ")
        with self.engine.connect() as connection:
            token = find_token(connection, secret.strip(), self.clock()) if kind.lower() == "bearer" else None
        if token is None:
            raise NotLetIn("no such token, or it is over; `reward-drift token create` makes one")
        return Visitor(token.name, token.scope, "token")

    def _of_session(self, cookies: Mapping[str, str]) -> Visitor | None:
        if not (secret := cookies.get(COOKIE)):
            return None
        with self.engine.connect() as connection:
            token = find_session(connection, secret, self.clock())
        return None if token is None else Visitor(token.name, token.scope, "session")

    def _of_proxy(self, request: Request) -> Visitor | None:
        proxy = self.web.proxy
        names = request.headers.getlist(proxy.header) if proxy else []
        if proxy is None or not names:
            return None
        if not is_trusted(peer_of(request), proxy):
            raise NotLetIn(f"{proxy.header} counts from the addresses of web.proxy alone")
        if len(names) != 1 or not names[0].strip() or len(names[0]) > LONGEST_NAME:
            raise NotLetIn(f"{proxy.header} must name one visitor")
        return Visitor(names[0].strip(), max(proxy.scopes, key=SCOPES.index), "proxy")


def peer_of(request: Request) -> str:
    """The address that the connection comes from, whatever headers say."""
    return request.client.host if request.client else ""


def key_of(request: Request, proxy: ProxySettings | None) -> str:
    """Whom limits count: the peer, or behind a trusted proxy whom it vouches for."""
    peer = peer_of(request)
    if proxy is None or not is_trusted(peer, proxy):
        return neighbours(peer)
    return f"{peer} {request.headers.get(proxy.header, '')[:LONGEST_NAME]}"


def is_forwarded(request: Request) -> bool:
    """Whether a proxy shows: by a header, or by HTTP/1.0, which no browser speaks any more and nginx did by default."""
    return request.scope["http_version"] == "1.0" or any(FORWARDED.fullmatch(name) for name in request.headers)


def is_trusted(peer: str, proxy: ProxySettings) -> bool:
    """Whether a peer is the proxy that may vouch for others."""
    address = _address(peer)
    return address is not None and any(address in network for network in proxy.addresses)


def is_loopback(peer: str) -> bool:
    """Whether a peer sits at this machine."""
    address = _address(peer)
    return address is not None and address.is_loopback


def _address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
