"""How does a topic get into the store, day and night? Patient with the database, stopped by a flood, watched."""

import logging
from collections.abc import Callable

from consumers.drain import Drain
from consumers.events import EVENT_BYTES
from consumers.flood import GuardedStore
from consumers.health import Health
from consumers.ingest import IngestResult, IntakeStore, ingest
from consumers.kafka import KafkaSource, Polled
from consumers.kafka_settings import KafkaSettings
from consumers.metrics import IntakeMetrics, MeteredStore
from consumers.patience import PatientStore, StoppedWaiting
from consumers.sources import SourceError

log = logging.getLogger(__name__)


def consume(
    settings: KafkaSettings,
    store: IntakeStore,
    *,
    stop: Callable[[], bool],
    metrics: IntakeMetrics,
    health: Health,
    event_bytes: int = EVENT_BYTES,
    drain: bool = False,
) -> IngestResult:
    """Read topics into the store until `stop()`, the batch in hand to its end.

    drain: also until every partition assigned to us has been read to its present end. event_bytes: as of `ingest`.
    An outage of database or brokers is waited out. Raises FloodHalted when too much is rejected or an earlier flood is
    still open, SourceError for what a person has to mend, also when we are to drain and get no partition at all.
    """
    assignment = _Assignment()
    ending = Drain(2 * settings.session_timeout_seconds)  # a reader that died is missed after one of these

    def on_poll(polled: Polled) -> None:
        metrics.polled(polled)
        health.polled(polled)
        assignment.polled(polled)
        ending.polled(polled)

    def told(said: str | None) -> None:
        metrics.waiting(said)
        health.waiting(said)

    patient = PatientStore(MeteredStore(store, metrics), stop=stop, told=told)
    guarded = GuardedStore(patient, settings.limits, health.flooded)

    def is_over() -> bool:
        return stop() or guarded.flood is not None or (drain and (ending.is_done or ending.is_idle))

    source = KafkaSource(settings, guarded, stop=is_over, limit=event_bytes, on_poll=on_poll)
    done = IngestResult()

    def keep(result: IngestResult) -> None:
        nonlocal done
        done = result

    try:
        ingest(source, guarded, event_bytes=event_bytes, progress=keep)
    except StoppedWaiting as waited:
        log.warning(
            "stopped while the database was away; the batch in hand will be read again", extra={"fault": waited}
        )
    if guarded.flood is not None:
        raise guarded.flood
    if drain and ending.is_idle:
        raise SourceError(
            f"group {settings.group} has no partition for this reader, so that there is nothing to drain: others read"
            " them all; stop one of them, or wait for what they do"
        )
    return done


class _Assignment:
    """Which partitions are ours and whether there is a broker, told when it changes."""

    def __init__(self) -> None:
        self._ours: list[str] | None = None
        self._connected = True

    def polled(self, polled: Polled) -> None:
        ours = sorted(f"{one.topic}/{one.partition}" for one in polled.partitions)
        if ours != self._ours:
            self._ours = ours
            log.info("partitions assigned" if ours else "no partition is assigned", extra={"partitions": ours})
        if polled.connected != self._connected:
            self._connected = polled.connected
            log.warning("connected to a broker again" if polled.connected else "no broker is connected")
