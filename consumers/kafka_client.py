"""How do we reach the brokers? The consumer with its unsafe defaults overridden, and what topics there are."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer  # type: ignore[import-untyped]
from kafka.coordinator.assignors.cooperative_sticky import (  # type: ignore[import-untyped]
    CooperativeStickyAssignor,
)
from kafka.errors import KafkaError, for_code  # type: ignore[import-untyped]

from consumers.kafka_limits import bound_record_batches
from consumers.kafka_settings import KafkaSettings
from consumers.sources import SourceError

ANSWER_MS = 10_000  # how long a broker may take to answer before we say that it cannot be reached
_NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000"


def make_consumer(settings: KafkaSettings) -> KafkaConsumer:
    """A consumer that belongs to no group yet.

    Raises what `reach` takes care of.
    """
    bound_record_batches(settings.batch_bytes)
    return KafkaConsumer(**consumer_options(settings))


def consumer_options(settings: KafkaSettings) -> dict[str, Any]:
    """Offsets are the database's: nothing is committed or reset behind our back, and nothing aborted is read."""
    session_ms = settings.session_timeout_seconds * 1000
    return {
        **settings.connection(),
        "group_id": settings.group,
        "group_instance_id": settings.instance,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "check_crcs": True,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": min(3000, session_ms // 6),
        "max_poll_records": settings.batch_records,
        "max_partition_fetch_bytes": 4 << 20,
        "fetch_max_bytes": 32 << 20,
        "bootstrap_timeout_ms": ANSWER_MS,
        "reconnect_backoff_max_ms": 5000,
    }


class Topics:
    """What the brokers say of some topics. The connection is made at the first question and kept."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: KafkaAdminClient | None = None

    def ids(self) -> Mapping[str, str]:
        """Topic -> id, of those that exist; "" where the broker knows no ids. Raises KafkaError and OSError."""
        return {
            topic["name"]: "" if str(topic["topic_id"]) == _NO_TOPIC_ID else str(topic["topic_id"] or "")
            for topic in self._describe()
            if not topic["error_code"]
        }

    def require(self) -> None:
        """Raises SourceError that names every topic that cannot be read, or the brokers if none can be reached."""
        with reach(self._settings):
            found = self._describe()
        where = ", ".join(self._settings.bootstrap)
        problems = [
            f"topic {topic['name']} on {where}: {for_code(topic['error_code']).__name__}; create it, or correct"
            f" `kafka.topics` (`kafka-topics.sh --bootstrap-server {self._settings.bootstrap[0]} --list` shows them)"
            for topic in found
            if topic["error_code"]
        ]
        if problems:
            raise SourceError("\n".join(problems))

    def close(self) -> None:
        """Close the connection; another question opens it again."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(KafkaError, OSError):
                admin.close()

    def _describe(self) -> Iterable[Mapping[str, Any]]:
        try:
            if self._admin is None:
                options = {"bootstrap_timeout_ms": ANSWER_MS, "request_timeout_ms": ANSWER_MS}
                self._admin = KafkaAdminClient(**self._settings.connection(), **options)
            described: Iterable[Mapping[str, Any]] = self._admin.describe_topics(list(self._settings.topics))
            return described
        except BaseException:
            self.close()
            raise


@contextlib.contextmanager
def reach(settings: KafkaSettings) -> Iterator[None]:
    """Turn whatever keeps us from the brokers into a SourceError that says what, where and what to do."""
    try:
        yield
    except (KafkaError, OSError, ValueError) as fault:
        where = f"{', '.join(settings.bootstrap)} ({settings.security.protocol})"
        said = str(fault) if isinstance(fault, KafkaError) else f"{type(fault).__name__}: {fault}"
        raise SourceError(
            f"Kafka at {where} cannot be used: {said}; check `kafka.bootstrap` and"
            " `kafka.security`, then try `reward-drift doctor`"
        ) from fault


class FetchClock:
    """When did a broker last answer a fetch of this consumer without a fault? Also if there was nothing to fetch."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self.answered_at: float | None = None  # seconds since 1970-01-01
        fetcher = consumer._fetcher
        self._handle = fetcher._handle_fetch_response
        fetcher._handle_fetch_response = self._note  # looked up at each fetch; there is no public place for it

    def _note(self, *arguments: Any) -> None:
        partitions = [partition for topic in arguments[-1].responses for partition in topic.partitions]
        if not partitions or any(partition.error_code == 0 for partition in partitions):
            self.answered_at = time.time()
        self._handle(*arguments)
