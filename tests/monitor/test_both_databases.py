"""Does the monitor say the same on PostgreSQL as on SQLite, to the last digit?"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from consumers.incidents import EXPIRED, Found
from consumers.intake import Intake
from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.oncall.deliver import FIRST_RETRY, deliver
from monitor.oncall.receivers.port import Route
from monitor.status import status_of
from tests.consumers.examples import line
from tests.end_to_end.command import Ran, reward_drift
from tests.monitor.events import DAY, HOUR, START, loop_events, outcome, put, response, settings, told_on
from tests.monitor.live import live, query, tick_at
from tests.monitor.messages import Failing
from tests.monitor.test_tick import TIERS, small
from tests.postgres import Server

TABLES = ("monitor_memory", "series_day", "alert_episode", "alert_transition", "outbox")
WORLD = {"days": 15, "reference_days": 7, "per_day": 40, "reward": 9.0, "outcome_change": -45.0}
CUT = (START + 12 * DAY).date()


@pytest.fixture
def stores(postgres_store_url: str) -> Iterator[tuple[EventStore, EventStore]]:
    """An empty store on each database."""
    sqlite, postgres = (EventStore.open(url, clock=lambda: START) for url in (":memory:", postgres_store_url))
    with sqlite, postgres:
        yield sqlite, postgres


def remembered(store: EventStore) -> dict[str, list[tuple[Any, ...]]]:
    return {name: query(store, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}


@pytest.mark.parametrize("keyed_by", ["response_id", "conversation_id", "user"])
def test_one_look_says_the_same(stores: tuple[EventStore, EventStore], keyed_by: str) -> None:
    events, expected = small(keyed_by)
    put(stores[1], events)
    seen = look(stores[1], TIERS, START + 17 * DAY, replayed=True).report.to_dict()
    assert seen["alerts"]
    assert json.dumps(seen) == json.dumps(expected)


def test_a_life_of_ticks_says_and_remembers_the_same(stores: tuple[EventStore, EventStore]) -> None:
    """Days, a correction of the past, a decision, an incident that comes and goes, a message that fails once."""
    events = list(loop_events(**WORLD))
    told = []
    for store in stores:
        reports = [live(store, TIERS, [e for e in events if told_on(e) < CUT], receivers=("r",), every=3)]
        put(store, [outcome(START + 10 * DAY + HOUR, True, response_id=f"9-{place}") for place in range(9)])
        store.append(Intake("kafka:a/0", {"offset": 9}, [], [], incidents=[Found(EXPIRED, "by retention", 4, 9)]))
        reports.append(tick_at(store, TIERS, reports[-1].as_of + DAY, ("r",)))
        state = MonitorState(store.engine)
        firing = next(s for s in state.episodes("loop") if s.episode.slice_name == "")
        state.resolve("loop", firing.id, "accepted", "new rubric", reports[-1].as_of)
        store.close_incident(1, "restored")
        late = [e for e in events if told_on(e) >= CUT]
        reports.append(live(store, TIERS, late, receivers=("r",), every=2))
        now = reports[-1].as_of
        went = [deliver(store.engine, {"r": Route(Failing())}, now + n * FIRST_RETRY, lambda _: None) for n in (0, 0.5)]
        assert went[0].failed > went[0].sent == 0
        told.append(([report.to_dict() for report in reports], status_of(store, TIERS, now), [*map(str, went)]))
    assert json.dumps(told[0]) == json.dumps(told[1])
    assert remembered(stores[0]) == remembered(stores[1])
    assert [report["alerts"] != [] for report in told[0][0]] == [True, True, True]


def test_a_store_without_a_reference_is_read_on_both(stores: tuple[EventStore, EventStore]) -> None:
    for chosen in (settings(), settings(reward={"scorer": "rm"}, outcome={"missing": False})):
        assert look(stores[0], chosen, START).report == look(stores[1], chosen, START).report


WRITER = """
import sys
from consumers.store import EventStore
from tests.monitor.events import START, put, response
url, name, batches, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with EventStore.open(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in range(batches):
        both = [response(f"both-{batch}", START)] if batch < 5 else []
        put(store, [response(f"{name}-{batch}-{place}", START) for place in range(size)] + both)
"""


def test_a_reader_never_sees_a_larger_number_before_a_smaller_one(postgres_url: str) -> None:
    """One process writes large batches, one small ones: whoever has read up to a number has read all up to it."""
    with contextlib.ExitStack() as running, EventStore.open(postgres_url) as store:
        given = [[sys.executable, "-c", WRITER, postgres_url, *of] for of in (("a", "5", "400"), ("b", "60", "1"))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": Path(__file__).parents[2]}
        writers = [running.enter_context(subprocess.Popen(command, **pipes)) for command in given]
        for writer in writers:
            writer.stdout.readline()
        for writer in writers:
            writer.stdin.write(b"go\n")
            writer.stdin.flush()
        newest, read, looks = 0, 0, 0
        while any(writer.poll() is None for writer in writers):
            with store.engine.connect() as connection:
                up_to = "SELECT COUNT(*) FILTER (WHERE seq <= :newest), COUNT(*), COALESCE(MAX(seq), 0) FROM event"
                again, seen, highest = connection.execute(text(up_to), {"newest": newest}).one()
            assert again == read, "a smaller number became visible after a larger one had been read"
            looks += seen > read
            newest, read = highest, seen
        assert [writer.returncode for writer in writers] == [0, 0]
        assert looks > 2
        assert store.counts().events == 5 * 400 + 60 + 5


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """An event file, with a line that is no event, and settings."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in loop_events(**WORLD)) + "{}\n")
    chosen = tmp_path / "reward-drift.yaml"
    chosen.write_text(
        "{unit: response, cohorts: [tier], outcome: {metric: task_success, horizon: 2d},"
        " freshness: {event: 9d, feedback: 9d, outcome: 9d}}"
    )
    return file, chosen


def test_the_commands_print_the_same(postgres_url: str, world: tuple[Path, Path], tmp_path: Path) -> None:
    file, chosen = world
    at = {"sqlite": str(tmp_path / "store"), "postgres": postgres_url}

    def run(*arguments: object) -> Ran:
        both = [reward_drift(*arguments, "--store", store) for store in at.values()]
        assert both[0].out == both[1].out
        assert both[0].code == both[1].code
        return both[1]

    assert run("ingest", file, "--json").json["events"]["rejected"] == 1
    assert run("tick", "--as-of", "2026-01-19T00:00:00Z", "--settings", chosen, "--json").json["alerts"]
    assert run("alerts", "list", "--settings", chosen, "--json").json["alerts"]
    assert run("rejected", "list", "--json").code == 0
    assert run("alerts", "resolve", 1, "--decision", "rollback", "--note", "n", "--settings", chosen).code == 0
    exported = [reward_drift("export", tmp_path / f"{name}.jsonl", "--store", store) for name, store in at.items()]
    assert [ran.code for ran in exported] == [0, 0]
    assert (tmp_path / "sqlite.jsonl").read_bytes() == (tmp_path / "postgres.jsonl").read_bytes()
    states = [reward_drift("status", "--settings", chosen, "--store", store, "--json").json for store in at.values()]
    for state in states:
        state.pop("freshness")  # ages by the clock
    assert states[0] == states[1]


def told(store: str, *arguments: object) -> Ran:
    """Run status on a store and check that what it prints is one line without a password."""
    ran = reward_drift(*(arguments or ("rejected", "list")), "--store", store)
    assert len(ran.err.strip().splitlines()) == 1
    assert "s3cret" not in ran.err + ran.out
    return ran


def test_a_database_that_cannot_be_used_is_told_in_one_line_with_the_next_command(postgres_server: Server) -> None:
    at = make_url(postgres_server.admin_url).set(password="s3cret")
    shown = f"postgresql://postgres:***@127.0.0.1:{at.port}"

    def url(**changes: Any) -> str:
        return at.set(**changes).render_as_string(hide_password=False)

    absent = told(url(database="none"))
    assert absent.code == 4
    assert f'{shown}/none: connection to server at "127.0.0.1", port {at.port} failed: FATAL:  database' in absent.err
    assert f"`createdb -h 127.0.0.1 -p {at.port} -O postgres none`" in absent.err
    assert "`pg_isready -h 127.0.0.1 -p 1`" in told(url(port=1)).err
    empty = told(url(database="template1"))
    assert empty.code == 2
    assert f"{shown}/template1: no such store; `reward-drift ingest FILE... --store {shown}/template1` makes one" in (
        empty.err
    )
    assert "write postgresql://USER@HOST:PORT/DATABASE" in told("postgresql://me:s3cret@host:port/x").err
    assert "not mysql://" in told("mysql://me:s3cret@host/x").err


@pytest.fixture
def locked(postgres_server: Server) -> Iterator[str]:
    """A URL of a user whose password the server asks for; the one in it is wrong."""
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()

    def order(*statements: str) -> None:
        with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement)

    rules.write_text("host all careful 127.0.0.1/32 scram-sha-256\n" + before)
    order("CREATE ROLE careful LOGIN PASSWORD 'right'", "SELECT pg_reload_conf()")
    yield f"postgresql://careful:s3cret@127.0.0.1:{postgres_server.port}/postgres"
    rules.write_text(before)
    order("DROP ROLE careful", "SELECT pg_reload_conf()")


def test_a_wrong_password_is_told_and_never_printed(locked: str) -> None:
    ran = told(locked)
    assert ran.code == 4
    assert 'password authentication failed for user "careful"' in ran.err
    assert "set PGPASSWORD or ~/.pgpass and try `psql -h 127.0.0.1" in ran.err
    rows = doctor(locked)
    assert rows["store"]["state"] == "MEND"
    assert "s3cret" not in str(rows)


def doctor(store: str) -> dict[str, dict[str, str]]:
    return {row["what"]: row for row in reward_drift("doctor", "--store", store, "--json").json["checks"]}


def test_doctor_tells_of_a_store_on_a_server(postgres_url: str) -> None:
    assert "not there yet" in doctor(postgres_url)["store"]["told"]
    with EventStore.open(postgres_url) as store:
        put(store, [response("a", START)])
    rows = doctor(postgres_url)
    assert rows["store"]["state"] == "ok"
    assert re.search(r"PostgreSQL \d+.*, tables up to date, 1 events, 0 rejected", rows["store"]["told"])
    assert rows["disk"] == {"state": "none", "what": "disk", "told": "not known: the store is on a server of its own"}


REFUSING = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON text BEGIN SELECT raise(ABORT, 'refused'); END",
    "postgresql": "ALTER TABLE text ADD CONSTRAINT refused CHECK (response IS NULL)",
}


def test_a_database_that_refuses_a_row_is_told_without_the_words_in_it(store_url: str, tmp_path: Path) -> None:
    with EventStore.open(store_url) as store, store.engine.begin() as connection:
        connection.execute(text(REFUSING[connection.dialect.name]))
    events = tmp_path / "events.jsonl"
    events.write_bytes(line("response", changes={"response": "words of a person"}))
    ran = reward_drift("ingest", events, "--store", store_url, "--json")
    assert ran.code == 4
    assert "refused" in ran.json["error"]["message"]
    assert "words" not in ran.out + ran.err
    assert ran.json["error"]["exception"] == "StoreUnusable"


def test_a_fault_in_the_middle_of_a_command_is_one_line_with_the_store_and_the_next_command(store_url: str) -> None:
    with EventStore.open(store_url) as store, store.engine.begin() as connection:
        connection.execute(text("DROP TABLE incident"))
    hidden = make_url(store_url).set(password="s3cret") if "@" in store_url else store_url
    url = hidden if isinstance(hidden, str) else hidden.render_as_string(hide_password=False)
    ran = reward_drift("incidents", "list", "--json", "--store", url)
    assert ran.code == 4
    message = ran.json["error"]["message"]
    assert ran.err.split() == f"error: {message}".split()
    assert "incident" in message
    assert "name another store with --store" in message
    assert "SELECT" not in message
    assert "s3cret" not in ran.out + ran.err
