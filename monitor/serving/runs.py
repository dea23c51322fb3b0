"""Which slots of which job were done, late, missed? One row a slot, written under the lease, whoever asks."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, RowMapping, text

from consumers.database import writing
from monitor.serving.lease import DatabaseClock, database_now
from monitor.serving.slots import Slots, due

LATE = dt.timedelta(minutes=5)
FIRST_RETRY = dt.timedelta(minutes=1)
MOST_ATTEMPTS = 5
MOST_LISTED = 50  # missed slots that are named; beyond that they are counted
KEPT = dt.timedelta(days=30)
_US = dt.timedelta(microseconds=1)

NEWEST = "SELECT * FROM job_run WHERE loop = :loop AND job = :job ORDER BY slot_us DESC LIMIT 1"
NEWEST_OF_ALL = """
    SELECT r.* FROM job_run AS r WHERE r.loop = :loop AND r.state <> 'anchor' AND r.slot_us = (
        SELECT MAX(slot_us) FROM job_run WHERE loop = :loop AND job = r.job AND state <> 'anchor') ORDER BY r.job
"""
SUCCESSES = """
    SELECT job, MAX(finished_us) AS at_us FROM job_run WHERE loop = :loop AND state = 'done' GROUP BY job ORDER BY job
"""
LATEST = "SELECT * FROM job_run WHERE loop = :loop AND state <> 'anchor' ORDER BY started_us DESC, job LIMIT :limit"
BEGIN = """
    INSERT INTO job_run (loop, job, slot_us, epoch, attempts, state, started_us, late, missed, missed_us, note)
    VALUES (:loop, :job, :slot_us, :epoch, 1, :state, :now, :late, :missed, :missed_us, '')
"""
AGAIN = """
    UPDATE job_run SET epoch = :epoch, attempts = attempts + 1, state = 'running', started_us = :now,
        finished_us = NULL, late = late OR :late, note = ''
    WHERE loop = :loop AND job = :job AND slot_us = :slot_us
"""
GIVE_UP = """
    UPDATE job_run SET state = 'lost', finished_us = :now, note = 'ended without a word'
    WHERE loop = :loop AND job = :job AND state = 'running'
"""
FINISH = """
    UPDATE job_run SET state = :state, finished_us = :now, note = :note
    WHERE loop = :loop AND job = :job AND slot_us = :slot_us AND epoch = :epoch AND state = 'running'
"""
FORGET = "DELETE FROM job_run WHERE loop = :loop AND job = :job AND slot_us < :before"


@dataclass(frozen=True)
class Run:
    """One slot of one job. Times are microseconds since 1970-01-01 UTC, finished_us None while it runs.

    state: running, done, failed (tried again with growing waits, until the next slot is due), or lost (its process
    ended and the next slot was due). missed: slots before it that nobody did, and that it stands for; missed_us: the
    newest of them. late: it began more than five minutes after the oldest of all these. note: what was done, or what
    went wrong.
    """

    job: str
    slot_us: int
    epoch: int
    attempts: int
    state: str
    started_us: int
    finished_us: int | None
    late: bool
    missed: int
    missed_us: tuple[int, ...]
    note: str


class Runs:
    """The run table of a loop. Everything that writes takes an engine that is guarded by the lease."""

    def __init__(self, engine: Engine, loop: str, clock: DatabaseClock = database_now) -> None:
        self._engine, self._loop, self._clock = engine, loop, clock

    def anchor(self, guarded: Engine, epoch: int, job: str, slots: Slots) -> None:
        """Put on record from when on a job is due, if nothing is. Raises LeaseLost."""
        with writing(guarded) as connection:
            if self._last(connection, job) is None:
                now = self._clock(connection)
                self._insert(connection, _Due(slots.start(now), now), epoch, job, "anchor")

    def begin(self, guarded: Engine, epoch: int, job: str, slots: Slots) -> Run | None:
        """Begin the newest slot that is due; None if none is. Older ones that nobody did are missed: this run stands
        for them.

        What was begun and never ended is done again, and so is what failed, after a wait. Raises LeaseLost.
        """
        with self._engine.connect() as connection:
            if self._due(connection, job, slots) is None:
                return None
        with writing(guarded) as connection:
            chosen = self._due(connection, job, slots)
            if chosen is None:
                return None
            given = {"loop": self._loop, "job": job, "slot_us": chosen.slot_us, "epoch": epoch, "now": chosen.now}
            if chosen.again:
                connection.execute(text(AGAIN), {**given, "late": chosen.is_late})
            else:
                connection.execute(text(GIVE_UP), given)
                connection.execute(text(FORGET), {**given, "before": chosen.now - KEPT // _US})
                self._insert(connection, chosen, epoch, job, "running")
            return self._last(connection, job)

    def finish(self, guarded: Engine, run: Run, state: str, note: str) -> None:
        """Put on record how it ended: done or failed. Raises LeaseLost."""
        with writing(guarded) as connection:
            given = {"loop": self._loop, "job": run.job, "slot_us": run.slot_us, "epoch": run.epoch}
            connection.execute(text(FINISH), {**given, "state": state, "note": note, "now": self._clock(connection)})

    def now(self) -> int:
        """The database's time."""
        with self._engine.connect() as connection:
            return self._clock(connection)

    def newest(self) -> list[Run]:
        """The newest run of each job, in the order of their names."""
        with self._engine.connect() as connection:
            return [_run(row) for row in connection.execute(text(NEWEST_OF_ALL), {"loop": self._loop}).mappings()]

    def latest(self, limit: int) -> list[Run]:
        """The runs that began last, the newest first."""
        with self._engine.connect() as connection:
            given = {"loop": self._loop, "limit": limit}
            return [_run(row) for row in connection.execute(text(LATEST), given).mappings()]

    def successes(self) -> dict[str, int]:
        """When each job last ended well."""
        with self._engine.connect() as connection:
            rows = connection.execute(text(SUCCESSES), {"loop": self._loop}).all()
        return {row.job: row.at_us for row in rows}

    def _due(self, connection: Connection, job: str, slots: Slots) -> "_Due | None":
        last = self._last(connection, job)
        if last is None:
            return None
        now = self._clock(connection)
        found = list(due(slots, last.slot_us, now))
        if found:
            unfinished = [last.slot_us] if last.state == "running" else []
            expected = last.started_us if last.state == "anchor" else 0
            return _Due(found[-1], now, [*unfinished, *found[:-1]], expected)
        return _Due(last.slot_us, now, again=True) if _is_to_be_tried(last, now) else None

    def _last(self, connection: Connection, job: str) -> Run | None:
        row = connection.execute(text(NEWEST), {"loop": self._loop, "job": job}).mappings().first()
        return None if row is None else _run(row)

    def _insert(self, connection: Connection, chosen: "_Due", epoch: int, job: str, state: str) -> None:
        row = {
            "loop": self._loop,
            "job": job,
            "slot_us": chosen.slot_us,
            "epoch": epoch,
            "state": state,
            "now": chosen.now,
            "late": chosen.is_late,
            "missed": len(chosen.missed),
            "missed_us": json.dumps(list(chosen.missed[-MOST_LISTED:])),
        }
        connection.execute(text(BEGIN), row)


@dataclass(frozen=True)
class _Due:
    slot_us: int
    now: int
    missed: Sequence[int] = ()
    expected: int = 0  # nobody could have begun it before: a first run is not late
    again: bool = False

    @property
    def is_late(self) -> bool:
        oldest = max(min(self.missed, default=self.slot_us), self.expected)
        return (self.now - oldest) * _US > LATE


def _is_to_be_tried(last: Run, now: int) -> bool:
    """Whoever asks does not run it, and nobody else may."""
    if last.state == "failed" and last.attempts < MOST_ATTEMPTS:
        return last.finished_us is None or (now - last.finished_us) * _US >= FIRST_RETRY * 2 ** (last.attempts - 1)
    return last.state == "running"


def _run(row: RowMapping) -> Run:
    given = {name: row[name] for name in Run.__dataclass_fields__}
    return Run(**{**given, "late": bool(row["late"]), "missed_us": tuple(json.loads(row["missed_us"]))})
