"""Where are the events? One store: batches go in whole or not at all, rejected events wait for a replay."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sqlalchemy import Column, ColumnElement, Engine, func, select
from sqlmodel import SQLModel

from consumers import canary, tables  # noqa: F401 - fills the metadata
from consumers.append import append_intake
from consumers.claims import Claim, let_go, note_suspect, take_claim
from consumers.database import migrate, open_engine, reading, writing
from consumers.files import Position
from consumers.incidents import Incident, close_incident, read_incidents
from consumers.intake import Appended, Arrival, Intake
from consumers.migrations import CHAIN, MIGRATIONS
from consumers.rejected import RejectedEvent, open_numbers, read_rejected, read_rejected_one, replay_rejected
from consumers.rows import KINDS
from consumers.unstorable import keep_aside, refuses_data

Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """The system's clock, aware."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class StoreCounts:
    """Rows in the whole store. `rejected_by_reason` leaves out replayed ones, which are among the events."""

    by_type: Mapping[str, int]
    purposes: Mapping[str, int]
    by_rule: Mapping[str, int]
    conflicts: int
    rejected_by_reason: Mapping[str, int]

    @property
    def events(self) -> int:
        return sum(self.by_type.values())

    @property
    def rejected_open(self) -> int:
        return sum(self.rejected_by_reason.values())


class EventStore:
    """Events, rejected events and source positions in one database. A fault of the database always propagates."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self.engine = engine
        self._clock = clock

    @classmethod
    def open(cls, url_or_path: str | Path, *, clock: Clock = utc_now) -> "EventStore":
        """Open or create the store at a path, a sqlite:/// or postgresql:// URL or ":memory:", and migrate it.

        Raises DatabaseTooNew if a newer release wrote it, DatabaseUnsuitable for what cannot hold a store.
        """
        engine = open_engine(url_or_path)
        try:
            migrate(engine, CHAIN, MIGRATIONS)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        """Release the connections. What was appended stays."""
        self.engine.dispose()

    def __enter__(self) -> "EventStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, intake: Intake) -> Appended:
        """Store events, rejections, conflicts, incidents and the source's position in one transaction.

        First wins by (source, id). Appending the same batch again has no effect.
        An event that the database refuses for what it holds is rejected, as not_storable; the others are stored.
        Raises ClaimLost, with nothing stored, if the batch was read under a claim that somebody else has taken since.
        """
        try:
            return self._append(intake)
        except Exception as fault:
            if not refuses_data(fault):
                raise
        return self._append(keep_aside(intake, self._try_to_append))

    def _append(self, intake: Intake) -> Appended:
        with writing(self.engine) as connection:
            return append_intake(connection, intake, self._now_us())

    def _try_to_append(self, arrivals: Sequence[Arrival]) -> None:
        with writing(self.engine) as connection:
            append_intake(connection, Intake("", None, arrivals, []), self._now_us())
            connection.rollback()

    def claim(self, source: str) -> Claim:
        """Take the right to store what this source delivers from whoever has it."""
        with writing(self.engine) as connection:
            return take_claim(connection, source, self._now_us())

    def suspect(self, claim: Claim, place: str) -> None:
        """Note durably that the record at `place` is about to be tried alone. Raises ClaimLost."""
        with writing(self.engine) as connection:
            note_suspect(connection, claim, place)

    def let_go(self, claim: Claim) -> None:
        """End a claim in good order."""
        with writing(self.engine) as connection:
            let_go(connection, claim)

    def incidents(self, *, open_only: bool = True, source: str | None = None) -> list[Incident]:
        """Incidents on record, the oldest first; source: of this one alone."""
        with self.engine.connect() as connection:
            return read_incidents(connection, open_only=open_only, source=source)

    def close_incident(self, incident_id: int, note: str) -> None:
        """Close an incident with a note of what was found and done. Raises UnknownIncident."""
        with writing(self.engine) as connection:
            close_incident(connection, incident_id, note, self._now_us())

    def position(self, source: str) -> Position | None:
        """Where the source was left, or None if it was never read."""
        table = SQLModel.metadata.tables["source_position"]
        with self.engine.connect() as connection:
            saved = connection.execute(select(table.c.position).where(table.c.source == source)).scalar()
        return None if saved is None else json.loads(saved)

    def rejected(
        self, *, limit: int = 100, reason: str | None = None, status: str | None = "open"
    ) -> list[RejectedEvent]:
        """The oldest rejected events. status: "open", "replayed", "erased" or None for all."""
        with self.engine.connect() as connection:
            return read_rejected(connection, limit, reason, status)

    def rejected_numbers(self, reason: str) -> list[int]:
        """Ids of the rejected events that wait under this reason, oldest first."""
        with self.engine.connect() as connection:
            return open_numbers(connection, reason)

    def rejected_one(self, rejected_id: int) -> RejectedEvent:
        """One rejected event. Raises KeyError for an unknown id."""
        with self.engine.connect() as connection:
            return read_rejected_one(connection, rejected_id)

    def replay_rejected(self, rejected_id: int, raw: bytes | None = None) -> Appended:
        """Try a rejected event again, as it was or with corrected bytes; it is added at most once.

        Accepted, duplicate or in conflict: it is marked replayed. Rejected again: it stays open under the new reason.
        Already replayed: nothing happens, and all counts are 0.
        Raises KeyError for an unknown id, ReplayRefused when only part of the bytes was kept and none are given, or
        when it was erased.
        """
        with writing(self.engine) as connection:
            return replay_rejected(connection, rejected_id, raw, self._now_us())

    def counts(self) -> StoreCounts:
        """Count the whole store, at one moment, without our own canaries."""
        feedback, rejected, conflict, evaluation = (
            SQLModel.metadata.tables[name] for name in ("feedback", "rejected", "conflict", "evaluation")
        )
        with reading(self.engine) as connection:

            def count(column: Column[str], *where: ColumnElement[bool]) -> dict[str, int]:
                query = select(column, func.count()).where(*where).group_by(column).order_by(column)
                return {row[0]: row[1] for row in connection.execute(query)}

            def size(table: str) -> int:
                query = select(func.count()).select_from(SQLModel.metadata.tables[table])
                return connection.execute(query).scalar_one()

            typed = {name: size(kind.table) for name, kind in sorted(KINDS.items())}  # one row an event, no scan
            typed[canary.TYPE] -= sum(count(evaluation.c.suite, evaluation.c.suite == canary.SUITE).values())
            return StoreCounts(
                by_type={name: number for name, number in typed.items() if number},
                purposes=count(feedback.c.purpose),
                by_rule=count(feedback.c.purpose_rule),
                conflicts=connection.execute(select(func.count()).select_from(conflict)).scalar_one(),
                rejected_by_reason=count(rejected.c.reason, rejected.c.status != "replayed"),
            )

    def _now_us(self) -> int:
        return round(self._clock().timestamp() * 1e6)
