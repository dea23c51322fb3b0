"""How does feedback reach trainers that read topics? From the store, in its order, through the training firewall.

The store is the log: nothing is published that is not committed, and the position in it is saved once the broker holds
everything up to there. So nothing is lost; after a crash the last window may be published again, under the same ids.
"""

import hashlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.database import writing
from consumers.intake import Intake
from consumers.patience import FIRST_SECONDS, LONGEST_SECONDS, is_outage, what_it_said
from consumers.routed_events import Message, Topics, Window, has_events, read_window
from consumers.store import EventStore, utc_now

log = logging.getLogger(__name__)

WINDOW = 2000  # events of any type that are looked at in one go
TOO_LARGE = "too large for the broker"

_export = SQLModel.metadata.tables["export"]


class BrokerUnavailable(Exception):  # noqa: N818 - a noun of the domain
    """The broker does not take what is published; the message says why and what to do."""


class Publisher(Protocol):
    """Whoever hands messages to a broker."""

    def publish(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those that are too large, once the broker holds all others. Raises BrokerUnavailable."""
        ...


class Router:
    """Publishes feedback from where the last router of this cluster stopped.

    cluster: names the brokers, e.g. by their addresses; the store keeps a position for each name.
    published: events by topic, withheld: by reason, both of this run. Curation feedback that came before its response
    is withheld at first, published when the response comes, and stands in both.
    """

    def __init__(self, store: EventStore, publisher: Publisher, topics: Topics, cluster: str) -> None:
        self.published: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._cluster = cluster
        self._place = f"route:{cluster}"
        self._claim = store.claim(self._place)
        self._after: int = (store.position(self._place) or {"seq": 0})["seq"]

    def run(self) -> None:
        """Publish up to the present end of the store.

        Raises BrokerUnavailable, what the database raises, and ClaimLost when another router has started since.
        """
        while self.step():
            pass
        self._store.let_go(self._claim)

    def follow(
        self,
        stop: Callable[[], bool],
        *,
        poll_seconds: float = 1.0,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Publish for ever, until `stop()`; while broker or database are away, wait up to 15 s between attempts.

        pause, chance: as time.sleep and random.random. Raises ClaimLost when another router has started since.
        """
        failures = 0
        while not stop():
            try:
                moved = self.step()
            except (BrokerUnavailable, DBAPIError) as fault:
                if isinstance(fault, DBAPIError) and not is_outage(fault):
                    raise
                failures += 1
                log.warning("routing waits: %s", what_it_said(fault) if isinstance(fault, DBAPIError) else fault)
                pause(min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures, 30)) * (1 - chance() / 2))
                continue
            failures = 0
            if not moved:
                pause(poll_seconds)
        self._store.let_go(self._claim)

    def step(self) -> bool:
        """Publish the next window; False if there is nothing new."""
        if not has_events(self._store.engine, self._after):
            return False
        with writing(self._store.engine) as connection:  # an erasure comes before both, or finds what has left
            window = read_window(connection, self._after, self._topics, WINDOW)  # 1. what came, past the firewall
            self._note_words(connection, window.messages)  # 2. whose words are about to leave
        refused = self._publisher.publish(window.messages)  # 3. the broker holds them
        self._store.append(Intake(self._place, {"seq": window.until}, (), (), self._claim))  # 4. go on behind them
        self._after = window.until
        self._count(window, refused)
        return True

    def _note_words(self, connection: Connection, messages: Sequence[Message]) -> None:
        for topic in sorted({message.topic for message in messages if message.has_words}):
            left = _export_id(connection, f"kafka:{self._cluster}/{topic}", round(utc_now().timestamp() * 1e6))
            connection.execute(
                text("INSERT INTO exported (export_id, seq) VALUES (:left, :seq) ON CONFLICT DO NOTHING"),
                [{"left": left, "seq": m.seq} for m in messages if m.has_words and m.topic == topic],
            )

    def _count(self, window: Window, refused: Sequence[Message]) -> None:
        for message in refused:
            log.error("event %d of the store is too large for topic %s: not published", message.seq, message.topic)
        self.withheld += window.withheld + Counter({TOO_LARGE: len(refused)})
        self.published += Counter(message.topic for message in window.messages)
        self.published -= Counter(message.topic for message in refused)


def _export_id(connection: Connection, path: str, now_us: int) -> int:
    """The row of a topic among the exports. A topic never ends, so that the digest is that of its name."""
    found = connection.execute(select(_export.c.id).where(_export.c.path == path)).scalar()
    if found is None:
        digest = hashlib.sha256(path.encode()).hexdigest()
        made = connection.execute(insert(_export).values(path=path, sha256=digest, exported_at_us=now_us))
        found = made.inserted_primary_key[0] if made.inserted_primary_key else None
    assert isinstance(found, int)
    return found
