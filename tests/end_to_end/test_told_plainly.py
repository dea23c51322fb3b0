"""Does a first reader of the command line learn what happened, and what to type next?"""

import datetime as dt
import json
from pathlib import Path

import pytest

from monitor import oncall
from monitor.replay import replay
from tests.end_to_end.command import reward_drift
from tests.monitor.events import (
    DAY,
    END_USER,
    EVER,
    HOUR,
    PRODUCT,
    START,
    Event,
    event,
    loop_events,
    response,
    settings,
)

RUNBOOKS = Path(str(oncall.__file__)).with_name("runbooks")


def written(path: Path, events: list[Event]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    return path


def thumbs(value: float, signal: str = "thumbs") -> Event:
    data = {"response_id": "r-1", "signal": signal, "value": value, "actor": END_USER, "surface": PRODUCT}
    return event("feedback", START, data)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_day_is_decided_before_it_closed(place: Path) -> None:
    file = written(place / "events.jsonl", list(loop_events(days=20, reference_days=10, per_day=20)))
    midnight = replay([str(file)], settings(), now=EVER).as_of
    evening = midnight - 3 * HOUR
    assert replay([str(file)], settings(), now=evening).as_of == evening
    assert replay([str(file)], settings(), now=midnight + 30 * DAY).as_of == midnight


def test_a_replay_of_today_looks_no_later_than_now(place: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    moved = [{**one, "time": (now - dt.timedelta(seconds=1)).isoformat()} for one in [thumbs(1)]]
    chosen = place / "reward-drift.yaml"
    assert reward_drift("init", chosen).code == 0
    told = reward_drift("replay", written(place / "today.jsonl", moved), "-s", chosen, "--json").json
    assert dt.datetime.fromisoformat(told["as_of"]) <= dt.datetime.now(dt.UTC)


def test_no_command_decides_of_a_file_of_today_what_only_tomorrow_can_tell(place: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    today = [response(name, now - dt.timedelta(seconds=1), name) for name in ("ckpt-0", "ckpt-1")]
    file, chosen = written(place / "today.jsonl", today), place / "reward-drift.yaml"
    assert reward_drift("init", chosen).code == 0
    sides = ("--candidate", "ckpt-1", "--reference", "ckpt-0")
    for command in (("gate", *sides), ("judges",)):
        told = reward_drift(*command, "-s", chosen, "--json", "--events", file).json
        assert now <= dt.datetime.fromisoformat(told["as_of"]) <= dt.datetime.now(dt.UTC), command


def test_a_file_read_before_says_so(place: Path) -> None:
    file = written(place / "events.jsonl", [thumbs(1)])
    assert reward_drift("ingest", file).out.startswith("1 accepted")
    again = reward_drift("ingest", file)
    assert (again.code, again.out.startswith("nothing new: what these files hold was read before")) == (0, True)


def test_rejected_events_are_said_loudly_with_the_next_command(place: Path) -> None:
    told = reward_drift("ingest", written(place / "events.jsonl", [thumbs(1), thumbs(-1), thumbs(-1)]))
    assert told.code == 0
    assert "WARNING: 2 of 3 events were NOT stored: 2 bad_value" in told.err
    assert "reward-drift rejected list --store" in told.err


def test_validate_counts_alike_faults_once(place: Path) -> None:
    told = reward_drift("validate", written(place / "events.jsonl", [thumbs(-1)] * 30 + [thumbs(1, "thumb")]))
    assert told.code == 1
    lines = [" ".join(line.split()) for line in told.out.splitlines() if line.startswith("rejected")]
    assert len(lines) == 2
    assert lines[0].startswith("rejected 30 bad_value: data: Expected `value` 1 or 0 for thumbs")
    assert lines[1].endswith("use one of thumbs, rating, correction, comment, flag")


def test_an_empty_label_queue_names_the_other_kind_of_items(place: Path) -> None:
    assert reward_drift("init").code == 0
    assert reward_drift("ingest", written(place / "events.jsonl", [thumbs(1)])).code == 0
    told = reward_drift("label-queue", "-n", 50, "-o", "queue.csv")
    assert told.code == 2
    assert "reward-drift label-queue --items responses -n 50 -o queue.csv" in told.err


def test_every_runbook_that_asks_for_labels_says_of_what() -> None:
    lines = [line for file in RUNBOOKS.glob("*.md") for line in file.read_text().splitlines()]
    asked = [line for line in lines if "label-queue -" in line]
    assert asked
    assert all("--items" in line for line in asked)


def test_a_level_of_few_answers_stays_a_share(place: Path) -> None:
    events = list(loop_events(days=14, reference_days=10, per_day=1))
    rows = replay([str(written(place / "events.jsonl", events))], settings(cohorts=["tier"]), now=EVER).checkpoints
    few = [level for row in rows for level in (row.reward, row.outcome) if level.low is not None]
    assert few
    assert all(level.low >= 0 and level.high <= 1 for level in few)
    assert any((level.low, level.high) == (0, 1) for level in few), "so few that nothing is known"
