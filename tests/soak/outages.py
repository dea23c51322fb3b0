"""The database stops and starts, the broker falls silent: readers wait, reject nothing, and go on by themselves."""

import random
import time
import uuid
from collections.abc import Callable, Mapping

from consumers.store import EventStore
from tests.broker import OwnBroker
from tests.postgres import Server, fresh_database
from tests.soak.rig import Plan, fill, held, messages, offset, processes, settings, start, wait_until

PARTITIONS = 2
NAMES_A_STOP = 300


def stop_the_database(broker: OwnBroker, server: Server, stops: int, seed: int) -> Mapping[str, float]:
    """Stop PostgreSQL so many times under two readers, at once as a crash would or in good order."""

    def outage(chance: random.Random) -> None:
        server.stop(chance.choice(["immediate", "fast"]))
        time.sleep(chance.uniform(0.2, 3))
        server.start()

    return _interrupt(broker, server, stops, seed, outage)


def silence_the_broker(broker: OwnBroker, server: Server, stops: int, seed: int, seconds: float) -> Mapping[str, float]:
    """Stop the broker in its tracks so many times for so long."""

    def outage(_chance: random.Random) -> None:
        broker.pause()
        time.sleep(seconds)
        broker.resume()

    return _interrupt(broker, server, stops, seed, outage)


def _interrupt(
    broker: OwnBroker, server: Server, stops: int, seed: int, outage: Callable[[random.Random], None]
) -> Mapping[str, float]:
    """Returns how long catching up took after the last outage. Raises AssertionError if the store differs then."""
    chance = random.Random(seed)
    topic, told = broker.topic(PARTITIONS), messages(NAMES_A_STOP * stops, seed)
    ends: dict[int, int] = {}
    with fresh_database(server.admin_url) as url, fresh_database(server.admin_url) as quiet:
        EventStore.open(url).close()
        chosen = settings(broker, topic, f"soak-{uuid.uuid4().hex[:8]}")
        plan = Plan(chosen.model_dump_json(), url, None, slow_commits=0.05)  # so that outages meet open transactions
        with processes() as readers:
            readers += [start(plan) for _ in range(2)]
            _wait_for_readers(url, broker, topic, told[:PARTITIONS], ends)
            for number in range(stops):
                _add(broker, topic, told[number * NAMES_A_STOP : (number + 1) * NAMES_A_STOP], ends)
                time.sleep(chance.uniform(0, 1))
                outage(chance)
            began = time.monotonic()
            with EventStore.open(url) as store:
                wait_until(lambda: all(offset(store, topic, part) >= end for part, end in ends.items()), "everything")
                assert store.incidents(open_only=False) == [], "an outage is no incident of the intake"
            caught_up = time.monotonic() - began
            assert all(reader.is_alive() for reader in readers), "a reader ended by itself"
        others = settings(broker, topic, f"quiet-{uuid.uuid4().hex[:8]}")
        alone = start(Plan(others.model_dump_json(), quiet, ends, alone=True))
        alone.join()
        expected, found = held(quiet), held(url)
        for table, rows in expected.items():
            assert found[table] == rows, f"{table}: {len(rows)} rows expected, {len(found[table])} found"
    broker.delete(topic)
    return {"outages": stops, "caught_up_seconds": round(caught_up, 1)}


def _wait_for_readers(url: str, broker: OwnBroker, topic: str, told: list[list[bytes]], ends: dict[int, int]) -> None:
    """A reader that finds no database when it starts ends at once, and its supervisor starts it again."""
    _add(broker, topic, told, ends)
    with EventStore.open(url) as store:
        wait_until(lambda: all(offset(store, topic, part) > 0 for part in ends), "the first events")


def _add(broker: OwnBroker, topic: str, told: list[list[bytes]], ends: dict[int, int]) -> None:
    for partition, added in fill(broker, topic, PARTITIONS, told).items():
        ends[partition] = ends.get(partition, 0) + added
