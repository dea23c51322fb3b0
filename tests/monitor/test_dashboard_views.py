"""Do the pages' data say what the store holds: the same as the reports, from sums alone, on both databases?"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy import event as on_event

from consumers.export import export_labels
from consumers.store import EventStore
from judges.preference import read_preferences
from monitor.check import Interval
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.gate.records import UnknownRecord, write_record
from monitor.gate.result import GateReport
from monitor.judging.judge_card import Cards, judge_cards
from monitor.production.items import microseconds
from monitor.serving.jobs import jobs_of
from monitor.serving.lease import migrated
from monitor.serving.pulses import Pulses
from monitor.serving.turns import Work
from monitor.telling.kept_cards import read_cards, save_cards
from monitor.telling.purpose_days import ADD, keep_purpose_days
from monitor.web.pages.compare import moved_in_words
from monitor.web.views.checkpoint import checkpoint_list, checkpoint_page
from monitor.web.views.compare import compare_page
from monitor.web.views.feedback import feedback_page
from monitor.web.views.gate import gate_list, gate_page
from monitor.web.views.judges import judges_page
from monitor.web.views.served import Change, UnknownCheckpoint
from tests.monitor.events import (
    DAY,
    DEBUGGING,
    HOUR,
    PRODUCT,
    START,
    Event,
    event,
    in_memory,
    loop_events,
    put,
    response,
    settings,
    thumbs,
)
from tests.monitor.judged_events import JUDGED, Taste, days
from tests.monitor.live import tick_at
from tests.monitor.peaked_loop import peaked_events
from tests.sample_gate_reports import blocked_gate, hostile_gate, passed_gate, unsettled_gate

TIERS = settings(cohorts=["tier"], reference={"checkpoint": "ckpt-0"})
NOW = START + 40 * DAY


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def peaked() -> Iterator[EventStore]:
    yield from looked_at(peaked_events())


def looked_at(events: Iterable[Event]) -> Iterator[EventStore]:
    with in_memory(events) as store:
        tick_at(store, TIERS, NOW)
        yield store


def split(events: Iterable[Event]) -> Iterator[Event]:
    """The traffic of the later checkpoint, shared by two."""
    for number, one in enumerate(events):
        later = one["data"].get("checkpoint") == "ckpt-1"
        yield {**one, "data": {**one["data"], "checkpoint": f"ckpt-{1 + number % 2}"}} if later else one


def test_changes_from_sums_are_those_of_a_whole_look() -> None:
    events = list(loop_events(24, 14, reward=12.0, outcome_change=-20.0, harmed="a"))
    with contextlib.closing(looked_at(events)) as opened:
        store = next(opened)
        page = compare_page(store.engine, TIERS)
        summed = look(store, TIERS, NOW).report.checkpoints
    assert page.chosen is not None
    told = {tuple(one.slice.items()): one for one in (page.chosen.whole, *page.cohorts)}
    expected = {tuple(row.slice.items()): row for row in summed if row.checkpoint == "ckpt-1"}
    assert told.keys() == expected.keys()
    for part, row in expected.items():
        for change, mean in ((told[part].reward, row.reward_change), (told[part].outcome, row.outcome_change)):
            assert change.value == pytest.approx(mean.value, abs=0.02)  # effects are against the unit's own cohort
            assert change.low is not None
            assert change.high is not None
            assert change.low < change.value < change.high
    assert page.cohorts[0].slice == {"tier": "a"}  # the largest loss first


@pytest.mark.parametrize(("days_split", "is_told"), [(1, False), (6, True)])
def test_a_checkpoint_without_a_day_of_its_own_has_a_reward_only_as_an_arm(days_split: int, is_told: bool) -> None:
    with contextlib.closing(looked_at(split(loop_events(14 + days_split, 14)))) as opened:
        page = compare_page(next(opened).engine, TIERS)
    assert [one.own_days for one in page.services] == [0, 0]
    for one in page.services:
        assert one.whole.outcome.value is not None
        assert (one.whole.reward.value is not None) == is_told
        assert one.note
    assert not page.cohorts


def test_the_curve_says_what_the_ticket_says(peaked: EventStore) -> None:
    curve = compare_page(peaked.engine, TIERS).curve
    assert curve is not None
    assert curve.points[-1].checkpoint == "ckpt-8"
    assert curve.peak == pytest.approx(2.0, abs=0.1)  # placed by hand in the loop
    assert curve.beside_peak == "past the peak"
    assert replace(curve, points=curve.points[:3]).beside_peak == "before the peak"
    assert replace(curve, points=curve.points[:5]).beside_peak == ""  # at 2.0, within the range that holds the peak
    fitted = dict(curve.fitted)
    assert max(fitted, key=fitted.__getitem__) == pytest.approx(curve.peak, abs=0.06)
    told = next(one for one in look(peaked, TIERS, NOW).report.findings if one.check == "over_optimisation")
    assert curve.words == told.message
    assert curve.slope.value == -told.effect.value


@pytest.mark.parametrize(
    ("reward", "outcome", "words"),
    [
        (Interval(0.05, 0.02, 0.08), Interval(-0.05, -0.08, -0.02), "reward up, people worse off (gaming)"),
        (Interval(0.05, 0.02, 0.08), Interval(0.03, 0.01, 0.05), "reward up, people better off"),
        (Interval(0.05, 0.02, 0.08), Interval(0.03, -0.01, 0.07), "reward up, no change of the outcome shown"),
        (Interval(), Interval(-0.05, -0.08, -0.02), "reward unknown, people worse off"),
        (Interval(0.05, -0.02, 0.12), Interval(-0.05), "no change shown"),
    ],
)
def test_only_a_change_that_is_told_apart_is_said_to_be_one(reward: Interval, outcome: Interval, words: str) -> None:
    assert moved_in_words(Change({}, 10, reward, outcome)) == words


def test_checkpoints_come_newest_first_with_what_differs_from_the_one_before(store: EventStore) -> None:
    facts = {"reward_model": "rm-1", "teacher": "big", "lineage": {"data": "may", "seed": 1}}
    later = {**facts, "reward_model": "rm-2", "kl_nats": 4.0, "lineage": {"data": "june", "seed": 1}}
    put(store, [
        event("checkpoint", START, {"checkpoint": "a", "stage": "candidate", **facts}),
        event("checkpoint", START + DAY, {"checkpoint": "b", **later}),
        event("checkpoint", START + 2 * DAY, {"checkpoint": "a", "stage": "retired"}),
        event("checkpoint", START + 3 * DAY, {"checkpoint": "c", "parent": "a"}),
        *(event("evaluation", START + DAY, {"checkpoint": name, "suite": "s", "category": "x", "metric": "m",
                                            "value": value}) for name, value in (("a", 0.5), ("b", 0.7))),
    ])  # fmt: skip
    assert [row.told.checkpoint for row in checkpoint_list(store.engine, TIERS)] == ["c", "b", "a"]
    page = checkpoint_page(store.engine, TIERS, "b")
    assert page.before == "a"
    assert [(one.what, one.before, one.now) for one in page.differences] == [
        ("reward model", "rm-1", "rm-2"),
        ("KL from the start, nats", None, "4"),
        ("lineage: data", "may", "june"),
    ]
    assert [(one.suite, one.value, one.before) for one in page.scores] == [("s", 0.7, 0.5)]
    assert checkpoint_page(store.engine, TIERS, "c").before == "a"  # the parent, not the neighbour
    assert checkpoint_page(store.engine, TIERS, "a").told.stage == "retired"
    with pytest.raises(UnknownCheckpoint, match="'d'"):
        checkpoint_page(store.engine, TIERS, "d")


def test_a_checkpoint_knows_its_gates(store: EventStore) -> None:
    put(store, [event("checkpoint", START, {"checkpoint": "support-2026-11-20"})])
    looked = settings(loop=blocked_gate().loop)
    write_record(store.engine, blocked_gate(), lambda: NOW)
    row = checkpoint_list(store.engine, looked)[0]
    assert row.gate is not None
    assert (row.gate.decision, row.gate.number) == ("NO-GO", 1)
    assert [head.number for head in checkpoint_page(store.engine, looked, "support-2026-11-20").gates] == [1]


@pytest.mark.parametrize("made", [blocked_gate, unsettled_gate, passed_gate, hostile_gate])
def test_a_record_is_read_as_it_was_decided(store: EventStore, made: Callable[[], GateReport]) -> None:
    report = made()
    number = write_record(store.engine, report, lambda: NOW)
    page = gate_page(store.engine, settings(loop=report.loop), number)
    assert page.report is not None
    assert page.report.to_dict() == page.record.report
    assert page.record.recorded_at == NOW
    assert page.verify == f"reward-drift gate verify {number}"


def test_records_come_in_pages_the_newest_first_and_only_of_the_loop(store: EventStore) -> None:
    mine = settings(loop="bot")
    for number in range(53):
        write_record(store.engine, small_report("bot", f"ckpt-{number}"), lambda: NOW)
    other = write_record(store.engine, small_report("another", "x"), lambda: NOW)
    first = gate_list(store.engine, mine)
    assert [head.number for head in first.records] == list(range(53, 3, -1))
    assert first.older is not None
    assert [head.number for head in gate_list(store.engine, mine, first.older).records] == [3, 2, 1]
    assert gate_list(store.engine, mine, first.older).older is None
    assert gate_list(store.engine, mine, 10**30).records == first.records
    with pytest.raises(UnknownRecord, match="another"):
        gate_page(store.engine, mine, other)


def small_report(loop: str, candidate: str) -> GateReport:
    report = passed_gate()
    return GateReport(report.decision, candidate, "ckpt", loop, NOW, "offline", 0.05, (), ())


def test_feedback_is_counted_once_however_often_sums_are_kept(store: EventStore) -> None:
    for day in range(3):
        put(store, [thumbs(f"r{day}-{n}", START + day * DAY + n * HOUR, 1.0) for n in range(day + 1)])
        for _ in range(2):
            keep_purpose_days(store.engine)
    put(store, [thumbs("late", START, 1.0, surface=DEBUGGING)])
    keep_purpose_days(store.engine)
    page = feedback_page(store.engine, TIERS, lambda: START + 2 * DAY + HOUR, 28)
    assert [(one.reward, one.debugging) for one in page.days[-3:]] == [(1, 1), (2, 0), (3, 0)]
    assert len(page.days) == 28
    assert page.totals == {"curation": 0, "reward": 6, "debugging": 1}
    assert [(rule.rule, rule.events) for rule in page.rules] == [("1:reward", 6), ("1:debugging_surface", 1)]
    assert page.totals["reward"] == store.counts().purposes["reward"]


def test_a_storm_of_clicks_while_debugging_is_named_by_its_rule(store: EventStore) -> None:
    calm = [thumbs(f"c{day}", START + day * DAY, 1.0, surface=DEBUGGING) for day in range(30)]
    storm = [thumbs(f"s{n}", START + 20 * DAY, 0.0, surface={**PRODUCT, "environment": "staging"}) for n in range(60)]
    put(store, calm + storm)
    keep_purpose_days(store.engine)
    page = feedback_page(store.engine, TIERS, lambda: START + 30 * DAY, 28)
    assert [(one.rule, one.events, one.usual) for one in page.storms] == [("1:not_production", 60, 0.0)]
    assert page.totals["reward"] == 0


def test_labels_that_left_are_listed(store: EventStore, tmp_path: Path) -> None:
    assert feedback_page(store.engine, TIERS, lambda: NOW).exports == []
    put(store, [response(f"r{number}", START, prompt="Why?", response="Because.") for number in range(3)])
    put(store, [curated("r0"), curated("r1")])
    manifests = []
    for name in ("first", "second"):
        manifests.append(export_labels(store, tmp_path / f"{name}.jsonl", "unpaired", now=lambda: NOW))
        put(store, [curated("r2")])
    found = feedback_page(store.engine, TIERS, lambda: NOW).exports
    assert [(Path(one.path).name, one.labels, one.at) for one in found] == [
        ("second.jsonl", 3, NOW),
        ("first.jsonl", 2, NOW),
    ]
    assert [one.sha256 for one in found[::-1]] == [one.sha256 for one in manifests]


def curated(name: str) -> Event:
    given = {"actor": {"role": "annotator"}, "surface": {**PRODUCT, "purpose": "curation"}, "rubric": "r1"}
    return event("feedback", START + HOUR, {"response_id": name, "signal": "thumbs", "value": 1.0, **given})


def cards_of(store: EventStore) -> Cards:
    put(store, list(days(0, 40, 8, Taste(capture=0.5, longer=0.4), orders=True)))
    read = read_preferences(store.engine, JUDGED.judges, microseconds(NOW))
    return judge_cards(read, NOW, loop=JUDGED.loop, teacher="big", human="human")


def test_cards_come_back_as_they_were_made(store: EventStore) -> None:
    assert read_cards(store.engine, JUDGED.loop) is None
    made = cards_of(store)
    save_cards(store.engine, made)
    assert read_cards(store.engine, JUDGED.loop) == made
    page = judges_page(store.engine, JUDGED)
    assert [view.card.judge for view in page.judges] == ["j"]
    view = page.judges[0]
    assert [week.pairs for week in view.weeks] == [found.pairs for _, found in made.judges[0].weeks]
    longer = next(bias for bias in view.biases if bias.cue == "longer answer")
    assert longer.people is not None
    assert longer.judge.value > longer.people.value  # it was made to take the longer answer


def test_the_jobs_of_serve_keep_what_pages_read(store: EventStore, tmp_path: Path) -> None:
    served = settings(judges=JUDGED.judges.model_dump(), serve={"reports": tmp_path})
    put(store, [*days(0, 3, 4, Taste()), thumbs("r", START, 1.0)])
    MonitorState(migrated(store.engine))
    for job in jobs_of(served, tmp_path / "reward-drift.yaml", Pulses([], 60, 60)):
        if job.name in ("tick", "cards"):
            job.do(Work(store, NOW, 1, microseconds(NOW), lambda: None))
    assert feedback_page(store.engine, served, lambda: NOW).totals["reward"] == 1
    assert [view.card.judge for view in judges_page(store.engine, served).judges] == ["j"]


def test_cards_of_another_release_count_as_none(store: EventStore) -> None:
    save_cards(store.engine, cards_of(store))
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE judge_cards SET content = '{\"loop\": 1}'"))
    assert judges_page(store.engine, JUDGED).cards is None


def test_pages_of_an_empty_store_are_empty_and_no_fault(store: EventStore) -> None:
    assert checkpoint_list(store.engine, TIERS) == []
    assert compare_page(store.engine, TIERS).chosen is None
    assert feedback_page(store.engine, TIERS, lambda: NOW).days == ()
    assert judges_page(store.engine, TIERS).cards is None
    assert gate_list(store.engine, TIERS).records == []


def test_no_page_reads_answers_or_feedback(peaked: EventStore) -> None:
    """Whatever a page asks, it asks of sums and of small tables: the plan of no query touches a table of answers."""
    keep_purpose_days(peaked.engine)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    on_event.listen(peaked.engine, "before_cursor_execute", note)
    checkpoint_list(peaked.engine, TIERS)
    checkpoint_page(peaked.engine, TIERS, "ckpt-8")
    compare_page(peaked.engine, TIERS)
    feedback_page(peaked.engine, TIERS, lambda: NOW)
    judges_page(peaked.engine, TIERS)
    gate_list(peaked.engine, TIERS)
    on_event.remove(peaked.engine, "before_cursor_execute", note)
    read = plans(peaked.engine, [one for one in asked if one.lstrip().startswith("SELECT")])
    assert read
    big = {"event", "response", "feedback", "outcome", "score", "preference", "text"}
    assert not {line for line in read for name in big if f" {name}" in f"{line} ".replace("(", " ")}


def plans(engine: Engine, statements: list[str]) -> list[str]:
    found = []
    with engine.connect() as connection:
        for statement in statements:
            given = tuple(0 for _ in range(statement.count("?")))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given or None)
            found += [str(row[-1]) for row in rows]
    return found


def test_sums_of_feedback_are_kept_from_the_new_events_alone(peaked: EventStore) -> None:
    """The numbers of events are the key of the table: what is older than the last one is not looked at."""
    with peaked.engine.connect() as connection:
        given = {"day_us": 1, "seq": 10**9, "newest": 10**9}
        rows = connection.execute(text("EXPLAIN QUERY PLAN " + ADD), given)
        told = [str(row[-1]) for row in rows]
    assert any("SEARCH feedback USING INTEGER PRIMARY KEY" in line for line in told), told
