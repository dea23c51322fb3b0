"""Can a URL in a settings file make the monitor reach what it must not?"""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.oncall.receivers import endpoint as endpoints
from monitor.oncall.receivers.addresses import why_forbidden
from monitor.oncall.receivers.apprise import AppriseReceiver
from monitor.oncall.receivers.endpoint import Endpoint, Resolve, resolve_host
from monitor.oncall.receivers.port import DeliveryFailed
from monitor.oncall.receivers.slack import SlackReceiver
from monitor.oncall.receivers.webhook import WebhookReceiver
from tests.monitor.fake_sinks import listener, sink
from tests.monitor.messages import here, message

THIS_HOST = (
    "127.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "127.0.0.1.",
    "127.255.255.254",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "１２７.0.0.1",
    "127。0。0。1",
    "user@127.0.0.1",
    "hooks.example.org@127.0.0.1",
    "127.0.0.1#@hooks.example.org",
    "127.0.0.1\\@hooks.example.org",
)
FORBIDDEN = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
)
EVEN_IF_ALLOWED = (
    *("0.0.0.0", "169.254.169.254", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255"),
    *("::", "fe80::1%lo", "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "ff02::1"),
)
ODD_URLS = (
    *("ftp://x/y", "file:///etc/passwd", "gopher://127.0.0.1:1/_x", "//127.0.0.1/", "https://", "not a url", ""),
    *("https://[::1", "https://a:99999/", "https://a:0/", "https://user:word@hooks.example.org/"),
    *("http://hooks.example.org/", "https://x\r\nHost: y/"),
)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Addresses that would have been dialled; nothing leaves this machine."""
    found: list[str] = []

    class Phone(httpcore.SyncBackend):
        def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.NetworkStream:
            found.append(host)
            raise httpcore.ConnectError("no line")

    monkeypatch.setattr(endpoints.httpcore, "SyncBackend", Phone)
    return found


def send(url: str, resolve: Resolve = resolve_host, *, allow_private: bool = False, seconds: float = 2) -> None:
    endpoint = Endpoint(url, allow_private=allow_private, timeout_seconds=seconds, resolve=resolve)
    with suppress(DeliveryFailed):
        WebhookReceiver(endpoint, "s").send(message())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_this_host_gets_a_connection(scheme: str) -> None:
    with listener() as (port, connections):
        for host in THIS_HOST:
            send(f"{scheme}://{host}:{port}/x")
        assert connections() == 0


def test_the_listener_would_have_noticed() -> None:
    with listener() as (port, connections):
        send(f"https://127.0.0.1:{port}/x", allow_private=True, seconds=0.2)
        send(f"https://[::1]:{port}/x", allow_private=True, seconds=0.2)
        assert connections() == 2


@pytest.mark.parametrize("scheme", ["json", "jsons", "mailto", "ntfy", "matrix"])
def test_apprise_reaches_this_host_by_no_spelling_either(scheme: str) -> None:
    with listener() as (port, connections):
        for host in THIS_HOST:
            with suppress(DeliveryFailed):
                AppriseReceiver(f"{scheme}://user:word@{host}:{port}/x", timeout_seconds=2).send(message())
        assert connections() == 0


def test_the_mail_server_of_an_apprise_url_is_checked_too() -> None:
    with listener() as (port, connections):
        url = f"mailtos://user:word@example.org:{port}?smtp=127.0.0.1"
        resolved = {"example.org": ["1.1.1.1"], "127.0.0.1": ["127.0.0.1"]}
        receiver = AppriseReceiver(url, timeout_seconds=2, resolve=lambda host, _: resolved[host])
        with pytest.raises(DeliveryFailed, match="private address"):
            receiver.send(message())
        assert connections() == 0


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_name_that_leads_inside_is_not_dialled(address: str, dialled: list[str]) -> None:
    send("https://hooks.example.org/x", lambda host, port: [address])
    assert dialled == []
    assert why_forbidden(address, allow_private=False, encrypted=True)


@pytest.mark.parametrize("address", EVEN_IF_ALLOWED)
def test_some_addresses_are_dialled_under_no_settings(address: str, dialled: list[str]) -> None:
    send("https://hooks.example.org/x", lambda host, port: [address], allow_private=True)
    assert dialled == []


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_dialled(address: str, dialled: list[str]) -> None:
    send("https://hooks.example.org/x", lambda host, port: [address])
    assert dialled == [address]


def test_one_bad_address_among_good_ones_spoils_the_name(dialled: list[str]) -> None:
    send("https://hooks.example.org/x", lambda host, port: ["1.1.1.1", "127.0.0.1"])
    assert dialled == []


def test_a_resolver_that_lies_the_second_time_is_not_asked_twice(dialled: list[str]) -> None:
    answers = iter([["1.1.1.1"], ["127.0.0.1"]])
    send("https://hooks.example.org/x", lambda host, port: next(answers))
    assert dialled == ["1.1.1.1"]
    assert next(answers) == ["127.0.0.1"]


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "//169.254.169.254/", "http://[::1]:1/"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, target: str) -> None:
    with listener() as (port, connections), sink(status) as place:
        place.script = [(status, {"Location": target.replace(":1/", f":{port}/")})]
        with pytest.raises(DeliveryFailed, match=f"HTTP {status}"):
            SlackReceiver(here(place.url)).send(message())
        assert len(place.requests) == 1
        assert connections() == 0


@pytest.mark.parametrize("url", ODD_URLS)
def test_only_https_urls_are_used_at_all(url: str, dialled: list[str]) -> None:
    send(url, lambda host, port: ["1.1.1.1"])
    assert dialled == []


def test_http_stays_on_this_host_even_where_private_addresses_are_allowed(dialled: list[str]) -> None:
    for address in ("10.0.0.1", "1.1.1.1", "100.64.0.1"):
        send("http://hooks.example.org/x", lambda host, port, to=address: [to], allow_private=True)
    assert dialled == []
    send("http://hooks.example.org/x", lambda host, port: ["127.0.0.1"], allow_private=True)
    assert dialled == ["127.0.0.1"]


def test_what_a_receiver_answers_and_where_it_is_are_neither_told_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    with sink(500) as place, caplog.at_level(0):
        place.body = b"l3aked"
        with pytest.raises(DeliveryFailed) as told:
            WebhookReceiver(here(place.url + "/p4th?key=r0uting"), "s1gning").send(message())
    assert str(told.value) == "HTTP 500"
    assert [word for word in ("l3aked", "p4th", "r0uting", "s1gning") if word in caplog.text] == []


@given(st.ip_addresses())
@example(ipaddress.ip_address("64:ff9b::7f00:1"))
@example(ipaddress.ip_address("2002:7f00:1::"))
@example(ipaddress.ip_address("224.0.0.1"))
def test_whatever_may_be_dialled_is_public_by_every_account(address: ipaddress.IPv4Address) -> None:
    if why_forbidden(str(address), allow_private=False, encrypted=True) is None:
        assert address.is_global
        assert True not in (address.is_multicast, address.is_private, address.is_loopback, address.is_link_local)
