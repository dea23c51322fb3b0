"""How is a job done? Begun under the lease, done on a store that refuses writes without it, and put on record."""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError, StatementError

from consumers.database import guarded
from consumers.mendable import Mendable
from consumers.patience import what_it_said
from consumers.store import EventStore
from monitor.oncall.receivers.port import DeliveryFailed
from monitor.production.items import EPOCH
from monitor.serving.lease import Lease, LeaseLost
from monitor.serving.pulses import Pulses
from monitor.serving.runs import Run, Runs
from monitor.serving.slots import Slots

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a job is given. store: refuses every write once the lease is lost. now: by the database. epoch: of the
    lease. slot_us: the slot that is done, the same when it is done again. going_on: to be called now and then by what
    takes long; raises LeaseLost when it is to end."""

    store: EventStore
    now: dt.datetime
    epoch: int
    slot_us: int
    going_on: Callable[[], None]


@dataclass(frozen=True)
class Job:
    """do: does it, and tells in a few words what was done. It may be stopped anywhere and is then done again."""

    name: str
    lane: str
    slots: Slots
    do: Callable[[Work], str]


class Turns:
    """The jobs of one lane, done in their order when they are due, by whoever has the lease."""

    def __init__(
        self, lane: str, jobs: Sequence[Job], store: EventStore, lease: Lease, runs: Runs, pulses: Pulses
    ) -> None:
        self._lane, self._jobs, self._store = lane, jobs, store
        self._lease, self._runs, self._pulses = lease, runs, pulses
        self._anchored: int | None = None

    def take(self) -> None:
        """One turn. Never raises: what goes wrong is on record, or else in the log, and tried again."""
        self._pulses.beat(self._lane)
        held = self._lease.held
        if held is None:
            return
        try:
            self._do_what_is_due(held.epoch)
        except LeaseLost as lost:
            log.warning("stopped: %s", lost)
        except SQLAlchemyError as fault:
            log.warning("the database is away", extra={"lane": self._lane, "fault": _words(fault)})
        except Exception:
            log.critical("a fault that is not foreseen", extra={"lane": self._lane}, exc_info=True)

    def _do_what_is_due(self, epoch: int) -> None:
        engine = guarded(self._store.engine, self._lease.guard(epoch))
        if self._anchored != epoch:
            for job in self._jobs:
                self._runs.anchor(engine, epoch, job.name, job.slots)
            self._anchored = epoch
        for job in self._jobs:
            run = self._runs.begin(engine, epoch, job.name, job.slots)
            if run is not None:
                with self._pulses.busy(self._lane):
                    state, note = self._do(job, run, EventStore(engine))
                    self._runs.finish(engine, run, state, note)
                _tell(run, state, note)

    def _do(self, job: Job, run: Run, store: EventStore) -> tuple[str, str]:
        def going_on() -> None:
            self._pulses.beat(self._lane)
            self._lease.insist(run.epoch)

        try:
            now = EPOCH + dt.timedelta(microseconds=run.started_us)
            return "done", job.do(Work(store, now, run.epoch, run.slot_us, going_on))
        except LeaseLost:
            raise
        except Exception as fault:
            log.error("job failed", extra={"job": job.name, "attempt": run.attempts}, exc_info=not _is_told(fault))
            return "failed", _words(fault)


def _words(fault: Exception) -> str:
    """What is told of a fault: nothing that might quote a person."""
    if isinstance(fault, StatementError):
        return what_it_said(fault)
    return str(fault) if _is_told(fault) else type(fault).__name__


def _is_told(fault: Exception) -> bool:
    return isinstance(fault, Mendable | OSError | DeliveryFailed)


def _tell(run: Run, state: str, note: str) -> None:
    given = {"job": run.job, "state": state, "note": note, "late": run.late, "missed": run.missed}
    if run.late or state == "failed":
        log.warning("job", extra=given)
    elif note:
        log.info("job", extra=given)
