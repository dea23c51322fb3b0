"""How do events get out of Kafka, when partitions come and go, processes die and brokers fall silent?

`KafkaSource` reads as a member of a consumer group, and joins again when a membership has ended. Kafka-python is only
imported when a source is made.
"""

import contextlib
import functools
import importlib.util
import logging
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.events import EVENT_BYTES
from consumers.kafka_settings import KafkaSettings
from consumers.sources import Batch, SavedPosition, SourceError

if TYPE_CHECKING:
    from consumers.kafka_client import Topics
    from consumers.kafka_member import ClaimStore, Member

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 15.0
TELL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class AssignedPartition:
    """A partition that we read. offset: next one. lag: records behind the end; None if nothing can be read."""

    topic: str
    partition: int
    offset: int
    lag: int | None


@dataclass(frozen=True, slots=True)
class Polled:
    """How reading goes, as of now. No partitions may mean that there are more readers than partitions.

    fetched_at: when a broker last answered a fetch, also with nothing, in seconds since 1970-01-01; None: not yet.
    connected: there is a connection to a broker. rejoins: how often a membership ended and another was begun.
    """

    partitions: tuple[AssignedPartition, ...]
    fetched_at: float | None
    connected: bool
    rejoins: int


class KafkaSource:
    """Topics of Kafka as a source; sources are named "kafka:TOPIC/PARTITION", records "offset 123".

    store: where partitions are claimed. stop: asked several times a second. limit: most bytes of an event that are kept
    whole. on_poll: called about four times a second, also while brokers are out of reach.

    A partition goes on where the database says, never where Kafka does, and one that was never read begins where the
    settings say. What was lost between the two is an incident of a batch. After a process died, as many records as a
    batch holds are tried one by one; one that was being tried when three processes died is given up unread.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        store: "ClaimStore",
        *,
        stop: Callable[[], bool] = lambda: False,
        limit: int = EVENT_BYTES,
        on_poll: Callable[[Polled], None] = lambda _: None,
    ) -> None:
        if importlib.util.find_spec("kafka") is None:
            raise SourceError("reading Kafka needs an extra: pip install 'reward-drift-monitor[kafka]'")
        self.settings = settings
        self.store = store
        self.stop = stop
        self.limit = limit
        self.on_poll = on_poll
        self._rejoins = 0
        self._next_telling = 0.0
        self._fetched_at: float | None = None

    def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
        """Yield batches until `stop()`.

        Raises SourceError at once if brokers, topics or credentials cannot be used; later they may come and go. Raises
        it later only for what waiting cannot mend. What the store raises propagates, and the group is left.
        """
        from consumers.kafka_client import Topics
        from consumers.kafka_member import MembershipEnded

        failures = 0
        with contextlib.closing(Topics(self.settings)) as topics:
            topics.require()
            while not self.stop():
                member = self._join(topics)
                if member is not None:
                    try:
                        yield from member.read(saved, self.stop, functools.partial(self._tell, member))
                    except MembershipEnded as ended:
                        self._rejoins += 1
                        log.warning("leaving group %s, to join again: %s", self.settings.group, ended)
                    finally:
                        member.leave()
                failures = 0 if member is not None and member.stored else failures + 1
                self._wait(failures)

    def _join(self, topics: "Topics") -> "Member | None":
        """A new membership, or None while no broker can be reached."""
        from consumers.kafka_client import reach
        from consumers.kafka_member import Member

        try:
            with reach(self.settings):
                return Member(self.settings, self.store, topics, self.limit)
        except SourceError as fault:
            log.warning("%s", fault)
            return None

    def _tell(self, member: "Member") -> None:
        now = time.monotonic()
        if now < self._next_telling:
            return
        self._next_telling = now + TELL_SECONDS
        self._fetched_at = member.clock.answered_at or self._fetched_at
        partitions = tuple(
            AssignedPartition(place.topic, place.partition, one.offset, member.lag(one))
            for place, one in member.partitions.items()
        )
        self.on_poll(Polled(partitions, self._fetched_at, member.is_connected(), self._rejoins))

    def _wait(self, failures: int) -> None:
        """Twice as long after each failure in a row, shortened by chance so that many readers do not come in step."""
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures, 10)) * (1 - random.random() / 2)  # noqa: S311
        while seconds > 0 and not self.stop():
            self.on_poll(Polled((), self._fetched_at, False, self._rejoins))
            time.sleep(min(seconds, TELL_SECONDS))
            seconds -= TELL_SECONDS
