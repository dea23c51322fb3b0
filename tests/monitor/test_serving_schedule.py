"""Is every due slot done exactly once, by whoever has the lease, and by nobody who lost it?"""

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from consumers.database import guarded, writing
from consumers.store import EventStore
from monitor.production.items import EPOCH, microseconds
from monitor.serving.lease import Lease, LeaseLost, database_now
from monitor.serving.pulses import Pulses
from monitor.serving.runs import Runs
from monitor.serving.slots import CronSlots, PeriodSlots, slots_of
from monitor.serving.turns import Job, Turns, Work
from monitor.settings import SettingsError, parse_settings

LOOP = "loop"
START = dt.datetime(2026, 11, 16, 9, 30, tzinfo=dt.UTC)  # a Monday
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Clock:
    """The database's time and this machine's, as far as these processes can tell."""

    def __init__(self) -> None:
        self.now, self.seconds = START, 0.0

    def database(self, _connection: Connection) -> int:
        return microseconds(self.now)

    def monotonic(self) -> float:
        return self.seconds

    def passes(self, time: dt.timedelta) -> None:
        self.now += time
        self.seconds += time.total_seconds()

    def sleeps(self, time: dt.timedelta) -> None:
        """A laptop's lid: the monotonic clock stands still."""
        self.now += time


class Process:
    """One of several that serve, in miniature: it takes its turns when it is told to."""

    def __init__(self, store: EventStore, clock: Clock, when: dt.timedelta | str, do: Callable[[Work], str]) -> None:
        length = dt.timedelta(seconds=30)
        self.lease = Lease(store.engine, LOOP, f"process {id(self)}", length, clock.database, clock.monotonic)
        self.runs = Runs(store.engine, LOOP, clock.database)
        pulses = Pulses(["work"], 60, 60, clock.monotonic)
        job = Job("job", "work", slots_of(when, "UTC"), do)
        self.turns = Turns("work", [job], store, self.lease, self.runs, pulses)

    def turn(self) -> None:
        self.lease.keep()
        self.turns.take()


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as opened:
        yield opened


def note_in(engine: Engine, said: str) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS noted (said VARCHAR)"))
        connection.execute(text("INSERT INTO noted VALUES (:said)"), {"said": said})


def noted(store: EventStore) -> list[str]:
    with store.engine.connect() as connection:
        return list(connection.execute(text("SELECT said FROM noted")).scalars())


def nothing(_work: Work) -> str:
    return "nothing"


def test_one_of_two_does_the_work_and_the_other_takes_over_when_it_is_silent(store: EventStore) -> None:
    clock, did = Clock(), []
    first, second = (Process(store, clock, HOUR, lambda _, name=name: did.append(name) or "") for name in "ab")  # type: ignore[misc]
    for _ in range(3):
        first.turn()
        second.turn()
        clock.passes(dt.timedelta(seconds=10))
    assert did == ["a"]
    clock.passes(HOUR)
    second.turn()
    first.turn()
    assert did == ["a", "b"]
    assert (first.lease.held, second.lease.held and second.lease.held.epoch) == (None, 2)


def test_who_was_paused_in_the_middle_of_a_job_can_write_nothing_after_another_took_over(store: EventStore) -> None:
    clock = Clock()

    def paused(work: Work) -> str:
        note_in(work.store.engine, "first, before")
        clock.passes(dt.timedelta(minutes=1))
        second.turn()
        note_in(work.store.engine, "first, after")
        return ""

    second = Process(store, clock, HOUR, lambda work: note_in(work.store.engine, "second") or "")  # type: ignore[func-returns-value]
    first = Process(store, clock, HOUR, paused)
    first.turn()
    assert noted(store) == ["first, before", "second"]
    (run,) = first.runs.newest()
    assert (run.state, run.attempts, run.epoch) == ("done", 2, 2)


def test_the_guard_stands_before_every_write_of_a_store(store: EventStore) -> None:
    clock = Clock()
    lease = Lease(store.engine, LOOP, "one", HOUR, clock.database, clock.monotonic)
    held = lease.keep()
    assert held is not None
    mine = EventStore(guarded(store.engine, lease.guard(held.epoch)))
    mine.claim("a source")
    clock.passes(2 * HOUR)
    Lease(store.engine, LOOP, "two", HOUR, clock.database, clock.monotonic).keep()
    for write in (lambda: mine.claim("a source"), lambda: mine.close_incident(1, "never")):
        with pytest.raises(LeaseLost):
            write()


def test_a_sleep_of_three_days_is_one_late_run_that_lists_what_was_missed(store: EventStore) -> None:
    clock, process = Clock(), None
    process = Process(store, clock, "0 9 * * *", nothing)
    for _ in range(3):
        process.turn()
        clock.passes(12 * HOUR)
    before = len(process.runs.latest(100))
    clock.sleeps(3 * DAY)
    for _ in range(5):
        process.turn()
        clock.passes(dt.timedelta(seconds=1))
    runs = process.runs.latest(100)
    assert len(runs) == before + 1
    assert (runs[0].late, runs[0].missed, runs[0].state) == (True, 2, "done")
    assert [EPOCH + slot * dt.timedelta(microseconds=1) for slot in runs[0].missed_us] == [
        dt.datetime(2026, 11, day, 9, tzinfo=dt.UTC) for day in (18, 19)
    ]


def test_a_weekly_slot_that_fell_into_the_sleep_is_caught_up_once_and_late(store: EventStore) -> None:
    clock = Clock()
    clock.now -= DAY  # Sunday
    process = Process(store, clock, "0 9 * * mon", nothing)
    process.turn()
    clock.sleeps(3 * DAY)
    for _ in range(3):
        process.turn()
    (run,) = process.runs.latest(100)
    assert (run.late, run.missed, run.slot_us) == (True, 0, microseconds(START.replace(hour=9, minute=0)))


def test_the_first_run_of_all_is_not_late_though_its_slot_is_long_ago(store: EventStore) -> None:
    process = Process(store, Clock(), HOUR, nothing)
    process.turn()
    assert [(run.late, run.slot_us) for run in process.runs.newest()] == [
        (False, microseconds(START.replace(minute=0)))
    ]


def test_a_job_that_fails_is_tried_again_with_growing_waits_and_then_left_to_its_next_slot(store: EventStore) -> None:
    clock, tried = Clock(), []

    def fails(work: Work) -> str:
        tried.append(work.now)
        raise OSError("no such host")

    process = Process(store, clock, "0 9 * * mon", fails)
    process.turn()
    clock.now = START + 7 * DAY - 30 * dt.timedelta(minutes=1)
    for _ in range(200):
        process.turn()
        clock.passes(dt.timedelta(minutes=1))
    waits = [later - sooner for sooner, later in pairwise(tried)]
    assert waits == [minutes * dt.timedelta(minutes=1) for minutes in (1, 2, 4, 8)]
    (run,) = process.runs.latest(10)
    assert (run.state, run.attempts, run.note) == ("failed", 5, "no such host")


def test_what_a_fault_quotes_of_people_is_not_kept(store: EventStore) -> None:
    def fails(_work: Work) -> str:
        raise KeyError("what a user said")

    process = Process(store, Clock(), HOUR, fails)
    process.turn()
    assert [run.note for run in process.runs.newest()] == ["KeyError"]


def test_handing_back_lets_another_begin_at_once(store: EventStore) -> None:
    clock = Clock()
    first, second = Process(store, clock, HOUR, nothing), Process(store, clock, HOUR, nothing)
    first.turn()
    second.turn()
    assert second.lease.held is None
    first.lease.hand_back()
    second.turn()
    assert second.lease.held is not None


def test_slots_of_a_period_are_the_same_for_everybody() -> None:
    slots = PeriodSlots(dt.timedelta(minutes=10))
    assert slots.after(microseconds(START)) == microseconds(START + 10 * dt.timedelta(minutes=1))
    assert slots.after(microseconds(START) + 1) == microseconds(START + 10 * dt.timedelta(minutes=1))


@pytest.mark.parametrize(
    ("crontab", "around", "slots"),
    [
        ("30 2 * * *", dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC), ["2026-03-29T01:30", "2026-03-30T00:30"]),
        ("30 2 * * *", dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0 9 * * mon", dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC), ["2026-03-30T07:00", "2026-04-06T07:00"]),
    ],
)
def test_slots_of_cron_on_the_two_days_on_which_clocks_change(
    crontab: str, around: dt.datetime, slots: list[str]
) -> None:
    found, moment = CronSlots(crontab, "Europe/Berlin"), microseconds(around)
    for expected in slots:
        moment = found.after(moment)
        assert (EPOCH + moment * dt.timedelta(microseconds=1)).isoformat()[:16] == expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("gate: '0 9 * * 1'", "write weekdays as mon, tue"),
        ("gate: '0 25 * * mon'", "a period such as 30s, 10m or 1d"),
        ("gate: '0 9 30 feb *'", "no such moment"),
        ("tick: soon", "a period such as 30s, 10m or 1d"),
        ("tick: 0s", "a period such as 30s, 10m or 1d"),
        ("canary: 10s", "deliver must be at most half of canary"),
        ("deadman: {url: file:///etc/passwd}", "deadman.url"),
    ],
)
def test_times_that_mean_nothing_are_refused(written: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        parse_settings(f"outcome: {{metric: m}}\nserve: {{{written}}}\n")


def test_a_job_may_be_switched_off() -> None:
    settings = parse_settings("outcome: {metric: m}\nserve: {gate: false, tick: 30s}\n")
    assert settings.serve.times()["tick"] == dt.timedelta(seconds=30)
    assert not {"gate", "score"} & set(settings.serve.times())


def test_the_database_tells_the_time(store: EventStore) -> None:
    with store.engine.connect() as connection:
        told = EPOCH + database_now(connection) * dt.timedelta(microseconds=1)
    assert abs(told - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=60)


def test_jobs_and_fields_of_the_settings_are_the_same(tmp_path: Path) -> None:
    from monitor.serving.jobs import jobs_of

    settings = parse_settings(
        f"outcome: {{metric: m}}\nserve: {{scoring: {{checkpoints: {tmp_path}, reward: rm, anchors: [a]}}}}\n"
    )
    jobs = jobs_of(settings, tmp_path / "reward-drift.yaml", Pulses([], 1, 1))
    assert sorted(job.name for job in jobs) == sorted(settings.serve.times())
