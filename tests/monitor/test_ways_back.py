"""Which checkpoint does a page say to go back to? One that passed a gate or served before, never one that is blamed."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

import pytest

from consumers.database import reading
from consumers.store import EventStore
from monitor.gate.records import write_record
from monitor.gate.result import Decision, GateReport
from monitor.oncall.serving import ways_back
from tests.monitor.alert_life import DAY, HOUR
from tests.monitor.events import START, put, response
from tests.monitor.test_gate_records import without_triggers

BEGAN = START + 10 * DAY
EDIT = """UPDATE gate_record SET content = replace(content, '"NO-GO"', '"GO"') WHERE number = 3"""


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as kept:
        served = ["old", "old", "older", "blamed", "blamed"]
        put(kept, [response(f"{n}", BEGAN - n * DAY - HOUR, name) for n, name in enumerate(reversed(served))])
        put(kept, [response("later", BEGAN + HOUR, "new")])
        yield kept


def decide(store: EventStore, *gates: tuple[str, str, dt.datetime]) -> None:
    for candidate, decision, at in gates:
        report = GateReport(Decision(decision), candidate, "ref", "loop", at, "offline", 0.05, (), ())
        write_record(store.engine, report, partial(dt.datetime.astimezone, at))


def back(store: EventStore, *starts: dt.datetime) -> list[str]:
    with reading(store.engine) as connection:
        found = ways_back(connection, "loop", starts or (BEGAN,), ["blamed"]).values()
        return [one.back for one in found if one.back]


def test_the_last_that_served_before_is_named(store: EventStore) -> None:
    assert back(store) == ["older (served before)"]


def test_who_had_the_day_is_named_and_not_the_last_canary(store: EventStore) -> None:
    times = [("canary", 1), ("stable", 2), ("stable", 3)]
    put(store, [response(f"day-{hours}", BEGAN - 4 * DAY - hours * HOUR, name) for name, hours in times])
    assert back(store, BEGAN - 4 * DAY) == ["stable (served before)"]


def test_a_candidate_that_passed_a_gate_is_preferred_and_the_last_of_them(store: EventStore) -> None:
    decide(store, ("first", "GO", START), ("second", "GO", START + DAY), ("third", "NO-GO", START + 2 * DAY))
    assert back(store) == ["second (last GO)"]


def test_a_go_that_was_written_into_a_record_later_is_none(store: EventStore) -> None:
    decide(store, ("first", "GO", START), ("second", "GO", START + DAY), ("third", "NO-GO", START + 2 * DAY))
    without_triggers(store.engine, EDIT)
    assert back(store) == ["second (last GO)"]


def test_a_go_to_the_blamed_one_or_after_it_began_is_none(store: EventStore) -> None:
    decide(store, ("blamed", "GO", START), ("new", "GO", BEGAN + DAY))
    assert back(store) == ["older (served before)"]


def test_nobody_is_named_where_nobody_served_before(store: EventStore) -> None:
    assert back(store, START) == []


def test_who_served_last_before_a_quarter_of_a_year_is_not_named(store: EventStore) -> None:
    assert back(store, BEGAN + 91 * DAY) == []
    assert back(store, BEGAN + 80 * DAY) == ["new (served before)"]
