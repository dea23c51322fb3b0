"""Does the monitor say of recorded loops what a bootstrap of their own numbers says?

The data are read from the folder in REWARD_DRIFT_DATA; without it these tests are skipped.
"""

import gzip
import os
import random
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.replay import replay
from monitor.settings import load_settings
from tests.end_to_end.command import reward_drift_process
from tests.end_to_end.real_loops import Change, bootstrap, bootstrap_checkpoints, read_units
from tests.monitor.events import EVER

DATA = os.environ.get("REWARD_DRIFT_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="REWARD_DRIFT_DATA names no folder of recorded loops")


class Loop(NamedTuple):
    """A recorded loop, and its cohort key if slices of it are watched."""

    folder: str
    cohort: str | None = None


DECOUPLED = [
    Loop("judge_goodhart/exp3_judge", "answerable"),
    Loop("leetcode_grpo_loops/g_medium"),
    Loop("leetcode_grpo_loops/g_hard"),
    Loop("leetcode_grpo_loops/f_g_easy"),
]
SOUND = [
    Loop("judge_goodhart/exp1_best_of_n"),
    Loop("judge_goodhart/exp2_judge"),
    Loop("judge_goodhart/exp2_control"),
    Loop("judge_goodhart/exp3_control", "answerable"),
    Loop("leetcode_grpo_loops/hard_llmjudge_small"),
    Loop("qa_feedback_rounds"),
    Loop("ifllm"),
    Loop("uss_satisfaction", "domain"),
    Loop("open_bandit"),
]


def by_folder(loops: list[Loop]) -> Any:
    return pytest.mark.parametrize("loop", loops, ids=lambda loop: loop.folder)


def truth(loop: Loop) -> dict[str, Change]:
    """What happened over all traffic (key "") and in each cohort; by means of checkpoints where items were rebuilt."""
    units = read_units(Path(DATA or "") / loop.folder)
    estimate = bootstrap_checkpoints if loop.folder.startswith("leetcode") else bootstrap
    parts = units.groupby(loop.cohort) if loop.cohort else ()
    return {"": estimate(units)} | {f"{loop.cohort}={value}": estimate(part) for value, part in parts}


@cache
def told(loop: Loop) -> dict[str, Any]:
    """What the monitor says, by the function behind the command."""
    folder = Path(DATA or "") / loop.folder
    return replay([str(folder / "events.jsonl.gz")], load_settings(folder / "reward-drift.yaml"), now=EVER).to_dict()


def alerted(report: dict[str, Any]) -> set[str]:
    """Slices with a warning or a page that speaks of the outcome."""
    severe = [alert for alert in report["alerts"] if alert["severity"] != "ticket"]
    return {",".join(f"{key}={value}" for key, value in sorted(alert["slice"].items())) for alert in severe}


@by_folder(DECOUPLED)
def test_where_the_outcome_left_the_reward_there_is_a_warning(loop: Loop) -> None:
    decoupled = {name for name, change in truth(loop).items() if change.decoupled}
    assert decoupled
    assert alerted(told(loop)) == decoupled


@by_folder(SOUND)
def test_where_the_outcome_kept_up_there_is_neither_warning_nor_page(loop: Loop) -> None:
    assert not any(change.decoupled for change in truth(loop).values())
    assert alerted(told(loop)) == set()


def test_questions_without_an_answer_are_named_as_the_slice_that_lost() -> None:
    loop = Loop("judge_goodhart/exp3_judge", "answerable")
    changes = truth(loop)
    assert changes["answerable=no"].outcome[1] < -0.5
    assert changes["answerable=yes"].outcome[0] > 0
    pages = [a for a in told(loop)["alerts"] if a["slice"] == {"answerable": "no"} and a["severity"] == "page"]
    assert len(pages) == 1
    assert pages[0]["outcome_change"]["high"] < -0.5
    assert not [a for a in told(loop)["alerts"] if a["slice"] == {"answerable": "yes"}]


def test_a_reference_that_takes_all_traffic_is_no_pass() -> None:
    loop = Loop("ifllm")
    units = read_units(Path(DATA or "") / loop.folder)
    assert units["is_reference"].sum() < 200
    findings = told(loop)["findings"]
    verdicts = {f["verdict"] for f in findings if f["check"].startswith("reward_outcome")}
    assert verdicts == {"INCONCLUSIVE"}


@pytest.mark.parametrize("loop", [DECOUPLED[0], SOUND[0]], ids=lambda loop: loop.folder)
def test_the_command_says_what_the_function_says(loop: Loop) -> None:
    folder = Path(DATA or "") / loop.folder
    files = (folder / "events.jsonl.gz", "--settings", folder / "reward-drift.yaml")
    ran = reward_drift_process("replay", *files, "--format", "json", "--fail-on", "warning")
    assert ran.json == told(loop)
    assert ran.code == (1 if loop in DECOUPLED else 0)


@pytest.mark.parametrize("loop", [DECOUPLED[0], Loop("ifllm")], ids=lambda loop: loop.folder)
def test_shuffled_split_and_repeated_files_say_the_same(loop: Loop, tmp_path: Path) -> None:
    folder = Path(DATA or "") / loop.folder
    lines = gzip.decompress((folder / "events.jsonl.gz").read_bytes()).splitlines(keepends=True)
    random.Random(0).shuffle(lines)
    half = len(lines) // 2
    (tmp_path / "one.jsonl").write_bytes(b"".join(lines[:half]))
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(b"".join([*lines[half:], *lines[:50]])))
    files = [str(tmp_path / name) for name in ("one.jsonl", "two.jsonl.gz")]
    report = replay(files, load_settings(folder / "reward-drift.yaml"), now=EVER).to_dict()
    assert report["events"].pop("duplicate") == 50
    expected = {**told(loop), "events": {**told(loop)["events"]}}
    del expected["events"]["duplicate"]
    assert report == expected
