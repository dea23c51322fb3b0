"""Does reading stop in time when nearly everything is bad, and stay stopped until a person has looked?"""

from collections.abc import Iterator, Sequence

import pytest

from consumers.claims import Claim
from consumers.flood import WINDOW, FloodHalted, GuardedStore
from consumers.incidents import FLOOD
from consumers.intake import Intake, parse_batch
from consumers.kafka_settings import FloodSettings
from consumers.sources import Batch, Record, Refusal
from consumers.store import EventStore
from tests.consumers.examples import line

SOURCE = "kafka:events/0"
LIMITS = FloodSettings(rejected_run=5, rejected_ratio=0.5)


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore.open(":memory:") as store:
        yield store


def intake(pattern: str, offset: int, claim: Claim | None = None, unread: Sequence[Refusal] = ()) -> Intake:
    """A batch with one record a character: "b" is a bad one."""
    records = [
        Record(b"words of a person" if kind == "b" else line("score", id=f"e-{number}"), f"offset {number}", 1)
        for number, kind in enumerate(pattern, start=offset)
    ]
    return parse_batch(Batch(SOURCE, records, {"offset": offset + len(pattern)}, claim, unread))


def flood_after(store: EventStore, *patterns: str, limits: FloodSettings = LIMITS) -> FloodHalted | None:
    guarded = GuardedStore(store, limits)
    offset = 0
    for pattern in patterns:
        assert guarded.flood is None, "noticed a batch too early"
        guarded.append(intake(pattern, offset))
        offset += len(pattern)
    return guarded.flood


@pytest.mark.parametrize(
    "patterns", [["bbbbb"], ["ggb", "bbbb"], ["gbbbbbg"], ["bb", "b", "b", "bgg"], ["gb", "", "bbbb"]]
)
def test_so_many_bad_events_in_a_row_are_a_flood_however_they_are_batched(
    store: EventStore, patterns: list[str]
) -> None:
    flood = flood_after(store, *patterns)
    assert flood is not None
    assert "5 events in a row were rejected, the first at offset" in str(flood)


@pytest.mark.parametrize(
    "patterns", [["bbbbg", "bbbb"], ["bbbb", "gbbbb", "gbb"], ["bgbgbgbgbgbg"], ["bbbb", "g", "b"]]
)
def test_fewer_in_a_row_are_none(store: EventStore, patterns: list[str]) -> None:
    assert flood_after(store, *patterns) is None
    assert store.incidents() == []


def test_too_large_a_share_is_a_flood_once_enough_was_seen(store: EventStore) -> None:
    half = "bg" * 50
    assert flood_after(store, *[half] * (WINDOW // 100 - 1)) is None
    flood = flood_after(store, *[half] * (WINDOW // 100))
    assert flood is not None
    assert "1,000 of the last 2,000 events were rejected, up to offset 1998 (not_json 50)" in str(flood)


def test_a_share_long_ago_does_not_count(store: EventStore) -> None:
    limits = FloodSettings(rejected_run=10_000, rejected_ratio=0.5)
    assert flood_after(store, "b" * 900, "g" * 2100, "b" * 900, "g" * 1000, limits=limits) is None


def test_a_batch_without_a_bad_event_is_no_reason_to_stop_whatever_came_before(store: EventStore) -> None:
    limits = FloodSettings(rejected_run=10_000, rejected_ratio=0.5)
    assert flood_after(store, "b" * (WINDOW - 100), "g" * 100, limits=limits) is None
    assert flood_after(store, "b" * (WINDOW - 100), "g" * 99 + "b", limits=limits) is not None


def test_records_given_up_unread_count_too(store: EventStore) -> None:
    guarded = GuardedStore(store, LIMITS)
    unread = [Refusal(Record(b"", f"offset {number}", 0), "too_large", "") for number in range(3, 8)]
    guarded.append(intake("ggg", 0, unread=unread))
    assert guarded.flood is not None


def test_a_flood_is_stored_with_its_batch_and_the_source_stays_refused_until_it_is_closed(store: EventStore) -> None:
    guarded = GuardedStore(store, LIMITS)
    claim = guarded.claim(SOURCE)
    guarded.append(intake("gbbbbbb", 0, claim))
    assert guarded.flood is not None
    [incident] = store.incidents()
    assert (incident.kind, incident.source, store.position(SOURCE)) == (FLOOD, SOURCE, {"offset": 7})
    message = str(guarded.flood)
    assert "6 events in a row were rejected, the first at offset 1 (not_json 6)" in message
    assert "`reward-drift rejected list`" in message
    assert f"`reward-drift incidents close {incident.id} --note ...`" in message
    assert "words" not in message
    store.let_go(claim)
    with pytest.raises(FloodHalted, match=f"incidents close {incident.id}"):
        GuardedStore(store, LIMITS).claim(SOURCE)
    GuardedStore(store, LIMITS).claim("kafka:events/1")
    store.close_incident(incident.id, "producer rolled back")
    assert GuardedStore(store, LIMITS).claim(SOURCE).deaths == 0


def test_a_new_claim_counts_from_the_start(store: EventStore) -> None:
    guarded = GuardedStore(store, LIMITS)
    guarded.append(intake("bbbb", 0, guarded.claim(SOURCE)))
    guarded.append(intake("bbbb", 4, guarded.claim(SOURCE)))
    assert guarded.flood is None
