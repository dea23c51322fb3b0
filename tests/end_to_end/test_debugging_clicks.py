"""Thousands of clicks by staff: do they reach the reward, or leave as labels?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.production.items import DAY_US
from monitor.replay import replay
from monitor.settings import load_settings
from tests.end_to_end.command import reward_drift
from tests.end_to_end.event_worlds import (
    PRODUCT,
    Event,
    event,
    first_days,
    thumb,
    world_events,
    write_events,
    write_settings,
)
from tests.monitor.events import EVER
from tests.worlds import FIRST_DAY, REFERENCE_DAYS, World, items

PER_DAY, STORM = 20, 2000
STORM_DAY = REFERENCE_DAYS + 20
LAST_DAY = REFERENCE_DAYS + 28

# rule that decides -> what its clicks say of themselves; None: nothing
STORMS: dict[str, dict[str, Any]] = {
    "not_production": {"surface": {**PRODUCT, "environment": "staging"}},
    "actor_role_engineer": {"actor": {"id": "e-1", "role": "engineer"}},
    "actor_role_on_call": {"actor": {"id": "o-1", "role": "on_call"}},
    "actor_role_bot": {"actor": {"id": "b-1", "role": "bot"}},
    "debugging_surface": {"surface": {**PRODUCT, "purpose": "debugging"}},
    "unknown_surface": {"surface": None},
    "unknown_actor": {"actor": None},
    "annotator_outside_curation": {"actor": {"id": "a-9", "role": "annotator"}},
}


@pytest.fixture(scope="module")
def quiet() -> list[Event]:
    """A loop in which nothing happens, and a few curated labels."""
    frame = first_days(items(World(labels=PER_DAY), 0), LAST_DAY)
    return [*world_events(frame), *labels(frame["response_id"].tolist()[-40:])]


def labels(responses: list[str]) -> Iterator[Event]:
    at = (FIRST_DAY + LAST_DAY - 1) * DAY_US
    said: Event = {
        "actor": {"id": "a-1", "role": "annotator"},
        "surface": {"name": "labels", "environment": "production", "purpose": "curation"},
        "rubric": "helpfulness/2",
    }
    for number, response in enumerate(responses):
        yield thumb(f"label-{number}", at + number, response, number % 2, "", **said)


def storm(quiet: list[Event], rule: str) -> Iterator[Event]:
    """Thumbs down on the newest answers, by a handful of people."""
    answers = [e["data"]["response_id"] for e in quiet if e["type"] == "rewarddrift.response.v1"][-500:]
    for number in range(STORM):
        at = (FIRST_DAY + STORM_DAY) * DAY_US + number * 1_000_000
        yield thumb(f"{rule}-{number}", at, answers[number % 500], 0, f"stray-{number % 7}", **STORMS[rule])


def report_of(folder: Path, events: list[Event]) -> dict[str, Any]:
    path = write_events(folder / "events.jsonl", events)
    return json.loads(json.dumps(replay([str(path)], load_settings(write_settings(folder)), now=EVER).to_dict()))


@pytest.fixture(scope="module")
def before(quiet: list[Event], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the loop without any clicks by staff."""
    return report_of(tmp_path_factory.mktemp("before"), quiet)


def test_debugging_clicks_never_move_the_report(quiet: list[Event], before: dict[str, Any], tmp_path: Path) -> None:
    after = report_of(tmp_path, quiet + [click for rule in STORMS for click in storm(quiet, rule)])
    assert after["feedback"]["reward"] == before["feedback"]["reward"] == PER_DAY * LAST_DAY
    assert after["feedback"]["debugging"] == STORM * len(STORMS)
    by_rule = after["feedback"]["by_rule"]
    assert {rule: by_rule[f"1:{rule}"] for rule in STORMS} == dict.fromkeys(STORMS, STORM)
    assert sum(by_rule.values()) == sum(after["feedback"][purpose] for purpose in ("curation", "reward", "debugging"))
    counted = ("events", "feedback")
    assert {k: v for k, v in after.items() if k not in counted} == {k: v for k, v in before.items() if k not in counted}


def test_as_rewards_the_same_clicks_would_have_moved_it(
    quiet: list[Event], before: dict[str, Any], tmp_path: Path
) -> None:
    """The storm is large enough to matter: it is the rule that keeps it out, not its size."""
    disguised = [
        thumb(e["id"], (FIRST_DAY + LAST_DAY - 10) * DAY_US, e["data"]["response_id"], 0, "x")
        for e in storm(quiet, "not_production")
    ]
    after = report_of(tmp_path, quiet + disguised)
    rewards = [[c["reward"]["value"] for c in report["checkpoints"] if not c["slice"]] for report in (before, after)]
    assert min(new - old for old, new in zip(*rewards, strict=True)) < -0.05


def test_debugging_clicks_never_leave_as_labels(quiet: list[Event], tmp_path: Path) -> None:
    clicks = [click for rule in STORMS for click in storm(quiet, rule)]
    path, store = write_events(tmp_path / "events.jsonl", quiet + clicks), tmp_path / "store.sqlite"
    read = reward_drift("ingest", path, "--store", store, "--json")
    assert read.json["feedback"] == {"curation": 40, "reward": PER_DAY * LAST_DAY, "debugging": len(clicks)}
    exported = reward_drift("export", tmp_path / "labels.jsonl", "--store", store, "--json")
    withheld = exported.json["withheld_by_rule"]
    assert withheld == {"1:reward": PER_DAY * LAST_DAY, **{f"1:{rule}": STORM for rule in STORMS}}
    assert exported.json["withheld_by_purpose"] == {"debugging": len(clicks), "reward": PER_DAY * LAST_DAY}
    assert exported.json["rows"] == len((tmp_path / "labels.jsonl").read_text().splitlines()) == 40


def test_an_engineer_who_clicks_as_a_customer_is_found(quiet: list[Event], tmp_path: Path) -> None:
    at = (FIRST_DAY + STORM_DAY) * DAY_US
    answers = [e["data"]["response_id"] for e in quiet if e["type"] == "rewarddrift.response.v1"][-30:]
    engineer = thumb("e-own", at, answers[0], 0, "", actor={"id": "e-1", "role": "engineer"})
    disguised = [thumb(f"e-{i}", at + i, answer, 0, "e-1") for i, answer in enumerate(answers)]
    leak = {"check": "feedback_purpose_leak", "slice": {"purpose": "reward"}}

    def verdict(events: list[Event]) -> tuple[str, str]:
        findings = report_of(tmp_path, events)["findings"]
        found = next(f for f in findings if f["check"] == leak["check"] and f["slice"] == leak["slice"])
        return found["verdict"], found["message"]

    total = PER_DAY * LAST_DAY
    assert verdict([*quiet, engineer]) == ("PASS", f"0 of {total}")
    assert verdict([*quiet, engineer, *disguised]) == ("FAIL", f"30 of {total + 30}")


def test_thumbs_on_answers_from_staging_are_found(quiet: list[Event], before: dict[str, Any], tmp_path: Path) -> None:
    at = (FIRST_DAY + STORM_DAY) * DAY_US
    staged = [
        event("response", "s-1", at, {"response_id": "s-1", "checkpoint": "ckpt-02", "environment": "staging"}),
        thumb("s-1-thumb", at + 1, "s-1", 0, "u-1"),
    ]
    after = report_of(tmp_path, quiet + staged)
    assert [c["reward"] for c in after["checkpoints"]] == [c["reward"] for c in before["checkpoints"]]
    leak = next(f for f in after["findings"] if f["slice"] == {"purpose": "reward"})
    assert leak["message"] == f"1 of {PER_DAY * LAST_DAY + 1}"
