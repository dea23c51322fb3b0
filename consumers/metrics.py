"""What does a reader tell those who watch it? Counters, ages and durations for Prometheus, with bounded labels only."""

import time
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from consumers.claims import Claim, ClaimLost
from consumers.files import Position
from consumers.incidents import Incident
from consumers.ingest import IntakeStore
from consumers.intake import Appended, Intake
from consumers.kafka import Polled

_FEEDBACK = "rewarddrift.feedback.v1"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RECORDS = (1, 10, 100, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000)


class IntakeMetrics:
    """The metrics of one reader, in a registry of their own. Safe to read from another thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        registry = self.registry = CollectorRegistry()
        self._clock = clock
        self._fetched_at = clock()
        self._shown: set[tuple[str, int]] = set()
        self._events = Counter(
            "rewarddrift_events",
            "Events by what became of them: type of the accepted ones, purpose of accepted feedback.",
            ["type", "purpose", "result"],
            registry=registry,
        )
        self._rejected = Counter("rewarddrift_rejected", "Rejected events by reason.", ["reason"], registry=registry)
        self._incidents = Counter("rewarddrift_incidents", "Incidents by kind.", ["kind"], registry=registry)
        self._lag = Gauge(
            "rewarddrift_consumer_lag_records",
            "Records of a partition that we have not stored yet.",
            ["topic", "partition"],
            registry=registry,
        )
        self._fetched = Gauge(
            "rewarddrift_last_fetch_timestamp_seconds",
            "When a broker last answered, also with nothing; 0 before the first time.",
            registry=registry,
        )
        Gauge(
            "rewarddrift_last_fetch_age_seconds",
            "Seconds since a broker last answered, or since the start.",
            registry=registry,
        ).set_function(lambda: self._clock() - self._fetched_at)
        self._success = Gauge(
            "rewarddrift_last_success_timestamp_seconds",
            "When a batch was last stored; 0 before the first time.",
            ["job"],
            registry=registry,
        )
        self._success.labels("consume")
        self._commit = Histogram(
            "rewarddrift_commit_duration_seconds",
            "Seconds to store a batch in one transaction.",
            buckets=SECONDS,
            registry=registry,
        )
        self._batch = Histogram("rewarddrift_batch_records", "Records of a batch.", buckets=RECORDS, registry=registry)
        self._retries = Counter("rewarddrift_database_retries", "Waits for the database.", registry=registry)
        self._lost = Counter("rewarddrift_claims_lost", "Partitions another reader had taken.", registry=registry)
        self._rejoins = Gauge(
            "rewarddrift_group_rejoins", "Times the consumer group was joined anew.", registry=registry
        )
        Gauge("rewarddrift_build_info", "1, with the release as a label.", ["version"], registry=registry).labels(
            version("reward-drift-monitor")
        ).set(1)

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def polled(self, polled: Polled) -> None:
        """Tell how reading goes; partitions that are no longer ours, or cannot be read, disappear."""
        for one in polled.partitions:
            if one.lag is not None:
                self._lag.labels(one.topic, one.partition).set(one.lag)
        known = {(one.topic, one.partition) for one in polled.partitions if one.lag is not None}
        for topic, partition in self._shown - known:
            self._lag.remove(topic, partition)
        self._shown = known
        self._rejoins.set(polled.rejoins)
        if polled.fetched_at is not None:
            self._fetched_at = polled.fetched_at
            self._fetched.set(polled.fetched_at)

    def stored(self, intake: Intake, appended: Appended, seconds: float) -> None:
        """Count a batch that was stored in so many seconds."""
        for kind, count in appended.by_type.items():
            if kind != _FEEDBACK:
                self._events.labels(kind, "", "accepted").inc(count)
        for purpose, count in appended.purposes.items():
            self._events.labels(_FEEDBACK, purpose, "accepted").inc(count)
        for result in ("duplicate", "conflict", "rejected"):
            self._events.labels("", "", result).inc(getattr(appended, result))
        for reason, count in appended.rejected_by_reason.items():
            self._rejected.labels(reason).inc(count)
        for incident in intake.incidents:
            self._incidents.labels(incident.kind).inc()
        self._commit.observe(seconds)
        self._batch.observe(len(intake.arrivals) + len(intake.refusals))
        self._success.labels("consume").set(self._clock())

    def waiting(self, said: str | None) -> None:
        """Count a wait for the database; None: it is back."""
        if said is not None:
            self._retries.inc()

    def lost(self) -> None:
        """Count a partition that turned out to be another reader's."""
        self._lost.inc()


class MeteredStore:
    """A store whose appends are timed and counted."""

    def __init__(self, store: IntakeStore, metrics: IntakeMetrics) -> None:
        self._store = store
        self._metrics = metrics

    def append(self, intake: Intake) -> Appended:
        began = time.perf_counter()
        try:
            appended = self._store.append(intake)
        except ClaimLost:
            self._metrics.lost()
            raise
        self._metrics.stored(intake, appended, time.perf_counter() - began)
        return appended

    def claim(self, source: str) -> Claim:
        return self._store.claim(source)

    def suspect(self, claim: Claim, place: str) -> None:
        self._store.suspect(claim, place)

    def let_go(self, claim: Claim) -> None:
        self._store.let_go(claim)

    def position(self, source: str) -> Position | None:
        return self._store.position(source)

    def incidents(self, *, open_only: bool = True, source: str | None = None) -> list[Incident]:
        return self._store.incidents(open_only=open_only, source=source)
