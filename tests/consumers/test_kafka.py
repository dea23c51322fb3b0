"""A real broker is read: whole, once, with what is bad set aside, whatever happens to readers."""

import contextlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import FencedInstanceIdError

from consumers.claims import Claim
from consumers.ingest import ingest
from consumers.kafka import KafkaSource
from consumers.kafka_client import consumer_options
from consumers.kafka_partition import Listener
from consumers.kafka_records import assemble_event
from consumers.kafka_settings import KafkaSettings
from consumers.rejection import EventRejected
from consumers.sources import SourceError
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import BAD, envelope, line
from tests.consumers.kafka_reading import (
    KILLER,
    event_ids,
    query,
    read_all,
    reading,
    settings,
    start_process,
    until,
)

HELD = "SELECT source, held, deaths FROM claim ORDER BY source"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def responses(first: int, last: int) -> list[bytes]:
    return [line("response", id=f"e-{number}") for number in range(first, last)]


def ids(first: int, last: int) -> set[str]:
    return {f"e-{number}" for number in range(first, last)}


def test_the_unsafe_defaults_are_overridden() -> None:
    options = consumer_options(KafkaSettings(bootstrap=("kafka:9092",), topics=("events",), instance="reader-0"))
    safe = {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "security_protocol": "PLAINTEXT",
        "allow_auto_create_topics": False,
        "check_crcs": True,
        "group_id": "reward-drift",
        "group_instance_id": "reader-0",
        "session_timeout_ms": 45_000,
        "heartbeat_interval_ms": 3000,
    }
    assert {name: options[name] for name in safe} == safe


def test_every_event_is_stored_and_every_bad_one_set_aside(broker: Broker, path: Path) -> None:
    """However it was compressed: each partition holds one kind of batch."""
    codecs = (None, "gzip", "lz4", "zstd")
    topic = broker.topic(len(codecs))
    count = len(BAD)
    for partition, codec in enumerate(codecs):
        good = [line("response", id=f"{partition}-{number}") for number in range(count)]
        mixed = [one for pair in zip(good, (raw for raw, _ in BAD.values()), strict=True) for one in pair]
        options = {"compression_type": codec, "max_request_size": 1 << 23}
        broker.produce(topic, [*mixed, None], partition=partition, key=b"k", **options)
    result = read_all(path, settings(broker, topic), len(codecs) * (2 * count + 1))
    with EventStore.open(path) as store:
        assert event_ids(store) == {f"{partition}-{number}" for partition in range(4) for number in range(count)}
        for partition in range(len(codecs)):
            here = f"kafka:{topic}/{partition}"
            rejected = query(store, f"SELECT position, reason FROM rejected WHERE source = '{here}' ORDER BY id")
            expected = [(f"offset {2 * n + 1}", reason) for n, (_, reason) in enumerate(BAD.values())]
            assert rejected == [*expected, (f"offset {2 * count}", "empty")]
            assert store.position(here)["offset"] == 2 * count + 1  # type: ignore[index]
        assert [row[1:] for row in query(store, HELD)] == [(0, 0)] * len(codecs)
    assert (result.appended.accepted, result.appended.duplicate) == (len(codecs) * count, 0)


def test_binary_mode_is_put_together_and_its_bad_headers_are_rejected(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    event = envelope("response")
    data = json.dumps(event.pop("data")).encode()
    good = [(f"ce_{name}", value.encode()) for name, value in event.items()]
    nameless = [header for header in good if header[0] != "ce_id"]
    bad = [
        ([*nameless, ("ce_id", b"\xff\xfe")], data, "not_utf8"),
        ([*good, ("ce_id", b"another")], data, "bad_value"),
        ([*good, ("ce_data", b"{}")], data, "bad_value"),
        ([*good, ("content-type", b"application/avro")], data, "not_json"),
        (good, data + b"}, {", "not_json"),
        (good, b"", "empty"),
        (good[:1], data, "missing_field"),
    ]
    structured = [("content-type", b"application/cloudevents+json; charset=UTF-8"), ("ce_id", b"ignored")]
    broker.produce(topic, [data], headers=[*good, ("content-type", b"application/json")])
    broker.produce(topic, [line("outcome")], headers=structured)
    for headers, value, _ in bad:
        broker.produce(topic, [value], headers=headers)
    read_all(path, settings(broker, topic), len(bad) + 2)
    with EventStore.open(path) as store:
        assert event_ids(store) == {"response-1", "outcome-1"}
        reasons = [row[0] for row in query(store, "SELECT reason FROM rejected ORDER BY id")]
        assert sorted(reasons) == sorted(reason for _, _, reason in bad)


def test_a_header_without_value_is_rejected() -> None:
    """Apache Kafka allows it, though kafka-python's producer does not."""
    with pytest.raises(EventRejected, match="bad_value: header 'ce_id': has no value"):
        assemble_event([("ce_id", None)], b"{}")


def test_where_a_partition_begins_is_decided_once_and_the_database_says_where_it_goes_on(
    broker: Broker, path: Path
) -> None:
    topic = broker.topic()
    broker.produce(topic, responses(0, 1))
    wanted = settings(broker, topic, start="latest")
    with reading(path, wanted) as reader:
        until(lambda: reader.store.position(f"kafka:{topic}/0") is not None)
    broker.produce(topic, responses(1, 3))  # while nobody reads
    read_all(path, settings(broker, topic, group=f"not-{topic}", start="latest"), 2)
    with EventStore.open(path) as store:
        assert event_ids(store) == ids(1, 3)


def test_members_share_the_partitions_and_take_over_from_each_other(broker: Broker, path: Path) -> None:
    topic = broker.topic(4)
    wanted = settings(broker, topic)

    def send(first: int, last: int) -> None:
        for partition in range(4):
            broker.produce(topic, responses(first + partition, last)[::4], partition=partition)

    with reading(path, wanted) as one:
        until(lambda: one.partitions() == 4)
        with reading(path, wanted) as other:
            until(lambda: one.partitions() == other.partitions() == 2)
            send(0, 400)
            until(lambda: len(event_ids(one.store)) == 400)
        until(lambda: one.partitions() == 4)
        send(400, 600)
        until(lambda: len(event_ids(one.store)) == 600)
    assert one.result.appended.duplicate == other.result.appended.duplicate == 0
    assert one.result.appended.accepted + other.result.appended.accepted == 600
    assert other.result.appended.accepted > 0


def test_the_partitions_of_a_killed_reader_are_taken_over_without_loss(broker: Broker, path: Path) -> None:
    topic = broker.topic(2)
    for partition in range(2):
        broker.produce(topic, responses(500 * partition, 500 * (partition + 1)), partition=partition)
    EventStore.open(path).close()
    wanted = settings(broker, topic, batch_records=20)
    doomed = start_process(path, wanted)
    with EventStore.open(path) as store:
        until(lambda: len(event_ids(store)) >= 100)
        doomed.kill()
        doomed.wait()
        with reading(path, wanted) as reader:
            until(lambda: len(event_ids(store)) == 1000)
        assert event_ids(store) == ids(0, 1000)
        assert reader.result.appended.duplicate == 0
        assert [row[1:] for row in query(store, HELD)] == [(0, 0), (0, 0)]


def test_a_static_member_comes_back_to_its_place(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    wanted = settings(broker, topic, instance="reader-0")
    with reading(path, wanted) as before:
        until(lambda: before.partitions() == 1)
    broker.produce(topic, responses(0, 10))
    with reading(path, wanted) as after:
        until(lambda: len(event_ids(after.store)) == 10)
        assert [row[1:] for row in query(after.store, HELD)] == [(1, 0)]


def test_two_processes_of_one_instance_are_told_to_a_person(broker: Broker, path: Path) -> None:
    """Apache Kafka fences the older one. The broker of the tests does not, so that its answer is put in its mouth."""
    topic = broker.topic()
    with EventStore.open(path) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(KafkaConsumer, "poll", lambda *_: (_ for _ in ()).throw(FencedInstanceIdError()))
        with pytest.raises(SourceError, match=r"instance 'reader-0'.*kafka.instance"):
            ingest(KafkaSource(settings(broker, topic, instance="reader-0"), store), store)


class RobbedStore(EventStore):
    """A store whose first claim is taken away before anything was stored under it."""

    robbed = False

    def claim(self, source: str) -> Claim:
        mine = super().claim(source)
        if not self.robbed:
            self.robbed = True
            super().claim(source)
        return mine


def test_a_reader_that_lost_its_claim_stores_nothing_and_joins_again(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    broker.produce(topic, responses(0, 20))
    polled: list[Any] = []
    with RobbedStore.open(path) as opened:
        store = RobbedStore(opened.engine)
        source = KafkaSource(
            settings(broker, topic), store, stop=lambda: len(event_ids(store)) == 20, on_poll=polled.append
        )
        result = ingest(source, store)
        assert event_ids(store) == ids(0, 20)
    assert result.appended.duplicate == 0
    assert polled[-1].rejoins == 1


def test_what_is_revoked_is_let_go_of_before_the_group_may_give_it_to_another() -> None:
    let_go: list[TopicPartition] = []
    listener = Listener(None, let_go.extend)
    listener.on_partitions_revoked([TopicPartition("events", 0)])
    assert let_go == listener.take_gone() == [TopicPartition("events", 0)]


def test_a_record_that_kills_is_found_and_given_up_at_the_fourth_start(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    broker.produce(topic, [*responses(0, 7), KILLER, *responses(7, 30)])
    EventStore.open(path).close()
    groups = [f"{topic}-{start}" for start in range(4)]  # each its own: nobody waits for the session of the dead to end
    codes = [start_process(path, settings(broker, topic, group=group), count=30).wait(90) for group in groups]
    assert codes == [-9, -9, -9, 0]
    with EventStore.open(path) as store:
        assert event_ids(store) == ids(0, 30)
        assert query(store, "SELECT position, reason FROM rejected") == [("offset 7", "kills_consumer")]
        assert query(store, HELD) == [(f"kafka:{topic}/0", 0, 0)]


def test_the_end_of_what_there_is_ends_the_care_and_the_suspicion(broker: Broker, path: Path) -> None:
    topic = broker.topic()
    broker.produce(topic, responses(0, 5))
    with EventStore.open(path) as store:
        store.claim(f"kafka:{topic}/0")  # by a reader that died
        with reading(path, settings(broker, topic)) as reader:
            until(lambda: query(store, "SELECT held, deaths, suspect FROM claim") == [(1, 0, None)])
            until(lambda: len(event_ids(store)) == 5)
            batches = reader.result.batches
            broker.produce(topic, responses(5, 25))
            until(lambda: len(event_ids(store)) == 25)
        assert batches == 0 or reader.result.batches < batches + 20


def test_what_cannot_be_reached_at_the_start_is_told_with_the_next_step(broker: Broker, path: Path) -> None:
    nowhere = KafkaSettings(bootstrap=("127.0.0.1:1",), topics=("events",))
    with EventStore.open(path) as store:
        missing = KafkaSource(settings(broker, "no-such-topic"), store)
        with pytest.raises(SourceError, match=r"no-such-topic on .*UnknownTopic.*create it"):
            next(missing.batches(store.position))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consumers.kafka_client.ANSWER_MS", 500)
            with pytest.raises(SourceError, match=r"127.0.0.1:1 \(PLAINTEXT\).*kafka.bootstrap"):
                next(KafkaSource(nowhere, store).batches(store.position))


def test_without_the_library_the_message_names_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        contextlib.closing(EventStore.open(path)) as store,
        pytest.raises(SourceError, match=r"reward-drift-monitor\[kafka\]"),
    ):
        KafkaSource(KafkaSettings(bootstrap=("kafka:9092",), topics=("events",)), store)
