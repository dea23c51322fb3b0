"""Whose turn is it to write to PostgreSQL? One writer at a time, in every process, until its transaction ends.

The turn is an advisory lock of the transaction: it ends with the commit, the rollback, or the process. A writer that is
stopped but not dead (SIGSTOP, a frozen machine) must not keep it: between two statements the server ends it after
IDLE_SECONDS; in the middle of a COPY, to which no timeout of the server applies, the next writer in line does.
"""

import logging

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

log = logging.getLogger(__name__)

IDLE_SECONDS = 15  # a writer may pause so long between two statements, or within a COPY
WAIT_SECONDS = 20  # a writer waits so long for its turn, then fails; longer than IDLE_SECONDS

_LOCK = 0x72657761_72640001  # any number that nobody else uses; pg_locks shows its two halves
_TIMED_OUT = "55P03"
_TAKE = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), set_config('lock_timeout', :wait, true),"
    " pg_advisory_xact_lock(:lock)"
)
_END_STALLED = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND classid = :high AND objid = :low AND granted"
    " AND datname = current_database() AND usename = current_user"
    " AND wait_event = 'ClientRead' AND query_start < now() - make_interval(secs => :idle)"
)


def take_turn(connection: Connection, *, for_ever: bool = False) -> None:
    """Become the one writer until the transaction ends; nothing happens if we are, or on SQLite, which sees to it.

    Raises OperationalError after WAIT_SECONDS, unless we wait for ever.
    """
    if connection.dialect.name != "postgresql":
        return
    wait = "0" if for_ever else f"{WAIT_SECONDS}s"
    try:
        connection.execute(_TAKE, {"idle": f"{IDLE_SECONDS}s", "wait": wait, "lock": _LOCK})
    except OperationalError as fault:
        if getattr(fault.orig, "sqlstate", None) == _TIMED_OUT:
            _end_stalled_writer(connection.engine)
        raise


def _end_stalled_writer(engine: Engine) -> None:
    """End the connection of a writer that has its turn and waits for its own process to send the rest of a COPY."""
    with engine.begin() as connection:
        values = {"high": _LOCK >> 32, "low": _LOCK & 0xFFFFFFFF, "idle": IDLE_SECONDS}
        if connection.execute(_END_STALLED, values).rowcount:
            log.warning("a stopped process kept the turn to write: its connection was ended")
