"""Does the command line keep its promises: help, exit codes, JSON, files, alerts sent once?"""

import contextlib
import hashlib
import hmac
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.cli import Commands
from monitor.commands.lazy import load
from tests.consumers.examples import BAD, DATA, envelope
from tests.end_to_end.command import PROGRAM, reward_drift, reward_drift_process
from tests.end_to_end.event_worlds import first_days, world_events, write_events, write_settings
from tests.worlds import REFERENCE_DAYS, World, items

README = Path(__file__).parents[2] / "README.md"
AS_OF = "2026-03-31T00:00:00Z"  # the midnight after the last outcome of the world below matured
SECRET = "s3cret"


class Place(NamedTuple):
    """Files of a loop whose outcome fell at once, read into a store."""

    events: Path
    settings: Path
    store: Path


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("harmed")
    frame = first_days(items(World(reward=9, outcome=-20, steps=1, labels=20), 0), REFERENCE_DAYS + 28)
    events, store = write_events(folder / "events.jsonl", world_events(frame)), folder / "store.sqlite"
    assert reward_drift("ingest", events, "--store", store).code == 0
    return Place(events, write_settings(folder), store)


@pytest.fixture
def place(harmed: Place, tmp_path: Path) -> Place:
    """The same with a store of its own, which a test may change."""
    store = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(harmed.store)) as source, contextlib.closing(sqlite3.connect(store)) as own:
        source.backup(own)
    return harmed._replace(store=store)


def at(place: Place) -> tuple[str | Path, ...]:
    return ("--settings", place.settings, "--store", place.store)


def commands() -> Iterator[tuple[str, Any]]:
    for name, entry in Commands.entries.items():
        command = load(name, entry)
        below = getattr(command, "commands", None)
        yield from {name: command}.items() if below is None else ((f"{name} {one}", below[one]) for one in below)


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    helped = reward_drift(*name.split(), "--help")
    assert helped.code == 0
    assert len(COMMANDS[name].help) > 20
    assert all(getattr(option, "help", None) for option in COMMANDS[name].params if option.name != "help")


@pytest.mark.skipif(not README.exists(), reason="there is no README.md")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert re.search(rf"(`|reward-drift ){name}\b", README.read_text(encoding="utf-8"))


def test_a_replay_with_alerts_worked(harmed: Place) -> None:
    files = ("replay", harmed.events, "--settings", harmed.settings, "--json")
    plain = reward_drift(*files)
    assert plain.code == 0
    assert "warning" in {alert["severity"] for alert in plain.json["alerts"]}
    for severity in ("ticket", "warning"):
        asked = reward_drift(*files, "--fail-on", severity)
        assert (asked.code, asked.out) == (1, plain.out)


def test_a_replay_without_such_alerts_does_not_fail(harmed: Place, tmp_path: Path) -> None:
    quiet = write_events(tmp_path / "quiet.jsonl", world_events(first_days(items(World(labels=20), 0), 80)))
    assert reward_drift("replay", quiet, "--settings", harmed.settings, "--fail-on", "ticket").code == 0


def test_outputs_are_written_by_suffix(harmed: Place, tmp_path: Path) -> None:
    page, plain, text = (tmp_path / f"report.{suffix}" for suffix in ("html", "json", "txt"))
    ran = reward_drift(
        "replay", harmed.events, "--settings", harmed.settings, "--json", "-o", page, "-o", plain, "-o", text
    )
    assert json.loads(plain.read_text()) == ran.json
    assert page.read_text().lower().startswith("<!doctype html>")
    assert "world as of 31 Mar 2026" in text.read_text()


FAULTS = {
    "absent events": (("replay", "absent.jsonl"), ("absent.jsonl", "no such file", "ls ")),
    "absent settings": (("replay", "events.jsonl", "-s", "none.yaml"), ("none.yaml", "reward-drift init")),
    "absent store": (("status", "--store", "none.sqlite"), ("none.sqlite", "no such store", "reward-drift ingest")),
    "wrong settings": (("tick", "-s", "wrong.yaml"), ("wrong.yaml:2", "colour", "did you mean `cohorts`")),
    "wrong suffix": (("replay", "events.jsonl", "-o", "report.pdf"), ("report.pdf", ".html, .json, .txt")),
    "wrong time": (("tick", "--as-of", "soon", "--store", "events.jsonl"), ("--as-of soon", "2026-03-02T00:00:00Z")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_caller_names_file_cause_and_remedy(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reward_drift("init").code == 0
    Path("wrong.yaml").write_text("outcome: {metric: task_success}\ncolour: red\n")
    Path("events.jsonl").write_text("")
    arguments, parts = FAULTS[fault]
    told = reward_drift(*arguments, "--json")
    assert told.code == 2
    assert told.json["error"].keys() == {"kind", "exception", "message", "status"}
    assert (told.json["error"]["kind"], told.json["error"]["status"]) == ("usage", 2)
    for part in parts:
        assert part in told.err
        assert part in told.json["error"]["message"]
    assert reward_drift(*arguments).out == ""


@pytest.mark.parametrize("arguments", [("nonsense",), ("replay",), ("replay", "x", "--fail-on", "never"), ("export",)])
def test_wrong_usage_is_told_on_standard_error(arguments: tuple[str, ...]) -> None:
    ran = reward_drift(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage:" in ran.err


def test_a_broken_store_is_a_fault_of_the_tool(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    store.write_bytes(b"this is no database " * 99)
    ran = reward_drift("status", "--settings", write_settings(tmp_path), "--store", store, "--json")
    assert ran.code == 4
    assert ran.json["error"]["kind"] == "fault"
    assert f"{store}: cannot be used as a store: file is not a database" in ran.json["error"]["message"]
    assert "--store" in ran.err


def test_settings_from_init_serve_a_replay(harmed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = reward_drift("init", "--metric", "task_success", "--loop", "mine")
    assert "next: reward-drift replay" in made.out
    assert reward_drift("init").code == 2
    report = reward_drift("replay", harmed.events, "--json").json
    assert report["loop"] == "mine"
    assert report["reference"]["name"] == "ckpt-00"
    assert any("no reference was named" in note for note in report["notes"])


def test_validate_stores_nothing_and_fails_on_a_bad_event(
    harmed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = reward_drift("validate", harmed.events, "--settings", harmed.settings, "--json")
    assert good.code == 0
    assert good.json["rejected"] == []
    assert sum(good.json["events"].values()) == len(harmed.events.read_bytes().splitlines())
    Path("bad.jsonl").write_text("{}\n")
    assert reward_drift("validate", "bad.jsonl").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_the_schema_names_every_type_of_event_once() -> None:
    schema = reward_drift("schema").json
    assert set(schema["properties"]["type"]["enum"]) == {f"rewarddrift.{kind}.v1" for kind in DATA}
    parts = [rule["then"]["properties"]["data"]["$ref"].removeprefix("#/$defs/") for rule in schema["allOf"]]
    assert len(set(parts)) == len(DATA)
    assert set(parts) <= schema["$defs"].keys()


def test_the_schema_is_of_the_draft_it_names_and_knows_good_events_from_bad() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the jsonschema package is not installed")
    schema = reward_drift("schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    shown = [json.loads(line) for line in README.read_text(encoding="utf-8").splitlines() if line.startswith('{"spec')]
    assert shown
    for event in [*shown, *map(envelope, DATA)]:
        validator.validate(event)
    bad = ("no_checkpoint", "outcome_of_two", "thumbs_of_two", "null_score_without_status", "unknown_type", "no_id")
    assert not any(validator.is_valid(json.loads(BAD[name][0])) for name in bad)


def test_following_ends_on_a_signal_with_everything_stored(harmed: Place, tmp_path: Path) -> None:
    lines = harmed.events.read_bytes().splitlines(keepends=True)[:300]
    path, store = tmp_path / "live.jsonl", tmp_path / "store.sqlite"
    path.write_bytes(b"".join(lines[:100]))
    follow = [*PROGRAM, "ingest", str(path), "--store", str(store), "--follow", "--json"]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as process:
        wait_for_events(store, 100, process)
        with path.open("ab") as file:
            file.writelines(lines[100:])
        wait_for_events(store, 300, process)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out)["events"] == {"accepted": 300, "duplicate": 0, "conflict": 0, "rejected": 0}


def wait_for_events(store: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Return once the store holds so many events; a process that ended, or two minutes, is a failure."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reader,
        ):
            if reader.execute("SELECT COUNT(*) FROM event").fetchone()[0] >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"no {count} events in the store")


class Hook(NamedTuple):
    """A webhook on this machine: its address, what it was sent, and what it answers."""

    url: str
    sent: list[tuple[dict[str, str], bytes]]
    answer: list[int]


@pytest.fixture
def hook() -> Iterator[Hook]:
    sent: list[tuple[dict[str, str], bytes]] = []
    answer = [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answer[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Hook(f"http://127.0.0.1:{server.server_port}/alerts", sent, answer)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hooked(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Hook:
    monkeypatch.setenv("REWARD_DRIFT_WEBHOOK_URL", hook.url)
    monkeypatch.setenv("REWARD_DRIFT_WEBHOOK_SECRET", SECRET)
    return hook


def test_two_ticks_send_each_alert_once_and_signed(place: Place, hooked: Hook) -> None:
    first = reward_drift_process("tick", *at(place), "--as-of", AS_OF, "--json")
    assert first.code == 0, first.err
    told = {alert["fingerprint"] for alert in first.json["alerts"]}
    messages = [json.loads(body) for _, body in hooked.sent]
    assert told
    assert sorted(alert["fingerprint"] for m in messages for alert in said(m["data"])) == sorted(told)
    assert {m["type"] for m in messages} == {"rewarddrift.alert.v1"}
    assert len({m["id"] for m in messages}) == len(messages)
    assert all(signed(headers, body) for headers, body in hooked.sent)
    before = len(hooked.sent)
    second = reward_drift("tick", *at(place), "--as-of", AS_OF, "--json")
    assert second.json["alerts"] == first.json["alerts"]
    assert len(hooked.sent) == before


def said(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The alerts that a message speaks of: many of one tick are one message."""
    return message["members"] or [message["alert"]]


def signed(headers: dict[str, str], body: bytes) -> bool:
    """As a receiver would check it: the time and the body under the shared secret."""
    moment, _, told = headers["x-rewarddrift-signature"].partition(",sha256=")
    expected = hmac.new(SECRET.encode(), moment.removeprefix("t=").encode() + b"." + body, hashlib.sha256)
    return hmac.compare_digest(told, expected.hexdigest())


def test_an_alert_that_was_not_taken_is_kept_for_later(place: Place, hooked: Hook) -> None:
    hooked.answer[0] = 503
    ran = reward_drift("tick", *at(place), "--as-of", AS_OF)
    assert ran.code == 0
    assert f"0 sent, {len(hooked.sent)} waiting" in ran.err
    assert "HTTP 503" in ran.err


def test_status_is_blind_until_a_day_was_decided_and_tells_open_alerts(place: Place) -> None:
    assert reward_drift("status", *at(place), "--json").json["state"] == "blind"
    assert "BLIND" in reward_drift("status", *at(place)).out
    reward_drift("tick", *at(place), "--as-of", AS_OF)
    state = reward_drift("status", *at(place), "--json").json
    assert state["state"] == "alert"
    assert state["decided_until"] == "2026-03-30"
    assert {alert["check"] for alert in state["alerts"]} == {"reward_outcome_decoupling"}


def test_a_resolved_alert_keeps_its_decision_and_stays_silent(place: Place, hooked: Hook) -> None:
    reward_drift("tick", *at(place), "--as-of", AS_OF)
    sent = len(hooked.sent)
    listed = reward_drift("alerts", "list", *at(place), "--json").json["alerts"]
    assert {alert["state"] for alert in listed} == {"firing"}
    for alert in listed:
        done = reward_drift(
            "alerts", "resolve", alert["id"], "--decision", "rollback", "--note", "to ckpt-00", *at(place)
        )
        assert done.code == 0
    assert [json.loads(body)["data"]["kind"] for _, body in hooked.sent[sent:]] == ["resolved"]
    sent = len(hooked.sent)
    reward_drift("tick", *at(place), "--as-of", AS_OF)
    after = reward_drift("alerts", "list", *at(place), "--json").json["alerts"]
    assert [(a["id"], a["state"], a["decision"], a["note"]) for a in after] == [
        (a["id"], "resolved", "rollback", "to ckpt-00") for a in listed
    ]
    assert reward_drift("status", *at(place), "--json").json["state"] != "alert"
    assert len(hooked.sent) == sent
    again = reward_drift("alerts", "resolve", listed[0]["id"], "--decision", "retire", "--note", "x", *at(place))
    assert again.code == 2
    assert "reward-drift alerts list" in again.err


def test_resolving_tells_which_other_alerts_of_the_slice_end_with_it(place: Place, hooked: Hook) -> None:
    reward_drift("tick", *at(place), "--as-of", AS_OF)
    first = reward_drift("alerts", "list", *at(place), "--json").json["alerts"][0]
    with contextlib.closing(sqlite3.connect(place.store)) as connection, connection:
        connection.execute("CREATE TEMP TABLE other AS SELECT * FROM alert_episode WHERE id = ?", (first["id"],))
        connection.execute("UPDATE other SET id = 1001, fingerprint = 'o', check_name = 'reward_outcome_association'")
        connection.execute("INSERT INTO alert_episode SELECT * FROM other")
    done = reward_drift("alerts", "resolve", first["id"], "--decision", "rollback", "--note", "x", *at(place))
    assert "resolved with it" in done.out
    assert "1001" in done.out
    after = {row["id"]: row["state"] for row in reward_drift("alerts", "list", *at(place), "--json").json["alerts"]}
    assert after[first["id"]] == after[1001] == "resolved"


def test_doctor_tells_what_needs_mending(place: Place, tmp_path: Path) -> None:
    well = reward_drift("doctor", *at(place), "--json")
    assert well.code == 0
    assert {row["what"] for row in well.json["checks"]} >= {"python", "sqlite", "checks", "settings", "store"}
    broken = tmp_path / "broken.yaml"
    broken.write_text("outcome: 3\n")
    ill = reward_drift("doctor", "--settings", broken, "--store", place.store, "--json")
    assert ill.code == 1
    assert [row["what"] for row in ill.json["checks"] if row["state"] == "MEND"] == ["settings"]
    spoiled = reward_drift("doctor", "--settings", place.settings, "--store", broken, "--json")
    assert spoiled.code == 1
    assert [row["what"] for row in spoiled.json["checks"] if row["state"] == "MEND"] == ["store"]


def test_reading_events_and_help_need_no_heavy_libraries() -> None:
    heavy = ["torch", "transformers", "kafka", "apscheduler", "ray", "sklearn", "scipy", "pandas", "pyarrow"]
    modules = "monitor.cli, monitor.commands.stream, monitor.commands.data"
    asked = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_misspelt_command_is_told_the_nearest_one() -> None:
    ran = reward_drift("inciden")
    assert ran.code == 2
    assert "incidents" in ran.err


def test_the_installed_command_is_this_one() -> None:
    program = shutil.which("reward-drift", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("the package is not installed beside this Python")
    ran = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("reward-drift ")
