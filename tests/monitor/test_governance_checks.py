"""Do the gate's checks of weights, lineage, roll-back and traffic see what is there, and say when they cannot?"""

import datetime as dt
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from consumers.canonical import canonical_json
from consumers.store import EventStore
from judges.anchors import seal_anchors
from judges.artefacts.lineage import Code, Lineage, Source
from judges.artefacts.manifest import NAME, make_manifest, read_manifest, write_manifest
from judges.engine.spec import ScoreSpec
from judges.scores import ScoreBoard
from monitor.check import Measurement, Verdict, load_checks
from monitor.commands.common import UsageFault
from monitor.commands.gate_options import artifacts_of
from monitor.detection.runner import census
from monitor.gate.binding import bind, code_digest, settings_digest
from monitor.gate.sides import prepare_trial
from monitor.gate.trial import Trial
from monitor.statistics.split import split_mismatch
from tests.monitor.events import DAY, HOUR, START, Event, event, loop_events, put, response, score, settings

AS_OF = START + 20 * DAY
SHA = {name: f"{number:064x}" for number, name in enumerate(("base", "chats", "labels", "rm"), start=1)}
LINEAGE = Lineage(
    base_model=Source("small-3b", sha256=SHA["base"]),
    data=(Source("chats", sha256=SHA["chats"]), Source("labels", sha256=SHA["labels"])),
    reward_model=Source("rm-2", revision="7"),
    code=Code("c0ffee"),
)


def sealed(folder: Path, lineage: Lineage = LINEAGE, weight: float = 1.0) -> str:
    """A checkpoint of one number; its digest."""
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", weight))
    (folder / "config.json").write_text("{}")
    write_manifest(folder, make_manifest(folder, lineage, None))
    return read_manifest(folder).digest


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def checkpoint(name: str, at: dt.datetime = START, **more: Any) -> Event:
    return event("checkpoint", at, {"checkpoint": name, **more})


@pytest.fixture
def store() -> Iterator[EventStore]:
    """An empty store."""
    with EventStore.open(":memory:") as opened:
        yield opened


@pytest.fixture
def both(tmp_path: Path, store: EventStore) -> dict[str, Path]:
    """Folders of two sealed checkpoints, each told with its digest and where it lies."""
    folders = {"ckpt-0": tmp_path / "models" / "old", "ckpt-1": tmp_path / "models" / "new"}
    for number, (name, folder) in enumerate(folders.items()):
        digest = sealed(folder, weight=float(number))
        put(store, [checkpoint(name, sha256=digest, artifact=str(folder), stage=("serving", "candidate")[number])])
    return folders


def trial(store: EventStore, stage: str = "offline", **more: Any) -> Trial:
    chosen = settings(gate={"rollback": "30d"})
    return prepare_trial(store.engine, chosen, "ckpt-1", "ckpt-0", AS_OF, stage, **more)


def measured(check: str, seen: Trial, **changes: Any) -> dict[str, Measurement]:
    """What a check measured, by the checkpoint of its slice."""
    found = load_checks()[check].measure(seen, changes)
    assert all(one.exact and (one.effects.size or one.needs) for one in found)
    return {one.slice.get("checkpoint", ""): one for one in found}


def verdicts(check: str, seen: Trial, **changes: Any) -> dict[str, Verdict]:
    return {name: census(check, one).verdict for name, one in measured(check, seen, **changes).items()}


PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_weights_as_sealed_and_as_told_pass(store: EventStore, both: dict[str, Path]) -> None:
    assert verdicts("weights_unchanged", trial(store)) == {"ckpt-1": PASS, "ckpt-0": PASS}


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_one_byte_changed_after_scoring_fails_and_the_file_is_named(
    file: str, store: EventStore, both: dict[str, Path]
) -> None:
    assert verdicts("weights_unchanged", trial(store))["ckpt-1"] is PASS  # looked at before: no cache may hide it
    change_a_byte(both["ckpt-1"] / file)
    found = measured("weights_unchanged", trial(store))
    assert census("c", found["ckpt-1"]).verdict is FAIL
    assert file in found["ckpt-1"].note
    assert census("c", found["ckpt-0"]).verdict is PASS


def test_a_change_that_was_sealed_again_fails_on_the_digest_that_was_told(
    store: EventStore, both: dict[str, Path]
) -> None:
    told = read_manifest(both["ckpt-1"]).digest
    change_a_byte(both["ckpt-1"] / "model.safetensors")
    write_manifest(both["ckpt-1"], make_manifest(both["ckpt-1"], LINEAGE, None))
    found = measured("weights_unchanged", trial(store))["ckpt-1"]
    assert census("c", found).verdict is FAIL
    assert told in found.note
    assert read_manifest(both["ckpt-1"]).digest in found.note


def test_another_folder_that_is_offered_fails_though_it_is_as_sealed(
    tmp_path: Path, store: EventStore, both: dict[str, Path]
) -> None:
    sealed(tmp_path / "other", weight=9.0)
    offered = trial(store, files={"candidate": tmp_path / "other"})
    assert verdicts("weights_unchanged", offered) == {"ckpt-1": FAIL, "ckpt-0": PASS}


def test_an_earlier_score_of_other_weights_under_the_same_name_fails(store: EventStore, both: dict[str, Path]) -> None:
    put(store, [checkpoint("ckpt-1", START - DAY, sha256="f" * 64)])
    found = measured("weights_unchanged", trial(store))["ckpt-1"]
    assert census("c", found).verdict is FAIL
    assert "f" * 64 in found.note


def test_answers_that_other_weights_chose_fail(store: EventStore, both: dict[str, Path]) -> None:
    spec = ScoreSpec(
        "e" * 64, "likelihood", ("x",), "", False, 9, "packed", False, 9, "f", "s", "cpu", 1, "2", "5"
    )  # fmt: skip
    begun = round(START.timestamp() * 1e6)
    ScoreBoard(store.engine).begin("run", spec, "ckpt-1", {}, {}, begun)
    found = measured("weights_unchanged", trial(store))["ckpt-1"]
    assert census("c", found).verdict is FAIL
    assert "answers to held-out items" in found.note


def test_a_digest_of_the_one_file_of_weights_is_as_good_as_that_of_the_manifest(
    tmp_path: Path, store: EventStore
) -> None:
    sealed(tmp_path / "m")
    weights = read_manifest(tmp_path / "m").files["model.safetensors"].sha256
    put(store, [checkpoint("ckpt-1", sha256=weights)])
    assert verdicts("weights_unchanged", trial(store, files={"candidate": tmp_path / "m"}))["ckpt-1"] is PASS


def test_without_a_folder_or_a_digest_nothing_passes(tmp_path: Path, store: EventStore) -> None:
    assert set(verdicts("weights_unchanged", trial(store)).values()) == {OPEN}
    put(store, [checkpoint("ckpt-1", sha256="a" * 64, artifact="s3://models/ckpt-1")])
    found = measured("weights_unchanged", trial(store))["ckpt-1"]
    assert census("c", found).verdict is OPEN
    assert "--artifact candidate=FOLDER" in found.needs
    sealed(tmp_path / "m")
    only_a_folder = measured("weights_unchanged", trial(store, files={"reference": tmp_path / "m"}))["ckpt-0"]
    assert "sha256 told of ckpt-0" in only_a_folder.needs


def test_two_digests_told_of_one_name_fail_even_without_a_folder(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-1", sha256="a" * 64), checkpoint("ckpt-1", START + DAY, sha256="b" * 64)])
    assert verdicts("weights_unchanged", trial(store))["ckpt-1"] is FAIL


def test_what_is_told_after_the_moment_does_not_count(store: EventStore, both: dict[str, Path]) -> None:
    put(store, [checkpoint("ckpt-1", AS_OF + HOUR, sha256="f" * 64)])
    assert verdicts("weights_unchanged", trial(store))["ckpt-1"] is PASS


def test_a_whole_lineage_passes_sealed_or_told(tmp_path: Path, store: EventStore) -> None:
    sealed(tmp_path / "m")
    assert verdicts("lineage_completeness", trial(store, files={"candidate": tmp_path / "m"})) == {"": PASS}
    told = json.loads(canonical_json({"base_model": {"name": "b", "revision": "1"}, "code": {"revision": "c"}}))
    told |= {"data": [{"name": "d", "sha256": "1"}], "reward_model": {"name": "r", "sha256": "2"}}
    put(store, [checkpoint("ckpt-1", lineage=told)])
    assert verdicts("lineage_completeness", trial(store)) == {"": PASS}


WITHOUT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "base model": (lambda told: told.pop("base_model"), "missing: base_model, base_model.sha256 or revision"),
    "pin of the base": (lambda told: told["base_model"].pop("sha256"), "missing: base_model.sha256 or revision"),
    "data": (lambda told: told.pop("data"), "missing: data"),
    "no data": (lambda told: told.update(data=[]), "missing: data"),
    "hash of a source": (lambda told: told["data"][1].pop("sha256"), "missing: data[labels].sha256"),
    "code": (lambda told: told.pop("code"), "missing: code.revision"),
    "reward model": (lambda told: told.pop("reward_model"), "missing: reward_model, reward_model.sha256 or revision"),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_what_a_lineage_lacks_is_named(what: str, store: EventStore) -> None:
    change, said = WITHOUT[what]
    told: dict[str, Any] = {
        "base_model": {"name": "small", "sha256": SHA["base"]},
        "data": [{"name": "chats", "sha256": SHA["chats"]}, {"name": "labels", "sha256": SHA["labels"]}],
        "code": {"revision": "c0ffee"},
        "reward_model": {"name": "rm", "revision": "7"},
    }
    change(told)
    put(store, [checkpoint("ckpt-1", lineage=told)])
    found = measured("lineage_completeness", trial(store))[""]
    assert census("c", found).verdict is FAIL
    assert found.note == said


def test_no_lineage_at_all_is_no_data_and_says_how_to_record_one(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-1", base_model="small")])
    found = measured("lineage_completeness", trial(store))[""]
    assert census("c", found).verdict is OPEN
    assert "--lineage" in found.needs


def test_a_loop_may_say_which_parts_it_demands(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-1", lineage={"code": {"revision": "c"}, "rubric": "tone-3"})])
    assert verdicts("lineage_completeness", trial(store), parts=("code", "rubric")) == {"": PASS}
    assert verdicts("lineage_completeness", trial(store), parts=("code", "teacher")) == {"": FAIL}


LICENSED: dict[str, Any] = {
    "licence": "MIT",
    "base_model": {"name": "small", "licence": "apache-2.0"},
    "data": [{"name": "chats", "licence": "CC-BY-4.0"}],
    "code": {"revision": "c", "licence": "mit"},
}
ALLOWED = ("mit", "Apache-2.0", "cc-by-4.0")


def test_licences_that_are_allowed_pass_and_others_are_named(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-1", lineage=LICENSED)])
    assert verdicts("licence_status", trial(store), allowed=ALLOWED) == {"": PASS}
    found = measured("licence_status", trial(store), allowed=ALLOWED[:2])[""]
    assert census("c", found).verdict is FAIL
    assert found.note == "data[chats]: CC-BY-4.0"


@pytest.mark.parametrize("part", ["licence", "base_model", "data", "code"])
def test_a_licence_that_is_not_on_record_is_not_an_allowed_one(part: str, store: EventStore) -> None:
    told = json.loads(json.dumps(LICENSED))
    for place in (told,) if part == "licence" else told[part] if part == "data" else (told[part],):
        place.pop("licence")
    put(store, [checkpoint("ckpt-1", lineage=told)])
    found = measured("licence_status", trial(store), allowed=ALLOWED)[""]
    assert census("c", found).verdict is FAIL
    assert found.note.endswith("no licence on record")


def test_without_a_list_of_licences_or_a_lineage_nothing_is_said(store: EventStore) -> None:
    assert "--lineage" in measured("licence_status", trial(store), allowed=ALLOWED)[""].needs
    put(store, [checkpoint("ckpt-1", lineage=LICENSED)])
    assert "allowed" in measured("licence_status", trial(store))[""].needs


def test_a_reference_that_serves_and_is_as_sealed_can_come_back(store: EventStore, both: dict[str, Path]) -> None:
    assert verdicts("rollback_readiness", trial(store)) == {"": PASS}


@pytest.mark.parametrize(("days", "expected"), [(29, PASS), (31, FAIL)])
def test_a_retired_reference_can_come_back_within_the_window(
    days: int, expected: Verdict, tmp_path: Path, store: EventStore
) -> None:
    """Told again and again, it is retired since the first time."""
    sealed(tmp_path / "m")
    put(store, [checkpoint("ckpt-0", AS_OF - 90 * DAY, stage="retired", artifact=str(tmp_path / "m"))])
    put(store, [checkpoint("ckpt-0", AS_OF - 60 * DAY, stage="serving")])
    put(store, [checkpoint("ckpt-0", AS_OF - ago * DAY, stage="retired") for ago in (days, 5, 1)])
    found = measured("rollback_readiness", trial(store))[""]
    assert census("c", found).verdict is expected
    assert (found.note == f"ckpt-0 was retired {days} days ago, more than 30") == (expected is FAIL)


@pytest.mark.parametrize("change", [Path.unlink, change_a_byte])
def test_a_reference_with_a_file_that_is_gone_or_changed_cannot_come_back(
    change: Callable[[Path], None], store: EventStore, both: dict[str, Path]
) -> None:
    change(both["ckpt-0"] / "model.safetensors")
    found = measured("rollback_readiness", trial(store))[""]
    assert census("c", found).verdict is FAIL
    assert "model.safetensors" in found.note


def test_files_on_another_machine_are_no_data(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-0", artifact="s3://models/ckpt-0", stage="serving")])
    found = measured("rollback_readiness", trial(store))[""]
    assert census("c", found).verdict is OPEN
    assert "--artifact reference=FOLDER" in found.needs
    assert "s3://models/ckpt-0: not on this machine" in found.needs


@contextmanager
def unprivileged() -> Iterator[None]:
    """The rights of a plain user: root reads whatever nobody may."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder that every user may look into, as a mounted disk is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


def _unmount(folder: Path) -> None:
    folder.parent.rename(folder.parent.with_name("elsewhere"))


def _unmount_but_its_place(folder: Path) -> None:
    _unmount(folder)
    folder.parent.mkdir()


def _empty(folder: Path) -> None:
    _unmount(folder)
    folder.mkdir(parents=True)


def _link_to(where: str, folder: Path) -> None:
    _unmount(folder)
    folder.parent.mkdir()
    folder.symlink_to(where)


def _put_a_file_in_its_place(folder: Path) -> None:
    _unmount(folder)
    folder.parent.write_text("no disk")


AWAY: dict[str, Callable[[Path], None]] = {
    "whole disk": _unmount,
    "disk, place left": _unmount_but_its_place,
    "empty place": _empty,
    "broken link": partial(_link_to, "/nowhere"),
    "circle of links": partial(_link_to, "models"),
    "file in its place": _put_a_file_in_its_place,
    "no right to look into": lambda folder: folder.chmod(0),
    "no right to pass": lambda folder: folder.parent.chmod(0),
    "weights may not be read": lambda folder: (folder / "model.safetensors").chmod(0),
    "seal may not be read": lambda folder: (folder / NAME).chmod(0),
}


@pytest.mark.parametrize("what", AWAY)
def test_a_folder_out_of_reach_is_no_data_and_the_way_to_it_is_told(what: str, disk: Path, store: EventStore) -> None:
    folder = disk / "mount" / "models"
    digest = sealed(folder)
    told = {"sha256": digest, "artifact": str(folder), "lineage": {"code": {"revision": "c"}}}
    put(store, [checkpoint(name, stage="serving", **told) for name in ("ckpt-0", "ckpt-1")])
    checks: dict[str, dict[str, Any]] = {
        "weights_unchanged": {},
        "rollback_readiness": {},
        "lineage_completeness": {},
    }
    assert {one for name, more in checks.items() for one in verdicts(name, trial(store), **more).values()} == {PASS}
    assert "artefact:candidate" in bind(trial(store), settings())

    AWAY[what](folder)
    with unprivileged():
        found = [one for name, more in checks.items() for one in measured(name, trial(store), **more).values()]
        licences = measured("licence_status", trial(store), allowed=ALLOWED)[""]
        assert "artefact:candidate" not in bind(trial(store), settings())
    for one in (*found, licences):
        assert census("c", one).verdict is OPEN
        assert str(folder) in one.needs
        assert "--artifact" in one.needs


def test_what_was_told_counts_while_a_folder_is_out_of_reach(disk: Path, store: EventStore) -> None:
    """A lineage told whole passes, and a licence that is told and not allowed fails, whatever may be sealed."""
    told = {**LICENSED, "licence": "GPL-3.0", "base_model": {"name": "small", "revision": "1"}}
    told |= {"data": [{"name": "d", "sha256": "1"}], "reward_model": {"name": "r", "sha256": "2"}}
    put(store, [checkpoint("ckpt-1", artifact=str(disk / "gone"), lineage=told)])
    assert verdicts("lineage_completeness", trial(store)) == {"": PASS}
    found = measured("licence_status", trial(store), allowed=ALLOWED)[""]
    assert census("c", found).verdict is FAIL
    assert "itself: GPL-3.0" in found.note


def test_a_folder_that_is_named_by_hand_and_out_of_reach_is_wrong_usage(disk: Path) -> None:
    (disk / "shut" / "models").mkdir(parents=True)
    (disk / "shut").chmod(0)
    with unprivileged(), pytest.raises(UsageFault, match="Permission denied"):
        artifacts_of([f"candidate={disk / 'shut' / 'models'}"])


def test_an_artefact_that_can_be_no_path_breaks_nothing(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-0", artifact="/" + "x" * 5000, stage="serving", sha256="a" * 64)])
    assert verdicts("rollback_readiness", trial(store)) == {"": OPEN}
    assert verdicts("weights_unchanged", trial(store))["ckpt-0"] is OPEN


def test_whoever_served_last_must_be_able_to_come_back_too(
    tmp_path: Path, store: EventStore, both: dict[str, Path]
) -> None:
    sealed(tmp_path / "models" / "between", weight=5.0)
    where = str(tmp_path / "models" / "between")
    put(store, [checkpoint("ckpt-between", START + DAY, artifact=where, stage="serving")])
    assert verdicts("rollback_readiness", trial(store)) == {"": PASS, "ckpt-between": PASS}
    (tmp_path / "models" / "between" / "config.json").unlink()
    assert verdicts("rollback_readiness", trial(store)) == {"": PASS, "ckpt-between": FAIL}


def served(counts: dict[str, int], users: Callable[[str, int], str | None]) -> Iterator[Event]:
    """So many production answers of each checkpoint, a minute apart."""
    for name, count in counts.items():
        for number in range(count):
            at = START + DAY + number * dt.timedelta(minutes=1)
            yield response(f"{name}-{number}", at, name, user=users(name, number))


SPLIT = [
    ({"ckpt-1": 100, "ckpt-0": 1900}, {"ckpt-1": PASS, "ckpt-0": PASS}),
    ({"ckpt-1": 200, "ckpt-0": 1800}, {"ckpt-1": FAIL, "ckpt-0": FAIL}),
    ({"ckpt-1": 100, "ckpt-0": 1700, "ckpt-9": 200}, {"ckpt-1": PASS, "ckpt-0": FAIL}),
    ({"ckpt-1": 3, "ckpt-0": 30}, {"ckpt-1": OPEN, "ckpt-0": OPEN}),
    ({}, {"ckpt-1": OPEN, "ckpt-0": OPEN}),
]


@pytest.mark.parametrize(("counts", "expected"), SPLIT)
def test_traffic_is_held_against_the_declared_share(
    counts: dict[str, int], expected: dict[str, Verdict], store: EventStore
) -> None:
    put(store, [checkpoint("ckpt-1", traffic_share=0.05), checkpoint("ckpt-0", traffic_share=0.95)])
    put(store, served(counts, lambda name, number: None))
    assert verdicts("traffic_split", trial(store, "canary")) == expected


def test_only_traffic_since_the_share_was_declared_counts(store: EventStore) -> None:
    """Declaring the same share again begins nothing anew."""
    shares = [(START, 0.5), (START + 2 * DAY, 0.05), (START + 9 * DAY, 0.05)]
    put(store, [checkpoint("ckpt-1", at, traffic_share=share) for at, share in shares])
    put(store, (response(f"old-{n}", START + HOUR, ("ckpt-0", "ckpt-1")[n % 2]) for n in range(1000)))
    put(store, (response(f"new-{n}", START + 3 * DAY, "ckpt-1" if n % 20 == 0 else "ckpt-0") for n in range(2000)))
    found = measured("traffic_split", trial(store, "ramp"))["ckpt-1"]
    assert census("c", found).verdict is PASS
    assert "100 of 2,000 answers" in found.note


def test_users_who_stay_with_a_checkpoint_count_once(store: EventStore) -> None:
    """Five of a hundred users give half of the answers; the split is as declared."""
    put(store, [checkpoint("ckpt-1", traffic_share=0.05)])
    put(
        store, served({"ckpt-1": 950, "ckpt-0": 950}, lambda name, n: f"{name} {n % (50 if name == 'ckpt-1' else 950)}")
    )
    found = measured("traffic_split", trial(store, "canary"))["ckpt-1"]
    assert census("c", found).verdict is PASS
    assert "50 of 1,000 users" in found.note


def test_users_who_meet_both_count_by_their_answers(store: EventStore) -> None:
    put(store, [checkpoint("ckpt-1", traffic_share=0.5)])
    put(store, served({"ckpt-1": 900, "ckpt-0": 1100}, lambda _, n: f"u{n % 50}"))
    found = measured("traffic_split", trial(store, "full"))["ckpt-1"]
    assert census("c", found).verdict is FAIL
    assert "900 of 2,000 answers" in found.note


def test_offline_nothing_is_said_of_traffic(store: EventStore) -> None:
    assert set(verdicts("traffic_split", trial(store)).values()) == {OPEN}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("n", [20, 400])
def test_the_split_test_is_exact_and_agrees_with_its_interval(n: int, share: float) -> None:
    """Summed over every outcome, not simulated: the chance of a mismatch by chance is at most the level."""
    level = 0.05
    found = [split_mismatch(mine, n, share, level) for mine in range(n + 1)]
    chance = stats.binom.pmf(np.arange(n + 1), n, share)
    assert chance[[p < level for p, _, _ in found]].sum() <= level
    assert all((p < level) == (not low <= share <= high) for p, low, high in found)


@pytest.mark.parametrize("given", [(-1, 5, 0.5), (6, 5, 0.5), (0, 0, 0.5), (1, 5, 0.0), (1, 5, float("nan"))])
def test_counts_that_cannot_be_are_refused(given: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="need 0 <= mine"):
        split_mismatch(*given, 0.05)


def test_a_decision_binds_weights_anchors_rulers_settings_code_and_data(
    tmp_path: Path, store: EventStore, both: dict[str, Path]
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"item_id": "a", "prompt": "2+2?", "answers": ["4"], "normalisation": "number", "method": "exact"}\n'
    )
    anchors = seal_anchors(items, tmp_path / "set", name="sums", kind="exact", sealed_at=START)
    put(store, [*loop_events(3, 1, per_day=5), score("0-0", START + DAY, 1.0, "rev-1")])
    seen = trial(store, files={"anchors:sums": tmp_path / "set"}, training=(items,), base="small-3b")
    bound = bind(seen, seen.settings)
    digests = {
        role: read_manifest(both[name]).digest for role, name in (("candidate", "ckpt-1"), ("reference", "ckpt-0"))
    }
    assert {bound[f"{what}:{role}"] for what in ("checkpoint", "artefact") for role in ("candidate",)} == {
        digests["candidate"]
    }
    assert bound["artefact:reference"] == digests["reference"]
    assert bound["anchors:sums"] == anchors.digest
    assert bound["base"] == "small-3b"
    assert {"scorer:rm@rev-1", "settings", "training", "data", "code", "version"} <= set(bound)
    assert bound["highest_seq"] == str(store.counts().events)
    assert bound["code"] == code_digest()
    assert list(bound) == sorted(bound)


def test_the_same_events_in_another_order_are_the_same_data(tmp_path: Path) -> None:
    events = list(loop_events(3, 1, per_day=5))
    told = []
    for order in (events, events[::-1], [*events, *events[:7]]):
        with EventStore.open(":memory:") as store:
            put(store, order)
            seen = trial(store)
            told.append(bind(seen, seen.settings))
    assert told[0] == told[1] == told[2]
    with EventStore.open(":memory:") as store:
        put(store, events[:-1])
        seen = trial(store)
        changed = {name for name, value in bind(seen, seen.settings).items() if value != told[0][name]}
    assert changed == {"data", "highest_seq"}


def test_both_databases_measure_and_bind_the_same(postgres_url: str, both: dict[str, Path], store: EventStore) -> None:
    events = [checkpoint(n, sha256=read_manifest(f).digest, artifact=str(f), stage="serving") for n, f in both.items()]
    events += [checkpoint("ckpt-1", START + DAY, traffic_share=0.5, lineage={"code": {"revision": "c"}})]
    events += [*loop_events(8, 4, per_day=20), score("0-0", START + DAY, 1.0, "rev-1")]
    told = []
    for url in (":memory:", postgres_url):
        with EventStore.open(url) as one:
            put(one, events)
            seen = trial(one, "canary")
            checks = ("weights_unchanged", "lineage_completeness", "rollback_readiness", "traffic_split")
            notes = [(name, found.note, found.needs) for c in checks for name, found in measured(c, seen).items()]
            told.append([notes, bind(seen, seen.settings)])
    assert told[0] == told[1]


def test_settings_that_decide_are_bound_and_others_are_not() -> None:
    plain = settings_digest(settings())
    assert settings_digest(settings(gate={"alpha": 0.01})) != plain
    assert settings_digest(settings(checks={"cohort_regression": {"tolerance": 0.1}})) != plain
    assert settings_digest(settings(retention={"texts": "5d"})) == plain


def test_a_changed_folder_is_not_bound_as_an_artefact(store: EventStore, both: dict[str, Path]) -> None:
    change_a_byte(both["ckpt-1"] / "model.safetensors")
    seen = trial(store)
    assert "artefact:candidate" not in bind(seen, seen.settings)
    (both["ckpt-0"] / NAME).unlink()
    assert "artefact:reference" not in bind(seen, seen.settings)
