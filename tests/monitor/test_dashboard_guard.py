"""Who gets in, who may change something, and what is refused: over real HTTP where a header matters."""

import datetime as dt
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from consumers.health import Address, parse_address
from consumers.store import EventStore
from monitor.commands.dashboard import Looking
from monitor.settings import Settings, SettingsError, parse_settings
from monitor.web.app import create_app
from monitor.web.security.bind import OpenBind, needs_login, refuse_open_bind
from monitor.web.security.forgery import code_of
from monitor.web.security.limits import RateLimit
from monitor.web.security.tokens import (
    TokenRefused,
    begin_session,
    create_token,
    find_session,
    read_tokens,
    revoke_token,
)
from monitor.web.security.visitors import COOKIE
from monitor.web.server import answering
from monitor.web.settings import WebSettings
from monitor.web.state import Dashboard
from tests.end_to_end.command import reward_drift

NOW = dt.datetime(2026, 8, 27, 10, tzinfo=dt.UTC)
SETTINGS = parse_settings("outcome: {metric: task_success}")
PROXY = {"addresses": ["127.0.0.1"], "header": "X-Auth-Request-Email", "scopes": ["ack"]}
ELSEWHERE = {**PROXY, "addresses": ["10.0.0.0/8"]}


@contextmanager
def serving(place: Path, needs_login: bool = False, **web: Any) -> Iterator[tuple[httpx.Client, EventStore]]:
    """A client of a dashboard on a port of its own."""
    chosen = SETTINGS.model_copy(update={"web": WebSettings.model_validate(web)})
    with EventStore.open(place / "store.sqlite") as store:
        pages = Dashboard(store.engine, chosen, needs_login, clock=lambda: NOW)
        app = create_app(Looking(), lambda: None, pages)
        with (
            answering(app, Address("127.0.0.1", 0)) as bound,
            httpx.Client(base_url=f"http://{bound}", trust_env=False) as client,
        ):
            yield client, store


def test_every_answer_forbids_scripts_frames_and_guessing(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        for path in ["/", "/nope", "/static/dashboard.css", "/api/v1/status", "/alerts/x", "/healthz"]:
            headers = client.get(path).headers
            policy = headers["content-security-policy"].split("; ")
            assert sorted(policy) == [
                "base-uri 'none'",
                "default-src 'self'",
                "form-action 'self'",
                "frame-ancestors 'none'",
                "img-src 'self' blob:",
                "object-src 'none'",
            ], path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"


def test_a_form_without_its_code_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, store):
        _, secret = create_token(store.engine, "kim", "ack", NOW)
        client.get("/")
        cookie = client.cookies[COOKIE]
        form = {"matcher": "check=no_data", "length": "1h", "reason": "x", "by": "kim"}
        right = {**form, "code": code_of(cookie)}
        assert client.post("/silences", data=form).status_code == 403
        assert client.post("/silences", data={**form, "code": code_of("a" * 43)}).status_code == 403
        assert client.post("/silences", json=right).status_code == 415
        assert client.post("/silences", files={"matcher": b"x"}).status_code == 415
        for foreign in [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
        ]:
            assert client.post("/silences", data=right, headers=foreign).status_code == 403, foreign
        assert client.get("/api/v1/alerts").json()["silences"] == []
        assert client.post("/silences", data=right).status_code == 303
        assert len(client.get("/api/v1/alerts").json()["silences"]) == 1
        assert secret not in client.get("/alerts").text


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(tmp_path: Path) -> None:
    with serving(tmp_path, proxy=PROXY) as (client, _):
        plain = client.get("/").headers["set-cookie"]
        vouched = {"x-forwarded-proto": "https", "x-auth-request-email": "kim"}
        over_https = httpx.get(str(client.base_url), headers=vouched, trust_env=False).headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(plain.split("; "))
        assert "Secure" not in plain
        assert "Secure" in over_https.split("; ")


def test_whoever_must_log_in_sees_nothing_before(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, _):
        for path in ["/", "/alerts", "/data", "/overview.csv", "/nope"]:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path
        for path in ["/api/v1/status", "/api/v1/openapi.json", "/api/v1/alerts/1"]:
            assert client.get(path).status_code == 401, path
        assert client.get("/healthz").status_code == 200
        assert "outcome" not in client.get("/login").text


def test_a_token_opens_a_session_that_ends_with_it(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, store):
        made, secret = create_token(store.engine, "kim", "read", NOW)
        client.get("/login")
        before = client.cookies[COOKIE]
        code = code_of(before)
        assert client.post("/login", data={"token": "rdm_1_" + "x" * 43, "code": code}).status_code == 401
        entered = client.post("/login", data={"token": secret, "code": code, "next": "//evil.example"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert client.cookies[COOKIE] != before  # one that somebody else knew is worth nothing
        assert client.get("/").status_code == 200
        revoke_token(store.engine, made.id, NOW)
        assert client.get("/").status_code == 303
        assert client.get("/api/v1/status", headers={"authorization": f"Bearer {secret}"}).status_code == 401


def test_a_session_ends_with_its_time_and_by_logging_out(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, store):
        made, _ = create_token(store.engine, "kim", "read", NOW)
        secret = begin_session(store.engine, made, NOW, dt.timedelta(hours=1))
        with store.engine.connect() as connection:
            assert find_session(connection, secret, NOW + dt.timedelta(minutes=59)) is not None
            assert find_session(connection, secret, NOW + dt.timedelta(hours=1)) is None
        client.cookies.set(COOKIE, secret)
        assert client.get("/").status_code == 200
        assert client.post("/logout", data={"code": code_of(secret)}).status_code == 303
        assert client.get("/").status_code == 303


def test_scopes_say_what_a_token_may_do(tmp_path: Path) -> None:
    body = {"matcher": {"check": "no_data"}, "for": "1h", "reason": "known"}
    with serving(tmp_path, needs_login=True) as (client, store):
        said = {}
        for scope in ("read", "ack", "admin"):
            _, secret = create_token(store.engine, f"a {scope}er", scope, NOW)
            bearer = {"authorization": f"Bearer {secret}"}
            said[scope] = client.post("/api/v1/silences", json=body, headers=bearer).status_code
            assert client.get("/api/v1/alerts", headers=bearer).status_code == 200
        assert said == {"read": 403, "ack": 200, "admin": 200}
        assert [one["author"] for one in client.get("/api/v1/alerts", headers=bearer).json()["silences"]] == [
            "a acker",
            "a adminer",
        ]


def test_the_api_changes_nothing_without_a_token_even_on_this_machine(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        client.get("/")
        body = {"matcher": {"check": "no_data"}, "for": "1h", "reason": "known"}
        assert client.post("/api/v1/silences", json=body).status_code == 401
        assert client.get("/api/v1/alerts").json()["silences"] == []


def test_the_store_keeps_hashes_alone(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, store):
        _, secret = create_token(store.engine, "kim", "read", NOW)
        client.get("/login")
        client.post("/login", data={"token": secret, "code": code_of(client.cookies[COOKIE])})
        session = client.cookies[COOKIE]
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        kept = "\n".join(connection.iterdump())
    assert secret.split("_", 2)[2] not in kept
    assert session not in kept


def test_a_spoofed_header_of_a_proxy_is_refused(tmp_path: Path) -> None:
    spoofed = {"x-auth-request-email": "boss@corp.example"}
    with serving(tmp_path, needs_login=True, proxy=ELSEWHERE) as (client, _):
        assert client.get("/", headers=spoofed).status_code == 401
        assert client.get("/", headers={**spoofed, "x-forwarded-for": "10.0.0.1"}).status_code == 401
        assert client.get("/").status_code == 303
    with serving(tmp_path, needs_login=True, proxy=PROXY) as (client, _):
        assert "boss@corp.example" in client.get("/", headers=spoofed).text
        assert client.get("/").status_code == 303
        twice = [("x-auth-request-email", "a"), ("x-auth-request-email", "b")]
        assert client.get("/", headers=twice).status_code == 401


def test_being_on_this_machine_proves_nothing_behind_a_proxy(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        assert client.get("/").status_code == 200
        for name in ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host"]:
            assert client.get("/", headers={name: "127.0.0.1"}).status_code == 401, name


def test_a_name_that_somebody_made_point_here_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, hosts=["drift.corp.example"]) as (client, _):
        for host in ["localhost:9465", "127.0.0.1", "[::1]:9465", "drift.corp.example"]:
            assert client.get("/", headers={"host": host}).status_code == 200, host
        for host in ["evil.example", "localhost.evil.example", "drift.corp.example.evil.example:9465"]:
            assert client.get("/", headers={"host": host}).status_code == 400, host


def test_a_host_header_cannot_pretend_another_path(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, _):
        port = client.base_url.port
        hosts = [
            "localhost/static/",
            "localhost/login",
            "localhost/static/?",
            "localhost#",
            "x@localhost",
            "[::1",
            "a b",
        ]
        for host in [*hosts, f"127.0.0.1:{port}/static/"]:
            for path in ["/", "/data", "/api/v1/status"]:
                assert client.get(path, headers={"host": host}).status_code == 400, (host, path)
        for path in ["/login/../data", "/static/../data", "/static/%2e%2e/data", "//data", "/loginx", "/static"]:
            assert b"How late is it" not in client.get(path, follow_redirects=True).content, path


def test_one_visitor_too_many_times_waits(tmp_path: Path) -> None:
    with serving(tmp_path, requests_per_minute=10) as (client, _):
        answers = [client.get("/static/icon.svg") for _ in range(15)]
        assert {one.status_code for one in answers} == {200, 429}
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_guessing_tokens_is_slow(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, _):
        client.get("/login")
        form = {"token": "guess", "code": code_of(client.cookies[COOKIE])}
        assert [client.post("/login", data=form).status_code for _ in range(11)][-1] == 429


def test_a_body_too_long_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 4096

    with serving(tmp_path) as (client, _):
        assert client.post("/silences", content=endless()).status_code == 413


def test_a_bucket_fills_evenly_and_strangers_do_not_fill_memory() -> None:
    clock = [0.0]
    limit = RateLimit(per_minute=60, burst=3, most_known=100, clock=lambda: clock[0])
    assert [limit.wait("a") == 0 for _ in range(4)] == [True, True, True, False]
    assert limit.wait("a") == pytest.approx(1.0)
    clock[0] = 1.0
    assert [limit.wait("a") == 0 for _ in range(2)] == [True, False]
    for number in range(10_000):
        limit.wait(f"stranger {number}")
    assert limit.known == 100


def test_an_open_address_without_a_login_is_refused(tmp_path: Path) -> None:
    open_, inside = parse_address("0.0.0.0:9465"), parse_address("127.0.0.1:9465")
    with EventStore.open(tmp_path / "store.sqlite") as store:

        def refuse(address: Address, **web: Any) -> None:
            refuse_open_bind(address, WebSettings.model_validate(web), store.engine, lambda: NOW)

        refuse(inside)
        refuse(open_, dashboard=False)
        refuse(open_, proxy=PROXY)
        for address in (open_, parse_address("[::]:9465"), parse_address("192.168.1.7:9465")):
            with pytest.raises(OpenBind, match="reward-drift token create"):
                refuse(address)
        made, _ = create_token(store.engine, "kim", "read", NOW, dt.timedelta(days=1))
        refuse(open_)
        revoke_token(store.engine, made.id, NOW)
        with pytest.raises(OpenBind):
            refuse(inside, login=True)
        assert needs_login(open_, WebSettings())
        assert not needs_login(inside, WebSettings())


def test_commands_refuse_an_open_address_and_make_tokens(tmp_path: Path) -> None:
    settings, place = tmp_path / "reward-drift.yaml", tmp_path / "store.sqlite"
    settings.write_text("outcome: {metric: task_success}\n")
    EventStore.open(place).close()
    for command in ("serve", "dashboard"):
        ran = reward_drift(command, "--settings", settings, "--store", place, "--listen", "0.0.0.0:0")
        assert ran.code == 2
        assert "reward-drift token create" in ran.err
    made = reward_drift("token", "create", "kim", "--scope", "ack", "--store", place, "--json").json
    assert made["token"].startswith("rdm_1_")
    listed = reward_drift("token", "list", "--store", place)
    assert "kim" in listed.out
    assert made["token"] not in listed.out
    assert reward_drift("token", "revoke", 1, "--store", place).code == 0
    assert reward_drift("token", "revoke", 1, "--store", place).code == 2


def test_a_command_that_cannot_show_anything_says_why(tmp_path: Path) -> None:
    settings, place = tmp_path / "reward-drift.yaml", tmp_path / "store.sqlite"
    settings.write_text("outcome: {metric: task_success}\n")
    EventStore.open(place).close()
    asked = "--settings", settings, "--store", place, "--listen"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("serve", "dashboard"):
            ran = reward_drift(command, *asked, f"127.0.0.1:{port}")
            assert (ran.code, "name another address or port" in ran.err) == (2, True)
    settings.write_text("outcome: {metric: task_success}\nweb: {dashboard: false}\n")
    ran = reward_drift("dashboard", *asked, "127.0.0.1:0")
    assert (ran.code, "web.dashboard is false" in ran.err) == (2, True)


def test_tokens_need_a_name_and_are_listed_without_secret(tmp_path: Path) -> None:
    with EventStore.open(tmp_path / "store.sqlite") as store:
        with pytest.raises(TokenRefused, match="needs a name"):
            create_token(store.engine, " ", "read", NOW)
        create_token(store.engine, "kim", "read", NOW, dt.timedelta(days=1))
        (token,) = read_tokens(store.engine)
    assert (token.is_live(NOW), token.is_live(NOW + dt.timedelta(days=1))) == (True, False)


@pytest.mark.parametrize(
    ("web", "why"),
    [
        ("{proxy: {addresses: [nonsense]}}", "10.0.0.7 or 10.0.0.0/24"),
        ("{proxy: {addresses: []}}", "at least 1"),
        ("{proxy: {addresses: [10.0.0.1], header: 'X Y'}}", "header"),
        ("{requests_per_minute: 1}", "10"),
        ("{logn: true}", "login"),
    ],
)
def test_settings_of_the_dashboard_are_checked(web: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse_settings(f"outcome: {{metric: m}}\nweb: {web}\n")


def test_settings_of_the_dashboard_are_read() -> None:
    chosen: Settings = parse_settings(
        "outcome: {metric: m}\nweb: {login: true, session: 1h, hosts: [drift.corp], proxy: {addresses: [10.0.0.0/8]}}\n"
    )
    assert chosen.web.login
    assert chosen.web.proxy is not None
    assert chosen.web.proxy.scopes == ("read",)
