"""Do the same events decide the same gate, in whatever order, however often and in however many files they come?"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from monitor.gate.run import run_gate
from monitor.replay import after_last_event, ingested
from tests.monitor.anchored_events import scored
from tests.monitor.evaluated_events import evaluated, right
from tests.monitor.events import DAY, EVER, START, Event, event, loop_events, settings
from tests.monitor.gate_worlds import judged_by_length
from tests.monitor.test_governance_checks import checkpoint

CHOSEN = settings(cohorts=["tier"], judges={"watched": ["j"], "human": "human"})


def world() -> Iterator[Event]:
    """Something for every kind of check; some of it told at one moment, and on the same prompts."""
    yield from loop_events(6, 3, per_day=60, outcome_change=-20.0, harmed="b")
    for name in ("ckpt-0", "ckpt-1"):
        yield from scored(name, items=40)
        yield checkpoint(name, sha256=name[-1] * 64)
        yield evaluated(name, right(0.8, 50))
        yield evaluated(name, None, value=0.7, n=50)
        yield evaluated(name, right(0.7, 50, seed=1), day=2)
        yield evaluated(name, None, value=0.6, n=200, suite="words")
    yield from list(judged_by_length(120.0))[::8]


EVENTS = [json.dumps(one) + "\n" for one in world()]


def decided(files: list[Path]) -> dict[str, Any]:
    with ingested([str(one) for one in files], CHOSEN) as (store, _):
        report = run_gate(store, CHOSEN, "ckpt-1", "ckpt-0", after_last_event(store, EVER)).to_dict()
    return {name: value for name, value in report.items() if name not in ("record", "as_of")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is decided when each comes once, in order, in one file."""
    file = tmp_path_factory.mktemp("once") / "events.jsonl"
    file.write_text("".join(EVENTS))
    return decided([file])


def test_the_world_has_something_for_many_checks(expected: dict[str, Any]) -> None:
    seen = {one["check"] for one in expected["findings"] if one["n"]}
    assert {"reward_outcome_decoupling", "cohort_regression", "worst_cohort", "anchored_decoupling"} <= seen
    assert {"capability_regression", "length_inflation", "feedback_purpose_leak"} <= seen


@with_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), files=st.integers(1, 4), again=st.floats(0, 1))
def test_order_repetition_and_files_change_nothing(
    expected: dict[str, Any], tmp_path: Path, seed: int, files: int, again: float
) -> None:
    rng = random.Random(seed)
    lines = [*EVENTS, *rng.sample(EVENTS, int(again * len(EVENTS)))]
    rng.shuffle(lines)
    parts = [tmp_path / f"{number}.jsonl" for number in range(files)]
    for number, part in enumerate(parts):
        part.write_text("".join(lines[number::files]))
    rng.shuffle(parts)
    assert decided(parts) == expected


def test_events_of_others_change_nothing(expected: dict[str, Any], tmp_path: Path) -> None:
    """Answers of a third checkpoint, and of staging, are neither the candidate's nor the reference's."""
    third = [
        event("response", START + 3 * DAY, {"response_id": f"x{number}", "checkpoint": "ckpt-9"})
        for number in range(20)
    ]
    staged = [
        event(
            "response",
            START + 3 * DAY,
            {"response_id": f"y{number}", "checkpoint": "ckpt-1", "environment": "staging"},
        )
        for number in range(20)
    ]
    (tmp_path / "events.jsonl").write_text("".join([*EVENTS, *(json.dumps(one) + "\n" for one in [*third, *staged])]))
    found = decided([tmp_path / "events.jsonl"])
    of_readiness = "rollback_readiness"  # names whatever checkpoint there is
    assert [one for one in found["findings"] if one["check"] != of_readiness] == [
        one for one in expected["findings"] if one["check"] != of_readiness
    ]
    assert found["decision"] == expected["decision"]
