"""What does one membership of a consumer group read? From joining to leaving, with a claim on each partition.

Where to read from, and whether it may be stored, the database alone decides: Kafka only says which partitions are ours.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from kafka.errors import (  # type: ignore[import-untyped]
    FencedInstanceIdError,
    KafkaError,
    LogTruncationError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from consumers.claims import Claim, ClaimLost
from consumers.kafka_client import ANSWER_MS, FetchClock, Topics, make_consumer
from consumers.kafka_gaps import Doubt, Log, cut_back, find_gap
from consumers.kafka_partition import Listener, Partition
from consumers.kafka_records import read_records
from consumers.kafka_settings import KafkaSettings
from consumers.sources import Batch, Record, Refusal, SavedPosition, SourceError

log = logging.getLogger(__name__)

POLL_MS = 250  # also how soon a revoked partition is let go of, and a request to stop is seen
LOOK_SECONDS = 10.0  # between two looks at the ids of the topics
COMMIT_SECONDS = 5.0
DEATHS = 2  # of processes while one record was tried alone; the third would be one too many


class ClaimStore(Protocol):
    """What a Kafka source needs of the store."""

    def claim(self, source: str) -> Claim: ...
    def suspect(self, claim: Claim, place: str) -> None: ...
    def let_go(self, claim: Claim) -> None: ...


class MembershipEnded(Exception):  # noqa: N818 - a noun of the domain
    """This membership cannot go on; a new one can."""


class Member:
    """One membership. `read` yields batches until it is told to stop or the membership ends; then `leave`."""

    def __init__(self, settings: KafkaSettings, store: ClaimStore, topics: Topics, limit: int) -> None:
        self._settings = settings
        self._store = store
        self._topics = topics
        self._limit = limit
        self._ids: Mapping[str, str] = {}
        self._missing: set[str] = set()
        self._next_look = 0.0
        self._next_commit = time.monotonic() + COMMIT_SECONDS
        self._uncommitted: dict[Any, int] = {}
        self._unanswered: Partition | None = None  # of a batch that was not stored yet
        self.partitions: dict[Any, Partition] = {}
        self.stored = False
        self.consumer = make_consumer(settings)
        self.clock = FetchClock(self.consumer)
        self._listener = Listener(self.consumer, self._let_go)
        self.consumer.subscribe(list(settings.topics), listener=self._listener)

    def read(self, saved: SavedPosition, stop: Callable[[], bool], told: Callable[[], None]) -> Iterator[Batch]:
        """Yield batches, one a partition and poll. told: called after each poll.

        Raises MembershipEnded; SourceError if a person has to act; and whatever the store raises but ClaimLost.
        """
        try:
            yield from self._read(saved, stop, told)
        except ClaimLost as lost:
            raise MembershipEnded(str(lost)) from None
        except KafkaError as fault:
            raise MembershipEnded(f"{type(fault).__name__}: {fault}") from fault

    def _read(self, saved: SavedPosition, stop: Callable[[], bool], told: Callable[[], None]) -> Iterator[Batch]:
        try:
            while not stop():
                polled = self._poll()
                for place in self._listener.take_gone():
                    self.partitions.pop(place, None)
                for place in self._listener.take_come():
                    yield from self._take_over(place, saved)
                for place, records in polled.items():
                    if place in self.partitions:
                        yield from self._deliver(self.partitions[place], records)
                yield from self._end_care(polled)
                yield from self._mind_gaps()
                self._commit()
                told()
        except LogTruncationError as fault:
            yield from self._step_back(fault.divergent_offsets)
            raise

    def leave(self) -> None:
        """Let go of what was stored, then leave the group. A batch that is still out leaves its claim as it is."""
        try:
            self._let_go([place for place, part in self.partitions.items() if part is not self._unanswered])
        finally:
            self.partitions.clear()
            with contextlib.suppress(KafkaError):
                self._commit(last=True)
                self.consumer.close(autocommit=False, timeout_ms=ANSWER_MS // 2)

    def lag(self, partition: Partition) -> int | None:
        """Records behind the end of the partition; None before the first fetch and while its topic is not there."""
        end = None if partition.place.topic in self._missing else self._end(partition)
        return None if end is None else max(0, end - self._reached(partition))

    def is_connected(self) -> bool:
        """True if there is a connection to any broker. It may still be silent: the fetch clock tells."""
        metrics: Mapping[str, Mapping[str, float]] = self.consumer.metrics()
        return metrics["consumer-metrics"]["connection-count"] > 0

    def _poll(self) -> Mapping[Any, list[Any]]:
        careful = any(partition.careful for partition in self.partitions.values())
        try:
            polled: Mapping[Any, list[Any]] = self.consumer.poll(POLL_MS, 1 if careful else None)
            return polled
        except OffsetOutOfRangeError as fault:
            self._mark_out_of_range(fault.args[0])
        except FencedInstanceIdError:
            raise SourceError(
                f"another process reads as instance {self._settings.instance!r} of group {self._settings.group!r}: give"
                " each process a name of its own in `kafka.instance`"
            ) from None
        except UnsupportedCodecError as fault:
            raise SourceError(f"{fault}: pip install 'reward-drift-monitor[kafka]'") from None
        return {}

    def _mark_out_of_range(self, places: Iterable[Any]) -> None:
        for place in places:
            if place in self.partitions:
                self.partitions[place].out_of_range = True
                self.consumer.seek(place, self.partitions[place].offset)
        time.sleep(POLL_MS / 1000)  # the broker would say the same at once

    def _let_go(self, places: Iterable[Any]) -> None:
        for place in places:
            if place in self.partitions:
                self._store.let_go(self.partitions[place].claim)

    def _take_over(self, place: Any, saved: SavedPosition) -> Iterator[Batch]:
        """Claim it first: what was saved before may still change, what is saved now only we change."""
        claim = self._store.claim(f"kafka:{place.topic}/{place.partition}")
        position = saved(claim.source)
        self._look()
        if position is None:
            partition = Partition(place, claim, self._first_offset(place, claim), self._ids.get(place.topic, ""))
            self.partitions[place] = partition
            yield from self._offer(partition, partition.batch(partition.offset))  # "latest" is decided once
        else:
            partition = Partition(place, claim, position["offset"], position["topic_id"])
            self.partitions[place] = partition
        if claim.deaths:
            partition.careful = self._settings.batch_records
            log.warning("%s: its last reader died; records are tried one by one for a while", claim.source)
            yield from self._skip_killer(partition)
        self.consumer.seek(place, partition.offset)
        self.consumer.resume(place)

    def _first_offset(self, place: Any, claim: Claim) -> int:
        ask = self.consumer.beginning_offsets if self._settings.start == "earliest" else self.consumer.end_offsets
        try:
            return self._ask(ask, place)
        except KafkaError:
            self._store.let_go(claim)
            raise

    def _skip_killer(self, partition: Partition) -> Iterator[Batch]:
        """Give up, unread, the record that every one of the last processes died of."""
        suspect, deaths = partition.claim.suspect, partition.claim.deaths
        if suspect is None or deaths < DEATHS or (offset := int(suspect.split()[1])) < partition.offset:
            return
        detail = f"{deaths} processes died while this record alone was being stored; it was not tried again"
        log.error("%s, %s: %s", partition.source, suspect, detail)
        unread = [Refusal(Record(b"", suspect, 0), "kills_consumer", detail)]
        yield from self._offer(partition, partition.batch(offset + 1, unread=unread))

    def _deliver(self, partition: Partition, polled: list[Any]) -> Iterator[Batch]:
        records, refusals = read_records(polled, self._limit)
        if partition.careful:
            partition.careful -= 1
            self._store.suspect(partition.claim, f"offset {polled[-1].offset}")
        yield from self._offer(partition, partition.batch(polled[-1].offset + 1, records, refusals))

    def _end_care(self, polled: Mapping[Any, list[Any]]) -> Iterator[Batch]:
        """Of a partition that has nothing more, none can have killed anybody; storing that ends the suspicion."""
        for place, partition in list(self.partitions.items()):
            end = self._end(partition)
            if partition.careful and place not in polled and end is not None and self._reached(partition) >= end:
                partition.careful = 0
                yield from self._offer(partition, partition.batch(partition.offset))

    def _offer(self, partition: Partition, batch: Batch) -> Iterator[Batch]:
        self._unanswered = partition
        yield batch
        self._unanswered = None
        if partition.claim.lost:
            raise ClaimLost(partition.claim)
        assert batch.position is not None
        partition.offset = self._uncommitted[partition.place] = batch.position["offset"]
        self.stored = True

    def _mind_gaps(self) -> Iterator[Batch]:
        now = time.monotonic()
        if now >= self._next_look and self.is_connected():
            self._look()
        for partition in list(self.partitions.values()):
            if partition.doubt.is_confirmed(self._seems_gapped(partition), now):
                yield from self._step_over(partition)

    def _seems_gapped(self, partition: Partition) -> bool:
        end = self._end(partition)
        now_id = self._ids.get(partition.place.topic)
        is_other = bool(now_id and partition.topic_id) and now_id != partition.topic_id
        return is_other or partition.out_of_range or (end is not None and partition.offset > end)

    def _step_over(self, partition: Partition) -> Iterator[Batch]:
        """Look again, closely; if there is a gap, its incident and the position behind it are stored together."""
        partition.doubt = Doubt()
        try:
            self._look()
            described = self._describe(partition)
        except KafkaError as fault:
            log.warning("%s: cannot tell what the broker still holds: %s", partition.source, fault)
            return
        found = find_gap(partition.offset, partition.topic_id, described)
        partition.out_of_range = False
        if found is None:
            return
        log.error("%s: %s", partition.source, found.detail)
        partition.topic_id = described.topic_id or partition.topic_id
        yield from self._offer(partition, partition.batch(described.earliest, incidents=[found]))
        self.consumer.seek(partition.place, partition.offset)

    def _step_back(self, kept: Mapping[Any, OffsetAndMetadata | None]) -> Iterator[Batch]:
        """Partitions were cut back: go on where they part from what we read, or from the start if nobody knows where.

        All that was polled is stored, or will be polled again.
        """
        for place, end in kept.items():
            partition = self.partitions.get(place)
            offset = self._ask(self.consumer.beginning_offsets, place) if end is None else end.offset
            if partition is not None and offset < partition.offset:
                found = cut_back(partition.offset, offset)
                log.error("%s: %s", partition.source, found.detail)
                yield from self._offer(partition, partition.batch(offset, incidents=[found]))

    def _describe(self, partition: Partition) -> Log:
        end = self._end(partition)
        if end is None or partition.out_of_range:
            end = self._ask(self.consumer.end_offsets, partition.place)
        earliest = self._ask(self.consumer.beginning_offsets, partition.place)
        return Log(self._ids.get(partition.place.topic, ""), earliest, end)

    def _end(self, partition: Partition) -> int | None:
        """One behind the last record, as the latest fetch told (where a broker's list of offsets may be wrong)."""
        if partition.place not in self.consumer.assignment():
            return None
        end: int | None = self.consumer.highwater(partition.place)
        return end

    def _reached(self, partition: Partition) -> int:
        """One behind the last record, and behind the marks of transactions, which have offsets too.

        Asked only when all that was polled is stored.
        """
        position: int = self.consumer.position(partition.place)
        return max(partition.offset, position)

    def _ask(self, offsets: Callable[..., Mapping[Any, int]], place: Any) -> int:
        return offsets([place], timeout_ms=ANSWER_MS)[place]

    def _look(self) -> None:
        """See which topic stands under each name now. If nobody answers, what was known before stays."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            self._ids = self._topics.ids()
        except (KafkaError, OSError) as fault:
            log.warning("the topics cannot be looked at: %s", fault)
        else:
            self._note_missing()
        for partition in self.partitions.values():
            partition.topic_id = partition.topic_id or self._ids.get(partition.place.topic, "")
        if any(self._seems_gapped(partition) for partition in self.partitions.values()):
            self._next_look = time.monotonic() + 1

    def _note_missing(self) -> None:
        missing = {*self._settings.topics} - {*self._ids}
        if missing - self._missing:
            log.error("not there any more, or not for us: topic %s", ", ".join(sorted(missing)))
        self._missing = missing

    def _commit(self, *, last: bool = False) -> None:
        """For lag tools only: nothing reads it back, so that a failure does no harm."""
        if not self._uncommitted or (time.monotonic() < self._next_commit and not last):
            return
        offsets = {place: OffsetAndMetadata(offset, "", -1) for place, offset in self._uncommitted.items()}
        self._uncommitted = {}
        self._next_commit = time.monotonic() + COMMIT_SECONDS
        self.consumer.commit_async(offsets, lambda _offsets, _answer: None)
