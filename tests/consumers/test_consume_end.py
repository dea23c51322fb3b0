"""Does reading a topic end where it should?"""

import contextlib
from pathlib import Path

import pytest

from consumers.consume import consume
from consumers.drain import Drain
from consumers.health import Health
from consumers.kafka import AssignedPartition, Polled
from consumers.kafka_settings import KafkaSettings
from consumers.metrics import IntakeMetrics
from consumers.sources import SourceError
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line
from tests.consumers.kafka_reading import reading, until

PARTITION = AssignedPartition("events", 0, 7, 0)


def test_who_gets_no_partition_waits_for_one_only_while_connected() -> None:
    now = 0.0
    drain = Drain(10, lambda: now)
    for now, partitions, connected, is_idle in (
        (0, (), True, False),
        (9, (), True, False),
        (11, (), False, False),
        (12, (), True, False),
        (21, (PARTITION,), True, False),
        (30, (), True, False),
        (40, (), True, True),
    ):
        drain.polled(Polled(partitions, None, connected, 0))
        assert drain.is_idle is is_idle, now
    assert not drain.is_done


def test_a_reader_too_many_says_that_there_is_nothing_to_drain(broker: Broker, tmp_path: Path) -> None:
    topic = broker.topic()
    settings = KafkaSettings(bootstrap=(broker.bootstrap,), topics=(topic,), group=topic, session_timeout_seconds=6)
    path = tmp_path / "store.sqlite"
    with reading(path, settings) as other, EventStore.open(path) as store:
        until(lambda: other.partitions() == 1)
        with pytest.raises(SourceError, match="no partition for this reader"):
            consume(settings, store, stop=lambda: False, metrics=IntakeMetrics(), health=Health(), drain=True)


def test_the_mark_at_the_end_of_a_transaction_is_no_lag(broker: Broker) -> None:
    topic = broker.topic()
    with contextlib.closing(broker.producer(transactional_id=topic)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        for number in range(10):
            producer.send(topic, line("score", id=f"e-{number}"), partition=0)
        producer.commit_transaction()
    settings = KafkaSettings(bootstrap=(broker.bootstrap,), topics=(topic,), group=topic, session_timeout_seconds=6)
    metrics, health = IntakeMetrics(), Health()
    with EventStore.open(":memory:") as store:
        done = consume(settings, store, stop=lambda: False, metrics=metrics, health=health, drain=True)
        assert (done.appended.accepted, store.position(f"kafka:{topic}/0")["offset"]) == (10, 10)  # type: ignore[index]
    lag = {"topic": topic, "partition": "0"}
    assert metrics.registry.get_sample_value("rewarddrift_consumer_lag_records", lag) == 0
