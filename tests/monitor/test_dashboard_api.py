"""Does the API say what the commands say, on both databases, and answer nonsense without falling over?"""

import contextlib
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from sqlalchemy import event as on_event

from consumers.store import EventStore
from monitor.commands.dashboard import Looking
from monitor.detection.state import MonitorState
from monitor.gate.freeze import freeze
from monitor.settings import Settings
from monitor.web.app import create_app
from monitor.web.change_chart import change_chart
from monitor.web.security.tokens import create_token
from monitor.web.settings import WebSettings
from monitor.web.state import Dashboard
from monitor.web.tables import Table, csv_file
from monitor.web.views.changes import read_changes
from tests.end_to_end.command import reward_drift
from tests.monitor.events import START, loop_events, put, settings
from tests.monitor.live import midnight, tick_at

DAYS = 60
SCANS_EVENTS = re.compile(r"SCAN (event|response|feedback|outcome|score|preference|text)\b(?! USING)")
END = START + dt.timedelta(days=DAYS + 2)
WATCHED: Settings = settings(cohorts=["tier"]).model_copy(
    update={"web": WebSettings(hosts=("testserver",), requests_per_minute=1_000_000)}
)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a loop came apart, and was looked at once."""
    place = tmp_path_factory.mktemp("api") / "store.sqlite"
    with EventStore.open(place) as store:
        _come_apart(store)
    return place


@pytest.fixture
def store(looked_at: Path) -> Iterator[EventStore]:
    with EventStore.open(looked_at) as opened:
        yield opened


def test_pages_and_the_api_read_both_databases(store_url: str) -> None:
    with EventStore.open(store_url) as store:
        _come_apart(store)
        client, bearer = _client(store)
        number = client.get("/api/v1/status", headers=bearer).json()["alerts"][0]["id"]
        for path in ["/", "/overview.csv", "/alerts", f"/alerts/{number}", f"/alerts/{number}/changes.csv", "/data"]:
            assert client.get(path, headers=bearer).status_code == 200, path
        for path in ["status", "alerts", f"alerts/{number}", "gate/records", "schedule?runs=5"]:
            assert client.get(f"/api/v1/{path}", headers=bearer).status_code == 200, path
        body = {"matcher": {"tier": "b"}, "for": "2h", "reason": "known"}
        assert client.post("/api/v1/silences", headers=bearer, json=body).json()["author"] == "kim"
        taken = client.post(f"/api/v1/alerts/{number}/ack", headers=bearer, json={"note": "on it", "for": "1h"})
        assert taken.json()["owner"] == "kim"
        ended = client.post(f"/api/v1/alerts/{number}/dismiss", headers=bearer, json={"reason": "an experiment"})
        assert ended.json()["decision"] == "dismissed"
        assert client.post(f"/api/v1/alerts/{number}/ack", headers=bearer, json={}).status_code == 409


def test_the_api_says_what_the_commands_say(store: EventStore, looked_at: Path, tmp_path: Path) -> None:
    file = tmp_path / "reward-drift.yaml"
    file.write_text(
        json.dumps(
            {"loop": WATCHED.loop, **WATCHED.model_dump(mode="json", include={"unit", "cohorts"})}
            | {"outcome": {"metric": "task_success", "horizon": "2d"}}
        )
    )
    client, bearer = _client(store)
    places = ["--settings", file, "--store", looked_at, "--json"]
    listed = client.get("/api/v1/alerts", headers=bearer).json()
    assert listed["alerts"] == list(reversed(reward_drift("alerts", "list", *places).json["alerts"]))
    number = listed["alerts"][0]["id"]
    by_command = reward_drift("alerts", "show", number, *places).json
    by_api = client.get(f"/api/v1/alerts/{number}", headers=bearer).json()
    assert {**by_api, "page": []} == {**by_command, "page": []}  # how old data are depends on the clock
    assert client.get("/api/v1/gate/records", headers=bearer).json() == reward_drift("gate", "records", *places).json
    jobs = reward_drift("schedule", *places).json["jobs"]
    assert [one["job"] for one in client.get("/api/v1/schedule", headers=bearer).json()["jobs"]] == [
        one["job"] for one in jobs
    ]


def test_every_page_tells_a_freeze_and_no_stranger_reads_why(store: EventStore, tmp_path: Path) -> None:
    client, bearer = _client(store, tmp_path / "frozen.json")
    assert "Promotion is" not in client.get("/", headers=bearer).text
    freeze(tmp_path / "frozen.json", "refunds <b>doubled</b>", "ann", END)
    for path in ["/", "/alerts", "/gate", "/data"]:
        assert "Promotion is frozen: refunds &lt;b&gt;doubled&lt;/b&gt; (ann" in client.get(path, headers=bearer).text
    assert client.get("/api/v1/status", headers=bearer).json()["freeze"]["frozen"]
    assert "refunds" not in client.get("/login").text


def test_a_dry_run_silences_nothing_and_tells_what_it_would(store: EventStore) -> None:
    client, bearer = _client(store)
    body = {"matcher": {"check": "reward_outcome_decoupling"}, "for": "2h", "reason": "known", "dry_run": True}
    told = client.post("/api/v1/silences", headers=bearer, json=body).json()
    assert told["id"] is None
    assert told["matches_now"]
    assert client.get("/api/v1/alerts", headers=bearer).json()["silences"] == []


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nonsense_is_answered_and_never_breaks_anything(store: EventStore, mode: GenerationMode) -> None:
    app, secret = _app(store)
    bearer = {"Authorization": f"Bearer {secret}"}
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=bearer)
    for operation in (found.ok() for found in schema.get_all_operations()):

        @hypothesis_settings(
            max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: Any) -> None:
            answer = case.call(headers=bearer)
            assert answer.status_code < 500, (case.operation.label, answer.text)

        with contextlib.suppress(*[Unsatisfiable] * (mode is GenerationMode.NEGATIVE)):  # it takes nothing
            answers()


def test_the_first_page_scans_no_table_of_events(store: EventStore) -> None:
    client, bearer = _client(store)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    on_event.listen(store.engine, "before_cursor_execute", note)
    assert client.get("/", headers=bearer).status_code == 200
    on_event.remove(store.engine, "before_cursor_execute", note)
    plans = []
    with store.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.lstrip().startswith("SELECT") and "LIMIT" not in statement:
                plans += connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert plans
    assert [row[3] for row in plans if SCANS_EVENTS.match(row[3])] == []


def test_changes_are_the_means_of_what_was_decided(store: EventStore) -> None:
    memory: Any = MonitorState(store.engine).load(WATCHED.loop)
    with store.engine.connect() as connection:
        changes = read_changes(connection, WATCHED)
        assert read_changes(connection, WATCHED, "tier=no such").points == []
    for name, sign, side in (("A4", 1, "reward"), ("A2", -1, "outcome")):
        key = next(key for key in memory.book.keys if key[1:] == (name, ""))
        n, total, _ = memory.book.sums(key)
        units = [getattr(one, f"{side}_units") for one in changes.points]
        means = [getattr(one, side).value or 0.0 for one in changes.points]
        assert sum(units) == n
        assert sum(m * u for m, u in zip(means, units, strict=True)) == pytest.approx(sign * total)
    assert [mark.checkpoint for mark in changes.marks] == []  # no event told of a checkpoint
    drawing = change_chart("x", changes, ("<thumbs>", "task_success"), 1000.0)
    assert drawing is not None
    assert "&lt;thumbs&gt;" in drawing


def test_no_cell_of_a_file_is_a_formula() -> None:
    rows = [[evil] for evil in ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "fine"]]
    told = bytes(csv_file(Table(["text"], rows), "../x\r\ny").body).decode()
    assert [line for line in told.splitlines() if line[:1] in "=+-@\t\r" and line] == []
    header = csv_file(Table([], []), "../x\r\ny").headers["content-disposition"]
    assert header == 'attachment; filename="..-x-y.csv"'


def _come_apart(store: EventStore) -> None:
    put(store, loop_events(DAYS, 25, reward=25, outcome_change=-30))
    tick_at(store, WATCHED, midnight(END.date()))


def _app(store: EventStore, frozen_by: Path | None = None) -> tuple[FastAPI, str]:
    _, secret = create_token(store.engine, "kim", "ack", END)
    pages = Dashboard(store.engine, WATCHED, needs_login=True, clock=lambda: END, frozen_by=frozen_by)
    return create_app(Looking(), lambda: None, pages), secret


def _client(store: EventStore, frozen_by: Path | None = None) -> tuple[TestClient, dict[str, str]]:
    app, secret = _app(store, frozen_by)
    return TestClient(app), {"authorization": f"Bearer {secret}"}
