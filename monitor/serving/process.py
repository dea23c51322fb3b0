"""One process that stays up: it keeps the lease or waits for it, and has the lanes turn.

Threads: `main` watches all others and ends the process when one is silent for too long, `lease` keeps the lease, the
scheduler's wakes the lanes, `intake`, `look`, `send` and `work` do jobs, `web` answers. Each is seen by the canary.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError, StatementError

from consumers.patience import what_it_said
from consumers.store import EventStore
from monitor.detection.state import MonitorState
from monitor.serving.jobs import LANES, jobs_of
from monitor.serving.lease import Lease
from monitor.serving.metrics import ServeMetrics
from monitor.serving.pulses import Pulses
from monitor.serving.runs import Runs
from monitor.serving.schedule import Lanes
from monitor.serving.turns import Turns
from monitor.settings import Settings

log = logging.getLogger(__name__)

THREADS = ("main", "lease", *LANES)
MOST_SECONDS = 1.0  # between two turns of a lane
FINISH_SECONDS = 10.0  # that jobs have to end in by themselves when asked to stop
STUCK = 4  # exit code of a process of which a thread does not turn any more


class Serving:
    """Built whole, then run. place: of the settings file. Raises ReceiverUnusable, and what the database raises."""

    def __init__(self, store: EventStore, settings: Settings, place: Path) -> None:
        chosen = settings.serve
        self.settings, self.store = settings, store
        period = chosen.canary.total_seconds()
        self._turn_seconds = min(MOST_SECONDS, period / 8)
        MonitorState(store.engine)  # its tables are there from here on
        self.pulses = Pulses((*THREADS, "web"), period, chosen.patience.total_seconds())
        holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.lease = Lease(store.engine, settings.loop, holder, chosen.lease)
        self.runs = Runs(store.engine, settings.loop, self.lease.clock)
        jobs = jobs_of(settings, place, self.pulses)
        turns = {
            lane: Turns(lane, [job for job in jobs if job.lane == lane], store, self.lease, self.runs, self.pulses)
            for lane in LANES
        }
        self.jobs = jobs
        self._lanes = Lanes({lane: turn.take for lane, turn in turns.items()}, self._turn_seconds)
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep_lease, name="lease", daemon=True)
        self._metrics = ServeMetrics(self)

    def run(self, stop: Callable[[], bool]) -> None:
        """Work until asked to stop; then end in good order, so that another process may take over at once.

        A job that takes longer than ten seconds to end is left where it is: another process, or the next start, goes on
        from there. Ends the process if a thread is silent for too long: only a new one can help.
        """
        self._keeper.start()
        self._lanes.start()
        while not stop():
            self._forgive_a_pause()
            self.pulses.beat("main")
            self._end_if_stuck()
            self._stopping.wait(self._turn_seconds)
        self._stop()

    def _stop(self) -> None:
        def is_idle() -> bool:
            return not self.pulses.is_busy(LANES)

        self._stopping.set()
        is_done = self._lanes.stop(is_idle, FINISH_SECONDS)
        self._keeper.join()
        try:
            self.lease.hand_back()
        except SQLAlchemyError as fault:
            log.warning("the lease was not handed back, it runs out by itself", extra={"fault": _said(fault)})
        log.info("stopped", extra={"unfinished": not is_done})
        if not is_done:
            logging.shutdown()
            os._exit(0)  # whatever it still does may write nothing; Python would wait for it

    def _keep_lease(self) -> None:
        every, last = self.settings.serve.lease.total_seconds() / 3, None
        while not self._stopping.is_set():
            try:
                with self.pulses.busy("lease"):
                    held = self.lease.keep()
            except SQLAlchemyError as fault:
                log.warning("the database is away", extra={"fault": _said(fault)})
            else:
                if (epoch := held and held.epoch) != last:
                    log.info("leading" if held else "waiting for the lease", extra={"epoch": epoch})
                    last = epoch
            self._wait_beating(every)

    def _wait_beating(self, seconds: float) -> None:
        waited = 0.0
        while waited < seconds and not self._stopping.wait(self._turn_seconds):
            self.pulses.beat("lease")
            waited += self._turn_seconds

    def _forgive_a_pause(self) -> None:
        """A process that was stopped and continued is not stuck: whether it may still work, its lease tells."""
        if self.pulses.ages()["main"] > self.settings.serve.canary.total_seconds() / 2:
            log.warning("this process stood still for a while")
            self.pulses.forgive()

    def _end_if_stuck(self) -> None:
        if silent := self.pulses.silent():
            log.critical("ending, so that a supervisor starts anew: %s", "; ".join(silent))
            logging.shutdown()
            os._exit(STUCK)

    def metrics(self) -> bytes:
        """For Prometheus."""
        return self._metrics.page()

    def alive(self) -> list[str]:
        """Why this process should be started anew; nothing if it should not."""
        return self.pulses.silent()

    def ready(self) -> list[str]:
        """Why this process could not do the work now; nothing if it does, or would if it had the lease."""
        reasons = self.pulses.silent()
        away = self.lease.reached_seconds_ago
        if away > self.settings.serve.lease.total_seconds():
            reasons.append(f"the database has not answered for {away:.0f} s")
        return reasons


def _said(fault: SQLAlchemyError) -> str:
    return what_it_said(fault) if isinstance(fault, StatementError) else type(fault).__name__
