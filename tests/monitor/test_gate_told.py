"""Is what serve's own gate did not let through told once, as a ticket, and is it over when it is over?"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from monitor.gate.records import write_record
from monitor.gate.result import Decision
from monitor.production.items import microseconds
from monitor.serving.gating import KEEP_SLOT
from monitor.serving.lease import migrated
from tests.monitor.alert_life import DAY, MINUTE, Life
from tests.monitor.events import event, in_memory, put
from tests.monitor.live import query
from tests.monitor.test_gate_records import without_triggers
from tests.sample_gate_reports import blocked_gate, hostile_gate

TOLD = "SELECT slice_name, state FROM alert_episode WHERE check_name = 'gate_decision' ORDER BY id"


@pytest.fixture
def life() -> Iterator[Life]:
    with in_memory() as store:
        migrated(store.engine)
        yield Life(store)


def stage(life: Life, name: str, now_is: str) -> None:
    put(life.store, [event("checkpoint", life.now, {"checkpoint": name, "stage": now_is})])


def decide(life: Life, candidate: str, decision: Decision, *, by_hand: bool = False, names: str = "") -> None:
    """One gate, a week after the one before it, and the step after it."""
    life.later(7 * DAY)
    given = hostile_gate() if names else blocked_gate()
    report = replace(given, loop="loop", candidate=candidate, decision=decision)

    def keep_slot(connection: Connection, record: int) -> None:
        slot = {"loop": "loop", "slot": microseconds(life.now), "record": record}
        connection.execute(text(KEEP_SLOT), slot)

    write_record(life.store.engine, report, lambda: life.now, **({} if by_hand else {"beside": keep_slot}))
    for _ in range(2):
        life.keep()
        life.later(MINUTE)


def gates(life: Life) -> list[tuple[str, str]]:
    return [(name, state) for name, state in query(life.store, TOLD)]


def test_each_other_decision_is_told_and_go_ends_it(life: Life) -> None:
    stage(life, "c", "candidate")
    for decision in (Decision.INCONCLUSIVE, Decision.INCONCLUSIVE, Decision.NO_GO, Decision.GO):
        decide(life, "c", decision)
    assert gates(life) == [
        ("candidate=c,decision=INCONCLUSIVE", "superseded"),
        ("candidate=c,decision=NO-GO", "superseded"),
    ]
    severities = "SELECT DISTINCT severity FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode"
    assert query(life.store, f"{severities} WHERE e.check_name = 'gate_decision' AND severity <> ''") == [("ticket",)]


@pytest.mark.parametrize("now_is", ["retired", "serving"])
def test_it_is_over_when_the_checkpoint_is_no_candidate_any_more(life: Life, now_is: str) -> None:
    stage(life, "c", "candidate")
    decide(life, "c", Decision.NO_GO)
    stage(life, "c", now_is)
    life.keep()
    assert gates(life) == [("candidate=c,decision=NO-GO", "superseded")]


def test_a_gate_run_by_hand_is_not_told_and_changes_nothing(life: Life) -> None:
    for name in ("c", "d"):
        stage(life, name, "candidate")
    decide(life, "d", Decision.NO_GO, by_hand=True)
    assert gates(life) == []
    decide(life, "c", Decision.NO_GO)
    decide(life, "c", Decision.GO, by_hand=True)
    assert gates(life) == [("candidate=c,decision=NO-GO", "firing")]


def test_a_record_that_was_edited_to_go_ends_nothing_quietly(life: Life) -> None:
    stage(life, "c", "candidate")
    decide(life, "c", Decision.NO_GO)
    without_triggers(life.store.engine, "UPDATE gate_record SET content = replace(content, 'NO-GO', 'GO')")
    for _ in range(2):
        life.keep()
        life.later(MINUTE)
    assert gates(life) == [("candidate=c,decision=NO-GO", "superseded"), ("decision=edited,record=1", "firing")]


def test_names_from_outside_are_plain_in_the_message(life: Life) -> None:
    stage(life, "c\u202e", "candidate")
    decide(life, "c\u202e", Decision.NO_GO, names="hostile")
    (told,) = query(life.store, "SELECT alert FROM alert_episode WHERE check_name = 'gate_decision'")
    assert "\u202e" not in json.loads(told[0])["message"]
