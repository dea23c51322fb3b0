"""What does a decision for another baseline change, and what does it leave alone?"""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from consumers.store import EventStore
from monitor.detection.guard import THRESHOLDS, guard_path
from monitor.detection.state import MonitorState
from monitor.oncall.alerts import OPEN
from monitor.production.baseline import ReferenceMissing, Window
from monitor.production.items import DAY_US, day_of
from monitor.production.reference import decide
from monitor.result import Report
from monitor.settings import ReferenceSettings
from tests.end_to_end.command import Ran, reward_drift
from tests.monitor.events import (
    DAY,
    START,
    Event,
    dumped,
    in_memory,
    loop_events,
    outcome,
    put,
    revived,
    score,
    settings,
    told_on,
)
from tests.monitor.live import found, live, query, tick_at, told

TIERS = settings(cohorts=["tier"])
HARM = {"days": 26, "reference_days": 8, "per_day": 40, "reward": 9.0, "outcome_change": -30.0}
DECIDED = START + 20 * DAY
NOTE = "the new rubric counts less as success"
TABLES = ("monitor_memory", "series_day", "alert_episode", "alert_transition", "outbox", "baseline_version")


def window(since: int, until: int) -> Window:
    return Window(None, day_of(START + since * DAY) * DAY_US, day_of(START + until * DAY) * DAY_US, False, ended=True)


HARMED, GUARDED = window(9, 17), {"baseline": "v0"}


def harm(since: int = 0, until: int = 99) -> list[Event]:
    events = loop_events(**HARM)
    return [e for e in events if (START + since * DAY).date() <= told_on(e) < (START + until * DAY).date()]


@pytest.fixture(scope="module")
def lived() -> bytes:
    """A store that lived twenty days, the last twelve harmed: it pages."""
    store = in_memory()
    report = live(store, TIERS, harm(until=20), receivers=("r",), every=6)
    assert "page" in {alert.severity for alert in report.alerts}
    return dumped(store)


@pytest.fixture
def store(lived: bytes) -> EventStore:
    return revived(lived)


def rebaseline(store: EventStore, wanted: Window = HARMED) -> MonitorState:
    state = MonitorState(store.engine)
    state.rebaseline("loop", wanted, NOTE, DECIDED)
    return state


def rules(report: Report) -> set[str]:
    return {alert.evidence.rule for alert in report.alerts if alert.evidence}


def test_it_ends_every_alert_and_only_the_guard_still_speaks(store: EventStore) -> None:
    state = rebaseline(store)
    ended = [s for s in state.episodes("loop") if s.decision]
    assert {(s.episode.state, s.decision, s.note) for s in ended} == {("resolved", "rebaseline", NOTE)}
    assert [s.episode.slice for s in state.episodes("loop") if s.episode.state in OPEN] == [GUARDED]
    after = live(store, TIERS, harm(since=20), receivers=("r",), every=3)
    (alert,) = after.alerts
    assert (alert.severity, alert.slice, rules(after)) == ("warning", GUARDED, {"guard"})
    assert "against the first baseline (guard against slow absorption)" in alert.message
    assert alert.evidence is not None
    assert alert.evidence.promise.endswith("for ever, this is wrong with probability at most 0.05")
    assert alert.outcome_change.value == pytest.approx(-0.3, abs=0.1)
    assert after.reference is not None
    assert after.reference.name == "2026-01-10 to 2026-01-18"
    assert any(NOTE in note for note in after.notes)


def test_the_guard_that_was_resolved_is_told_no_more(store: EventStore) -> None:
    rebaseline(store)
    state = rebaseline(store, window(10, 18))
    (guard,) = [s for s in state.episodes("loop") if s.episode.state in OPEN]
    state.resolve("loop", guard.id, "accepted", "we know", DECIDED + DAY)
    assert not live(store, TIERS, harm(since=20), every=3).alerts


def test_a_decision_about_all_traffic_covers_the_guard_that_the_page_spoke_for() -> None:
    """Harm from the eighteenth day on: the page comes first. What the guard had seen by the rollback is known then."""
    store, quiet = in_memory(), {**HARM, "reward": 0.0, "outcome_change": 0.0}
    events = [e for e in loop_events(**quiet) if told_on(e) < (START + 18 * DAY).date()]
    report = live(store, TIERS, events + harm(since=18), every=9)
    assert rules(report) == {"restarting"}
    state = MonitorState(store.engine)
    for stored in state.episodes("loop"):
        state.resolve("loop", stored.id, "rollback", "", report.as_of)
    path = guard_path(state.load("loop").book)
    assert path.level(-1, THRESHOLDS)
    assert "guard" not in rules(tick_at(store, TIERS, report.as_of + DAY))


def shown(report: Report) -> tuple[Any, ...]:
    return told(report.alerts), found(report), report.reference, report.notes


def test_ticks_after_a_decision_end_where_one_look_does(store: EventStore) -> None:
    rebaseline(store)
    other = revived(dumped(store))
    ticked = live(store, TIERS, harm(since=20), every=2)
    put(other, harm(since=20))
    with other.engine.begin() as connection:
        connection.execute(text("UPDATE monitor_memory SET format = 0"))  # so that everything is looked at anew
    whole = tick_at(other, TIERS, ticked.as_of)
    assert shown(ticked) == shown(whole)
    assert ticked.alerts
    for mine, theirs in zip(ticked.paths, whole.paths, strict=True):
        assert mine.statistic == pytest.approx(theirs.statistic)


def test_a_correction_in_the_first_baseline_reaches_the_guard(store: EventStore) -> None:
    rebaseline(store)
    tick_at(store, TIERS, DECIDED + DAY)
    first = query(store, "SELECT first_baseline FROM monitor_memory")
    put(store, [outcome(START + 25 * DAY / 24, False, response_id=f"0-{place}") for place in range(9)])
    tick_at(store, TIERS, DECIDED + 2 * DAY)
    assert query(store, "SELECT first_baseline FROM monitor_memory") != first


def test_the_guard_keeps_the_ruler_of_the_first_baseline() -> None:
    """From the ninth day on another revision scores: the new baseline is of that ruler, the guard of the old one."""
    events = []
    for event in harm(until=22):
        if "feedback" in event["type"]:
            name, day = event["data"]["response_id"], int(event["data"]["response_id"].partition("-")[0])
            time = START + day * DAY + DAY / 24
            event = score(name, time, event["data"]["value"], revision="2" if day >= 8 else "1")
        events.append(event)
    chosen, store = settings(reward={"scorer": "rm"}), in_memory()
    live(store, chosen, [e for e in events if told_on(e) < DECIDED.date()], every=9)
    rebaseline(store)
    report = live(store, chosen, [e for e in events if told_on(e) >= DECIDED.date()])
    memory = MonitorState(store.engine).load("loop")
    assert (memory.baseline.revision, memory.first.baseline.revision) == ("2", "1")
    guard = {key.series: memory.book.sums(key)[0] for key in memory.book.keys if key.slice == "baseline=v0"}
    assert guard["A2"] > 300
    assert guard["A1"] == 0
    assert rules(report) == {"guard"}


def test_both_databases_remember_the_same_of_a_decision(postgres_url: str) -> None:
    seen = []
    with (
        EventStore.open(":memory:", clock=lambda: START) as sqlite,
        EventStore.open(postgres_url, clock=lambda: START) as postgres,
    ):
        for store in (sqlite, postgres):
            live(store, TIERS, harm(until=20), receivers=("r",), every=9)
            rebaseline(store)
            report = live(store, TIERS, harm(since=20, until=24), receivers=("r",), every=2)
            seen.append(json.dumps(report.to_dict()))
        assert seen[0] == seen[1]
        for name in TABLES:
            statement = f"SELECT * FROM {name} ORDER BY 1, 2"
            assert query(sqlite, statement) == query(postgres, statement)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"checkpoint": "ckpt-7"}, "no matured production response of the reference checkpoint 'ckpt-7'"),
        ({"from": START, "until": START + 40 * DAY}, "not all mature yet"),
        ({"from": START - 30 * DAY, "until": START - DAY}, "no reference item has an outcome"),
    ],
)
def test_what_cannot_be_a_baseline_is_refused(store: EventStore, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(ReferenceMissing, match=why):
        decide(store.engine, TIERS, DECIDED, ReferenceSettings.model_validate(wanted))


def test_a_checkpoint_is_a_baseline_as_far_as_it_had_served(store: EventStore) -> None:
    made = decide(store.engine, TIERS, DECIDED, ReferenceSettings(checkpoint="ckpt-1")).window
    assert (made.checkpoint, made.ended) == ("ckpt-1", True)
    assert day_of(DECIDED) - 3 <= made.end_us / DAY_US <= day_of(DECIDED)


@pytest.fixture
def world(tmp_path: Path) -> list[object]:
    """Options that name settings and a store of twenty days."""
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in harm(until=20)))
    (tmp_path / "s.yaml").write_text("{unit: response, outcome: {metric: task_success, horizon: 2d}}")
    given = ["--store", f"sqlite:///{tmp_path}/store.sqlite"]
    assert reward_drift("ingest", tmp_path / "events.jsonl", *given).code == 0
    return [*given, "--settings", tmp_path / "s.yaml"]


def test_the_commands_set_and_list_baselines(world: list[object]) -> None:
    def run(*arguments: object) -> Ran:
        return reward_drift(*arguments, *world)

    assert "not complete yet" in run("baseline", "set", "--checkpoint", "ckpt-1", "--note", "n").err
    assert run("baseline", "list").out == "no baseline yet\n"
    assert run("tick", "--as-of", "2026-01-21T00:00:00Z", "--json").json["alerts"]
    (first,) = run("baseline", "list", "--json").json["baselines"]
    assert (first["number"], first["checkpoint"]) == (0, "ckpt-0")
    for wrong, told_of in (
        ([], "name --checkpoint, or --from and --until"),
        (["--from", "2026-01-10"], "from and until come together"),
        (["--from", "x", "--until", "2026-01-12"], "--from x: not a date"),
        (["--checkpoint", "ckpt-7"], "no such baseline"),
    ):
        ran = run("baseline", "set", "--note", "n", *wrong)
        assert ran.code == 2
        assert told_of in ran.err
    assert "say why" in run("baseline", "set", "--note", " ", "--checkpoint", "ckpt-1").err
    done = run("baseline", "set", "--from", "2026-01-10", "--until", "2026-01-18", "--note", "accepted")
    assert done.code == 0
    assert "alerts resolved by this: 1" in done.out
    rows = run("baseline", "list", "--json").json["baselines"]
    assert [(row["number"], row["checkpoint"], row["since"]) for row in rows] == [
        (0, "ckpt-0", first["since"]),
        (1, None, "2026-01-21"),
    ]
    assert "2026-01-10 to 2026-01-18: accepted" in run("baseline", "list").out
    alerts = run("alerts", "list", "--json").json["alerts"]
    ended = {("resolved", "rebaseline") if alert["slice"] != GUARDED else ("firing", None) for alert in alerts}
    assert {(alert["state"], alert["decision"]) for alert in alerts} == ended
