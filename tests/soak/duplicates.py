"""A producer that sends everything a hundred times, sometimes with another body under a known name."""

import random
import uuid
from collections.abc import Mapping

from consumers.ingest import ingest
from consumers.kafka import KafkaSource
from consumers.kafka_settings import KafkaSettings
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line

ONE_IN = 50  # sends that have another body


def send_again_and_again(broker: Broker, url: str, sends: int, names: int, seed: int) -> Mapping[str, int]:
    """Send so many events under so few names; returns what the store made of them, counted here and there.

    Raises AssertionError unless there is one event a name, and every other body is counted and kept once.
    """
    chance, topic = random.Random(seed), broker.topic()
    first, others, raws = set[int](), [], []
    for number in range(sends):
        name = number if number < names else chance.randrange(names)
        other = name in first and chance.randrange(ONE_IN) == 0
        first.add(name)
        body = f"other-{chance.randrange(3)}" if other else "r-1"
        others += [(name, body)] if other else []
        raws.append(line("score", id=f"e-{name}", changes={"response_id": body}))
    broker.produce(topic, raws, linger_ms=20)
    with EventStore.open(url) as store:
        chosen = KafkaSettings(bootstrap=(broker.bootstrap,), topics=(topic,), group=uuid.uuid4().hex)
        source = f"kafka:{topic}/0"

        def is_read() -> bool:
            return (store.position(source) or {"offset": 0})["offset"] >= sends

        done = ingest(KafkaSource(chosen, store, stop=is_read), store).appended
        kept = store.counts()
    broker.delete(topic)
    assert (done.accepted, kept.events) == (names, names), f"{names} names gave {kept.events} events"
    assert done.conflict == len(others), f"{len(others)} other bodies were sent, {done.conflict} counted"
    assert kept.conflicts == len(set(others)), "each other body is kept once"
    assert done.duplicate == sends - names - len(others)
    return {"sends": sends, "events": kept.events, "conflicts": done.conflict, "duplicates": done.duplicate}
