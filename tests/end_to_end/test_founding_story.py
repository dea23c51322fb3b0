"""Thumbs up nine points while task success falls by four: is it found, named, and nothing else alerted on?

The worlds are simulated and seeded, so that every share below is the same on every machine.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore
from monitor.check import Finding
from monitor.detection.tick import look
from monitor.oncall.alerts import EpisodeKey
from monitor.production.items import DAY_US, EPOCH
from monitor.result import Report
from monitor.service import tick_store
from monitor.settings import load_settings
from monitor.snapshot import slice_name
from monitor.telling.explain import explain
from tests.end_to_end.command import reward_drift_process
from tests.end_to_end.event_worlds import Event, first_days, world_events, write_events, write_settings
from tests.worlds import CHECKPOINT_DAYS, DAYS, FIRST_DAY, REFERENCE_DAYS, Watched, World, items, watch

STORY = World(reward=9, outcome=-4)
STORIES = 24
ALL_TRAFFIC = EpisodeKey("", "reward_outcome_decoupling")
HARMLESS = {"nothing": World(), "improvement": World(reward=9, outcome=2.6), "harder traffic": World(mix=0.5)}
BUDGETS = {"ticket": DAYS / 30, "warning": DAYS / 365 + 0.05, "page": DAYS / 3650 + 0.005}  # alerts a run, at most

SURGE_DAY, LAST_DAY = REFERENCE_DAYS + 42, REFERENCE_DAYS + 63
HORIZON_DAYS = 14


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    with EventStore.open(tmp_path_factory.mktemp("store") / "store") as store:
        yield store


@pytest.fixture(scope="module")
def stories(empty: EventStore) -> list[Watched]:
    return [watch(items(STORY, seed), empty.engine) for seed in range(STORIES)]


def share(days: list[dict[str, int]], severity: str, checkpoints: int) -> float:
    """Share of runs that alerted so severely by the end of a checkpoint."""
    return float(np.mean([run.get(severity, DAYS + 1) <= checkpoints * CHECKPOINT_DAYS for run in days]))


def test_gaming_is_found_while_most_checkpoints_are_still_to_come(stories: list[Watched]) -> None:
    days = [story.days() for story in stories]
    tickets, warnings = share(days, "ticket", 6), share(days, "warning", 9)
    print(f"ticket by the 6th checkpoint {tickets:.2f}, warning by the 9th {warnings:.2f} of {STORIES} runs")
    assert tickets >= 0.6
    assert warnings >= 0.8
    assert share(days, "warning", 12) == 1.0


def test_gaming_is_never_named_harm_or_benign(stories: list[Watched]) -> None:
    told = [explain(story.case, story.memory.episodes[ALL_TRAFFIC]) for story in stories]
    warned = [alert for alerts in told for alert in alerts if alert.severity == "warning"]
    assert len(warned) == STORIES
    assert {alert.leading for alert in warned} <= {"gaming", "inflation"}
    assert {alert.attribution for alert in warned} <= {"gaming", "inflation", "decoupling", "undecided"}


@pytest.mark.parametrize(("name", "runs"), [("nothing", 50), ("improvement", 30), ("harder traffic", 30)])
def test_harmless_worlds_stay_within_the_budget(name: str, runs: int, empty: EventStore) -> None:
    worlds = (watch(items(HARMLESS[name], 1000 + seed), empty.engine) for seed in range(runs))
    raised = Counter(c.severity for world in worlds for e in world.memory.episodes.values() for c in e.crossings)
    told = {severity: f"{raised[severity]} of at most {budget * runs:.1f}" for severity, budget in BUDGETS.items()}
    print(f"{name}, {runs} runs of {DAYS} days: {told}")
    for severity, budget in BUDGETS.items():
        assert raised[severity] <= budget * runs


def test_the_command_finds_the_story_in_real_events(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events.jsonl", world_events(items(STORY, 4)))
    report = reward_drift_process("replay", events, "--settings", write_settings(tmp_path), "--format", "json").json
    warning = next(a for a in report["alerts"] if a["severity"] == "warning" and not a["slice"])
    assert warning["leading"] == "gaming"
    assert warning["attribution"] in ("gaming", "decoupling")
    assert warning["reward_change"]["low"] > 0
    assert warning["outcome_change"]["value"] < 0
    assert report["events"]["accepted"] == 3 * 100 * (REFERENCE_DAYS + DAYS)


def test_failures_that_arrive_first_while_traffic_triples_change_nothing(tmp_path: Path) -> None:
    frame = first_days(items(World(labels=90), 0), LAST_DAY)
    day = frame["time_us"] // DAY_US - FIRST_DAY
    surged = day >= SURGE_DAY
    frame, day, surged = (part[surged | (frame.index % 3 == 0)] for part in (frame, day, surged))
    failures_first = np.where(frame["outcome"] == 0, 1.0, 13.0)
    arrived = frame["outcome"][surged & (day + failures_first <= LAST_DAY)]
    assert arrived.mean() < frame["outcome"][surged].mean() - 0.1
    at_once, late = (
        watched_weekly(tmp_path / name, list(world_events(frame, known_after)))
        for name, known_after in (("at once", 1.0), ("failures first", failures_first))
    )
    assert at_once == late
    assert not any(alerts for alerts, _ in at_once)


def watched_weekly(folder: Path, events: list[Event]) -> list[tuple[Any, Any]]:
    """Alerts and findings of one tick a week from the surge on, each of which sees only what had happened by then."""
    folder.mkdir()
    settings = load_settings(write_settings(folder, f"{HORIZON_DAYS}d"))
    told = []
    with EventStore.open(folder / "store") as store:
        for day in range(SURGE_DAY, LAST_DAY + HORIZON_DAYS + 8, 7):
            now = EPOCH + dt.timedelta(days=FIRST_DAY + day)
            happened = [e for e in events if e["time"] < now.isoformat()]
            events = [e for e in events if e["time"] >= now.isoformat()]
            ingest(JsonlSource([str(write_events(folder / f"{day}.jsonl", happened))]), store)
            report = tick_store(store, settings, now, now, ())
            told.append((report.alerts, in_order(report)))
        whole = look(store, settings, now).report
        assert told[-1] == (whole.alerts, in_order(whole))
    return told


def in_order(report: Report) -> list[Finding]:
    """A tick lists series in the order in which it met them, a look in the order of checks."""
    return sorted(report.findings, key=lambda finding: (finding.check, slice_name(finding.slice)))
