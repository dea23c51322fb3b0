"""Feedback reaches the topic of its purpose, whole and once by its id, and what is held out never does."""

import contextlib
import gc
import json
import os
import random
import shutil
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import text

from consumers.claims import ClaimLost
from consumers.events import parse_event
from consumers.ingest import ingest
from consumers.kafka_producer import KafkaPublisher
from consumers.routed_events import Message
from consumers.routing import BrokerUnavailable, Router
from consumers.sources import JsonlSource
from consumers.store import EventStore
from tests.broker import Broker
from tests.consumers.examples import line

CURATION = {
    "signal": "rating",
    "value": 4,
    "scale": [1, 5],
    "actor": {"id": "a-1", "role": "annotator"},
    "surface": {"name": "studio", "environment": "production", "purpose": "curation"},
    "rubric": "v1",
}
DEBUGGING = {"actor": {"id": "dev-1", "role": "engineer"}}
KILLS = 12


class Kept:
    """A publisher that keeps what it is given; `away` makes it refuse."""

    def __init__(self, too_large: frozenset[str] = frozenset()) -> None:
        self.messages: list[Message] = []
        self.away = 0
        self._too_large = too_large

    def publish(self, messages: Sequence[Message]) -> Sequence[Message]:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("nobody there")
        self.messages += messages
        return [message for message in messages if json.loads(message.value)["id"] in self._too_large]

    def ids(self, topic: str) -> list[str]:
        return [json.loads(message.value)["id"] for message in self.messages if message.topic == topic]


TOPICS = {purpose: f"feedback.{purpose}" for purpose in ("curation", "reward", "debugging")}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore.open(tmp_path / "store.sqlite") as opened:
        yield opened


def test_each_event_arrives_in_exactly_its_topic_under_its_id(
    store: EventStore, tmp_path: Path, broker: Broker
) -> None:
    expected = _add(store, tmp_path, _many(60))
    topics = _topics(broker)

    with _publisher(broker) as publisher:
        router = Router(store, publisher, topics, "test")
        router.run()
        again = Router(store, publisher, topics, "test")
        again.run()

    arrived = {purpose: _read(broker, topic) for purpose, topic in topics.items()}
    assert {purpose: sorted(event["id"] for event in events) for purpose, events in arrived.items()} == expected
    assert router.published == {topics[purpose]: len(ids) for purpose, ids in expected.items()}
    assert not again.published
    assert not again.withheld


def test_postgresql_gives_the_same_messages_as_sqlite(
    store: EventStore, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.routing.WINDOW", 50)
    lines = [
        *_many(60),
        line("feedback", id="words", changes={**CURATION, "correction": "Better.", "ours": {"x": [1]}}),
    ]
    sent = []
    with EventStore.open(postgres_url) as other:
        for one in (store, other):
            _add(one, tmp_path, lines)
            sent.append(_route(one)[0].messages)

    assert sent[0] == sent[1]


def test_a_topic_tells_what_the_event_said_and_which_rule_decided(
    store: EventStore, tmp_path: Path, broker: Broker
) -> None:
    said = {**CURATION, "comment": "Grüße 🙂", "ours": {"x": 1}, "actor": {"id": "a-1", "role": "annotator", "team": 7}}
    event = line("feedback", id="f-1", changes=said, time="2026-03-02T10:00:00.000001+01:00")
    _add(store, tmp_path, [line("response", id="r"), event])
    topics = _topics(broker)

    with _publisher(broker) as publisher:
        Router(store, publisher, topics, "test").run()

    (record,) = _records(broker, topics["curation"])
    assert parse_event(record.value) == parse_event(event)
    assert record.key == b"r-1"
    assert record.headers == [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    envelope = json.loads(record.value)
    assert (envelope["feedbackpurpose"], envelope["feedbackrule"]) == ("curation", "1:curation")


def test_killed_at_any_time_the_router_loses_nothing(tmp_path: Path, broker: Broker, monkeypatch: Any) -> None:
    monkeypatch.setattr("consumers.routing.WINDOW", 7)
    path = tmp_path / "store.sqlite"
    with EventStore.open(path) as store:
        expected = _add(store, tmp_path, _many(120))
    topics = _topics(broker)
    chance = random.Random(3)
    started = time.monotonic()
    _finish(_fork_router(shutil.copy(path, tmp_path / "whole.sqlite"), broker, _topics(broker)))
    whole = time.monotonic() - started
    for _ in range(KILLS):
        child = _fork_router(path, broker, topics)
        time.sleep(chance.uniform(0, whole / 4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    _finish(_fork_router(path, broker, topics))

    for purpose, topic in topics.items():
        assert sorted({event["id"] for event in _read(broker, topic)}) == expected[purpose]


HELD_OUT = {
    "anchored outcome": [line("outcome", id="o", changes={"anchor_set": "audit"})],
    "anchored conversation": [
        line("outcome", id="o", changes={"response_id": ..., "conversation_id": "talk-1", "anchor_set": "audit"})
    ],
    "anchored user": [line("outcome", id="o", changes={"response_id": ..., "user": "u-7", "anchor_set": "audit"})],
    "anchored prompt": [line("preference", id="p", changes={"prompt_id": "prompt-1", "anchor_set": "audit"})],
    "anchored pair": [line("preference", id="p", changes={"b": {"response_id": "r-1"}, "anchor_set": "audit"})],
}
RESPONSE = line("response", id="r", changes={"prompt_id": "prompt-1", "conversation_id": "talk-1", "user": "u-7"})


@pytest.mark.parametrize("anchor", HELD_OUT.values(), ids=HELD_OUT.keys())
def test_nothing_about_an_anchor_is_ever_published(store: EventStore, tmp_path: Path, anchor: list[bytes]) -> None:
    _add(store, tmp_path, [RESPONSE, *anchor, *_one_of_each()])

    kept, router = _route(store)

    assert not kept.messages
    assert router.withheld == {"anchored: held out for measuring": 3}


def test_nothing_of_a_person_who_asked_for_erasure_is_published(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, line("erasure", id="e", changes={"user": "u-7"}), *_one_of_each()])

    kept, router = _route(store)

    assert not kept.messages
    assert router.withheld == {"user asked for erasure": 3}


def test_words_that_were_erased_are_not_published(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, line("feedback", id="f", changes={"comment": "secret", "ours": "secret"})])
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM text"))

    kept, _ = _route(store)

    (message,) = kept.messages
    assert b"secret" not in message.value


@pytest.mark.parametrize("environment", ["staging", "development", "evaluation"])
def test_labels_of_other_environments_stay(store: EventStore, tmp_path: Path, environment: str) -> None:
    _add(store, tmp_path, [line("response", id="r", changes={"environment": environment}), *_one_of_each()])

    kept, router = _route(store)

    assert sorted(message.topic for message in kept.messages) == ["feedback.debugging", "feedback.reward"]
    assert router.withheld == {f"response from {environment}": 1}


def test_a_label_before_its_response_is_published_once_when_the_response_comes(
    store: EventStore, tmp_path: Path
) -> None:
    _add(store, tmp_path, _one_of_each())
    before, router = _route(store)
    assert router.withheld == {"response unknown": 1}

    _add(store, tmp_path, [RESPONSE, line("response", id="r-again")])
    after, _ = _route(store)
    last, _ = _route(store)

    assert before.ids("feedback.curation") == []
    assert after.ids("feedback.curation") == ["curation"]
    assert not last.messages


def test_a_label_and_its_later_response_read_together_are_published_once(
    store: EventStore, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("consumers.routing.WINDOW", 1)
    _add(store, tmp_path, [*_one_of_each(), RESPONSE])

    kept, _ = _route(store)

    assert kept.ids("feedback.curation") == ["curation"]


def test_a_purpose_without_a_topic_is_not_published(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, *_one_of_each()])

    kept, router = _route(store, {**TOPICS, "debugging": None})

    assert sorted(message.topic for message in kept.messages) == ["feedback.curation", "feedback.reward"]
    assert router.withheld == {"no topic for this purpose": 1}


def test_what_is_too_large_for_a_topic_is_counted_and_holds_up_nothing(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, *_one_of_each()])
    router = Router(store, Kept(frozenset({"reward"})), TOPICS, "test")

    router.run()

    assert router.published == {"feedback.curation": 1, "feedback.debugging": 1}
    assert router.withheld == {"too large for the broker": 1}


def test_while_the_broker_is_away_nothing_moves_and_nothing_is_skipped(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, *_one_of_each()])
    kept, waited = Kept(), []
    kept.away = 9

    Router(store, kept, TOPICS, "test").follow(lambda: bool(kept.messages), pause=waited.append, chance=lambda: 0.0)

    assert waited == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]
    assert len(kept.messages) == 3


def test_a_broker_that_is_not_there_moves_nothing(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, *_one_of_each()])
    with contextlib.closing(KafkaPublisher({"bootstrap_servers": "127.0.0.1:1"}, delivery_seconds=0.5)) as publisher:
        router = Router(store, publisher, TOPICS, "test")
        with pytest.raises(BrokerUnavailable, match=r"feedback\.curation"):
            router.run()

    assert store.position("route:test") is None
    del publisher, router
    gc.collect()  # what is left open is to be found here, not in another test


def test_the_first_of_two_routers_stops(store: EventStore, tmp_path: Path) -> None:
    _add(store, tmp_path, [RESPONSE, *_one_of_each()])
    first = Router(store, Kept(), TOPICS, "test")
    Router(store, Kept(), TOPICS, "test")

    with pytest.raises(ClaimLost):
        first.run()


def test_words_that_left_are_on_the_list_of_exports(store: EventStore, tmp_path: Path) -> None:
    words = line("feedback", id="f", changes={"comment": "my name is Ann"})
    _add(store, tmp_path, [RESPONSE, *_one_of_each(), words])

    _route(store)

    query = (
        "SELECT x.path, e.event_id FROM exported d JOIN export x ON x.id = d.export_id JOIN event e ON e.seq = d.seq"
    )
    with store.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text(query))] == [("kafka:test/feedback.reward", "f")]


def _one_of_each() -> list[bytes]:
    changes: Mapping[str, dict[str, Any]] = {"curation": CURATION, "reward": {}, "debugging": DEBUGGING}
    return [line("feedback", id=purpose, changes=changed) for purpose, changed in changes.items()]


def _many(number: int) -> list[bytes]:
    """Responses and as many reactions of each purpose, all shuffled, some twice; ids begin with the purpose."""
    lines = []
    for n in range(number):
        about = {"response_id": f"r-{n}"}
        lines.append(line("response", id=f"response-{n}", changes=about))
        lines.append(line("feedback", id=f"curation-{n}", changes={**CURATION, **about}))
        lines.append(line("feedback", id=f"reward-{n}", changes=about))
        lines.append(line("feedback", id=f"debugging-{n}", changes={**DEBUGGING, **about}))
    random.Random(number).shuffle(lines)
    return lines + lines[: number // 2]


def _add(store: EventStore, folder: Path, lines: Sequence[bytes]) -> dict[str, list[str]]:
    """Store the events; return the ids of the feedback by purpose, sorted."""
    path = folder / f"{uuid.uuid4().hex}.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    ingest(JsonlSource([path]), store)
    query = "SELECT f.purpose, e.event_id FROM feedback f JOIN event e ON e.seq = f.seq ORDER BY e.event_id"
    ids: dict[str, list[str]] = {}
    with store.engine.connect() as connection:
        for purpose, event_id in connection.execute(text(query)):
            ids.setdefault(purpose, []).append(event_id)
    return ids


def _route(store: EventStore, topics: Mapping[str, str | None] = TOPICS) -> tuple[Kept, Router]:
    kept = Kept()
    router = Router(store, kept, topics, "test")
    router.run()
    return kept, router


def _fork_router(path: Path, broker: Broker, topics: Mapping[str, str]) -> int:
    child = os.fork()
    if child == 0:
        try:
            with EventStore.open(path) as store, _publisher(broker) as publisher:
                Router(store, publisher, topics, broker.bootstrap).run()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def _finish(child: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _publisher(broker: Broker) -> contextlib.closing[KafkaPublisher]:
    return contextlib.closing(KafkaPublisher({"bootstrap_servers": broker.bootstrap}))


def _topics(broker: Broker) -> dict[str, str]:
    return {purpose: broker.topic() for purpose in TOPICS}


def _read(broker: Broker, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in _records(broker, topic)]


def _records(broker: Broker, topic: str) -> list[Any]:
    """All records of a topic of one partition, up to a mark of our own."""
    broker.produce(topic, [b"end"])
    partition = TopicPartition(topic, 0)
    options = {"isolation_level": "read_committed", "enable_auto_commit": False}
    with contextlib.closing(KafkaConsumer(bootstrap_servers=broker.bootstrap, **options)) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        records: list[Any] = []
        while not records or records[-1].value != b"end":
            records += consumer.poll(timeout_ms=1000).get(partition, [])
    return records[:-1]
