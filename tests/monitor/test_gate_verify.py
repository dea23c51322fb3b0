"""Is a recorded decision the same when it is made again, and is what differs told?"""

import json
import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from consumers.database import writing
from consumers.incidents import EXPIRED, Found
from consumers.intake import Intake
from consumers.store import EventStore
from judges.artefacts.lineage import Lineage
from judges.artefacts.manifest import make_manifest, write_manifest
from monitor.commands.common import UsageFault
from monitor.commands.lazy import Entry, load
from monitor.gate.binding import bind
from monitor.gate.records import UnknownRecord, write_record
from monitor.gate.result import GateReport
from monitor.gate.run import run_gate
from monitor.gate.verify import compare
from monitor.settings import load_settings
from tests.end_to_end.command import reward_drift
from tests.monitor.events import DAY, START, Event, loop_events, outcome, put
from tests.monitor.test_gate_records import without_triggers
from tests.monitor.test_governance_checks import change_a_byte, checkpoint, sealed

AS_OF = START + 20 * DAY
RECORDED = AS_OF + DAY / 24
SETTINGS = "outcome: {metric: task_success, horizon: 2d}\nunit: response\n"
Verified = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world on SQLite, to be copied for each test."""
    folder = tmp_path_factory.mktemp("made")
    return make(folder, f"sqlite:///{folder}/store.sqlite")


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a loop, two sealed checkpoints and a recorded decision; the folder it all lies in, and we too."""
    if getattr(request, "param", "sqlite") == "postgresql":
        make(tmp_path, request.getfixturevalue("postgres_url"))
    else:
        shutil.copytree(request.getfixturevalue("made"), tmp_path, dirs_exist_ok=True)
        (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/store.sqlite")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path, store_url: str) -> Path:
    """Artefacts are told as paths from where one stands."""
    events = list(loop_events(12, 6, per_day=30))
    for name, weight in (("ckpt-0", 0.0), ("ckpt-1", 1.0)):
        digest = sealed(folder / name, weight=weight)
        events.append(checkpoint(name, sha256=digest, artifact=name, stage="serving"))
    (folder / "reward-drift.yaml").write_text(SETTINGS)
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    (folder / "url").write_text(store_url)
    assert reward_drift("ingest", folder / "events.jsonl", "--store", store_url).code == 0
    with EventStore.open(store_url) as store, chdir(folder):
        report = decided(store, folder)
        assert write_record(store.engine, report, lambda: RECORDED) == 1
        (folder / "decision.json").write_text(json.dumps(report.to_dict()))
    return folder


def decided(store: EventStore, world: Path, **more: Any) -> GateReport:
    chosen = load_settings(world / "reward-drift.yaml")
    return run_gate(store, chosen, "ckpt-1", "ckpt-0", AS_OF, bound=partial(bind, settings=chosen), **more)


def change(world: Path, *later: Event) -> None:
    with EventStore.open((world / "url").read_text()) as store:
        put(store, later)


@pytest.fixture
def verified(world: Path, capsys: pytest.CaptureFixture[str]) -> Verified:
    """Run `gate verify` in the world: exit code and what it told."""
    command = load("verify", Entry("monitor.commands.gate_verify:verify", ""))

    def run(record: object = 1, *more: object, store: bool = True) -> tuple[int, dict[str, Any]]:
        where = ["--store", (world / "url").read_text()] if store else []
        arguments = [record, *more, "-s", world / "reward-drift.yaml", *where, "--json"]
        code = command.main([str(one) for one in arguments], standalone_mode=False)
        out = capsys.readouterr().out
        return code, json.loads(out) if out.startswith("{") else {"said": out}

    return run


def whats(told: dict[str, Any]) -> list[str]:
    return [one["what"] for one in told["differences"]]


SAME = (0, {"record": 1, "same": True, "differences": [], "lost": [], "faults": []})


def test_a_decision_made_again_is_the_same(verified: Verified) -> None:
    assert verified() == SAME


@pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)
def test_what_came_later_does_not_count_even_if_it_happened_before(verified: Verified, world: Path) -> None:
    """Late outcomes would decide otherwise: so they do in a gate of now, and not in the second look."""
    late = [outcome(START + 8 * DAY, False, response_id=f"{day}-{n}") for day in range(6, 12) for n in range(30)]
    change(world, *late, checkpoint("ckpt-1", START + 9 * DAY, sha256="f" * 64))
    with EventStore.open((world / "url").read_text()) as store:
        gap = [Found(EXPIRED, "by retention", 4, 9)]
        store.append(Intake("kafka:feedback/0", {"offset": 9}, [], [], incidents=gap))
        now = decided(store, world)
    assert compare(json.loads((world / "decision.json").read_text()), now.to_dict()).differences
    assert verified() == SAME


def test_the_same_events_from_files_decide_the_same_in_any_order(verified: Verified, world: Path) -> None:
    lines = (world / "events.jsonl").read_text().splitlines(keepends=True)
    (world / "reversed.jsonl").write_text("".join(reversed(lines)))
    code, told = verified(1, "--events", world / "reversed.jsonl")
    assert (code, told) == SAME
    (world / "fewer.jsonl").write_text("".join(line for line in lines if '"r-7-3"' not in line))
    code, told = verified(1, "--events", world / "fewer.jsonl")
    assert code == 1
    assert "data" in whats(told)


def test_a_decision_may_come_from_a_file(verified: Verified, world: Path) -> None:
    code, told = verified(world / "decision.json", "--events", world / "events.jsonl", store=False)
    assert (code, told["record"], told["same"]) == (0, None, True)


def test_a_byte_that_was_changed_since_is_told(verified: Verified, world: Path) -> None:
    change_a_byte(world / "ckpt-1" / "model.safetensors")
    code, told = verified()
    assert code == 1
    assert "weights_unchanged verdict" in whats(told)
    assert any(one.startswith("artefact:candidate") for one in told["lost"])


def test_another_folder_that_is_offered_now_is_told_by_its_digest(verified: Verified, world: Path) -> None:
    sealed(world / "other", weight=7.0)
    code, told = verified(1, "--artifact", f"candidate={world / 'other'}")
    assert code == 1
    assert {"artefact:candidate", "weights_unchanged verdict"} <= set(whats(told))
    (world / "ckpt-1").rename(world / "moved")
    assert verified(1, "--artifact", f"candidate={world / 'moved'}") == SAME


def test_folders_out_of_reach_cannot_be_verified(world: Path) -> None:
    """Of a decision that had them; nothing else differs."""
    with EventStore.open((world / "url").read_text()) as store:
        there = decided(store, world, files={"candidate": world / "ckpt-1"})
        told = there.to_dict()
    again = {**told, "bound": {name: one for name, one in told["bound"].items() if name != "artefact:candidate"}}
    found = compare(told, again)
    assert found.exit_code == 3
    assert "--artifact candidate=FOLDER" in found.lost[0]


def test_other_settings_are_told_by_their_digest_and_by_what_they_change(verified: Verified, world: Path) -> None:
    (world / "reward-drift.yaml").write_text(SETTINGS + "gate: {alpha: 0.01}\n")
    code, told = verified()
    assert code == 1
    assert "settings" in whats(told)


@pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)
def test_an_edited_record_differs_and_a_removed_one_is_named(verified: Verified, world: Path) -> None:
    with EventStore.open((world / "url").read_text()) as store:
        write_record(store.engine, decided(store, world), lambda: RECORDED)
        edit = "UPDATE gate_record SET content = replace(content, :was, :made) WHERE number = 1"
        decision = json.loads((world / "decision.json").read_text())["decision"]
        made = '"decision":"GO"' if decision != "GO" else '"decision":"NO-GO"'
        without_triggers(store.engine, edit, was=f'"decision":"{decision}"', made=made)
    code, told = verified()
    assert code == 1
    assert "decision" in whats(told)
    assert told["faults"] == ["record 1 is not as it was written"]
    with EventStore.open((world / "url").read_text()) as store, writing(store.engine) as connection:
        connection.execute(text("DELETE FROM gate_record WHERE number = 2"))
    code, told = verified(2)
    assert code == 1
    assert "record 2 is gone" in told["said"]


def test_a_record_that_never_was_and_a_file_that_is_none_are_wrong_usage(verified: Verified, world: Path) -> None:
    with pytest.raises(UnknownRecord, match="no gate record 9"):
        verified(9)
    with pytest.raises(UsageFault, match="no such file"):
        verified(world / "nowhere.json")
    with pytest.raises(UsageFault, match="not what"):
        verified(world / "events.jsonl")


def test_a_freeze_of_then_or_of_now_does_not_count(verified: Verified, world: Path) -> None:
    with EventStore.open((world / "url").read_text()) as store:
        report = decided(store, world, frozen="refunds")
        assert report.blocking[0] == "frozen"
        write_record(store.engine, report, lambda: RECORDED)
    code, told = verified(2)
    assert (code, told["differences"]) == (0, [])


def test_every_kind_of_difference_is_found(world: Path) -> None:
    told = json.loads((world / "decision.json").read_text())
    one = told["findings"][0]
    changed = [
        {**told, "findings": told["findings"][1:]},
        {**told, "findings": [{**one, "n": one["n"] + 1}, *told["findings"][1:]]},
        {**told, "findings": [{**one, "effect": {**one["effect"], "low": 0.123}}, *told["findings"][1:]]},
        {**told, "blocking": [*told["blocking"], "another"]},
        {**told, "bound": {**told["bound"], "code": "0" * 64}},
    ]
    assert [len(compare(told, again).differences) for again in changed] == [1, 1, 1, 1, 1]
    assert compare(told, {**told, "bound": {**told["bound"], "highest_seq": "9"}}).exit_code == 0
    assert replace(compare(told, told), faults=["record 1 is gone"]).exit_code == 1


def test_a_lineage_sealed_anew_is_another_artefact(world: Path, verified: Verified) -> None:
    write_manifest(world / "ckpt-0", make_manifest(world / "ckpt-0", Lineage(licence="mit"), None))
    code, told = verified()
    assert code == 1
    assert "artefact:reference" in whats(told)
