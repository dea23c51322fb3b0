"""What do strangers, floods and slow connections do to the dashboard, and to the process behind it?"""

import asyncio
import csv
import html
import io
import re
import shlex
import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DataError

from consumers.health import Address, parse_address
from consumers.store import EventStore
from monitor.commands.dashboard import Looking
from monitor.gate.records import write_record
from monitor.settings import SettingsError, parse_settings
from monitor.web import connections
from monitor.web.app import create_app
from monitor.web.faults import Faults, answer_faults
from monitor.web.security.bind import needs_login
from monitor.web.security.crowd import Crowd, Crowded
from monitor.web.security.forgery import code_of
from monitor.web.security.tokens import create_token
from monitor.web.security.visitors import COOKIE
from monitor.web.server import answering
from monitor.web.state import Dashboard
from monitor.web.tables import Table, csv_file
from tests.end_to_end.command import reward_drift
from tests.monitor.events import event, put
from tests.monitor.test_dashboard_guard import NOW, PROXY, SETTINGS, serving
from tests.sample_gate_reports import blocked_gate

FORM = {"matcher": "check=no_data", "length": "1h", "reason": "known", "by": "kim"}
MARKS_OF_PROXIES = [
    "via",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-original-url",
    "x-envoy-external-address",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-cluster-client-ip",
    "x-auth-request-user",
    "tailscale-user-login",
]


def address_of(client: httpx.Client) -> tuple[str, int]:
    return str(client.base_url.host), int(client.base_url.port or 0)


def test_a_name_made_to_point_here_reads_no_metrics_either(tmp_path: Path) -> None:
    rebound = {"host": "evil.example:9465"}
    for path in ["/metrics", "/healthz", "/readyz"]:
        with serving(tmp_path) as (client, _):
            assert client.get(path, headers=rebound).status_code == 400, path
            assert client.get(path, headers={"host": "localhost:9465"}).status_code in (200, 503), path
    with serving(tmp_path, needs_login=True) as (client, _):  # others are expected, under whatever name
        assert client.get("/metrics", headers=rebound).status_code == 200


def test_a_page_of_machines_asked_otherwise_is_a_fault_of_the_asker(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]:
            for path in ["/metrics", "/healthz", "/readyz"]:
                answer = client.request(method, path)
                assert answer.status_code == 405, (method, path)
                assert "content-security-policy" in answer.headers
                assert "set-cookie" not in answer.headers


def test_names_of_the_settings_are_ours_however_they_are_written(tmp_path: Path) -> None:
    with serving(tmp_path, hosts=["Drift.Corp.example"]) as (client, _):
        for host in ["drift.corp.example", "DRIFT.corp.example:9465"]:
            assert client.get("/", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("name", MARKS_OF_PROXIES)
def test_whatever_a_proxy_leaves_shows_it(tmp_path: Path, name: str) -> None:
    with serving(tmp_path) as (client, _):
        assert client.get("/", headers={name: "10.0.0.1"}).status_code == 401


def test_a_proxy_shows_by_its_old_protocol_alone(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _), socket.create_connection(address_of(client), 10) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")  # as nginx sends it, with nothing set
        assert peer.recv(100).startswith(b"HTTP/1.1 401")


def test_no_network_is_trusted_that_is_as_good_as_all(tmp_path: Path) -> None:
    for wide in ["0.0.0.0/0", "0.0.0.0/1", "::/0", "2000::/3"]:
        with pytest.raises(SettingsError, match="vouch for themselves"):
            parse_settings(f"outcome: {{metric: m}}\nweb: {{proxy: {{addresses: ['{wide}']}}}}\n")
    for own in ["10.0.0.0/8", "fc00::/7", "10.0.0.7"]:
        parse_settings(f"outcome: {{metric: m}}\nweb: {{proxy: {{addresses: ['{own}']}}}}\n")


def test_a_form_of_too_many_fields_is_refused_and_is_no_fault_of_ours(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        client.get("/")
        for body in ["&".join(["a=1"] * 60), "&".join(["a"] * 20_000), "&".join(f"{n}=1" for n in range(5_000))]:
            sent = client.post("/silences", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
            assert sent.status_code == 422, sent.text


def test_a_text_that_a_database_cannot_hold_is_a_fault_of_the_sender(store_url: str) -> None:
    with EventStore.open(store_url) as store:
        keeps_nul = store.engine.dialect.name == "sqlite"
        pages = Dashboard(store.engine, SETTINGS, clock=lambda: NOW)
        with (
            answering(create_app(Looking(), lambda: None, pages), Address("127.0.0.1", 0)) as bound,
            httpx.Client(base_url=f"http://{bound}", trust_env=False) as client,
        ):
            client.get("/")
            form = {**FORM, "reason": "a\0b", "code": code_of(client.cookies[COOKIE])}
            assert client.post("/silences", data=form).status_code == (303 if keeps_nul else 422)
            _, secret = create_token(store.engine, "kim", "ack", NOW)
            bearer = {"authorization": f"Bearer {secret}"}
            body = {"matcher": {"check": "no_data"}, "for": "1h", "reason": "a\0b"}
            assert client.post("/api/v1/silences", json=body, headers=bearer).status_code == (200 if keeps_nul else 422)
            assert client.get("/alerts").status_code == 200


def test_data_that_fail_are_the_fault_of_a_visitor_only_where_he_sent_some() -> None:
    app = FastAPI()
    answer_faults(app)
    app.add_middleware(Faults)

    @app.api_route("/api/fails", methods=["GET", "POST", "DELETE"])
    def fails() -> None:
        raise DataError("SELECT", {}, ValueError("a number in the store is out of range"))

    client = TestClient(app)
    answers = {method: client.request(method, "/api/fails").status_code for method in ("GET", "POST", "DELETE")}
    assert answers == {"GET": 503, "POST": 422, "DELETE": 422}


def test_a_fault_of_the_database_is_told_by_a_page_that_is_whole(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, store):
        client.get("/")
        with store.engine.begin() as connection:
            for table in ("web_session", "alert_episode"):
                connection.execute(text(f"DROP TABLE {table}"))
        broken = client.get("/alerts")
        assert (broken.status_code, broken.headers["cache-control"]) == (503, "no-store")
        assert "Service Unavailable" in broken.text
        assert "no such table" not in broken.text
        assert client.get("/static/dashboard.css").status_code == 200
        assert client.get("/api/v1/alerts").json()["error"]["status"] == 503


def test_login_ends_the_session_before_it(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True) as (client, store):
        _, secret = create_token(store.engine, "kim", "read", NOW)
        client.get("/login")
        for _ in range(2):
            before = client.cookies[COOKIE]
            client.post("/login", data={"token": secret, "code": code_of(before)})
        assert client.get("/").status_code == 200
        stale = httpx.get(str(client.base_url), cookies={COOKIE: before}, trust_env=False)
        assert stale.status_code == 303


def test_changes_that_wait_for_the_database_leave_connections_to_others(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (client, store),
        held(tmp_path / "store.sqlite") as release,
        ThreadPoolExecutor(8) as many,
    ):
        client.get("/")
        cookie = client.cookies[COOKIE]
        waiting = [many.submit(silence, str(client.base_url), cookie) for _ in range(8)]
        for _ in range(5):
            assert client.get("/healthz").status_code == 200
            assert client.get("/alerts").status_code == 200
        assert not any(one.done() for one in waiting)
        assert 1 <= store.engine.pool.checkedout() <= 4  # type: ignore[attr-defined]  # two changes, two who ask
        release()
        answers = [one.result() for one in waiting]
        assert set(answers) <= {303, 503}
        assert len(client.get("/api/v1/alerts").json()["silences"]) == answers.count(303) > 0


def silence(url: str, cookie: str) -> int:
    form = {**FORM, "code": code_of(cookie)}
    return httpx.post(f"{url}/silences", data=form, cookies={COOKIE: cookie}, trust_env=False, timeout=60).status_code


@contextmanager
def held(place: Path) -> Iterator[Callable[[], None]]:
    """Somebody else writes to the store, until he is asked to let go."""
    connection = sqlite3.connect(place, isolation_level=None, timeout=60)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.rollback
    finally:
        connection.close()


def test_whoever_waits_too_long_for_his_turn_is_told_so() -> None:
    async def third_of_two() -> None:
        crowd = Crowd(2, patience=0.05)
        async with crowd.one(), crowd.one():
            with pytest.raises(Crowded):
                async with crowd.one():
                    pass
        async with crowd.one(), crowd.one():
            pass

    asyncio.run(third_of_two())


def test_one_peer_holds_so_many_connections_and_no_more(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, _):
        peers = [socket.create_connection(address_of(client), 30) for _ in range(connections.MOST_OF_ONE + 6)]
        try:
            assert sum(was_closed(peer) for peer in peers[connections.MOST_OF_ONE :]) == 6
        finally:
            for peer in peers:
                peer.close()
        assert httpx.get(f"{client.base_url}/healthz", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        b"POST /silences HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\nmatcher=",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_connection_that_never_ends_its_request_is_closed(
    tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(connections, "GO_ON_SECONDS", 0.2)
    with serving(tmp_path) as (client, _), socket.create_connection(address_of(client), 30) as peer:
        peer.sendall(said)
        assert was_closed(peer)


def was_closed(peer: socket.socket) -> bool:
    """Waits until the other side has closed it, whatever it said before."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True


def test_no_cell_of_a_file_becomes_a_formula() -> None:
    hostile = [
        "=cmd()",
        "+1",
        "-1",
        "@x",
        "\t=1",
        "\r=1",
        "\n=1",
        "a\r=1",
        " =1",
        "\uff1d1",
        '"=1',
        "a;=1",
        "a;\t+1",
        'a|"-1',
    ]
    body = bytes(csv_file(Table(["name", "value"], [[one, -0.5] for one in hostile]), "x").body).decode()
    rows = list(csv.reader(io.StringIO(body, newline="")))[1:]
    assert len(rows) == len(hostile)
    for cell, value in rows:
        parts = [part.strip(' "\ufeff') for part in re.split(r"[;|\r\n]", cell)]
        assert not any(part[:1] in set("=+-@\t\r\n\uff1d") for part in parts if part), cell
        assert value == "-0.5"


def test_a_number_that_is_none_is_shown_as_missing() -> None:
    table = Table(["x"], [[float("nan")], [None]])
    assert table.shown == [["no data"], ["no data"]]
    assert bytes(csv_file(table, "x").body) == b'x\r\n""\r\n""\r\n'


def test_a_name_cannot_write_headers_or_folders_of_a_file() -> None:
    for name in ['a"\r\nSet-Cookie: x=1', "../../etc/passwd", "\u202egpj", "a" * 5_000, "нрав", ""]:
        told = csv_file(Table(["x"], []), name).headers["content-disposition"]
        assert told.startswith('attachment; filename="')
        assert told.isascii()
        assert not set(told[22:-5]) & set('"/\\\r\n;')
        assert len(told) < 120


@pytest.mark.parametrize(
    "listen",
    ["localhost:1", "0:1", ":1", "*:1", "127.1:1", "0x7f000001:1", "0177.0.0.1:1", "127.0.0.1:-1", "127.0.0.1:65536"],
)
def test_an_address_that_is_not_written_out_is_refused_as_it_was_given(tmp_path: Path, listen: str) -> None:
    settings, place = tmp_path / "reward-drift.yaml", tmp_path / "store.sqlite"
    settings.write_text("outcome: {metric: task_success}\n")
    EventStore.open(place).close()
    ran = reward_drift("dashboard", "--settings", settings, "--store", place, "--listen", listen)
    assert ran.code == 2
    assert f"--listen {listen}: write an IP address and a port" in ran.err


@pytest.mark.parametrize(
    "listen", ["[::]:1", "[::ffff:0.0.0.0]:1", "[::ffff:127.0.0.1]:1", "100.64.0.1:1", "[fe80::1%x]:1"]
)
def test_every_other_spelling_needs_a_login(listen: str) -> None:
    assert needs_login(parse_address(listen), SETTINGS.web)


def test_a_command_of_a_page_runs_nothing_that_a_name_says(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, store):
        put(store, [event("checkpoint", NOW, {"checkpoint": "x; touch $(id) 'y'"})])
        page = html.unescape(client.get("/checkpoint", params={"name": "x; touch $(id) 'y'"}).text)
    commands = [shlex.split(one) for one in re.findall(r"<code>(reward-drift gate --candidate [^<]*)</code>", page)]
    assert [one[3:] for one in commands] == [["x; touch $(id) 'y'", "--reference", "NAME"]] * 2


def test_a_record_that_was_edited_decides_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, store):
        number = write_record(store.engine, replace(blocked_gate(), loop=SETTINGS.loop), lambda: NOW)
        paths = [f"/gate/{number}", f"/gate/{number}/findings.csv", f"/api/v1/gate/records/{number}"]
        assert [client.get(path).status_code for path in paths] == [200] * 3
        assert client.get("/api/v1/gate/records").json()["records"][0]["as_written"] is True
        put(store, [event("checkpoint", NOW, {"checkpoint": blocked_gate().candidate})])
        with sqlite3.connect(tmp_path / "store.sqlite") as editor:
            for (trigger,) in editor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                editor.execute(f'DROP TRIGGER "{trigger}"')
            editor.execute("""UPDATE gate_record SET content = replace(content, '"NO-GO"', '"GO"')""")
        assert [client.get(path).status_code for path in paths] == [409] * 3
        assert "is not as it was written" in client.get(paths[0]).text
        (told,) = client.get("/api/v1/gate/records").json()["records"]
        assert (told["decision"], told["as_written"]) == ("GO", False)
        for path in ["/gate", f"/checkpoint?name={told['candidate']}", "/checkpoint"]:
            page = client.get(path).text
            assert "edited since it was written" in page, path
            assert not re.search(r">\s*GO\b", page), path


def test_a_trusted_proxy_names_one_visitor(tmp_path: Path) -> None:
    with serving(tmp_path, needs_login=True, proxy=PROXY) as (client, _):
        for names in [[("x-auth-request-email", "")], [("x-auth-request-email", "a" * 201)]]:
            assert client.get("/", headers=names).status_code == 401
        assert client.get("/", headers={"x_auth_request_email": "boss"}).status_code == 303
