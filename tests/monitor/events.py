"""Events as dicts, a store filled with them through the real parser, and a small loop of events with dials."""

import datetime as dt
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from consumers.database import open_engine
from consumers.intake import Appended, parse_batch
from consumers.sources import Batch, Record
from consumers.store import EventStore
from monitor.settings import Settings

Event = dict[str, Any]

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EVER = dt.datetime.max.replace(tzinfo=dt.UTC)  # later than any event
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)
END_USER = {"role": "end_user"}
PRODUCT = {"name": "chat", "environment": "production", "purpose": "product"}
DEBUGGING = {"name": "console", "environment": "production", "purpose": "debugging"}

_number = itertools.count()


def event(kind: str, time: dt.datetime, data: dict[str, Any], id: str | None = None) -> Event:
    """One event of a type; None in `data` means absent. Its id is fresh unless given."""
    return {
        "specversion": "1.0",
        "id": id or f"e{next(_number)}",
        "source": "/test",
        "type": f"rewarddrift.{kind}.v1",
        "time": time.isoformat(),
        "data": {key: value for key, value in data.items() if value is not None},
    }


def response(name: str, time: dt.datetime, checkpoint: str = "ckpt-0", **more: Any) -> Event:
    return event("response", time, {"response_id": name, "checkpoint": checkpoint, **more}, id=f"r-{name}")


def thumbs(name: str, time: dt.datetime, value: float, actor: str | None = "u", **more: Any) -> Event:
    given = {"response_id": name, "signal": "thumbs", "value": value, "surface": PRODUCT, **more}
    return event("feedback", time, {"actor": {**END_USER, **({"id": actor} if actor else {})}, **given})


def rating(name: str, time: dt.datetime, value: float, scale: Sequence[float], actor: str = "u") -> Event:
    return thumbs(name, time, value, actor, signal="rating", scale=list(scale))


def outcome(time: dt.datetime, value: Any, metric: str = "task_success", **keys: Any) -> Event:
    return event("outcome", time, {"metric": metric, "value": value, **keys})


def score(name: str, time: dt.datetime, value: float | None, revision: str = "1", **more: Any) -> Event:
    scorer = {"name": "rm", "kind": "reward_model", "revision": revision}
    body = event("score", time, {"response_id": name, "scorer": scorer, **more})
    body["data"]["value"] = value
    return body


def settings(**changes: Any) -> Settings:
    """Settings with a horizon of two days and every answer a unit, unless changed."""
    given = {"unit": "response", **changes}
    given["outcome"] = {"metric": "task_success", "horizon": "2d", **given.get("outcome", {})}
    return Settings.model_validate(given)


def put(store: EventStore, events: Iterable[Event]) -> Appended:
    """Append the events in one batch, through the real parser."""
    lines = [json.dumps(one).encode() for one in events]
    records = [Record(line, f"{next(_number)}", len(line)) for line in lines]
    return store.append(parse_batch(Batch("/test", records, None)))


def in_memory(events: Iterable[Event] = ()) -> EventStore:
    """A store that ends with the test, holding these events; every one of them is valid."""
    store, events = revived(_empty()), list(events)
    assert put(store, events).rejected == 0
    return store


@cache
def _empty() -> bytes:
    """A migrated, empty store, copied because migrating takes longer."""
    with EventStore.open(":memory:") as store:
        return dumped(store)


def dumped(store: EventStore) -> bytes:
    """The whole database of a store in memory."""
    with store.engine.connect() as connection:
        return bytes(connection.connection.driver_connection.serialize())


def revived(database: bytes) -> EventStore:
    """A store of its own in memory, as it was dumped."""
    engine = open_engine(":memory:")
    with engine.connect() as connection:
        connection.connection.driver_connection.deserialize(database)
    return EventStore(engine)


def told_on(event: Event) -> dt.date:
    """The day on which an event is known when nothing is late."""
    return dt.datetime.fromisoformat(event["time"]).date()


def loop_events(
    days: int,
    reference_days: int,
    *,
    per_day: int = 40,
    reward: float = 0.0,
    outcome_change: float = 0.0,
    keyed_by: str = "response_id",
    seed: int = 0,
    tiers: Sequence[str] = ("a", "b"),
    harmed: str | None = None,
    slope: float = 0.3,
) -> Iterator[Event]:
    """A loop with one reference checkpoint and one later one, thumbs at .6 and success at .7 that go together.

    reward, outcome_change: points moved under the later checkpoint, in the tier `harmed` or in all. keyed_by: what
    outcomes name; a conversation has two answers, a day apart for every fourth. slope: of success on thumbs, later.
    Outcomes come a day after the answer.
    """
    rng = np.random.default_rng(seed)
    for day, place in itertools.product(range(days), range(per_day)):
        later = day >= reference_days
        tier = tiers[int(rng.integers(len(tiers)))]
        moved = later and harmed in (None, tier)
        liked = 0.6 + (reward / 100 if moved else 0.0)
        thumb = float(rng.random() < liked)
        success = 0.7 + (slope if moved else 0.3) * (thumb - liked) + (outcome_change / 100 if moved else 0.0)
        worked = bool(rng.random() < success)
        name, time = f"{day}-{place}", START + day * DAY + place * 30 * dt.timedelta(minutes=1)
        yield from _answer(name, time, f"ckpt-{int(later)}", tier, thumb, place % 4 == 0, keyed_by)
        subject = {"response_id": name, "conversation_id": f"c{name}", "user": f"u{place}"}[keyed_by]
        yield outcome(time + DAY, worked, **{keyed_by: subject})


def _answer(
    name: str, time: dt.datetime, checkpoint: str, tier: str, thumb: float, slow: bool, keyed_by: str
) -> Iterator[Event]:
    more = {"cohort": {"tier": tier}, "user": f"u{name.partition('-')[2]}", "conversation_id": f"c{name}"}
    if keyed_by == "conversation_id":
        yield response(name + "-first", time - (DAY if slow else HOUR), checkpoint, **more)
        yield thumbs(name + "-first", time - (DAY if slow else HOUR) + TICK, thumb)
    yield response(name, time, checkpoint, **more)
    yield thumbs(name, time + HOUR, thumb)
