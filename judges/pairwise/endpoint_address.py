"""Where may questions be sent? Over TLS, or to this machine; secrets travel in a header, never in an address."""

import ipaddress

import httpx

from consumers.mendable import Mendable

KEY_VARIABLE = "REWARD_DRIFT_JUDGE_API_KEY"
CHAT, PLAIN = "/chat/completions", "/completions"


class EndpointError(Mendable):
    """The endpoint cannot be used as it was given; the message says what to change."""


def request_url(given: str) -> str:
    """The address that questions are posted to: as given if it ends in /completions, else with /chat/completions.

    Raises EndpointError for anything but https, or http to this machine.

    >>> request_url("https://judge.example/v1/")
    'https://judge.example/v1/chat/completions'
    """
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL as fault:
        raise EndpointError(f"--endpoint is no address ({fault}); write https://HOST/v1") from None
    if url.userinfo or url.query or url.fragment:
        raise EndpointError(f"--endpoint holds more than scheme, host and path; give a key in {KEY_VARIABLE}")
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        raise EndpointError(
            f"--endpoint {url}: write https://HOST/v1, or http://127.0.0.1:PORT/v1 for a server on this machine:"
            " people's words and the key do not travel in the open"
        )
    path = url.path.rstrip("/")
    return str(url.copy_with(path=path if path.endswith(PLAIN) else path + CHAT))


def is_loopback(host: str) -> bool:
    """Is this the machine itself? A name counts only if it is localhost: any other could be made to point here."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_key(key: str | None) -> str | None:
    """The key as a header can carry it; None for none. Raises EndpointError, which never quotes it."""
    stripped = (key or "").strip()
    if not stripped:
        return None
    if not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
        raise EndpointError(f"{KEY_VARIABLE} holds characters that no key has; set it anew, without quotes")
    return stripped
