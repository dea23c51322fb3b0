"""Does a page say in five lines whether it is real, who is hurt, what is safe to do, and whether it can wait?"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from consumers.database import reading, writing
from monitor.oncall.episodes import keep_alert, read_episodes
from monitor.oncall.page import Known, known, page_lines
from monitor.report.wording import title_of
from tests.monitor.alert_life import ALERT, DAY, HOUR, Life
from tests.monitor.events import START, event, in_memory, outcome, put, response, settings, thumbs
from tests.sample_reports import hostile_report

CHOSEN = settings(cohorts=["tier"])
NOW = START + 12 * DAY


@pytest.fixture
def life() -> Iterator[Life]:
    with in_memory() as store:
        for day in range(12):
            time = START + day * DAY
            put(store, [response(f"{day}", time, ALERT.checkpoint), thumbs(f"{day}", time, 1)])
            put(store, [outcome(time + HOUR, True, response_id=f"{day}")])
        yield Life(store, CHOSEN, NOW)


def facts(life: Life) -> Known:
    with reading(life.store.engine) as connection:
        return known(connection, CHOSEN, read_episodes(connection, "loop"), life.now)


def page(life: Life, number: int = 1) -> list[str]:
    stored = life.stored(number)
    return page_lines(stored.alert, [stored], facts(life))


def test_a_page_is_five_lines_that_answer_four_questions(life: Life) -> None:
    life.cross("page")
    what, sure, who, do, on = page(life)
    assert what.startswith(f"[PAGE] {title_of(ALERT.attribution)}: loop {ALERT.checkpoint} ")
    assert "(SERVING 100%)" in what
    assert re.search(r"likely start \d+ \w+, fired ", what)
    assert re.search(r"reward \+\d.* pt \(.*\.\..*\)  task_success -\d.* pt", sure)
    assert re.search(r"n=[\d,]+/[\d,]+ responses, missing \d+%   evidence [\d,]+ d \(page at [\d,]+ d\)", sure)
    assert who == "worst cohort: no cohort stands out   also: nothing else open, 0 withheld"
    assert do.startswith(
        "DO: 1 freeze promotion (safe, reversible): reward-drift freeze --reason 'alert 1'  2 roll back"
    )
    assert "not a data fault: event 24 h old" in do
    assert "no open incident" in do
    assert on == (
        "open: reward-drift alerts show 1   runbook: reward-drift runbook reward_outcome_decoupling"
        "   ack: reward-drift alerts ack 1 --for 4h"
    )


def test_the_page_leaves_with_the_message(life: Life) -> None:
    life.cross("page")
    with life.store.engine.connect() as connection:
        body = connection.exec_driver_sql("SELECT body FROM outbox").scalar_one()
    assert "DO: 1 freeze promotion" in body


def test_worst_cohorts_and_what_else_is_open_are_named(life: Life) -> None:
    life.cross("ticket")
    life.cross("ticket", {"tier": "enterprise"})
    who = page(life)[2]
    assert who.startswith("worst cohort: tier=enterprise -")
    assert "(n=" in who
    assert "also: 1 more open" in who


def test_stale_data_are_a_doubt_on_the_page(life: Life) -> None:
    life.cross("page")
    life.later(20 * DAY)
    assert "MAY BE A DATA FAULT: stale: event, feedback, outcome (" in page(life)[3]


def test_an_alert_about_the_machinery_says_that_harm_would_not_be_seen(life: Life) -> None:
    life.observe(2)
    _, message, who, do, on = page(life)
    assert message == "loop: late"
    assert "harm would not be seen meanwhile" in who
    assert do.startswith("DO: 1 follow the runbook")
    assert "runbook: reward-drift runbook no_data" in on


def test_shares_that_events_told_count_more_than_counted_ones(life: Life) -> None:
    told = {"checkpoint": ALERT.checkpoint, "traffic_share": 0.62}
    put(life.store, [event("checkpoint", START, told), event("checkpoint", START, {"checkpoint": "old"})])
    life.cross("page")
    assert "(SERVING 62%)" in page(life)[0]


def test_a_checkpoint_that_serves_nobody_is_called_so(life: Life) -> None:
    put(life.store, [event("checkpoint", START, {"checkpoint": "another", "traffic_share": 1.0})])
    life.cross("page")
    assert "(not serving)" in page(life)[0]


def test_no_stranger_reaches_the_terminal(life: Life) -> None:
    life.cross("page")
    nasty = hostile_report().alerts[0]
    with writing(life.store.engine) as connection:
        keep_alert(connection, 1, replace(nasty, severity="page", message="a\x1b[31m\u202e: b\nc"))
    lines = page(life)
    assert len(lines) == 5
    for line in lines:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
