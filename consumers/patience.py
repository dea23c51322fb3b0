"""What if the database is gone? Wait until it is back and go on with the same batch: an outage rejects no event."""

import logging
import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError

from consumers.claims import Claim
from consumers.files import Position
from consumers.incidents import Incident
from consumers.ingest import IntakeStore
from consumers.intake import Appended, Intake

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 15.0
SLICE_SECONDS = 0.2  # how long a request to stop may go unnoticed while waiting

# https://www.postgresql.org/docs/current/errcodes-appendix.html: whole classes, and single states of mixed ones
_OUTAGE_CLASSES = ("08", "40", "53", "55", "57", "58")  # connection, rollback, resources, locks, intervention, system
_OUTAGE_STATES = frozenset({"25006", "25P03"})  # a standby after a failover; a transaction that took too long
_OUTAGE_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)

Result = TypeVar("Result")


class StoppedWaiting(Exception):  # noqa: N818 - a noun of the domain
    """We were asked to stop while the database was away; what was being stored will be read again."""


def is_outage(fault: DBAPIError) -> bool:
    """Does waiting help? True where database, network or disk are at fault; False for data and for our own mistakes."""
    cause = fault.orig
    if fault.connection_invalidated:
        return True
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _OUTAGE_SQLITE
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in _OUTAGE_STATES or state.startswith(_OUTAGE_CLASSES)
    return isinstance(fault, OperationalError | InterfaceError)


class PatientStore:
    """A store that tries again, for as long as it takes, when the database is away.

    Waits 0.1 s, then twice as long each time up to 15 s, each shortened by chance by up to a half, so that many readers
    do not come back in step. stop: asked while waiting; then StoppedWaiting is raised. told: called before each wait
    with what the database said, and with None once it works again. pause, chance: as time.sleep and random.random.

    A connection that dies during COMMIT leaves it open whether the batch is stored. Trying again is right either way: a
    batch that is there already has no effect, because events are unique by (source, id), rejections by place, and an
    incident is not opened twice. Everything else (bad data, a bug, ClaimLost) propagates at once.
    """

    def __init__(
        self,
        store: IntakeStore,
        *,
        stop: Callable[[], bool],
        told: Callable[[str | None], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._stop = stop
        self._told = told
        self._pause = pause
        self._chance = chance

    def append(self, intake: Intake) -> Appended:
        return self._insist(lambda: self._store.append(intake))

    def claim(self, source: str) -> Claim:
        return self._insist(lambda: self._store.claim(source))

    def suspect(self, claim: Claim, place: str) -> None:
        self._insist(lambda: self._store.suspect(claim, place))

    def position(self, source: str) -> Position | None:
        return self._insist(lambda: self._store.position(source))

    def incidents(self, *, open_only: bool = True, source: str | None = None) -> list[Incident]:
        return self._insist(lambda: self._store.incidents(open_only=open_only, source=source))

    def let_go(self, claim: Claim) -> None:
        """End a claim in good order. While stopping, an outage ends the attempt: the next owner counts one death."""
        try:
            self._insist(lambda: self._store.let_go(claim))
        except StoppedWaiting:
            log.warning("claim not let go, the database is away", extra={"source": claim.source})

    def _insist(self, attempt: Callable[[], Result]) -> Result:
        waits = 0
        while True:
            try:
                result = attempt()
            except DBAPIError as fault:
                if not is_outage(fault):
                    raise
                self._wait(fault, waits)
                waits += 1
                continue
            if waits:
                self._told(None)
                log.warning("the database is back", extra={"attempts": waits + 1})
            return result

    def _wait(self, fault: DBAPIError, waits: int) -> None:
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(waits, 30)) * (1 - self._chance() / 2)
        said = what_it_said(fault)
        self._told(said)
        log.warning("the database is away", extra={"fault": said, "again_in_seconds": round(seconds, 1)})
        while not self._stop() and seconds > 0:
            self._pause(min(seconds, SLICE_SECONDS))
            seconds -= SLICE_SECONDS
        if self._stop():
            raise StoppedWaiting(said) from fault


def what_it_said(fault: StatementError) -> str:
    """The first line of a fault; further lines, like SQLAlchemy's own text, may quote the rows being stored."""
    lines = str(fault.orig).splitlines()
    return f"{type(fault.orig).__name__}: {lines[0] if lines else ''}"
