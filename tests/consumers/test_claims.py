from collections.abc import Iterator

import pytest

from consumers.claims import ClaimLost
from consumers.incidents import EXPIRED, Found, UnknownIncident
from consumers.intake import parse_batch
from consumers.sources import Batch, Record
from consumers.store import EventStore
from tests.consumers.examples import line

SOURCE = "kafka:events/0"


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore.open(":memory:") as store:
        yield store


def batch(store: EventStore, claim: object, offset: int, **more: object) -> Batch:
    record = Record(line("score", id=f"e-{offset}"), f"offset {offset}", 1)
    return Batch(SOURCE, [record], {"offset": offset + 1}, claim, **more)  # type: ignore[arg-type]


def test_a_reader_whose_claim_was_taken_stores_nothing(store: EventStore) -> None:
    zombie = store.claim(SOURCE)
    store.append(parse_batch(batch(store, zombie, 0)))
    owner = store.claim(SOURCE)
    with pytest.raises(ClaimLost, match="kafka:events/0: claimed by another reader since"):
        store.append(parse_batch(batch(store, zombie, 7)))
    assert (zombie.lost, owner.lost, store.counts().events, store.position(SOURCE)) == (True, False, 1, {"offset": 1})
    with pytest.raises(ClaimLost):
        store.suspect(zombie, "offset 7")
    store.let_go(zombie)
    assert store.claim(SOURCE).deaths == 2, "a lost claim must not let go for the present owner"


def test_deaths_in_a_row_are_counted_until_a_batch_is_stored_or_the_reader_lets_go(store: EventStore) -> None:
    assert [store.claim(SOURCE).deaths for _ in range(3)] == [0, 1, 2]
    claim = store.claim(SOURCE)
    store.append(parse_batch(batch(store, claim, 0)))
    assert store.claim(SOURCE).deaths == 1
    claim = store.claim(SOURCE)
    store.let_go(claim)
    assert store.claim(SOURCE).deaths == 0


def test_deaths_of_a_suspect_count_from_the_first_time_it_was_alone(store: EventStore) -> None:
    store.claim(SOURCE)
    first = store.claim(SOURCE)
    assert (first.deaths, first.suspect) == (1, None)
    store.suspect(first, "offset 3")
    second = store.claim(SOURCE)
    assert (second.deaths, second.suspect) == (1, "offset 3")
    store.suspect(second, "offset 3")
    third = store.claim(SOURCE)
    assert (third.deaths, third.suspect) == (2, "offset 3")
    store.append(parse_batch(batch(store, third, 3)))
    assert (third.deaths, third.suspect) == (0, None)


def test_an_incident_is_recorded_with_the_position_that_passes_it_and_closed_once(store: EventStore) -> None:
    claim = store.claim(SOURCE)
    found = Found(EXPIRED, "offsets 4 to 9 were deleted before they were read", 4, 10)
    store.append(parse_batch(Batch(SOURCE, [], {"offset": 10}, claim, incidents=[found])))
    [incident] = store.incidents()
    assert (incident.source, incident.kind, incident.lost_from, incident.lost_until) == (SOURCE, EXPIRED, 4, 10)
    assert store.position(SOURCE) == {"offset": 10}
    store.close_incident(incident.id, "retention raised to 7 days")
    assert store.incidents() == []
    assert [past.note for past in store.incidents(open_only=False)] == ["retention raised to 7 days"]
    with pytest.raises(UnknownIncident, match=f"there is no open incident {incident.id}"):
        store.close_incident(incident.id, "again")
