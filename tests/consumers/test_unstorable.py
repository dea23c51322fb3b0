"""What the validator let through and a database refuses, as a fault in the validator would."""

import random
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import text

from consumers.intake import Appended, Intake, parse_batch
from consumers.kafka_records import assemble_event
from consumers.rejection import EventRejected
from consumers.sources import Batch, Record, Refusal
from consumers.store import EventStore
from consumers.unstorable import keep_aside
from tests.consumers.examples import line

# 3,600 bytes that cannot be compressed: more than an index holds
LONG = "".join(map(chr, random.Random(1).choices(range(0x10000, 0x20000), k=900)))


def test_refused_events_are_rejected_and_their_neighbours_stored(store_url: str) -> None:
    batch = _batch(9)
    for at, value in zip((0, 4, 8), ["\ud800", 2**70, "\udfff"], strict=True):
        batch = _spoil(batch, at, value)
    with EventStore.open(store_url) as store:
        appended = store.append(batch)
        assert (appended.accepted, appended.rejected_by_reason) == (6, {"not_storable": 3})
        assert sorted((r.position, r.raw) for r in store.rejected()) == [
            (f"line {at}", batch.arrivals[at].raw) for at in (0, 4, 8)
        ]
        assert store.position("/file") == {"byte": 9}
        assert store.append(batch).accepted == 0, "the batch is read again"
        assert (store.counts().events, len(store.rejected())) == (6, 3)
        [first, *_] = store.rejected()
        assert store.replay_rejected(first.id) == Appended(
            accepted=1, by_type={"rewarddrift.response.v1": 1}, purposes={}, by_rule={}
        )


@pytest.mark.parametrize("value", ["half\x00", LONG], ids=["nul", "long"])
def test_what_only_postgresql_refuses_is_rejected_too(postgres_store_url: str, value: str) -> None:
    with EventStore.open(postgres_store_url) as store:
        appended = store.append(_spoil(_batch(4), 2, value))
        assert (appended.accepted, appended.rejected_by_reason) == (3, {"not_storable": 1})


@pytest.mark.parametrize("headers", [[("ce_a\0", None)], [("ce_a\0", b"\xff")], [("ce_a\0", b"1"), ("ce_a\0", b"2")]])
def test_why_a_header_was_refused_can_be_stored(store_url: str, headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(EventRejected) as caught:
        assemble_event(headers, b"{}")
    refusal = Refusal(Record(b"{}", "offset 3", 2), caught.value.reason, caught.value.detail)
    with EventStore.open(store_url) as store:
        assert store.append(Intake("kafka:events/0", {"offset": 4}, [], [refusal])).rejected == 1


def test_a_fault_of_the_database_rejects_nothing(store_url: str) -> None:
    with EventStore.open(store_url) as store:
        with store.engine.begin() as connection:
            connection.execute(text("DROP TABLE response"))
        with pytest.raises(Exception, match="response"):
            store.append(_batch(3))
        assert store.rejected() == []


def test_refused_events_are_found_in_few_attempts() -> None:
    tried = []

    def attempt(arrivals: list[object]) -> None:
        tried.append(len(arrivals))
        if any(arrival.place == "line 700" for arrival in arrivals):
            raise OverflowError

    found = keep_aside(_batch(1024), attempt)
    assert [refusal.record.position for refusal in found.refusals] == ["line 700"]
    assert len(found.arrivals) == 1023
    assert len(tried) == 21


def _batch(count: int) -> Intake:
    records = [Record(line("response", id=f"e-{n}"), f"line {n}", 1) for n in range(count)]
    return parse_batch(Batch("/file", records, {"byte": count}))


def _spoil(batch: Intake, at: int, value: str | int) -> Intake:
    """A batch whose event at this place has a value in it that no validated event has."""
    arrivals = list(batch.arrivals)
    field = "length" if isinstance(value, int) else "response_id"
    data = msgspec.structs.replace(arrivals[at].event.data, **{field: value})
    event = msgspec.structs.replace(arrivals[at].event, data=data)
    arrivals[at] = msgspec.structs.replace(arrivals[at], event=event)
    return replace(batch, arrivals=arrivals)
