"""Which of several processes does the work? One at a time; a lease that is not renewed goes to another.

Taking it raises its epoch, and every write transaction of a job begins with a look at it, inside the one writer's turn.
A leader that was stopped and goes on after another one took over therefore writes nothing, whatever it believes (a lock
would not do: it is gone long before its holder learns of it). Time is the database's, so that clocks need not agree.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from consumers.database import Guard, migrate, writing
from monitor.serving.migrations import CHAIN, MIGRATIONS

NOW = {
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) * 1000",
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
FIND = "SELECT holder, epoch, expires_us FROM serve_lease WHERE loop = :loop"
TAKE = """
    INSERT INTO serve_lease (loop, holder, epoch, expires_us) VALUES (:loop, :holder, 1, :expires)
    ON CONFLICT (loop) DO UPDATE SET holder = :holder, epoch = serve_lease.epoch + 1, expires_us = :expires
    RETURNING epoch
"""
RENEW = "UPDATE serve_lease SET expires_us = :expires WHERE loop = :loop AND epoch = :epoch"
EPOCH = "SELECT epoch FROM serve_lease WHERE loop = :loop"

DatabaseClock = Callable[[Connection], int]  # microseconds since 1970-01-01 UTC


class LeaseLost(Exception):  # noqa: N818 - a noun of the domain
    """Another process does the work now, or we were asked to stop; nothing was written."""


@dataclass(frozen=True)
class Held:
    """The lease as it was last taken or renewed. until: on the monotonic clock."""

    epoch: int
    until: float


def database_now(connection: Connection) -> int:
    """The database's time, in microseconds since 1970-01-01 UTC; of SQLite, which has no server, this machine's."""
    return int(connection.execute(text(NOW[connection.dialect.name])).scalar_one())


def migrated(engine: Engine) -> Engine:
    """The engine, with the tables of the serving process in its database."""
    migrate(engine, CHAIN, MIGRATIONS)
    return engine


class Lease:
    """The right to do a loop's jobs. One thread keeps it, any may ask. clock, monotonic: for tests."""

    def __init__(
        self,
        engine: Engine,
        loop: str,
        holder: str,
        length: dt.timedelta,
        clock: DatabaseClock = database_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._loop, self._holder = migrated(engine), loop, holder
        self._seconds, self.clock, self._monotonic = length.total_seconds(), clock, monotonic
        self._held: Held | None = None
        self._seen_at = monotonic()

    @property
    def held(self) -> Held | None:
        """The lease if it is ours, as far as we know."""
        held = self._held
        return held if held is not None and self._monotonic() < held.until else None

    @property
    def reached_seconds_ago(self) -> float:
        """How long ago the database last answered."""
        return self._monotonic() - self._seen_at

    def keep(self) -> Held | None:
        """Renew it, or take it if nobody has it. Raises what the database raises."""
        began, held = self._monotonic(), self._held
        with writing(self._engine) as connection:
            now = self.clock(connection)
            expires = now + round(self._seconds * 1e6)
            epoch = self._renewed(connection, held, expires) or self._taken(connection, now, expires)
        self._seen_at = self._monotonic()
        self._held = None if epoch is None else Held(epoch, began + self._seconds)
        return self._held

    def _renewed(self, connection: Connection, held: Held | None, expires: int) -> int | None:
        if held is None:
            return None
        given = {"loop": self._loop, "epoch": held.epoch, "expires": expires}
        return held.epoch if connection.execute(text(RENEW), given).rowcount else None

    def _taken(self, connection: Connection, now: int, expires: int) -> int | None:
        found = connection.execute(text(FIND), {"loop": self._loop}).first()
        if found is not None and found.expires_us > now:
            return None
        given = {"loop": self._loop, "holder": self._holder, "expires": expires}
        return int(connection.execute(text(TAKE), given).scalar_one())

    def hand_back(self) -> None:
        """Let another process take over at once; what we are still doing may write nothing from here on."""
        held, self._held = self._held, None
        if held is None:
            return
        with writing(self._engine) as connection:
            given = {"loop": self._loop, "epoch": held.epoch, "expires": self.clock(connection)}
            connection.execute(text(RENEW), given)

    def guard(self, epoch: int) -> Guard:
        """What every write transaction of a job begins with. It raises LeaseLost."""

        def check(connection: Connection) -> None:
            self.insist(epoch)
            now = connection.execute(text(EPOCH), {"loop": self._loop}).scalar()
            if now != epoch:
                raise LeaseLost(f"loop {self._loop!r}: ours was lease {epoch}, now there is lease {now}")

        return check

    def insist(self, epoch: int) -> None:
        """Raise LeaseLost if this is not our lease any more as far as we know, without asking the database."""
        held = self._held
        if held is None or held.epoch != epoch:
            raise LeaseLost(f"loop {self._loop!r}: lease {epoch} was given up")
