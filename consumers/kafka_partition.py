"""What do we know of a partition that is ours, and how do we learn that it comes or goes?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition  # type: ignore[import-untyped]

from consumers.claims import Claim
from consumers.incidents import Found
from consumers.kafka_gaps import Doubt
from consumers.sources import Batch, Record, Refusal


@dataclass
class Partition:
    """A partition that we have claimed. offset: next to read. careful: how many records are still tried one by one."""

    place: Any  # kafka's (topic, partition)
    claim: Claim
    offset: int
    topic_id: str
    careful: int = 0
    out_of_range: bool = False
    doubt: Doubt = field(default_factory=Doubt)

    @property
    def source(self) -> str:
        return self.claim.source

    def batch(
        self,
        offset: int,
        records: list[Record] | None = None,
        unread: list[Refusal] | None = None,
        incidents: Iterable[Found] = (),
    ) -> Batch:
        """What goes to the store, with the position after it."""
        position = {"offset": offset, "topic_id": self.topic_id}
        return Batch(self.source, records or [], position, self.claim, unread or [], tuple(incidents))


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Takes note, inside poll(), of what comes and goes; what comes is held still until we know where to begin.

    let_go: called with what goes, before the group is told that we gave it up: the next owner, who may be sooner than
    the end of our poll(), is not to take us for dead.
    """

    def __init__(self, consumer: Any, let_go: Callable[[Iterable[TopicPartition]], None]) -> None:
        self._consumer = consumer
        self._let_go = let_go
        self._come: set[TopicPartition] = set()
        self._gone: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for place in assigned:
            self._consumer.pause(place)
            self._consumer.seek(place, 0)  # or it would be put where the group's committed offset is
            self._come.add(place)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._gone.update(revoked)
        self._come.difference_update(revoked)
        self._let_go(revoked)

    def take_come(self) -> list[TopicPartition]:
        come, self._come = sorted(self._come), set()
        return come

    def take_gone(self) -> list[TopicPartition]:
        gone, self._gone = sorted(self._gone), set()
        return gone
