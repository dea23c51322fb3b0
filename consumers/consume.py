"""How does a topic get into the store, day and night? Patient with the database, stopped by a flood, watched."""

import logging
from collections.abc import Callable

from consumers.events import EVENT_BYTES
from consumers.flood import GuardedStore
from consumers.health import Health
from consumers.ingest import IngestResult, IntakeStore, ingest
from consumers.kafka import KafkaSource, Polled
from consumers.kafka_settings import KafkaSettings
from consumers.metrics import IntakeMetrics, MeteredStore
from consumers.patience import PatientStore, StoppedWaiting

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
    still open, SourceError for what a person has to mend.
    """
    progress = _Progress()

    def on_poll(polled: Polled) -> None:
        metrics.polled(polled)
        health.polled(polled)
        progress.polled(polled)

    def told(said: str | None) -> None:
        metrics.waiting(said)
        health.waiting(said)

    patient = PatientStore(MeteredStore(store, metrics), stop=stop, told=told)
    guarded = GuardedStore(patient, settings.limits, health.flooded)

    def is_over() -> bool:
        return stop() or guarded.flood is not None or (drain and progress.is_at_end)

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
    return done


class _Progress:
    """Which partitions are ours and whether there is a broker, told when it changes.

    is_at_end: two looks in a row found nothing more in any partition.
    """

    def __init__(self) -> None:
        self._ours: list[str] = []
        self._connected = True
        self._looks_at_end = 0

    @property
    def is_at_end(self) -> bool:
        return self._looks_at_end >= 2

    def polled(self, polled: Polled) -> None:
        ours = sorted(f"{one.topic}/{one.partition}" for one in polled.partitions)
        if ours != self._ours:
            self._ours = ours
            log.info("partitions assigned", extra={"partitions": ours})
        if polled.connected != self._connected:
            self._connected = polled.connected
            log.warning("connected to a broker again" if polled.connected else "no broker is connected")
        is_at_end = bool(ours) and all(one.lag == 0 for one in polled.partitions)
        self._looks_at_end = self._looks_at_end + 1 if is_at_end else 0
