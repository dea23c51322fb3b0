"""Does reading a topic end where it should?"""

import contextlib

from consumers.consume import consume
from consumers.health import Health
from consumers.kafka_settings import KafkaSettings
from consumers.metrics import IntakeMetrics
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line


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
