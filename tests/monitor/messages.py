"""Messages to be sent, and what delivers them in tests."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from consumers.database import writing
from consumers.store import EventStore
from monitor.oncall.deliver import Courier
from monitor.oncall.outbox import enqueue
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.oncall.receivers.port import DeliveryFailed, Message, Receiver, Route
from monitor.oncall.receivers.webhook import WebhookReceiver
from tests.monitor.events import START
from tests.sample_reports import gamed_report

NOW = START
ALERT = gamed_report().alerts[0]
SECONDS = 5.0  # no sink that answers at all takes as long


def message(
    key: str = "abc:1", kind: Any = "fired", at: dt.datetime = NOW, severity: str = "page", **more: Any
) -> Message:
    state = {"acked": "acked", "resolved": "resolved", "superseded": "superseded"}.get(kind, "firing")
    alert = replace(ALERT, severity=severity, state=state, fingerprint=key.partition(":")[0])
    return Message.about(alert, key, at, "support", kind, **more)


def enqueued(store: EventStore, one: Message, *receivers: str, now: dt.datetime = NOW) -> None:
    with writing(store.engine) as connection:
        enqueue(connection, one, receivers, now)


def here(url: str, seconds: float = SECONDS) -> Endpoint:
    return Endpoint(url, allow_private=True, timeout_seconds=seconds)


def hook(url: str, seconds: float = SECONDS, **more: Any) -> Route:
    return Route(WebhookReceiver(here(url, seconds), None), **more)


class Kept:
    """Takes everything and remembers it."""

    def __init__(self) -> None:
        self.got: list[Message] = []

    def send(self, message: Message) -> None:
        self.got.append(message)


class Failing:
    """Takes nothing."""

    def send(self, message: Message) -> None:
        raise DeliveryFailed("nobody home")


def kept(**more: Any) -> tuple[Kept, Route]:
    receiver = Kept()
    return receiver, Route(receiver, **more)


def courier(store: EventStore, routes: Mapping[str, Route], **more: Any) -> tuple[Courier, list[str]]:
    told: list[str] = []
    return Courier(store.engine, routes, told.append, **more), told


def keys_and_kinds(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(one.dedup_key, one.kind) for one in messages]


def of(receiver: Receiver) -> Route:
    return Route(receiver)
