"""Is so much being rejected that reading on would only fill the store with rejections? Then stop, for a person to look.

A producer that was broken by a release sends nothing but bad events. Each is kept aside and can be replayed, but a
whole topic of them is no use to anybody: reading stops and stays stopped, also after a restart, until the incident is
closed.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from operator import itemgetter

from consumers.claims import Claim
from consumers.files import Position
from consumers.incidents import FLOOD, STOPPING, Found, Incident
from consumers.ingest import IntakeStore
from consumers.intake import Appended, Intake
from consumers.kafka_settings import FloodSettings

WINDOW = 2000  # records over which the share is taken, once there are so many


class FloodHalted(Exception):  # noqa: N818 - a noun of the domain
    """Too much of a source was rejected. The message says what, where and how many, and what to do next."""

    def __init__(self, incident: Incident) -> None:
        super().__init__(
            f"{incident.source}: reading has stopped: {incident.detail}. Look at them: `reward-drift rejected list`;"
            " mend the producer, or raise kafka.limits in the settings; then"
            f" `reward-drift incidents close {incident.id} --note ...` and start again"
        )
        self.incident = incident


@dataclass
class _Latest:
    """The latest records of one source. run: rejected in a row up to now, since the place `since`."""

    run: int = 0
    since: str = ""
    batches: deque[tuple[int, int]] = field(default_factory=deque)  # (records, rejected among them)
    records: int = 0
    rejected: int = 0

    def add(self, records: int, rejected: int) -> None:
        self.batches.append((records, rejected))
        self.records += records
        self.rejected += rejected
        while self.records - self.batches[0][0] >= WINDOW:
            gone, gone_rejected = self.batches.popleft()
            self.records -= gone
            self.rejected -= gone_rejected


class FloodGuard:
    """Counts what is rejected, by source: in a row, and as a share of the last 2,000 records or a few more."""

    def __init__(self, limits: FloodSettings) -> None:
        self._limits = limits
        self._latest: dict[str, _Latest] = {}

    def forget(self, source: str) -> None:
        """Begin again with a source."""
        self._latest.pop(source, None)

    def judge(self, intake: Intake) -> Found | None:
        """Count a batch; the incident to be stored with it if a limit is reached."""
        latest = self._latest.setdefault(intake.source, _Latest())
        latest.add(len(intake.arrivals) + len(intake.refusals), len(intake.refusals))
        longest, since = max(self._runs(latest, intake), key=itemgetter(0), default=(0, ""))
        if longest >= self._limits.rejected_run:
            return Found(FLOOD, f"{longest:,} events in a row were rejected, the first at {since} ({_reasons(intake)})")
        is_share_too_large = latest.rejected >= self._limits.rejected_ratio * latest.records
        if intake.refusals and latest.records >= WINDOW and is_share_too_large:
            told = f"{latest.rejected:,} of the last {latest.records:,} events were rejected"
            return Found(FLOOD, f"{told}, up to {intake.refusals[-1].record.position} ({_reasons(intake)})")
        return None

    def _runs(self, latest: _Latest, intake: Intake) -> Iterator[tuple[int, str]]:
        """Length and first place of every run of rejected records, the one from earlier batches included."""
        before = -1
        for number, refusal in zip(intake.refused, intake.refusals, strict=True):
            if number != before + 1 or not latest.run:
                latest.run, latest.since = 0, refusal.record.position
            before = number
            latest.run += 1
            yield latest.run, latest.since
        if before + 1 < len(intake.arrivals) + len(intake.refusals):
            latest.run = 0


class GuardedStore:
    """A store that notes a flood with the batch that made it one, and refuses to claim a source whose flood is open.

    flood: the first one noticed; its batch was stored, and the caller is to stop reading. on_flood: called with it.
    """

    def __init__(
        self, store: IntakeStore, limits: FloodSettings, on_flood: Callable[[FloodHalted], None] = lambda _: None
    ) -> None:
        self._store = store
        self._on_flood = on_flood
        self._guard = FloodGuard(limits)
        self.flood: FloodHalted | None = None

    def append(self, intake: Intake) -> Appended:
        found = self._guard.judge(intake)
        if found is None:
            return self._store.append(intake)
        appended = self._store.append(replace(intake, incidents=(*intake.incidents, found)))
        if self.flood is None and (flood := self._open_flood(intake.source)):
            self.flood = flood
            self._on_flood(flood)
        return appended

    def claim(self, source: str) -> Claim:
        """Raises FloodHalted."""
        if flood := self._open_flood(source):
            raise flood
        self._guard.forget(source)
        return self._store.claim(source)

    def suspect(self, claim: Claim, place: str) -> None:
        self._store.suspect(claim, place)

    def let_go(self, claim: Claim) -> None:
        self._store.let_go(claim)

    def position(self, source: str) -> Position | None:
        return self._store.position(source)

    def incidents(self, *, open_only: bool = True, source: str | None = None) -> list[Incident]:
        return self._store.incidents(open_only=open_only, source=source)

    def _open_flood(self, source: str) -> FloodHalted | None:
        stopping = [incident for incident in self._store.incidents(source=source) if incident.kind in STOPPING]
        return FloodHalted(stopping[-1]) if stopping else None


def _reasons(intake: Intake) -> str:
    counts = Counter(refusal.reason for refusal in intake.refusals)
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common(3))
