"""Readers of a topic are killed at every step, again and again: nothing lost, nothing doubled."""

import random
import signal
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from sqlalchemy import text

from consumers.store import EventStore
from tests.broker import Broker
from tests.soak.rig import MOST_HITS, STEPS, Fault, Plan, fill, held, messages, offset, settings, start

Fresh = Callable[[], AbstractContextManager[str]]  # the URL of a fresh, empty store

NAMES = 1200


def kill_readers(
    broker: Broker, fresh: Fresh, kills: int, seed: int, order: str = "one transaction", keyless: bool = False
) -> Mapping[str, int]:
    """Kill so many readers; returns how many died at each step. Raises AssertionError if a store differs in the end.

    order: of the transactions, a mutation if not the promised one. keyless: take the unique key from the events.
    """
    chance = random.Random(seed)
    topic = broker.topic()
    ends = fill(broker, topic, 1, messages(NAMES, seed))
    with fresh() as unkilled:
        expected = _read_all(broker, unkilled, topic, ends)
    died = dict.fromkeys(STEPS, 0)
    while sum(died.values()) < kills:
        with fresh() as url:
            EventStore.open(url).close()
            if keyless:
                drop_key(url)
            _kill_until_read(broker, url, topic, ends, kills, died, chance, order)
            found = _read_all(broker, url, topic, ends)
            for table, rows in expected.items():
                assert found[table] == rows, _difference(table, rows, found[table])
    return died


def drop_key(url: str) -> None:
    """Take away what makes an event unique."""
    with EventStore.open(url) as store, store.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE event DROP CONSTRAINT event_source_event_id_key"))
        else:
            connection.execute(text("ALTER TABLE event RENAME TO keyed"))
            connection.execute(
                text(
                    "CREATE TABLE event (seq INTEGER PRIMARY KEY, source VARCHAR NOT NULL, event_id VARCHAR NOT NULL,"
                    " type VARCHAR NOT NULL, time_us BIGINT NOT NULL, digest BLOB NOT NULL)"
                )
            )
            connection.execute(text("DROP TABLE keyed"))


def _kill_until_read(
    broker: Broker,
    url: str,
    topic: str,
    ends: dict[int, int],
    kills: int,
    died: dict[str, int],
    chance: random.Random,
    order: str,
) -> None:
    reached, suspected = 0, False
    chosen = settings(broker, topic, f"soak-{uuid.uuid4().hex[:8]}").model_dump_json()
    while sum(died.values()) < kills:
        step = min(STEPS, key=lambda name: died[name] + chance.random())
        # A record that was alone when a reader died is let through: after the next death it would rightly be given up.
        fault = None if suspected else Fault(step, chance.randint(1, MOST_HITS.get(step, 6)))
        reader = start(Plan(chosen, url, ends, fault, alone=True, batches=None if fault else 2, order=order))
        reader.join()
        assert reader.exitcode in (0, -signal.SIGKILL), f"a reader ended with code {reader.exitcode}"
        died[step] += reader.exitcode != 0
        with EventStore.open(url) as store:
            before, reached, suspected = reached, offset(store, topic, 0), is_suspected(store)
        assert reached >= before, f"the position moved back from {before} to {reached}"
        if reached >= ends[0]:
            return


def is_suspected(store: EventStore) -> bool:
    """Was any record being tried alone when its reader died?"""
    with store.engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM claim WHERE suspect IS NOT NULL")).scalar_one() > 0


def _read_all(broker: Broker, url: str, topic: str, ends: dict[int, int]) -> dict[str, list[tuple[object, ...]]]:
    chosen = settings(broker, topic, f"soak-{uuid.uuid4().hex[:8]}").model_dump_json()
    reader = start(Plan(chosen, url, ends, alone=True))
    reader.join()
    assert reader.exitcode == 0, f"a reader that nobody killed ended with code {reader.exitcode}"
    return held(url)


def _difference(table: str, expected: list[tuple[object, ...]], found: list[tuple[object, ...]]) -> str:
    lost = [row for row in expected if row not in found]
    return f"{table}: {len(lost)} lost, {len(found) - len(expected) + len(lost)} doubled or strange; lost {lost[:2]}"
