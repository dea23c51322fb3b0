"""Is what a gate decided kept as it was, and can it be told when it is not?"""

import datetime as dt
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from consumers.canonical import canonical_json
from consumers.database import writing
from consumers.store import EventStore
from monitor.gate.records import UnknownRecord, read_record, read_records, verify_chain, write_record
from monitor.gate.result import Decision, GateReport

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'gate%'",
    "postgresql": "SELECT tgname || ' ON ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal",
}


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    with EventStore.open(store_url) as store:
        yield store.engine


def report(candidate: str, loop: str = "bot", **more: Any) -> GateReport:
    return GateReport(Decision.GO, candidate, "ckpt-0", loop, NOW, "offline", 0.05, (), (), **more)


def fill(engine: Engine, count: int = 5) -> None:
    for number in range(count):
        assert write_record(engine, report(f"ckpt-{number + 1}"), lambda: NOW) == number + 1


def without_triggers(engine: Engine, *statements: str, **given: str) -> None:
    """What somebody does who owns the database."""
    with writing(engine) as connection:
        for name in connection.execute(text(TRIGGERS[engine.dialect.name])).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert connection.execute(text(statement), given).rowcount


def test_a_record_holds_the_report_and_comes_back_by_loop_and_number(engine: Engine) -> None:
    bound = {"settings": "ab" * 32}
    write_record(engine, report("ckpt-1", bound=bound), lambda: NOW)
    write_record(engine, report("other", loop="another"), lambda: NOW)
    write_record(engine, report("ckpt-2"), lambda: NOW + dt.timedelta(days=7))
    assert [(one.number, one.report["candidate"]) for one in read_records(engine, "bot")] == [
        (1, "ckpt-1"),
        (3, "ckpt-2"),
    ]
    assert read_record(engine, 1).report == {**report("ckpt-1", bound=bound).to_dict(), "record": 1}
    assert read_record(engine, 3).recorded_at == NOW + dt.timedelta(days=7)
    assert read_record(engine, 3).previous == read_record(engine, 2).digest
    assert verify_chain(engine) == []


def test_a_store_without_records_has_none_and_nothing_is_wrong_with_it(engine: Engine) -> None:
    assert read_records(engine, "bot") == []
    assert verify_chain(engine) == []
    with pytest.raises(UnknownRecord, match="no gate record 1"):
        read_record(engine, 1)


REFUSED = {
    "edit": "UPDATE gate_record SET content = replace(content, 'GO', 'NO-GO') WHERE number = 3",
    "removal": "DELETE FROM gate_record WHERE number = 5",
    "removal of all": "DELETE FROM gate_record",
    "one in front": "INSERT INTO gate_record SELECT 0, loop, recorded_us, content, '', '' FROM gate_record LIMIT 1",
    "a gap": "INSERT INTO gate_record SELECT 9, loop, recorded_us, content, '', '' FROM gate_record LIMIT 1",
    "the head set back": "UPDATE gate_record_head SET number = 4",
    "the head removed": "DELETE FROM gate_record_head",
    "a second head": "INSERT INTO gate_record_head (one, number, digest) VALUES (2, 9, '')",
}
REFUSED_BY = {
    "sqlite": {"replacement": "INSERT OR REPLACE INTO gate_record SELECT 3, loop, 0, '', '', '' FROM gate_record"},
    "postgresql": {
        "truncation": "TRUNCATE gate_record",
        "truncation of the head": "TRUNCATE gate_record_head",
        "upsert": "INSERT INTO gate_record SELECT 3, loop, 0, '', '', '' FROM gate_record LIMIT 1"
        " ON CONFLICT (number) DO UPDATE SET content = ''",
    },
}


def test_the_database_refuses_to_change_what_is_on_record(engine: Engine) -> None:
    fill(engine)
    before = read_records(engine, "bot")
    for what, statement in (REFUSED | REFUSED_BY[engine.dialect.name]).items():
        with pytest.raises(DBAPIError, match="gate records are"), writing(engine) as connection:
            connection.execute(text(statement))
        assert read_records(engine, "bot") == before, what
    assert verify_chain(engine) == []


SWAP = (
    "UPDATE gate_record SET number = 99 WHERE number = 2",
    "UPDATE gate_record SET number = 2 WHERE number = 4",
    "UPDATE gate_record SET number = 4 WHERE number = 99",
)
TAMPERED = {
    "an edited decision": (
        ["UPDATE gate_record SET content = replace(content, '\"GO\"', '\"NO-GO\"') WHERE number = 3"],
        ["record 3 is not as it was written"],
    ),
    "an edited time": (
        ["UPDATE gate_record SET recorded_us = recorded_us + 1 WHERE number = 1"],
        ["record 1 is not as it was written"],
    ),
    "a record moved to another loop": (
        ["UPDATE gate_record SET loop = 'other' WHERE number = 5"],
        ["record 5 is not as it was written"],
    ),
    "a removed record": (["DELETE FROM gate_record WHERE number = 2"], ["record 2 is gone"]),
    "two removed records": (["DELETE FROM gate_record WHERE number IN (2, 3)"], ["record 2 to 3 are gone"]),
    "the first removed": (["DELETE FROM gate_record WHERE number = 1"], ["record 1 is gone"]),
    "the last removed": (["DELETE FROM gate_record WHERE number = 5"], ["record 5 is gone"]),
    "all removed": (["DELETE FROM gate_record"], ["record 1 to 5 are gone"]),
    "two swapped": (SWAP, ["record 2 is not as it was written", "record 4 is not as it was written"]),
    "the head removed": (["DELETE FROM gate_record_head"], ["the note of the last record is gone"]),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_gets_around_the_database_breaks_the_chain_and_is_named(what: str, engine: Engine) -> None:
    statements, told = TAMPERED[what]
    fill(engine)
    without_triggers(engine, *statements)
    found = verify_chain(engine)
    assert [one for one in found if "follow" not in one] == told


def test_an_edited_record_with_a_hash_of_its_own_is_told_by_the_next_one(engine: Engine) -> None:
    fill(engine)
    two = read_record(engine, 2)
    content = canonical_json({**two.report, "decision": "NO-GO"})
    parts = [2, two.loop, 1_772_323_200_000_000, content, two.previous]
    assert two.recorded_at.timestamp() * 1e6 == parts[2]
    digest = hashlib.sha256(canonical_json(parts).encode()).hexdigest()
    edit = "UPDATE gate_record SET content = :content, digest = :digest WHERE number = 2"
    without_triggers(engine, edit, content=content, digest=digest)
    assert verify_chain(engine) == ["record 3 does not follow on record 2"]


def test_two_gates_at_once_get_a_number_each(store_url: str) -> None:
    """Each process writes 20 records; none is lost and the chain holds."""
    children = []
    EventStore.open(store_url).close()
    for name in ("a", "b"):
        if not (child := os.fork()):
            code = 1
            try:
                with EventStore.open(store_url) as store:
                    for number in range(20):
                        write_record(store.engine, report(f"{name}{number}"), lambda: NOW)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    with EventStore.open(store_url) as store:
        found = read_records(store.engine, "bot")
        assert [one.number for one in found] == list(range(1, 41))
        assert {one.report["candidate"] for one in found} == {f"{name}{n}" for name in "ab" for n in range(20)}
        assert verify_chain(store.engine) == []
