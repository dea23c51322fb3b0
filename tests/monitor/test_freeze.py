"""Does a freeze hold, whatever becomes of the database, of its file and of the process that writes it?"""

import datetime as dt
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.store import EventStore
from monitor.gate.freeze import PLACE, FreezeRefused, freeze, freeze_file, read_freeze, unfreeze
from tests.end_to_end.command import reward_drift, reward_drift_process
from tests.monitor.events import loop_events
from tests.postgres import Server

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "reward-drift.yaml"
    path.write_text("outcome: {metric: task_success}\n")
    return path


def test_nothing_is_frozen_until_somebody_says_so(chosen: Path) -> None:
    held = read_freeze(freeze_file(chosen))
    assert not held.frozen
    assert held.told() == "not frozen"


def test_a_freeze_is_told_with_reason_name_and_time_until_it_ends(chosen: Path) -> None:
    file = freeze_file(chosen)
    assert freeze(file, "refunds doubled", "ann", NOW).frozen
    held = read_freeze(file)
    assert held.told() == "frozen: refunds doubled (ann, 2026-03-01T12:00:00Z)"
    unfreeze(file, "a billing fault", "bob", NOW + HOUR)
    assert not read_freeze(file).frozen
    assert [(one.action, one.by) for one in read_freeze(file).history] == [("freeze", "ann"), ("unfreeze", "bob")]


def test_the_same_freeze_twice_changes_nothing_and_another_reason_is_added(chosen: Path) -> None:
    file = freeze_file(chosen)
    freeze(file, "refunds", "ann", NOW)
    before = file.read_bytes()
    freeze(file, "refunds", "bob", NOW + HOUR)
    assert file.read_bytes() == before
    freeze(file, "an audit", "bob", NOW + HOUR)
    assert [one.reason for one in read_freeze(file).reasons] == ["refunds", "an audit"]
    unfreeze(file, "both are settled", "ann", NOW + 2 * HOUR)
    assert read_freeze(file).reasons == []
    freeze(file, "refunds", "ann", NOW + 3 * HOUR)
    assert read_freeze(file).frozen


def test_ending_a_freeze_that_is_not_there_writes_nothing(chosen: Path) -> None:
    assert not unfreeze(freeze_file(chosen), "why not", "ann", NOW).frozen
    assert not freeze_file(chosen).exists()


UNREADABLE = {
    "empty": b"",
    "half written": b'{"format": "reward-drift.freeze.v1", "history": [{"act',
    "another format": b'{"format": "reward-drift.freeze.v2", "history": []}',
    "no history": b'{"format": "reward-drift.freeze.v1", "history": []}',
    "unknown field": b'{"format": "reward-drift.freeze.v1", "history": [], "frozen": false}',
    "time without offset": b'{"format":"reward-drift.freeze.v1","history":[{"action":"unfreeze",'
    b'"at":"2026-03-01T12:00:00","by":"a","reason":"r"}]}',
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_read_is_a_freeze_and_says_so(what: str, chosen: Path) -> None:
    file = freeze_file(chosen)
    file.write_bytes(UNREADABLE[what])
    held = read_freeze(file)
    assert held.frozen
    assert str(file) in held.told()
    with pytest.raises(FreezeRefused, match="counts as frozen"):
        unfreeze(file, "because", "ann", NOW)
    assert read_freeze(file).frozen
    freeze(file, "looked at it", "ann", NOW)
    kept = [path for path in file.parent.iterdir() if ".unreadable-" in path.name]
    assert [path.read_bytes() for path in kept] == [UNREADABLE[what]]
    assert not unfreeze(file, "it was noise", "ann", NOW + HOUR).frozen


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_noise_reads_as_free(tmp_path: Path, noise: bytes) -> None:
    file = tmp_path / "noise.freeze.json"
    file.write_bytes(noise)
    assert read_freeze(file).frozen


def test_a_folder_that_is_gone_and_a_link_that_leads_nowhere_are_freezes(tmp_path: Path) -> None:
    assert read_freeze(tmp_path / "gone" / "f.json").frozen
    assert read_freeze(tmp_path).frozen  # a folder in its place
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "nowhere.json")
    assert read_freeze(link).frozen


def test_the_environment_may_name_another_place(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = chosen.parent / "elsewhere.json"
    monkeypatch.setenv(PLACE, str(elsewhere))
    assert reward_drift("freeze", "--reason", "an audit", "-s", chosen).code == 0
    assert elsewhere.exists()
    assert not chosen.with_name("reward-drift.yaml.freeze.json").exists()


def test_the_command_freezes_tells_and_ends(chosen: Path) -> None:
    assert reward_drift("freeze", "--reason", "refunds", "--by", "ann", "-s", chosen).out.startswith("frozen: refunds")
    told = reward_drift("freeze", "--status", "-s", chosen, "--json").json
    assert told["frozen"]
    assert [(one["action"], one["by"], one["reason"]) for one in told["history"]] == [("freeze", "ann", "refunds")]
    asked = reward_drift("unfreeze", "-s", chosen)
    assert asked.code == 2
    assert "refunds are back to normal" in asked.err
    ended = ("unfreeze", "--reason", "settled", "--by", "ann", "-s", chosen)
    assert reward_drift(*ended).out == "no longer frozen, by ann: settled; the gate decides again\n"
    assert reward_drift(*ended).out == "it was not frozen: nothing to end, and nothing was written\n"


def test_the_status_of_the_loop_tells_a_freeze(chosen: Path) -> None:
    place = chosen.parent / "store.sqlite"
    EventStore.open(place).close()
    assert "promotion: not frozen" in reward_drift("status", "-s", chosen, "--store", place).out
    reward_drift("freeze", "--reason", "refunds", "-s", chosen)
    assert "promotion: frozen: refunds" in reward_drift("status", "-s", chosen, "--store", place).out
    assert reward_drift("status", "-s", chosen, "--store", place, "--json").json["freeze"]["frozen"]


def test_the_gate_says_no_go_while_frozen_and_when_the_file_cannot_be_read(chosen: Path) -> None:
    """Whatever the events say."""
    events = chosen.parent / "events.jsonl"
    events.write_text("".join(json.dumps(one) + "\n" for one in loop_events(3, 1, per_day=3)))
    asked = ("gate", "--candidate", "ckpt-1", "--reference", "ckpt-0", "-s", chosen, "--events", events, "--json")
    assert reward_drift(*asked).json["blocking"][0] != "frozen"
    freeze(freeze_file(chosen), "refunds", "ann", NOW)
    frozen = reward_drift(*asked)
    assert (frozen.code, frozen.json["decision"], frozen.json["blocking"][0]) == (1, "NO-GO", "frozen")
    freeze_file(chosen).write_text("{")
    broken = reward_drift(*asked)
    assert (broken.code, broken.json["blocking"][0]) == (1, "frozen")
    assert "cannot be read" in broken.json["findings"][0]["message"]


@pytest.mark.parametrize(
    ("given", "said"), [(["freeze"], "--reason"), (["freeze", "--reason", "  "], "--reason"), (["unfreeze"], "say why")]
)
def test_a_freeze_needs_a_reason(given: list[str], said: str, chosen: Path) -> None:
    ran = reward_drift(*given, "-s", chosen)
    assert ran.code == 2
    assert said in ran.err
    assert not freeze_file(chosen).exists()


def test_a_freeze_beside_settings_that_are_not_there_is_refused(tmp_path: Path) -> None:
    """In a wrong folder the gate would never see it."""
    ran = reward_drift("freeze", "--reason", "refunds", "-s", tmp_path / "reward-drift.yaml")
    assert ran.code == 2
    assert "--settings" in ran.err


def test_broken_settings_do_not_keep_anybody_from_freezing(chosen: Path) -> None:
    chosen.write_text("outcome: [\n")
    assert reward_drift("freeze", "--reason", "refunds", "-s", chosen).code == 0
    assert read_freeze(freeze_file(chosen)).frozen


AS_NOBODY = """
import os
import monitor.commands.freeze, rich.console
from monitor.cli import main
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
main()
"""


def as_nobody(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user who may write only what is open to all."""
    command = [sys.executable, "-c", AS_NOBODY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that every user may write to, with all above it."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path(folder.root):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    tmp_path.chmod(0o777)
    return tmp_path


def test_a_read_only_database_does_not_keep_anybody_from_freezing(chosen: Path, open_folder: Path) -> None:
    place = open_folder / "database" / "store.sqlite"
    place.parent.mkdir()
    EventStore.open(place).close()
    place.chmod(0o444)
    place.parent.chmod(0o555)
    ran = as_nobody("freeze", "--reason", "refunds", "--by", "ann", "-s", chosen)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert read_freeze(freeze_file(chosen)).told().startswith("frozen: refunds (ann")


def test_a_folder_that_cannot_be_written_is_told_with_the_way_out(chosen: Path, open_folder: Path) -> None:
    open_folder.chmod(0o555)
    ran = as_nobody("freeze", "--reason", "refunds", "-s", chosen)
    open_folder.chmod(0o755)
    assert ran.returncode == 2
    assert "nothing was written: not frozen" in ran.stderr
    assert PLACE in ran.stderr


def test_a_stopped_database_does_not_keep_anybody_from_freezing(chosen: Path, postgres_server: Server) -> None:
    postgres_server.stop()
    try:
        ran = reward_drift_process("freeze", "--reason", "refunds", "-s", chosen)
    finally:
        postgres_server.start()
    assert ran.code == 0
    assert read_freeze(freeze_file(chosen)).frozen


def _write_for_ever(file: Path, ready: int) -> None:
    """What a child does until it is killed."""
    try:
        os.write(ready, b"r")
        for number in range(10**9):
            freeze(file, f"reason {number} " + "x" * 5000, "loop", NOW)
            if number % 5 == 4:
                unfreeze(file, "again", "loop", NOW)
                file.unlink()
                freeze(file, "anew", "loop", NOW)
    finally:
        os._exit(1)


def test_a_killed_freeze_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """25 kills at spread moments: what is there always reads whole, or nothing was there yet."""
    file = tmp_path / "f.freeze.json"
    for number in range(25):
        begun, ready = os.pipe()
        child = os.fork()
        if child == 0:
            _write_for_ever(file, ready)
        assert os.read(begun, 1) == b"r"
        time.sleep(number * 0.0011)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        os.close(begun)
        os.close(ready)
        assert read_freeze(file).fault == ""


def test_two_freezes_at_once_are_both_kept(tmp_path: Path) -> None:
    file = tmp_path / "f.freeze.json"
    script = """
import datetime as dt, sys
from pathlib import Path
from monitor.gate.freeze import freeze
for number in range(20):
    freeze(Path(sys.argv[1]), f"{sys.argv[2]} {number}", sys.argv[2], dt.datetime.now(dt.UTC))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(file), name], cwd=Path(__file__).parents[2])
        for name in ("ann", "bob")
    ]
    assert [process.wait() for process in both] == [0, 0]
    expected = {f"{name} {number}" for name in ("ann", "bob") for number in range(20)}
    assert {one["reason"] for one in json.loads(file.read_bytes())["history"]} == expected
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
