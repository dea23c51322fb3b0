"""Does the gate's command never turn what is missing into a GO, and do exit code, JSON and text come from one value?"""

import datetime as dt
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from consumers.store import EventStore
from monitor import check as registry
from monitor.check import Measurement, load_checks
from monitor.commands import gate as gate_command
from monitor.gate.trial import Trial
from tests.end_to_end.command import Ran, reward_drift
from tests.monitor.anchored_events import scored
from tests.monitor.evaluated_events import evaluated, right
from tests.monitor.events import DAY, START, Event, loop_events, score
from tests.monitor.gate_worlds import judged_by_length
from tests.monitor.judged_events import PLAIN, days
from tests.monitor.test_governance_checks import checkpoint, sealed

DECOUPLING = "reward_outcome_decoupling"
CODES = {"GO": 0, "NO-GO": 1, "INCONCLUSIVE": 3}
PLAIN_LOOP = {
    "loop": "support",
    "outcome": {"metric": "task_success", "horizon": "2d"},
    "unit": "response",
    "checks": {DECOUPLING: {"tolerance": 0.25}},
    "gate": {"max_age": "90d"},
}
JUDGES = {"watched": ["j"], "human": "human"}
Asked = Callable[..., Ran]


def sound(per_day: int = 50, **more: Any) -> list[Event]:
    """200 answers of each checkpoint to 400 people, all with thumbs and outcome; nothing changes."""
    events = list(loop_events(8, 4, per_day=per_day, seed=5, **more))
    for one in only(events, "response"):
        one["data"]["user"] = one["data"]["response_id"]
    return events


def only(events: Iterable[Event], *kinds: str) -> list[Event]:
    return [one for one in events if one["type"].split(".")[1] in kinds]


def without(events: Iterable[Event], kind: str) -> list[Event]:
    return [one for one in events if one["type"].split(".")[1] != kind]


def of_candidate(one: Event) -> bool:
    """Whether an event of `loop_events` speaks of an answer of the later checkpoint."""
    return int(one["data"]["response_id"].partition("-")[0]) >= 4


def told_late(after_days: int) -> Event:
    """News that have nothing to do with outcomes, long after."""
    return checkpoint("ckpt-1", START + after_days * DAY)


def scores(events: list[Event], failing: Callable[[int, bool], bool], status: str = "unscoreable") -> list[Event]:
    """A loop with scores in the place of thumbs, none where `failing` says so of an answer's place and outcome."""
    events = without(events, "feedback")
    worked = {one["data"]["response_id"]: one["data"]["value"] for one in only(events, "outcome")}
    for at, one in enumerate(only(events, "response")):
        name = one["data"]["response_id"]
        failed = of_candidate(one) and failing(at, worked[name])
        given = (None, status) if failed else (0.5 + 0.01 * (at % 7), "ok")
        if not (failed and status == "never scored"):
            events.append(score(name, dt.datetime.fromisoformat(one["time"]), given[0], status=given[1]))
    return events


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Write events, settings and contract, and run the gate on them."""

    def run(
        events: Iterable[Event],
        *options: object,
        contract: list[dict[str, Any]] | None = None,
        required: Iterable[str] = (),
        **settings: Any,
    ) -> Ran:
        chosen = {**PLAIN_LOOP, **settings}
        chosen["gate"] = {**chosen["gate"], "required": list(required)}
        if contract is not None:
            (tmp_path / "capabilities.yaml").write_text(yaml.safe_dump({"categories": contract}))
            chosen["gate"]["contract"] = "capabilities.yaml"
        (tmp_path / "reward-drift.yaml").write_text(yaml.safe_dump(chosen))
        (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
        return gate(tmp_path, "--events", tmp_path / "events.jsonl", *options)

    return run


def gate(world: Path, *options: object) -> Ran:
    named = ("--candidate", "ckpt-1", "--reference", "ckpt-0", "-s", world / "reward-drift.yaml")
    return reward_drift("gate", *named, "--quiet", *(options if "--format" in options else (*options, "--json")))


def blocker(ran: Ran, name: str) -> dict[str, Any]:
    """The finding that a decision names as blocking."""
    assert name in ran.json["blocking"]
    told = {
        one["check"] + (f"[{part}]" if (part := ",".join(f"{k}={v}" for k, v in one["slice"].items())) else ""): one
        for one in ran.json["findings"]
    }
    found: dict[str, Any] = told[name]
    assert found["blocks"]
    return found


def test_the_world_that_is_broken_below_is_a_go(asked: Asked) -> None:
    ran = asked(sound())
    assert (ran.code, ran.json["decision"], ran.json["blocking"]) == (0, "GO", [])
    assert ran.json["next_steps"] == ["Promote ckpt-1; keep ckpt-0 ready to serve, so that you can go back"]


FACTS = {"name": "facts", "kind": "knowledge", "protected": True, "tests": [{"suite": "facts"}], "tolerance": 0.05}


def facts(values: list[float | None]) -> list[Event]:
    return [*sound(), evaluated("ckpt-0", right(0.8)), evaluated("ckpt-1", values)]


MISSING: dict[str, tuple[Callable[[], list[Event]], dict[str, Any], str, str]] = {
    "no outcome at all": (lambda: without(sound(), "outcome"), {}, DECOUPLING, "reference units, 0 are there"),
    "the candidate never answered": (
        lambda: [*(one for one in sound() if not of_candidate(one)), told_late(5)],
        {},
        DECOUPLING,
        "outcomes of candidate and reference",
    ),
    "no outcome of the candidate": (
        lambda: [one for one in sound() if not (one["type"].endswith("outcome.v1") and of_candidate(one))],
        {},
        DECOUPLING,
        "outcomes of candidate and reference",
    ),
    "no reward at all": (lambda: without(sound(), "feedback"), {}, DECOUPLING, "rewards of candidate and reference"),
    "too few items of the reference": (
        lambda: sound(per_day=5),
        {},
        DECOUPLING,
        "30 reference units, 20 are there",
    ),
    "stale evidence": (lambda: [*sound(), told_late(200)], {}, DECOUPLING, "the newest is of 2026-01-"),
    "stale anchors": (
        lambda: [*scored("ckpt-0", items=2000), *scored("ckpt-1", items=2000), told_late(200)],
        {"required": ["anchored_decoupling"]},
        "anchored_decoupling[anchor_set=faq]",
        "the newest is of 2026-01-",
    ),
    "anchors that the candidate never answered": (
        lambda: [*scored("ckpt-0"), told_late(1)],
        {"required": ["anchored_decoupling"]},
        "anchored_decoupling[anchor_set=faq]",
        "ckpt-1",
    ),
    "a scorer that failed on the candidate's bad answers alone": (
        lambda: scores(sound(), lambda _, worked: not worked),
        {"reward": {"scorer": "rm"}},
        DECOUPLING,
        "what failed may hide either",
    ),
    "a scorer that never came to the candidate's bad answers": (
        lambda: scores(sound(), lambda _, worked: not worked, "never scored"),
        {"reward": {"scorer": "rm"}},
        DECOUPLING,
        "what has none may hide either",
    ),
    "outcomes that are missing for the candidate's bad answers alone": (
        lambda: [
            one
            for one in sound()
            if not (one["type"].endswith("outcome.v1") and of_candidate(one) and not one["data"]["value"])
        ],
        {},
        DECOUPLING,
        "what is missing may hide either",
    ),
    "samples without a value": (
        lambda: facts([None, None, *right(0.8)[2:800], *[None] * 200]),
        {"contract": [FACTS]},
        "capability_regression[category=facts,suite=facts/all]",
        "lack an outcome or a score",
    ),
    "samples that are no number": (
        lambda: facts([float("nan"), *right(0.8)[1:]]),
        {"contract": [FACTS]},
        "capability_regression[category=facts,suite=facts/all]",
        "results of ckpt-1 on facts",
    ),
    "an empty census that is required": (
        lambda: without(sound(), "feedback"),
        {"required": ["feedback_purpose_leak"]},
        "feedback_purpose_leak[purpose=reward]",
        "feedback with purpose reward",
    ),
    "a category of the contract that nobody tested": (
        sound,
        {"contract": [FACTS]},
        "capability_regression[category=facts,suite=facts]",
        "results of ckpt-1 and ckpt-0 on facts",
    ),
    "a required check that yields nothing": (
        sound,
        {"required": [DECOUPLING, "worst_cohort"]},
        "worst_cohort",
        "Is any group of users hurt",
    ),
    "a required check that does not exist": (sound, {"required": ["no_such_check"]}, "no_such_check", "no_such_check"),
    "a required judge that was never compared with people": (
        lambda: [*sound(), *(one for one in days(0, 6, 40, PLAIN) if one["data"]["judge"]["kind"] == "model")],
        {"required": [DECOUPLING, "judge_calibration"], "judges": JUDGES},
        "judge_calibration[judge=j]",
        "people",
    ),
    "a required judge that judged nothing": (
        sound,
        {"required": [DECOUPLING, "judge_calibration"], "judges": JUDGES},
        "judge_calibration",
        "Was every watched judge compared with people",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_inconclusive_and_named(what: str, asked: Asked) -> None:
    events, options, name, needs = MISSING[what]
    ran = asked(events(), **options)
    assert (ran.code, ran.json["decision"]) == (3, "INCONCLUSIVE")
    found = blocker(ran, name)
    assert found["verdict"] == "INCONCLUSIVE"
    assert needs in found["needs"]
    assert any(name in step and found["needs"] in step for step in ran.json["next_steps"])


def test_too_few_answers_of_the_candidate_are_inconclusive_with_how_many_more(asked: Asked) -> None:
    few = [one for one in sound() if not of_candidate(one) or one["data"]["response_id"].partition("-")[2] in "12345"]
    ran = asked(few)
    assert ran.code == 3
    found = blocker(ran, DECOUPLING)
    assert found["n_needed"] > found["n"] > 0
    more, size = found["n_needed"] - found["n"], f"({found['n']:,} now, about {found['n_needed']:,} in all"
    assert any(f"{more:,} more outcomes of ckpt-1 {size}" in step for step in ran.json["next_steps"])


def test_two_samples_whose_reference_errs_too_much_say_that_no_number_of_answers_helps(asked: Asked) -> None:
    ran = asked(sound(), checks={DECOUPLING: {"tolerance": 0.02}})
    assert ran.code == 3
    found = blocker(ran, DECOUPLING)
    assert (found["n_needed"], found["method"].partition(",")[0]) == (None, "two samples")
    assert found["needs"].startswith("answers of both to the same prompts")
    assert re.search(r"on the same prompts, about [0-9,]+00 of them", ran.json["next_steps"][1])
    assert 500 < found["pairs_needed"] < 20_000


@pytest.mark.parametrize("status", ["unscoreable", "error", "never scored"])
@pytest.mark.parametrize("harm", [0.0, -60.0])
def test_a_scorer_that_fails_on_bad_answers_never_betters_a_verdict(asked: Asked, harm: float, status: str) -> None:
    """However many of them fail, and whether or not the outcome itself shows harm."""
    order = ["GO", "INCONCLUSIVE", "NO-GO"]
    decided = []
    for quarters in (0, 1, 4):

        def fails(at: int, good: bool, most: int = quarters) -> bool:
            return at % 4 < most and not good

        events = scores(sound(outcome_change=harm), fails, status)
        ran = asked(events, reward={"scorer": "rm"})
        assert ran.code == CODES[ran.json["decision"]]
        decided.append(order.index(ran.json["decision"]))
    assert decided == ([2, 2, 2] if harm else [0, 1, 1])


def broken(snapshot: Trial, **_: Any) -> Iterator[Measurement]:
    raise RuntimeError("no such column")


@pytest.mark.parametrize("required", [(), (DECOUPLING, "intake_gap")], ids=["not required", "required"])
@pytest.mark.filterwarnings("ignore")
def test_a_check_that_raises_keeps_from_go_and_does_not_stop_the_others(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, required: tuple[str, ...]
) -> None:
    monkeypatch.setitem(registry.REGISTRY, "intake_gap", replace(load_checks()["intake_gap"], function=broken))
    ran = asked(sound(), required=required)
    assert (ran.code, ran.json["decision"], ran.json["blocking"]) == (3, "INCONCLUSIVE", ["intake_gap"])
    assert blocker(ran, "intake_gap")["verdict"] == "ERROR"
    assert "no such column" in blocker(ran, "intake_gap")["message"]
    assert "Mend the check intake_gap (the log says where it broke)" in ran.json["next_steps"]
    assert [one["verdict"] for one in ran.json["findings"] if one["check"] == DECOUPLING] == ["PASS"]


HARM = sound(outcome_change=-60.0)


def test_harm_beats_what_is_missing(asked: Asked) -> None:
    ran = asked(HARM, required=[DECOUPLING, "worst_cohort"])
    assert (ran.code, ran.json["decision"]) == (1, "NO-GO")
    assert ran.json["blocking"] == [DECOUPLING, "worst_cohort"]
    ids = [one["response_id"] for one in ran.json["examples"]]
    assert len(ids) == 4  # without cohorts none is the worst
    assert {one["checkpoint"] for one in ran.json["examples"]} == {"ckpt-1"}
    assert {(one["prompt"], one["response"]) for one in ran.json["examples"]} == {(None, None)}
    assert ran.json["next_steps"][0] == "Keep ckpt-0; do not promote ckpt-1"
    assert ran.json["next_steps"][1].startswith("Read these answers of ckpt-1 where it is worst off")
    assert f", by response_id, before it is tuned again: {', '.join(ids)};" in ran.json["next_steps"][1]


@pytest.mark.parametrize("quiet", [True, False])
def test_halves_that_are_tried_are_told_by_tenths_where_nobody_looks_at_a_terminal(tmp_path: Path, quiet: bool) -> None:
    (tmp_path / "reward-drift.yaml").write_text(yaml.safe_dump({**PLAIN_LOOP, "checks": {}}))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in sound(per_day=16)))
    asked = ("--reference", "ckpt-0", "--repeats", 20, "-s", tmp_path / "reward-drift.yaml", "--events")
    ran = reward_drift("gate", "--aa", *asked, tmp_path / "events.jsonl", *(["--quiet"] if quiet else []))
    lines = [line for line in ran.err.splitlines() if "random halves" in line]
    assert lines == ([] if quiet else [f"{2 * tenth} of 20 random halves tried" for tenth in range(1, 11)])
    assert "decided at all where nothing differs: 0 of 20" in ran.out
    assert "half the units are too few for a GO at 2 points: `reward-drift power`" in ran.out


def test_harm_in_a_check_of_tickets_is_reported_and_blocks_only_where_required(asked: Asked) -> None:
    events = [*sound(), *judged_by_length(120.0)]
    ran = asked(events, judges=JUDGES)
    [told] = [one for one in ran.json["findings"] if one["check"] == "length_inflation"]
    assert (ran.code, told["verdict"], told["blocks"]) == (0, "FAIL", False)
    ran = asked(events, judges=JUDGES, required=[DECOUPLING, "length_inflation"])
    assert (ran.code, ran.json["blocking"]) == (1, ["length_inflation[judge=j]"])


def test_a_freeze_is_no_go_and_named_first_whatever_was_found(asked: Asked, tmp_path: Path) -> None:
    asked(HARM)
    assert reward_drift("freeze", "--reason", "refunds", "-s", tmp_path / "reward-drift.yaml").code == 0
    for events, others in ((sound(), []), (HARM, [DECOUPLING])):
        ran = asked(events)
        assert (ran.code, ran.json["decision"], ran.json["blocking"]) == (1, "NO-GO", ["frozen", *others])
        assert "refunds" in blocker(ran, "frozen")["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--candidate", "ckpt-11", "--reference", "ckpt-0"),
            "'ckpt-11'; closest is ckpt-1; 2 are known: ckpt-0, ckpt-1",
        ),
        (("--candidate", "ckpt-1", "--reference", "nothing"), "'nothing'; 2 are known: ckpt-0, ckpt-1"),
        (("--candidate", "ckpt-1", "--reference", "ckpt-1"), "ckpt-1 is its own reference"),
        (("--candidate", "ckpt-1"), "Missing option '--reference'"),
        (("--candidate", "ckpt-1", "--reference", "ckpt-0", "--output", "gate.pdf"), "unknown suffix"),
        (("--candidate", "ckpt-1", "--reference", "ckpt-0", "--stage", "everywhere"), "everywhere"),
    ],
)
def test_wrong_usage_is_two_with_what_is_near(
    asked: Asked, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    asked(sound()[:9])
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(one) + "\n" for one in only(sound(), "response")))
    ran = reward_drift("gate", *arguments, "-s", tmp_path / "reward-drift.yaml", "--events", events, "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert said in re.sub(r"\s+", " ", ran.err)


def test_a_wrong_settings_key_a_missing_file_and_files_without_events_are_two(asked: Asked, tmp_path: Path) -> None:
    ran = asked(sound()[:9], gate={"alhpa": 0.05})
    assert ran.code == 2
    assert "alpha" in ran.err
    asked(sound()[:9])
    for options, said in (
        ((tmp_path / "events.jsonl",), "event files come after --events"),
        (("--events", tmp_path / "nowhere.jsonl"), "nowhere.jsonl"),
        (("--store", tmp_path / "nowhere.sqlite"), "no such store"),
    ):
        ran = gate(tmp_path, *options)
        assert ran.code == 2
        assert said in re.sub(r"\s+", " ", ran.err)


def test_a_fault_of_the_tool_is_four_and_not_taken_for_a_decision(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(sound()[:9])
    (tmp_path / "store.sqlite").write_bytes(b"not a database, only as long as one" * 100)
    assert gate(tmp_path, "--store", tmp_path / "store.sqlite").code == 4

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("a fault nobody expected")

    monkeypatch.setattr(gate_command, "run_gate", breaks)
    ran = asked(sound()[:9])
    assert ran.code == 4
    assert "a fault nobody expected" in ran.err


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with settings and a store for each decision."""
    made = {}
    for decision, events in (("GO", sound()), ("NO-GO", HARM), ("INCONCLUSIVE", without(sound(), "outcome"))):
        made[decision] = world = tmp_path_factory.mktemp(decision.lower())
        artefacts = [checkpoint("ckpt-1", sha256=sealed(world / "ckpt-1"), artifact=str(world / "ckpt-1"))]
        (world / "reward-drift.yaml").write_text(yaml.safe_dump(PLAIN_LOOP))
        (world / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in [*events, *artefacts]))
        assert reward_drift("ingest", world / "events.jsonl", "--store", world / "store.sqlite").code == 0
    return made


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events are three weeks old."""
    monkeypatch.setattr(gate_command, "utc_now", lambda: START + 20 * DAY)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("decision", CODES)
def test_every_format_file_and_code_tell_one_decision(
    decision: str, stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    summary.write_text("before\n")
    output.write_text("other=1\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    world, store = stores[decision], ("--store", stores[decision] / "store.sqlite")
    files = [tmp_path / f"gate{suffix}" for suffix in (".json", ".md", ".xml", ".txt", ".html")]
    ran = gate(world, *store, *(one for file in files for one in ("-o", file)))
    assert (ran.code, ran.json["decision"]) == (CODES[decision], decision)
    assert json.loads(files[0].read_text())["decision"] == decision
    printed = {name: gate(world, *store, "--format", name) for name in ("text", "markdown", "junit", "github")}
    assert {one.code for one in printed.values()} == {CODES[decision]}
    assert printed["text"].out.startswith(f"{decision}:")
    assert printed["markdown"].out.startswith(f"## {decision}:")
    level = "notice" if decision == "GO" else "error"
    assert printed["github"].out.startswith(f"::{level} title=reward-drift gate%3A {decision}::{decision}")
    for told in (ElementTree.fromstring(printed["junit"].out), ElementTree.parse(files[2]).getroot()):
        assert (int(told.get("failures", 0)) + int(told.get("errors", 0)) == 0) == (decision == "GO")
    assert summary.read_text().startswith(f"before\n## {decision}:")
    assert summary.read_text().count(f"## {decision}:") == 5
    assert output.read_text() == "other=1\n" + f"verdict={decision}\n" * 5
    assert files[1].read_text().startswith(f"## {decision}:")
    assert files[3].read_text().startswith(f"{decision}:")
    assert decision in files[4].read_text()


@pytest.mark.usefixtures("soon")
def test_a_decision_is_recorded_and_verified_and_what_differs_is_told(stores: dict[str, Path]) -> None:
    world, store = stores["GO"], ("--store", stores["GO"] / "store.sqlite")
    record = gate(world, *store, "--artifact", f"candidate={world / 'ckpt-1'}").json["record"]
    asked = ("gate", "verify", record, *store, "-s", world / "reward-drift.yaml", "--json")
    folder = ("--artifact", f"candidate={world / 'ckpt-1'}")
    same = reward_drift(*asked, *folder)
    assert (same.code, same.json) == (
        0,
        {"record": record, "same": True, "differences": [], "lost": [], "faults": []},
    )
    settings = (world / "reward-drift.yaml").read_text()
    (world / "reward-drift.yaml").write_text(settings.replace("0.25", "0.01"))
    other = reward_drift(*asked, *folder)
    (world / "reward-drift.yaml").write_text(settings)
    assert other.code == 1
    assert {"decision", "blocking", "settings", f"{DECOUPLING} tolerance"} <= {
        one["what"] for one in other.json["differences"]
    }
    (world / "ckpt-1").rename(world / "gone")
    lost = reward_drift(*asked)
    (world / "gone").rename(world / "ckpt-1")
    assert lost.code in (1, 3)
    assert any(one.startswith("artefact:candidate") for one in lost.json["lost"])
    listed = reward_drift("gate", "records", *store, "-s", world / "reward-drift.yaml", "--json").json["records"]
    assert (listed[-1]["record"], listed[-1]["decision"]) == (record, "GO")


def test_a_decision_on_training_data_that_is_not_offered_again_cannot_be_verified(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    """Of files, so that nothing is recorded: what was printed is compared."""
    world = stores["GO"]
    (tmp_path / "train.jsonl").write_text('{"prompt": "Hello"}\n')
    events = ("--events", world / "events.jsonl")
    (tmp_path / "decision.json").write_text(gate(world, *events, "--training", tmp_path / "train.jsonl").out)
    asked = ("gate", "verify", tmp_path / "decision.json", *events, "-s", world / "reward-drift.yaml", "--json")
    assert reward_drift(*asked, "--training", tmp_path / "train.jsonl").code == 0
    ran = reward_drift(*asked)
    assert (ran.code, ran.json["differences"]) == (3, [])
    assert "--training FILE" in ran.json["lost"][0]


AS_NOBODY = """
import os
import zoneinfo, rich.console
import monitor.commands.gate
from monitor.check import load_checks
from monitor.cli import main
load_checks()
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
main()
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may read and write; not under pytest's own, which it closes whenever it starts."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


LASTS = {**PLAIN_LOOP, "gate": {"max_age": "30000d"}}


@pytest.mark.parametrize(("mode", "code"), [(0o777, 0), (0o555, 4)], ids=["file", "file and folder"])
def test_a_file_that_nobody_may_write_still_gives_a_decision_where_it_can_be_read(
    open_folder: Path,
    mode: int,
    code: int,
) -> None:
    """SQLite itself cannot read a store whose folder is closed to it, too: then there is no decision, and no GO."""
    world = open_folder / "world"
    world.mkdir()
    (world / "reward-drift.yaml").write_text(yaml.safe_dump(LASTS))
    (world / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in sound()))
    assert reward_drift("ingest", world / "events.jsonl", "--store", world / "store.sqlite").code == 0
    (world / "store.sqlite").chmod(0o444)
    world.chmod(mode)
    named = ("--candidate", "ckpt-1", "--reference", "ckpt-0", "-s", world / "reward-drift.yaml")
    command = [sys.executable, "-c", AS_NOBODY, "gate", *named, "--store", world / "store.sqlite", "--json"]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    world.chmod(0o755)
    told = json.loads(ran.stdout)
    assert ran.returncode == code
    assert (told.get("decision"), told.get("record")) == ("GO" if code == 0 else None, None)
    assert ("not recorded" if code == 0 else "name another store") in ran.stderr


def test_a_database_that_only_reads_still_gives_a_decision(
    stores: dict[str, Path], postgres_url: str, tmp_path: Path
) -> None:
    (tmp_path / "reward-drift.yaml").write_text(yaml.safe_dump(LASTS))
    assert reward_drift("ingest", stores["GO"] / "events.jsonl", "--store", postgres_url).code == 0
    with EventStore.open(postgres_url) as store, store.engine.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        connection.commit()
    ran = gate(tmp_path, "--store", postgres_url)
    assert (ran.code, ran.json["decision"], ran.json["record"]) == (0, "GO", None)
    assert "not recorded, the database does not take it" in ran.err
