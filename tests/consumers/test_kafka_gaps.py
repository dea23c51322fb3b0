"""Nothing is skipped in silence: what a broker no longer holds is an incident, and reading goes on."""

import contextlib
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.errors import LogTruncationError
from kafka.structs import OffsetAndMetadata

from consumers import kafka_member
from consumers.incidents import EXPIRED, RECREATED, TRUNCATED
from consumers.intake import Intake, parse_batch
from consumers.kafka_client import Topics
from consumers.kafka_gaps import Doubt, Log, find_gap
from consumers.kafka_member import Member, MembershipEnded
from consumers.store import EventStore
from tests.broker import Broker, OwnBroker
from tests.consumers.examples import line
from tests.consumers.kafka_reading import event_ids, query, reading, settings, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_member, "LOOK_SECONDS", 1.0)


def responses(first: int, last: int) -> list[bytes]:
    return [line("response", id=f"e-{number}") for number in range(first, last)]


def ids(first: int, last: int) -> set[str]:
    return {f"e-{number}" for number in range(first, last)}


@pytest.mark.parametrize(
    ("offset", "topic_id", "kind", "lost"),
    [
        (5, "a", None, None),
        (3, "a", None, None),
        (9, "a", None, None),
        (2, "a", EXPIRED, (2, 3)),
        (10, "a", RECREATED, (10, None)),
        (5, "b", RECREATED, (5, None)),
        (2, "", EXPIRED, (2, 3)),
        (5, "", None, None),
    ],
)
def test_a_gap_is_named_with_its_range(
    offset: int, topic_id: str, kind: str | None, lost: tuple[int, int | None] | None
) -> None:
    found = find_gap(offset, topic_id, Log("a", earliest=3, end=9))
    assert (found and found.kind) == kind
    assert (found and (found.lost_from, found.lost_until)) == lost


def test_a_doubt_counts_once_it_has_lasted() -> None:
    doubt = Doubt(seconds=3)
    assert [doubt.is_confirmed(looks, at) for at, looks in [(0, True), (2, True), (2.5, False), (4, True)]] == [
        False
    ] * 4
    assert [doubt.is_confirmed(True, at) for at in (6.9, 7)] == [False, True]


@pytest.mark.parametrize("count", [4, 20])
def test_a_recreated_topic_is_an_incident_and_read_from_its_start(broker: Broker, path: Path, count: int) -> None:
    """With fewer records than were read of the one before, and with more."""
    topic = broker.topic()
    broker.produce(topic, responses(0, 10))
    with reading(path, settings(broker, topic)) as reader:
        until(lambda: len(event_ids(reader.store)) == 10)
        broker.delete(topic)
        broker.topic(name=topic)
        broker.produce(topic, responses(100, 100 + count))
        until(lambda: event_ids(reader.store) == ids(0, 10) | ids(100, 100 + count))
        until(lambda: bool(reader.store.incidents()))
        (incident,) = reader.store.incidents()
        assert (incident.source, incident.kind) == (f"kafka:{topic}/0", RECREATED)
        broker.produce(topic, responses(200, 205))
        until(lambda: ids(200, 205) <= event_ids(reader.store))
    with EventStore.open(path) as store:
        assert len(store.incidents()) == 1


def test_of_a_topic_that_is_deleted_beside_another_no_lag_is_known(broker: Broker, path: Path) -> None:
    kept, deleted = broker.topic(), broker.topic()

    def lags() -> dict[str, int | None]:
        return {one.topic: one.lag for one in reader.polled[-1].partitions} if reader.polled else {}

    with reading(path, settings(broker, kept, deleted)) as reader:
        until(lambda: lags() == {kept: 0, deleted: 0})
        broker.delete(deleted)
        until(lambda: lags() == {kept: 0, deleted: None})
        broker.topic(name=deleted)
        until(lambda: lags() == {kept: 0, deleted: 0})


def test_a_position_behind_the_end_is_an_incident(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    broker.produce(topic, responses(0, 5))
    with EventStore.open(path) as store:
        store.append(Intake(f"kafka:{topic}/0", {"offset": 1000, "topic_id": ""}, [], []))
    with reading(path, settings(broker, topic)) as reader:
        until(lambda: bool(reader.store.incidents()))
        broker.produce(topic, responses(5, 9))
        until(lambda: event_ids(reader.store) == ids(0, 9))
        (incident,) = reader.store.incidents()
        assert (incident.kind, incident.lost_from) == (RECREATED, 1000)


@pytest.mark.parametrize(
    ("kept", "goes_on"), [(OffsetAndMetadata(6, "", 3), 6), (None, 0), (OffsetAndMetadata(12, "", 3), 10)]
)
def test_a_partition_that_was_cut_back_is_read_again_from_there(
    broker: Broker, path: Path, kept: OffsetAndMetadata | None, goes_on: int
) -> None:
    """A broker of one node cannot lose what it had, so that what kafka-python noticed is put in its place."""
    topic = broker.topic()
    broker.produce(topic, responses(0, 10))
    wanted, noticed = settings(broker, topic), LogTruncationError({TopicPartition(topic, 0): kept})
    with EventStore.open(path) as store, contextlib.closing(Topics(wanted)) as topics:
        member = Member(wanted, store, topics, 1 << 20)

        def read() -> None:
            for batch in member.read(store.position, lambda: False, lambda: None):
                store.append(parse_batch(batch))
                if batch.records:
                    member.consumer._fetcher._cached_log_truncation = noticed

        with pytest.raises(MembershipEnded, match="LogTruncationError"):
            read()
        member.leave()
        assert (store.position(f"kafka:{topic}/0") or {})["offset"] == goes_on
        told = [(incident.kind, incident.lost_from) for incident in store.incidents()]
        assert told == ([(TRUNCATED, goes_on)] if goes_on < 10 else [])


def test_a_silent_broker_raises_nothing_and_is_seen_by_its_age(own_broker: OwnBroker, path: Path) -> None:
    """It is stopped for longer than a session lasts."""
    topic = own_broker.topic()
    own_broker.produce(topic, responses(0, 10))
    with reading(path, settings(own_broker, topic)) as reader:
        until(lambda: len(event_ids(reader.store)) == 10)
        until(lambda: reader.polled[-1].fetched_at is not None)
        own_broker.pause()
        until(lambda: reader.silent_seconds() > 8)
        silent_since = reader.polled[-1].fetched_at
        own_broker.resume()
        own_broker.produce(topic, responses(10, 20))
        until(lambda: event_ids(reader.store) == ids(0, 20))
        until(lambda: reader.polled[-1].fetched_at != silent_since)
        assert reader.store.incidents() == []
    assert reader.result.appended.duplicate == 0


def test_a_broker_that_came_back_empty_is_an_incident(own_broker: OwnBroker, path: Path) -> None:
    topic = own_broker.topic()
    own_broker.produce(topic, responses(0, 10))
    with reading(path, settings(own_broker, topic)) as reader:
        until(lambda: len(event_ids(reader.store)) == 10)
        own_broker.kill()
        until(lambda: not reader.polled[-1].connected)
        own_broker.start()
        own_broker.topic(name=topic)
        own_broker.produce(topic, responses(10, 14))
        until(lambda: event_ids(reader.store) == ids(0, 14))
        until(lambda: [incident.kind for incident in reader.store.incidents()] == [RECREATED])
        assert query(reader.store, "SELECT count(*) FROM rejected") == [(0,)]
