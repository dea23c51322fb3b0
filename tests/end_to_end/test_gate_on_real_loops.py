"""Does the gate decide of recorded loops what a bootstrap of their own numbers says is true of two checkpoints?

The data are read from the folder in REWARD_DRIFT_DATA; without it these tests are skipped.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from monitor.check import Interval, Verdict
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.gate.run import run_gate
from monitor.replay import after_last_event, ingested
from monitor.settings import load_settings
from monitor.snapshot import slice_name
from tests.end_to_end.command import reward_drift, reward_drift_process
from tests.end_to_end.real_loops import SLACK, Change, bootstrap, bootstrap_checkpoints, read_units
from tests.monitor.events import EVER

DATA = os.environ.get("REWARD_DRIFT_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="REWARD_DRIFT_DATA names no folder of recorded loops")

LOOPS = [
    *(f"judge_goodhart/{name}" for name in ("exp1_best_of_n", "exp2_control", "exp2_judge")),
    *(f"judge_goodhart/{name}" for name in ("exp3_control", "exp3_judge")),
    *(f"leetcode_grpo_loops/{name}" for name in ("f_g_easy", "g_hard", "g_medium", "hard_llmjudge_small")),
    "open_bandit",
    "qa_feedback_rounds",
    "ifllm",
]
SAYS = {"reward_outcome_decoupling", "cohort_regression", "worst_cohort"}  # checks that speak of outcomes
TOO_RARE = {("leetcode_grpo_loops/g_hard", "last")}  # 2 of 512 answers passed: bets, not t, tell how rare that is


@dataclass(frozen=True)
class Case:
    """Two checkpoints of a loop: what the gate says, and what is true by slice ("" is all traffic)."""

    report: GateReport
    truth: dict[str, Change]

    @property
    def harmed(self) -> set[str]:
        """Slices where an outcome fell, or a reward rose without it, by more than the gate tolerates."""
        return {name for name, one in self.truth.items() if one.outcome[1] < -SLACK or one.unearned[0] > SLACK}

    @property
    def blamed(self) -> set[str]:
        """Slices that the gate says are harmed."""
        return {slice_name(one.slice) for one in outcomes(self.report) if one.verdict is Verdict.FAIL}


def outcomes(report: GateReport) -> list[GateFinding]:
    return [one for one in report.findings if one.check in SAYS]


def folder(loop: str) -> Path:
    return Path(DATA or "") / loop


@cache
def cases(loop: str) -> dict[str, Case]:
    """The last checkpoint, and one in the middle if there are more, each against the settings' reference."""
    settings, units = load_settings(folder(loop) / "reward-drift.yaml"), read_units(folder(loop))
    reference = settings.reference.checkpoint
    assert reference is not None
    began = units[~units["is_reference"]].groupby("checkpoint")["time"].min().sort_values()
    names = {"last": began.index[-1]} | ({"middle": began.index[len(began) // 2 - 1]} if len(began) > 1 else {})
    with ingested([str(folder(loop) / "events.jsonl.gz")], settings) as (store, _):
        as_of = after_last_event(store, EVER)
        return {
            which: Case(run_gate(store, settings, name, reference, as_of), _truth(loop, units, name))
            for which, name in names.items()
        }


def _truth(loop: str, units: pd.DataFrame, candidate: str) -> dict[str, Change]:
    """Resampled by prompt, person or item; by checkpoints' means where items were rebuilt, or are 0 and 1 in masses."""
    both = units[units["is_reference"] | (units["checkpoint"] == candidate)]
    estimate = bootstrap_checkpoints if loop.startswith(("leetcode", "open_bandit")) else bootstrap
    keys = load_settings(folder(loop) / "reward-drift.yaml").cohorts
    parts = {f"{key}={value}": part for key in keys for value, part in both.groupby(key)}
    return {"": estimate(both), **{name: estimate(part) for name, part in parts.items()}}


ASKED = [(loop, "last") for loop in LOOPS] + [(loop, "middle") for loop in LOOPS if loop != "open_bandit"]


@pytest.fixture(scope="module", params=sorted(ASKED), ids=lambda asked: "-".join(asked))
def case(request: pytest.FixtureRequest) -> Case:
    loop, which = request.param
    return cases(loop)[which]


@pytest.mark.parametrize("asked", sorted({*ASKED} - TOO_RARE), ids=lambda asked: "-".join(asked))
def test_it_is_no_go_where_harm_is_shown_and_nowhere_else(asked: tuple[str, str]) -> None:
    found = cases(asked[0])[asked[1]]
    assert (found.report.decision is Decision.NO_GO) == bool(found.harmed)
    assert found.blamed == found.harmed


def test_it_is_never_go_where_harm_is_shown(case: Case) -> None:
    assert case.report.decision is not Decision.GO or not case.harmed


def test_every_slice_it_blames_is_named_among_what_blocks(case: Case) -> None:
    for name in case.blamed:
        assert ("reward_outcome_decoupling" + (f"[{name}]" if name else "")) in case.report.blocking


def test_the_change_it_tells_lies_where_the_bootstrap_has_it(case: Case) -> None:
    """What it calls a change is new minus reference, and its own bounds hold the bootstrap's middle, too."""
    told = [one for one in case.report.findings if one.check == "reward_outcome_decoupling"]
    assert {slice_name(one.slice) for one in told} == set(case.truth)
    for one in told:
        low, high = case.truth[slice_name(one.slice)].outcome
        change = one.outcome_change
        assert change.value is not None
        assert change.low is not None
        assert change.high is not None
        assert change.low - 0.005 <= (low + high) / 2 <= change.high + 0.005


@pytest.mark.parametrize("asked", sorted(TOO_RARE), ids=lambda asked: "-".join(asked))
def test_a_reward_that_leapt_over_a_rare_outcome_is_suspected_and_not_passed(asked: tuple[str, str]) -> None:
    found = cases(asked[0])[asked[1]]
    [told] = outcomes(found.report)
    assert found.harmed == {""}
    assert found.report.decision is Decision.INCONCLUSIVE
    assert told.leading == "inflation"
    assert told.reward_change.low is not None
    assert told.reward_change.low > 0.3
    assert told.effect.low is not None
    assert told.effect.low > 0


def test_both_decisions_that_stop_and_the_one_that_lets_through_occur() -> None:
    made = {one.report.decision for loop in LOOPS for one in cases(loop).values()}
    assert made == set(Decision)


@pytest.mark.parametrize(
    ("loop", "candidate", "code", "blocking"),
    [
        ("exp3_judge", "round-4", 1, ["reward_outcome_decoupling[answerable=no]"]),
        ("exp3_control", "round-4", 3, ["reward_outcome_decoupling[answerable=no]"]),
        ("exp2_control", "round-5", 0, []),
    ],
)
def test_the_command_decides_the_same(loop: str, candidate: str, code: int, blocking: list[str]) -> None:
    place = folder(f"judge_goodhart/{loop}")
    asked = ("--candidate", candidate, "--reference", "round-0", "--json", "--settings", place / "reward-drift.yaml")
    run = reward_drift_process if code == 1 else reward_drift
    ran = run("gate", *asked, "--events", place / "events.jsonl.gz")
    assert ran.code == code
    told = cases(f"judge_goodhart/{loop}")["last"].report.to_dict()
    assert ran.json == told | {"bound": ran.json["bound"]}
    assert {*blocking} <= {*ran.json["blocking"]}


def test_longer_answers_to_the_same_questions_are_called_inflation_and_nothing_else() -> None:
    place = folder("alpaca_eval")
    names = ("--candidate", "gpt-3.5-turbo-1106_verbose", "--reference", "gpt-3.5-turbo-1106")
    ran = reward_drift(
        "gate", *names, "--json", "--settings", place / "reward-drift.yaml", "--events", place / "events.jsonl.gz"
    )
    assert (ran.code, ran.json["decision"]) == (3, "INCONCLUSIVE")
    [told] = [one for one in ran.json["findings"] if one["check"] == "length_inflation" and one["n"]]
    assert told["leading"] == "inflation"
    assert told["verdict"] != "FAIL"
    assert [one for one in ran.json["findings"] if one["outcome_change"] != vars(Interval())] == []


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published table of iterations as events: each a checkpoint with two rates on one suite."""
    place = tmp_path_factory.mktemp("published")
    (place / "results.jsonl").write_text("".join(_rows()))
    (place / "reward-drift.yaml").write_text("outcome: {metric: task_success}\n")
    options = ("--higher-is-better", "win_rate", "--higher-is-better", "length_controlled_win_rate")
    ran = reward_drift("import", place / "results.jsonl", "--from", "results", *options, "-o", place / "events.jsonl")
    assert ran.code == 0
    return place


def _published(family: str = "") -> list[dict[str, Any]]:
    lines = (folder("published_iterations") / "sppo.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if family in one["family"]]


def _rows() -> Iterator[str]:
    metrics = {"judge_win_rate": "win_rate", "length_controlled_win_rate": "length_controlled_win_rate"}
    for told in _published():
        time = f"2026-01-{5 + told['iteration']:02d}T12:00:00Z"
        for column, metric in metrics.items():
            row = {"checkpoint": told["model"], "suite": "alpaca_eval_2", "category": "all", "metric": metric}
            yield json.dumps({**row, "value": told[column], "time": time}) + "\n"


@pytest.mark.parametrize(("first", "last"), [(0, 3), (1, 3), (1, 2)], ids=str)
@pytest.mark.parametrize("family", ["Mistral-7B", "Llama-3-8B", "Gemma-2-9B"])
def test_published_rates_that_rose_more_than_at_equal_lengths_are_called_inflation(
    published: Path, family: str, first: int, last: int
) -> None:
    old, new = (next(one for one in _published(family) if one["iteration"] == at) for at in (first, last))
    gained = new["judge_win_rate"] - old["judge_win_rate"]
    excess = new["gap"] - old["gap"]
    asked = ("--candidate", new["model"], "--reference", old["model"], "-s", published / "reward-drift.yaml", "--json")
    ran = reward_drift("gate", *asked, "--events", published / "events.jsonl")
    assert (ran.code, ran.json["decision"]) == (3, "INCONCLUSIVE")
    [told] = [one for one in ran.json["findings"] if one["check"] == "length_inflation" and one["n"]]
    assert told["slice"] == {"suite": "alpaca_eval_2"}
    assert told["effect"]["value"] == pytest.approx(excess / 100)
    assert told["leading"] == ("inflation" if gained > 0 and excess > 1 else "")
    assert "this says nothing of outcomes" in told["message"]
    assert [one["check"] for one in ran.json["findings"] if one["verdict"] == "FAIL"] == []
    assert [one for one in ran.json["findings"] if one["outcome_change"] != vars(Interval())] == []
