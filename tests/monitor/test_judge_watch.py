"""Are judges watched day by day, with or without production, whatever the order in which judgments come?"""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from monitor.check import Verdict
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.judging.judge_sight import anchor_paces
from monitor.production.items import day_of
from monitor.result import Alert, Report
from monitor.status import status_of
from tests.monitor.anchored_events import scored
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, put, settings
from tests.monitor.judged_events import JUDGED, JUDGES, Taste, days
from tests.monitor.live import found, live, tick_at

AS_OF = START + 27 * DAY
CAPTURED = [*days(0, 12, 20), *days(12, 26, 20, Taste(capture=0.95))]


def told(alerts: Iterable[Alert]) -> list[tuple[Any, ...]]:
    return sorted((a.severity, a.check, tuple(a.slice.items()), a.fired_at, a.attribution, a.effect) for a in alerts)


def of_judges(report: Report) -> dict[tuple[Any, ...], Any]:
    checks = ("judge_bias", "judge_change", "judge_human_agreement", "teacher_preference_drift")
    return {key: finding for key, finding in found(report).items() if key[0] in checks}


def effects(report: Report) -> dict[tuple[Any, ...], Any]:
    """What judges' findings show, but for the day on which an alert was told, which hangs on when it could be."""
    return {key: (one.verdict, one.effect, one.n) for key, one in of_judges(report).items()}


@pytest.fixture(scope="module")
def whole() -> Report:
    return look(in_memory(CAPTURED), JUDGED, AS_OF).report


def test_a_store_of_judgments_alone_is_watched_and_told(whole: Report) -> None:
    assert {(a.check, a.attribution, a.checkpoint) for a in whole.alerts} == {
        ("teacher_preference_drift", "judge_capture", "")
    }
    assert [a.severity for a in whole.alerts] == ["ticket", "warning"]
    assert whole.reference is None
    production = [f for f in whole.findings if f.check == "reward_outcome_decoupling"]
    assert [f.verdict for f in production] == [Verdict.INCONCLUSIVE]


def test_the_order_of_arrival_says_nothing(whole: Report) -> None:
    shuffled = look(in_memory(random.Random(1).sample(CAPTURED, len(CAPTURED))), JUDGED, AS_OF).report
    assert told(shuffled.alerts) == told(whole.alerts)
    assert of_judges(shuffled) == of_judges(whole)


def test_ticking_ends_where_one_look_does_and_what_was_told_is_kept(whole: Report) -> None:
    """In batches, the person's verdicts three days late."""
    store = in_memory()
    ticked = live(store, JUDGED, CAPTURED, late=lambda e: 3 * (e["data"]["judge"]["name"] == "human"), every=14)
    again = look(store, JUDGED, ticked.as_of).report
    assert effects(ticked) == effects(again)
    assert {a.attribution for a in ticked.alerts} == {"judge_capture"}
    state = MonitorState(store.engine)
    assert [s.episode.check for s in state.episodes("loop")] == ["teacher_preference_drift"]
    assert status_of(store, JUDGED, ticked.as_of)["state"] == "alert"


def test_beside_production_a_tick_without_judgments_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    production = list(loop_events(days=24, reference_days=10, per_day=20))
    store = in_memory([*production, *CAPTURED])
    first = tick_at(store, JUDGED, AS_OF)
    assert told(first.alerts) == told(look(store, JUDGED, AS_OF).report.alerts)
    monkeypatch.setattr("monitor.snapshot.read_records", lambda *_: pytest.fail("old judgments were read"))
    put(store, [e for e in loop_events(days=26, reference_days=10, per_day=20) if e["id"] not in production][-20:])
    again = tick_at(store, JUDGED, AS_OF + DAY)
    assert told(again.alerts) == told(first.alerts)


def test_judgments_that_come_later_are_looked_at_by_the_next_tick() -> None:
    store = in_memory([*loop_events(days=24, reference_days=10, per_day=20), *CAPTURED[: len(CAPTURED) // 2]])
    assert tick_at(store, JUDGED, START + 12 * DAY).alerts == []
    put(store, CAPTURED[len(CAPTURED) // 2 :])
    ticked = tick_at(store, JUDGED, AS_OF)
    assert effects(ticked) == effects(look(store, JUDGED, AS_OF).report)
    assert {a.attribution for a in ticked.alerts} == {"judge_capture"}


def test_anchored_comparisons_are_looked_at_and_kept_without_production() -> None:
    gamed: list[Event] = [*scored("ckpt-0", day=1), *scored("ckpt-1", reward=9, outcome_change=-30)]
    store = in_memory(gamed)
    ticked = tick_at(store, JUDGED, START + 16 * DAY)
    assert [(a.check, a.checkpoint) for a in ticked.alerts] == [("anchored_decoupling", "ckpt-1")]
    assert told(tick_at(store, JUDGED, START + 17 * DAY).alerts) == told(ticked.alerts)
    assert [s.episode.check for s in MonitorState(store.engine).episodes("loop")] == ["anchored_decoupling"]


@pytest.mark.parametrize("taste", [Taste(first=0.6), Taste(longer=0.9)], ids=["order", "length"])
def test_a_cue_that_a_judge_begins_to_follow_is_a_ticket(taste: Taste) -> None:
    report = look(in_memory([*days(0, 12, 20, orders=True), *days(12, 26, 20, taste, orders=True)]), JUDGED, AS_OF)
    cues = {(a.slice.get("cue"), a.severity) for a in report.report.alerts if a.check == "judge_bias"}
    assert cues == {("order" if taste.first else "length", "ticket")}


def test_a_reference_that_lacks_pairs_says_how_many() -> None:
    report = look(in_memory(days(0, 5, 20)), JUDGED, AS_OF).report
    (agreement,) = [f for f in report.findings if f.check == "judge_human_agreement"]
    assert agreement.verdict is Verdict.INCONCLUSIVE
    assert "100 of 200 pairs" in agreement.message


def test_anchors_that_come_too_slowly_are_told_of() -> None:
    fast, slow = (in_memory(days(0, 60, per_day)) for per_day in (40, 4))
    close, month = day_of(START + 60 * DAY), {"from": START, "until": START + 30 * DAY}
    chosen = settings(judges=JUDGES, reference=month)
    (quick,), (late,) = (list(anchor_paces(store.engine, chosen, close)) for store in (fast, slow))
    assert late.is_slow
    assert "at 4.0 anchored pairs a day a capture of +10 points" in str(late)
    assert not quick.is_slow
