"""Several processes serve one store while they are stopped, continued and killed: each slot once, no stale write."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import Connection, text

from consumers.database import writing
from consumers.store import EventStore
from monitor.serving import process
from monitor.serving.lease import Lease, migrated
from monitor.serving.slots import PeriodSlots
from monitor.serving.turns import Job, Work
from monitor.settings import Settings, parse_settings
from tests.soak.rig import context, processes, wait_until

LOOP = "loop"
LEASE_SECONDS = 2.0
FREEZE_SECONDS = {"sqlite": 8.0, "postgresql": 30.0}  # at most; PostgreSQL ends a stopped writer after 15
SLOT_US = 250_000
STEPS = 3  # write transactions of one run
RUNNING = "SELECT COUNT(*) FROM job_run WHERE state = 'running'"
SETTINGS = f"loop: {LOOP}\noutcome: {{metric: m}}\nserve: {{lease: {LEASE_SECONDS:g}s, canary: 2s, deliver: 1s}}\n"

# The database itself looks at every write: it says under which lease it was made, and another one may be in force.
STALE = {
    "sqlite": (
        "CREATE TRIGGER effects BEFORE INSERT ON effect WHEN NEW.epoch <> (SELECT epoch FROM serve_lease)"
        " BEGIN INSERT INTO stale VALUES (NEW.slot_us, NEW.epoch); END",
        "CREATE TRIGGER runs BEFORE UPDATE ON job_run WHEN NEW.epoch <> (SELECT epoch FROM serve_lease)"
        " AND NEW.state <> 'lost' BEGIN INSERT INTO stale VALUES (NEW.slot_us, NEW.epoch); END",
    ),
    "postgresql": (
        "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.epoch <> (SELECT epoch FROM serve_lease) THEN"
        " INSERT INTO stale VALUES (NEW.slot_us, NEW.epoch); END IF; RETURN NEW; END $$",
        "CREATE TRIGGER effects BEFORE INSERT ON effect FOR EACH ROW EXECUTE FUNCTION seen()",
        "CREATE TRIGGER runs BEFORE UPDATE ON job_run FOR EACH ROW WHEN (NEW.state <> 'lost') EXECUTE FUNCTION seen()",
    ),
}


@dataclass(frozen=True)
class Happened:
    """What a soak of schedules saw. held: stops of one that held SQLite's lock, so that nobody could take over."""

    stopped: int
    held: int
    killed: int
    slots: int
    done: int
    missed: int
    leases: int


def serve_and_disturb(
    fresh: Callable[[], AbstractContextManager[str]],
    disturbances: int,
    seed: int,
    number: int = 3,
    is_guarded: bool = True,
) -> Happened:
    """Let so many processes serve one store, and disturb one at a time.

    Two of three disturbances stop whoever leads for longer than its lease, in the middle of its work, and continue it;
    the third kills it and starts another one. After each of them another one leads: a stop that holds SQLite's lock,
    and with it everybody's hands, is counted and repeated. Raises AssertionError for a slot that nobody did and nobody
    missed, for one that was done twice, and for a write under a lease that was not in force. is_guarded: False takes
    away what forbids such writes, which must be noticed.
    """
    chance = random.Random(seed)
    with fresh() as url:
        _prepare(url)
        with EventStore.open(url) as store, processes() as serving:
            serving += [_start(url, is_guarded) for _ in range(number)]
            wait_until(lambda: _runs(store) > 0, "the first run")
            turn = held = 0
            while turn < disturbances:
                wait_until(lambda: _number(store, RUNNING) > 0, "a run to begin")
                time.sleep(chance.uniform(0, 0.1))
                before = _epoch(store)
                leader = next(one for one in serving if str(one.pid) == _holder(store))
                if turn % 3 < 2:
                    _freeze(leader, store, before, chance.uniform(0, 1))
                else:
                    _signal(leader, signal.SIGKILL)
                    leader.join()
                    serving[serving.index(leader)] = _start(url, is_guarded)
                    wait_until(lambda before=before: _epoch(store) > before, "another one to take over")  # type: ignore[misc]
                is_taken_over = _epoch(store) > before
                turn, held = turn + is_taken_over, held + (not is_taken_over)
                assert held <= 3 * disturbances, "nobody took over from one that stood still"
                runs = _runs(store)
                wait_until(lambda runs=runs: _runs(store) > runs + 2, "work to go on")  # type: ignore[misc]
                assert all(one.is_alive() for one in serving), "a process ended by itself"
            for one in serving:
                _signal(one, signal.SIGTERM)
            for one in serving:
                one.join()
                assert one.exitcode in (0, -signal.SIGTERM), f"a process ended with {one.exitcode}"  # while it started
            return _judged(store, disturbances, held)


def _judged(store: EventStore, disturbances: int, held: int) -> Happened:
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM stale")).scalar_one() == 0, "written under an old lease"
        anchor, *rows = connection.execute(text("SELECT * FROM job_run ORDER BY slot_us")).all()
        ended: Mapping[int, int] = dict(
            connection.execute(
                text("SELECT slot_us, COUNT(*) FROM effect WHERE step = :last GROUP BY slot_us"), {"last": STEPS}
            ).all()  # type: ignore[arg-type]
        )
    kept = [row.slot_us for row in rows if row.state != "lost"]
    done = [row for row in rows if row.state == "done"]
    missed = sum(row.missed for row in rows)  # the lost ones among them
    grid = range(_QuarterSeconds().after(anchor.slot_us), rows[-1].slot_us + 1, SLOT_US)
    assert set(kept) <= set(grid), "a slot that was not due"
    assert len(kept) + missed == len(grid), "a slot was neither done nor missed, or both"
    for row in rows:
        assert ended.get(row.slot_us, 0) <= row.attempts, "a slot was done twice by one"
        assert row.state != "done" or ended[row.slot_us] >= 1
    killed = disturbances // 3
    return Happened(disturbances - killed, held, killed, len(grid), len(done), missed, _epoch(store))


def _prepare(url: str) -> None:
    with EventStore.open(url) as store:
        migrated(store.engine)
        with writing(store.engine) as connection:
            connection.execute(text("CREATE TABLE effect (slot_us BIGINT, epoch BIGINT, step INTEGER)"))
            connection.execute(text("CREATE TABLE stale (slot_us BIGINT, epoch BIGINT)"))
            for statement in STALE[store.engine.dialect.name]:
                connection.exec_driver_sql(statement)


def _start(url: str, is_guarded: bool) -> ForkServerProcess:
    one = context.Process(target=serve, args=(url, is_guarded))
    one.start()
    return one


def serve(url: str, is_guarded: bool) -> None:
    """Serve with one job, whose every write says under which lease it was made."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))

    def write(work: Work) -> str:
        for step in range(1, STEPS + 1):
            with writing(work.store.engine) as connection:
                _note(connection, work.epoch, step)
            time.sleep(0.03 if is_guarded else 0.3)  # in the middle of it, whenever it is stopped
        return ""

    def one_job(_settings: Settings, _place: Path, _pulses: object) -> list[Job]:
        return [Job("job", "work", _QuarterSeconds(), write)]

    if not is_guarded:
        Lease.guard = lambda _self, _epoch: lambda _connection: None  # type: ignore[method-assign]
    process.jobs_of = one_job  # type: ignore[assignment]
    process.socket.gethostname = lambda: ""  # type: ignore[assignment]
    with EventStore.open(url) as store:
        serving = process.Serving(store, parse_settings(SETTINGS), Path("reward-drift.yaml"))
        serving.pulses = _Unwatched(serving.pulses)  # type: ignore[assignment]
        serving.run(lambda: bool(asked))


class _QuarterSeconds(PeriodSlots):
    def __init__(self) -> None:
        self._us = SLOT_US


class _Unwatched:
    """A process that is stopped is silent: here it goes on afterwards, to find that it may not."""

    def __init__(self, pulses: object) -> None:
        self._pulses = pulses

    def __getattr__(self, name: str) -> object:
        return getattr(self._pulses, name)

    def silent(self) -> list[str]:
        return []


def _freeze(leader: ForkServerProcess, store: EventStore, before: int, more_seconds: float) -> None:
    """Stop it until another one leads. One that holds SQLite's lock keeps it: it is continued after a while."""
    _signal(leader, signal.SIGSTOP)
    end = time.monotonic() + FREEZE_SECONDS[store.engine.dialect.name]
    while _epoch(store) == before and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(more_seconds)
    _signal(leader, signal.SIGCONT)


def _note(connection: Connection, epoch: int, step: int) -> None:
    running = connection.execute(text("SELECT slot_us FROM job_run WHERE state = 'running'")).scalar()
    connection.execute(
        text("INSERT INTO effect VALUES (:slot, :epoch, :step)"), {"slot": running, "epoch": epoch, "step": step}
    )


def _runs(store: EventStore) -> int:
    return _number(store, "SELECT COUNT(*) FROM job_run WHERE state = 'done'")


def _epoch(store: EventStore) -> int:
    return _number(store, "SELECT epoch FROM serve_lease")


def _holder(store: EventStore) -> str:
    with store.engine.connect() as connection:
        return str(connection.execute(text("SELECT holder FROM serve_lease")).scalar()).split(":")[1]


def _number(store: EventStore, query: str) -> int:
    with store.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar() or 0)


def _signal(one: ForkServerProcess, number: signal.Signals) -> None:
    assert one.pid is not None
    os.kill(one.pid, number)
