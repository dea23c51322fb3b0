"""Does the always-on monitor say the same as one look at everything, whatever comes late, twice or corrected?"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis import settings as budget
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from consumers.database import migrate
from consumers.store import EventStore
from monitor import check
from monitor.check import Verdict, load_checks
from monitor.detection.memory import FORMAT, Memory
from monitor.detection.state import MonitorState
from monitor.detection.state_migrations import CHAIN, MIGRATIONS
from monitor.detection.tick import look
from monitor.replay import after_last_event, replay
from monitor.result import Report
from monitor.settings import Settings
from tests.monitor.events import (
    DAY,
    EVER,
    HOUR,
    START,
    Event,
    dumped,
    in_memory,
    loop_events,
    outcome,
    put,
    response,
    revived,
    score,
    settings,
    thumbs,
    told_on,
)
from tests.monitor.live import found, live, query, tick_at, told

HARM_DAYS = 17  # by the 16th every slice has raised all that it will
HARM = {"days": HARM_DAYS, "reference_days": 8, "per_day": 40, "reward": 9.0, "outcome_change": -30.0}
END = START + (HARM_DAYS + 1) * DAY
TIERS = settings(cohorts=["tier"])
RECEIVERS = ("r", "s")


@pytest.fixture(scope="module")
def lived() -> tuple[bytes, Report]:
    """A store that lived through the harm, as bytes, and its last report. Its receivers are r and s."""
    store = in_memory()
    report = live(store, TIERS, loop_events(**HARM), receivers=RECEIVERS)
    return dumped(store), report


@pytest.fixture
def store(lived: tuple[bytes, Report]) -> EventStore:
    return revived(lived[0])


@pytest.fixture
def before(lived: tuple[bytes, Report]) -> Report:
    return lived[1]


def later(days: int) -> list[Event]:
    """What follows upon those events in a world of so many days."""
    return [e for e in loop_events(**{**HARM, "days": days}) if day_of(e) >= HARM_DAYS]


def day_of(event: Event) -> int:
    return int(str(event["data"]["response_id"]).partition("-")[0])


def assert_like_one_look(ticked: Report, store: EventStore, chosen: Settings) -> None:
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert found(ticked) == found(whole)
    assert ticked.reference == whole.reference
    assert {alert.severity for alert in ticked.alerts} >= {"page"}


def test_ticking_every_day_ends_where_one_look_does(store: EventStore, before: Report) -> None:
    assert_like_one_look(before, store, TIERS)


@pytest.mark.parametrize(
    ("keyed_by", "unit"),
    [
        ("response_id", "user-day"),
        ("response_id", "conversation"),
        ("conversation_id", "response"),
        ("user", "user-day"),
    ],
)
def test_so_it_does_whatever_outcomes_name_and_whatever_is_a_unit(keyed_by: str, unit: str) -> None:
    chosen, store = settings(cohorts=["tier"], unit=unit), in_memory()
    assert_like_one_look(live(store, chosen, loop_events(**HARM, keyed_by=keyed_by), every=2), store, chosen)


def test_ticking_now_and_then_ends_where_one_look_does() -> None:
    store = in_memory()
    assert_like_one_look(live(store, TIERS, loop_events(**HARM), every=4), store, TIERS)


def test_events_that_come_late_count_as_if_they_had_come_in_time() -> None:
    """Outcomes and thumbs of every seventh answer arrive when the answer is long mature; happened in time."""
    store = in_memory()
    late = {"outcome": 5, "feedback": 4}
    ticked = live(
        store, TIERS, loop_events(**HARM), late=lambda event: late.get(kind(event), 0) * (seventh(event)), every=2
    )
    ticked = tick_at(store, TIERS, ticked.as_of + DAY)
    whole = look(store, TIERS, ticked.as_of).report
    assert shown(ticked) == shown(whole)
    assert ticked.reference == whole.reference
    assert ticked.paths[0].statistic == pytest.approx(whole.paths[0].statistic)
    assert paged(ticked) == paged(whole)


def shown(report: Report) -> dict[tuple[Any, ...], Any]:
    """Findings without their words, which tell since when an alert is latched: what was told stays told."""
    return {key: replace(finding, message="") for key, finding in found(report).items()}


def paged(report: Report) -> set[str]:
    return {str(alert.slice) for alert in report.alerts if alert.severity == "page"}


def kind(event: Event) -> str:
    return str(event["type"]).split(".")[1]


def seventh(event: Event) -> bool:
    return int(str(event["data"]["response_id"]).partition("-")[2]) % 7 == 0


def test_corrected_labels_count_as_if_they_had_been_right() -> None:
    """Every fifth outcome is told wrong at first; the correction happened in time and arrives four days later."""
    events = []
    for event in loop_events(**HARM):
        if kind(event) == "outcome" and seventh(event):
            happened = dt.datetime.fromisoformat(event["time"])
            wrong, name = not event["data"]["value"], event["data"]["response_id"]
            events.append(outcome(happened - HOUR, wrong, response_id=name))
        events.append(event)
    store = in_memory()
    right = {id(event) for event in events if kind(event) == "outcome" and seventh(event)}
    ticked = live(
        store, TIERS, events, late=lambda event: 4 * (id(event) in right and event["data"]["value"] is True), every=2
    )
    ticked = tick_at(store, TIERS, ticked.as_of + DAY)
    whole = look(store, TIERS, ticked.as_of).report
    assert shown(ticked) == shown(whole)
    assert ticked.paths[0].statistic == pytest.approx(whole.paths[0].statistic)


def test_a_correction_in_the_reference_fits_anew_and_keeps_what_was_told(store: EventStore, before: Report) -> None:
    rows = query(store, "SELECT id, crossings FROM alert_episode ORDER BY id")
    sent = query(store, "SELECT COUNT(*) FROM outbox")
    put(
        store, [outcome(START + HOUR * 25, value, response_id=f"0-{place}") for place in range(9) for value in (False,)]
    )
    after = tick_at(store, TIERS, before.as_of + DAY, RECEIVERS)
    assert after.reference != before.reference
    assert query(store, "SELECT id, crossings FROM alert_episode ORDER BY id")[: len(rows)] == rows
    assert query(store, "SELECT COUNT(*) FROM outbox") == sent
    assert shown(after) == shown(look(store, TIERS, after.as_of).report)


def mistaken(days: int, wrong: range) -> Iterator[Event]:
    """A quiet loop in which every outcome of some days is first told as a failure."""
    for event in loop_events(days=days, reference_days=8, per_day=40):
        if kind(event) == "outcome" and day_of(event) in wrong:
            name, happened = event["data"]["response_id"], dt.datetime.fromisoformat(event["time"])
            yield outcome(happened - HOUR, False, response_id=name)
            continue
        yield event


def corrections(wrong: range) -> list[Event]:
    whole = loop_events(days=wrong.stop, reference_days=8, per_day=40)
    return [e for e in whole if kind(e) == "outcome" and day_of(e) in wrong]


@pytest.fixture(scope="module")
def superseded() -> tuple[bytes, Report, Report]:
    """A store whose alerts were corrected away, as bytes, and its reports before and after."""
    store, wrong = in_memory(), range(10, 15)
    before = live(store, TIERS, mistaken(16, wrong), receivers=("r",))
    put(store, corrections(wrong))
    after = tick_at(store, TIERS, before.as_of + DAY, ("r",))
    return dumped(store), before, after


def test_an_alert_whose_evidence_was_corrected_away_is_superseded_never_deleted(
    superseded: tuple[bytes, Report, Report],
) -> None:
    store, before, after = revived(superseded[0]), *superseded[1:]
    assert before.alerts
    assert {alert.state for alert in after.alerts} == {"superseded"}
    assert {row[0] for row in query(store, "SELECT state FROM alert_episode")} == {"superseded"}
    assert Verdict.FAIL not in {finding.verdict for finding in after.findings}
    later = tick_at(store, TIERS, before.as_of + 2 * DAY, ("r",))
    assert not later.alerts


def test_a_new_harm_after_a_superseded_alert_is_a_new_episode(superseded: tuple[bytes, Report, Report]) -> None:
    store = revived(superseded[0])
    more = [
        e for e in loop_events(days=24, reference_days=8, outcome_change=-60) if told_on(e) >= told_on(before_start(17))
    ]
    live(store, TIERS, more, receivers=("r",))
    states = query(store, "SELECT state, fingerprint FROM alert_episode WHERE slice_name = '' ORDER BY id")
    assert [state for state, _ in states] == ["superseded", "firing"]
    assert states[0][1] == states[1][1]
    fired = """
        SELECT t.told FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode
        WHERE e.slice_name = '' AND t.reason = 'fired'
    """
    assert query(store, fired) == [("sent",), ("sent",)]


def before_start(days: int) -> Event:
    return response("-", START + days * DAY)


def test_changed_settings_start_afresh_and_keep_open_alerts(store: EventStore, before: Report) -> None:
    sent = query(store, "SELECT COUNT(*) FROM outbox")
    plain = settings()  # without cohorts: the slices of open alerts are gone
    after = tick_at(store, plain, before.as_of + DAY, RECEIVERS)
    assert {(a.severity, str(a.slice)) for a in after.alerts} == {(a.severity, str(a.slice)) for a in before.alerts}
    assert after.reference is not None
    assert before.reference is not None
    assert after.reference.version != before.reference.version
    assert query(store, "SELECT COUNT(*) FROM outbox") == sent
    again = tick_at(store, plain, before.as_of + 2 * DAY, RECEIVERS)
    assert told(again.alerts) == told(after.alerts)


@pytest.mark.parametrize("number", [1, 99])
def test_a_memory_of_another_release_starts_afresh_and_keeps_what_was_told(
    store: EventStore,
    lived: tuple[bytes, Report],
    before: Report,
    number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever that release wrote is not read: neither its baseline nor its daily sums."""
    undisturbed = tick_at(revived(lived[0]), TIERS, before.as_of + DAY, RECEIVERS)
    sent = query(store, "SELECT COUNT(*) FROM outbox")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE monitor_memory SET format = :n, baseline = '{}', told = '?'"), {"n": number})
        connection.execute(text("UPDATE series_day SET cells = :cells"), {"cells": b"short"})
    after = tick_at(store, TIERS, before.as_of, RECEIVERS)
    assert f"the last look was saved in format {number}, this release reads {FORMAT}" in caplog.text
    assert told(after.alerts) == told(before.alerts)
    assert shown(after) == shown(before)
    assert query(store, "SELECT COUNT(*) FROM outbox") == sent
    caplog.clear()
    assert told(tick_at(store, TIERS, before.as_of + DAY, RECEIVERS).alerts) == told(undisturbed.alerts)
    assert not caplog.text


def test_a_memory_saved_before_formats_had_numbers_starts_afresh(caplog: pytest.LogCaptureFixture) -> None:
    store = in_memory(loop_events(**HARM))
    migrate(store.engine, CHAIN, MIGRATIONS[:1])
    columns = [column for _, column, *_ in query(store, "PRAGMA table_info(monitor_memory)")]
    row = {name: 0 if name in ("first_day", "closed", "last_seq") else "{}" for name in columns} | {"loop": "loop"}
    with store.engine.begin() as connection:
        names = ", ".join(f":{name}" for name in columns)
        connection.execute(text(f"INSERT INTO monitor_memory VALUES ({names})"), row)
    assert tick_at(store, TIERS, END).alerts
    assert "was saved in format 1" in caplog.text


def test_resolving_an_alert_sets_its_evidence_to_nothing(store: EventStore, before: Report) -> None:
    state = MonitorState(store.engine)
    (number,) = (s.id for s in state.episodes("loop") if s.episode.slice_name == "")
    state.resolve("loop", number, "accepted", "new rubric", before.as_of)
    assert query(store, f"SELECT reason FROM alert_transition WHERE episode = {number} ORDER BY id")[-1] == (
        "resolved",
    )
    after = tick_at(store, TIERS, before.as_of + DAY, RECEIVERS)
    assert {} not in [alert.slice for alert in after.alerts]
    whole = next(path for path in after.paths if path.slice == {})
    assert whole.statistic[-2] > 365  # the last day that had been decided
    assert whole.statistic[-1] < 30
    quiet = tick_at(store, TIERS, before.as_of + 9 * DAY)
    assert told(tick_at(store, TIERS, before.as_of + 10 * DAY).alerts) == told(quiet.alerts)
    number = next(s.id for s in state.episodes("loop") if s.episode.state == "firing")
    state.resolve("loop", number, "accepted", "", before.as_of)
    assert len(tick_at(store, TIERS, before.as_of + 11 * DAY).alerts) < len(quiet.alerts)
    assert query(store, f"SELECT reason FROM alert_transition WHERE episode = {number} ORDER BY id")[-1] == (
        "resolved",
    )


def test_harm_that_goes_on_after_a_decision_is_a_new_episode(store: EventStore, before: Report) -> None:
    state = MonitorState(store.engine)
    resolved = next(s.id for s in state.episodes("loop") if s.episode.slice_name == "")
    state.resolve("loop", resolved, "accepted", "", before.as_of)
    live(store, TIERS, later(HARM_DAYS + 12), receivers=RECEIVERS)
    whole = [s for s in state.episodes("loop") if s.episode.slice_name == ""]
    assert [s.episode.state for s in whole] == ["resolved", "firing"]
    assert whole[0].episode.fingerprint("loop") == whole[1].episode.fingerprint("loop")
    assert whole[1].episode.crossings[0].day > whole[0].episode.crossings[-1].day


def test_a_correction_in_the_reference_does_not_bring_back_what_was_resolved(store: EventStore, before: Report) -> None:
    state = MonitorState(store.engine)
    for stored in state.episodes("loop"):
        if stored.id in [s.id for s in state.episodes("loop") if s.episode.state == "firing"]:
            state.resolve("loop", stored.id, "accepted", "", before.as_of)
    put(store, [outcome(START + HOUR * 25, False, response_id="0-1")])
    assert not tick_at(store, TIERS, before.as_of + DAY).alerts


def test_an_alert_and_its_message_are_kept_together_or_not_at_all() -> None:
    store = in_memory()
    events = list(loop_events(**HARM))
    early = [e for e in events if told_on(e) < (START + 9 * DAY).date()]
    quiet = live(store, TIERS, early, receivers=("r",), every=4)
    put(store, events)
    memory = query(store, "SELECT closed, last_seq FROM monitor_memory")
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE outbox RENAME TO elsewhere"))
    with pytest.raises(OperationalError, match="no such table: outbox"):
        tick_at(store, TIERS, END, ("r",))
    assert query(store, "SELECT * FROM alert_episode") == []
    assert query(store, "SELECT * FROM alert_transition") == []
    assert query(store, "SELECT closed, last_seq FROM monitor_memory") == memory
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO outbox"))
    assert not quiet.alerts
    report = tick_at(store, TIERS, END, ("r",))
    said = [json.loads(body) for (body,) in query(store, "SELECT body FROM outbox")]
    named = [alert["fingerprint"] for message in said for alert in message["members"] or [message["alert"]]]
    assert sorted(named) == sorted({alert.fingerprint for alert in report.alerts})
    assert named


def test_every_severity_of_an_episode_is_told_once_to_every_receiver(store: EventStore, before: Report) -> None:
    rows = query(store, "SELECT reason, severity, told, message FROM alert_transition WHERE episode = 1 ORDER BY id")
    assert [reason for reason, *_ in rows] == ["fired"] + ["raised"] * (len(rows) - 1)
    severities = [alert.severity for alert in before.alerts if alert.slice == {}]
    assert sorted(severity for _, severity, _, _ in rows) == sorted(severities)
    assert {told for _, _, told, _ in rows} == {"sent"}
    assert all(message for *_, message in rows)
    bodies = query(store, "SELECT dedup_key, body, COUNT(*) FROM outbox GROUP BY dedup_key, body")
    assert {count for *_, count in bodies} == {len(RECEIVERS)}
    said = [json.loads(body) for _, body, _ in bodies]
    assert {} in [alert["slice"] for message in said for alert in message["members"] or [message["alert"]]]


def test_ticking_twice_on_a_day_changes_nothing(store: EventStore, before: Report) -> None:
    sent = query(store, "SELECT * FROM outbox")
    again = tick_at(store, TIERS, before.as_of, RECEIVERS)
    assert told(again.alerts) == told(before.alerts)
    assert found(again) == found(before)
    assert query(store, "SELECT * FROM outbox") == sent


def test_a_clock_set_back_decides_nothing_again(store: EventStore, before: Report) -> None:
    sent, closed = query(store, "SELECT * FROM outbox"), query(store, "SELECT closed FROM monitor_memory")
    back = tick_at(store, TIERS, before.as_of - 3 * DAY, RECEIVERS)
    assert told(back.alerts) == told(before.alerts)
    assert query(store, "SELECT closed FROM monitor_memory") == closed
    assert query(store, "SELECT * FROM outbox") == sent


def test_a_check_that_breaks_resolves_nothing_and_catches_up(
    store: EventStore, before: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = later(HARM_DAYS + 4)
    name, whole = "reward_outcome_decoupling", load_checks()
    with monkeypatch.context() as patch:
        patch.setitem(check.REGISTRY, name, broken(whole[name]))
        during = live(store, TIERS, [e for e in events if told_on(e) <= END.date()])
    assert [f.verdict for f in during.findings if f.check == name and f.slice == {}][-1:] in (
        [Verdict.ERROR],
        [Verdict.FAIL],
    )
    assert Verdict.ERROR in {finding.verdict for finding in during.findings}
    assert told(during.alerts) == told(before.alerts)
    after = live(store, TIERS, [e for e in events if told_on(e) > END.date()])
    assert shown(after) == shown(look(store, TIERS, after.as_of).report)


def broken(one: check.Check) -> check.Check:
    def raises(snapshot: Any, **_: Any) -> Iterator[Any]:
        raise RuntimeError("no such column")

    return check.Check(**{**{k: getattr(one, k) for k in one.__dataclass_fields__}, "function": raises})


def test_two_checkpoints_that_serve_at_once_are_told_apart() -> None:
    """Every second answer comes from a harmful arm; both arms become slices, in ticks as in one look."""
    events = []
    for event in loop_events(**{**HARM, "outcome_change": 0.0, "reward": 0.0}):
        name = str(event["data"].get("response_id", ""))
        if event["data"].get("checkpoint") == "ckpt-1" and int(name.partition("-")[2]) % 2:
            event["data"]["checkpoint"] = "ckpt-2"
        if kind(event) == "outcome" and day_of(event) >= 8 and int(name.partition("-")[2]) % 2:
            event["data"]["value"] = False
        events.append(event)
    store = in_memory()
    ticked = live(store, TIERS, events, every=2)
    whole = look(store, TIERS, ticked.as_of).report
    assert shown(ticked) == shown(whole)
    slices = [alert.slice for alert in ticked.alerts]
    assert {"checkpoint": "ckpt-2"} in slices
    assert {"checkpoint": "ckpt-1"} not in slices


def rivals(event: Event) -> Iterator[Event]:
    """Now and then the same moment says something else of the same thing."""
    data = event["data"]
    name = str(data.get("response_id") or data.get("conversation_id") or data.get("user"))
    if crc32((kind(event) + name).encode()) % 9 == 0:
        other = {"response": {"checkpoint": "ckpt-9"}, "feedback": {"value": 1}, "outcome": {"value": True}}[
            kind(event)
        ]
        yield {**event, "id": event["id"] + "-rival", "data": {**data, **other}}


@cache
def small(keyed_by: str) -> tuple[list[Event], dict[str, Any]]:
    """A few events, and the report of them in order, once, in one batch."""
    world = {"days": 14, "reference_days": 6, "per_day": 34, "reward": 9.0, "outcome_change": -45.0, "seed": 3}
    events = [told for event in loop_events(**world, keyed_by=keyed_by) for told in (event, *rivals(event))]
    return events, look(in_memory(events), TIERS, START + 17 * DAY, replayed=True).report.to_dict()


@budget(max_examples=12, deadline=None, derandomize=True)
@given(
    strategies.integers(0, 2**32 - 1),
    strategies.integers(1, 5),
    strategies.sampled_from(["response_id", "conversation_id", "user"]),
)
def test_the_report_is_a_function_of_the_set_of_events(seed: int, batches: int, keyed_by: str) -> None:
    """Any order, any batches, some events delivered twice."""
    events, expected = small(keyed_by)
    order = np.random.default_rng(seed).permutation(len(events) + 50)
    mixed = [events[place % len(events)] for place in order]
    store = in_memory()
    for start in range(batches):
        put(store, mixed[start::batches])
    assert look(store, TIERS, START + 17 * DAY, replayed=True).report.to_dict() == expected


@pytest.mark.parametrize("keyed_by", ["response_id", "conversation_id", "user"])
def test_replayed_files_give_the_report_of_the_store(keyed_by: str, tmp_path: Path) -> None:
    """Events spread over two files, some in both, through the door of the command."""
    events, expected = small(keyed_by)
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file, part in zip(files, (events[::-2], events[: len(events) // 2]), strict=True):
        file.write_text("".join(json.dumps(event) + "\n" for event in part))
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events[len(events) // 2 :]))
    report = replay([str(file) for file in (*files, tmp_path / "c.jsonl")], TIERS, now=EVER).to_dict()
    assert report["events"]["duplicate"] == len(events[::-2])
    whole = look(in_memory(events), TIERS, after_last_event(in_memory(events), EVER), replayed=True).report.to_dict()
    assert whole["alerts"]
    assert expected["alerts"]
    assert of_events(report) == of_events(whole)


def of_events(report: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how the events came: neither duplicates nor the files they were read from."""
    findings = [finding for finding in report["findings"] if finding["check"] != "intake_gap"]
    return {**report, "events": None, "findings": findings}


def test_checkpoints_that_never_served_are_no_reference() -> None:
    """The first checkpoint by order is only evaluated: the first that serves is the reference."""
    events = [
        response("t", START - DAY, "teacher", environment="evaluation"),
        {
            **before_start(0),
            "id": "k",
            "type": "rewarddrift.checkpoint.v1",
            "data": {"checkpoint": "teacher", "order": -1},
        },
        *loop_events(days=6, reference_days=5),
    ]
    report = look(in_memory(events), TIERS, START + 9 * DAY).report
    assert report.reference is not None
    assert report.reference.name == "ckpt-0"


def test_the_ruler_of_the_reference_stays_the_ruler() -> None:
    """From the eleventh day on another revision scores, higher: it is left out, in ticks as in one look."""
    events = []
    for event in loop_events(**HARM):
        if kind(event) == "feedback":
            data, time = event["data"], dt.datetime.fromisoformat(event["time"])
            newer = time >= START + 10 * DAY
            event = score(data["response_id"], time, data["value"] + 0.3 * newer, revision="2" if newer else "1")
        events.append(event)
    chosen, store = settings(reward={"scorer": "rm"}), in_memory()
    ticked = live(store, chosen, events, every=3)
    whole = look(store, chosen, ticked.as_of).report
    assert shown(ticked) == shown(whole)
    assert whole.alerts
    assert any("another revision than '1'" in note for note in whole.notes)


def test_nothing_to_compare_with_is_never_green() -> None:
    for events in ([], [response("a", START), thumbs("a", START, 1)]):
        report = look(in_memory(events), TIERS, START + 9 * DAY).report
        assert report.reference is None
        assert {finding.verdict for finding in report.findings} == {Verdict.INCONCLUSIVE}


def test_an_alert_resolved_during_a_tick_is_not_opened_again(store: EventStore, before: Report) -> None:
    state = MonitorState(store.engine)
    memory = state.load("loop")
    assert isinstance(memory, Memory)
    for number in [s.id for s in state.episodes("loop")]:
        if state.episodes("loop")[number - 1].episode.state == "firing":
            state.resolve("loop", number, "accepted", "", before.as_of)
    opened = "SELECT COUNT(*) FROM outbox WHERE kind IN ('fired', 'raised')"
    sent = query(store, opened)
    state.save(TIERS, memory, None, before.as_of, RECEIVERS)
    assert {s.episode.state for s in state.episodes("loop")} == {"resolved"}
    assert query(store, opened) == sent
