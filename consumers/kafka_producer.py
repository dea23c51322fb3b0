"""How do messages reach a broker so that none is lost? All replicas hold them before anything counts as sent."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError  # type: ignore[import-untyped]

from consumers.routed_events import CONTENT_TYPE, Message
from consumers.routing import BrokerUnavailable

DELIVERY_SECONDS = 30.0  # a broker that has not taken a message by then is unavailable
_CLOSE_SECONDS = 5.0
_HEADERS = [("content-type", CONTENT_TYPE.encode())]
_SAFE: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "allow_auto_create_topics": False,  # a misspelt topic is a fault, not a new topic
    "max_request_size": 128 << 20,  # the topic's own limit decides what is too large
    "batch_size": 1 << 18,
    "linger_ms": 20,
}


class KafkaPublisher:
    """Publishes with an idempotent producer: what it retries is neither doubled nor reordered.

    connection: of the client, e.g. bootstrap_servers and security_protocol. After a fault the producer is thrown away,
    as it may be unable to go on, and the next call makes another.
    """

    def __init__(self, connection: Mapping[str, Any], *, delivery_seconds: float = DELIVERY_SECONDS) -> None:
        milliseconds = int(delivery_seconds * 1000)
        self._options = {
            **connection,
            **_SAFE,
            "bootstrap_timeout_ms": milliseconds,
            "max_block_ms": milliseconds,
            "delivery_timeout_ms": milliseconds,
            "request_timeout_ms": milliseconds // 3,
        }
        self._wait_seconds = delivery_seconds * 2
        self._producer: KafkaProducer | None = None

    def publish(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those that are too large for their topic, once the broker holds all others.

        Raises BrokerUnavailable.
        """
        if not messages:
            return []
        try:
            return self._send(messages)
        except (KafkaError, OSError) as fault:
            self.close()
            topics = ", ".join(sorted({message.topic for message in messages}))
            raise BrokerUnavailable(f"{topics}: not published: {fault}; `reward-drift doctor` tells more") from fault

    def close(self) -> None:
        """Close the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError):  # what could not be sent was told already
                producer.close(timeout=_CLOSE_SECONDS)

    def _send(self, messages: Sequence[Message]) -> Sequence[Message]:
        self._producer = self._producer or KafkaProducer(**self._options)
        sent = [self._producer.send(m.topic, m.value, m.key, _HEADERS) for m in messages]
        self._producer.flush(timeout=self._wait_seconds)
        refused = []
        for message, future in zip(messages, sent, strict=True):
            try:
                future.get(timeout=0)
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                refused.append(message)
        return refused
