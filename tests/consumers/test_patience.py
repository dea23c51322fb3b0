"""Is an outage waited out, is everything else told at once, and is a second try of a stored batch harmless?"""

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from consumers.claims import ClaimLost
from consumers.incidents import EXPIRED, Found
from consumers.ingest import IntakeStore, ingest
from consumers.intake import Appended, Intake, parse_batch
from consumers.patience import LONGEST_SECONDS, PatientStore, StoppedWaiting, is_outage
from consumers.sources import Batch, Record, SavedPosition
from consumers.store import EventStore
from tests.consumers.examples import line
from tests.postgres import Server, fresh_database

SOURCE = "kafka:events/0"


@pytest.fixture
def store() -> Iterator[EventStore]:
    with EventStore.open(":memory:") as store:
        yield store


def intake(store: EventStore, *offsets: int) -> Intake:
    records = [Record(line("score", id=f"e-{offset}"), f"offset {offset}", 1) for offset in offsets]
    records.append(Record(b"bad", f"offset {offsets[-1] + 1}", 3))
    gap = Found(EXPIRED, "offsets 4 to 9 were deleted before they were read", 4, 10)
    claim = store.claim(SOURCE)
    return parse_batch(Batch(SOURCE, records, {"offset": offsets[-1] + 2}, claim, incidents=[gap]))


class Failing:
    """A store whose append fails a number of times, before or after the batch was really stored."""

    def __init__(self, store: EventStore, fault: Exception, times: int, *, stored: bool = False) -> None:
        self._store, self._fault, self._times, self._stored = store, fault, times, stored

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def append(self, intake: Intake) -> Appended:
        if self._times:
            self._times -= 1
            if self._stored:
                self._store.append(intake)
            raise self._fault
        return self._store.append(intake)


def dead_connection() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly\nsecond line"))


def sqlite_fault(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("words")
    cause.sqlite_errorcode = code
    return OperationalError("INSERT", {}, cause)


def postgres_fault(state: str) -> DBAPIError:
    psycopg = pytest.importorskip("psycopg")
    return DBAPIError("INSERT", {}, psycopg.errors.lookup(state)("words"))


@pytest.mark.parametrize("state", ["08006", "53100", "53300", "55P03", "57P01", "57P03", "58030", "40P01", "25006"])
def test_what_the_database_server_cannot_do_now_is_an_outage(state: str) -> None:
    assert is_outage(postgres_fault(state))


@pytest.mark.parametrize("state", ["54000", "22021", "23505", "42P01", "XX000"])
def test_what_the_database_server_will_never_do_is_none(state: str) -> None:
    assert not is_outage(postgres_fault(state))


def test_a_locked_or_full_file_is_an_outage_and_a_mistake_in_a_statement_is_none() -> None:
    outages = [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN]
    assert all(is_outage(sqlite_fault(code)) for code in outages)
    assert not is_outage(sqlite_fault(sqlite3.SQLITE_ERROR))
    assert not is_outage(sqlite_fault(sqlite3.SQLITE_CORRUPT))
    assert not is_outage(InterfaceError("INSERT", {}, sqlite3.InterfaceError("misuse")))
    assert is_outage(dead_connection())


def test_waits_grow_to_their_limit_and_are_told(store: EventStore) -> None:
    pauses: list[float] = []
    told: list[str | None] = []
    patient = PatientStore(
        Failing(store, dead_connection(), 9),
        stop=lambda: False,
        told=told.append,
        pause=pauses.append,
        chance=lambda: 0.0,
    )
    assert patient.append(intake(store, 0)).accepted == 1
    assert sum(pauses) == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4 + 12.8 + LONGEST_SECONDS)
    assert max(pauses) <= 0.2, "a request to stop must be noticed soon"
    assert told == ["Exception: server closed the connection unexpectedly"] * 9 + [None]


def test_chance_shortens_a_wait_by_up_to_a_half(store: EventStore) -> None:
    pauses: list[float] = []
    failing = Failing(store, dead_connection(), 1)
    PatientStore(failing, stop=lambda: False, pause=pauses.append, chance=lambda: 1.0).append(intake(store, 0))
    assert pauses == [0.05]


def test_a_commit_whose_answer_was_lost_is_repeated_without_effect(store: EventStore) -> None:
    batch = intake(store, 0, 1)
    patient = PatientStore(Failing(store, dead_connection(), 3, stored=True), stop=lambda: False, pause=lambda _: None)
    appended = patient.append(batch)
    assert (appended.accepted, appended.duplicate) == (0, 2)
    counts = store.counts()
    assert (counts.events, counts.conflicts, counts.rejected_open, len(store.incidents())) == (2, 0, 1, 1)
    assert store.position(SOURCE) == {"offset": 3}


@pytest.mark.parametrize(
    "fault", [IntegrityError("INSERT", {}, Exception("CHECK")), ValueError("a bug"), sqlite_fault(sqlite3.SQLITE_ERROR)]
)
def test_a_fault_that_waiting_does_not_mend_propagates_at_once(store: EventStore, fault: Exception) -> None:
    patient = PatientStore(Failing(store, fault, 1), stop=lambda: False, pause=lambda _: pytest.fail("waited"))
    with pytest.raises(type(fault)):
        patient.append(intake(store, 0))


def test_a_lost_claim_propagates_at_once(store: EventStore) -> None:
    batch = intake(store, 0)
    store.claim(SOURCE)
    with pytest.raises(ClaimLost):
        PatientStore(store, stop=lambda: False, pause=lambda _: pytest.fail("waited")).append(batch)


def test_a_request_to_stop_ends_the_waiting_with_nothing_stored(store: EventStore) -> None:
    pauses: list[float] = []
    patient = PatientStore(Failing(store, dead_connection(), 10**9), stop=lambda: len(pauses) > 20, pause=pauses.append)
    with pytest.raises(StoppedWaiting, match="server closed the connection"):
        patient.append(intake(store, 0))
    assert (len(pauses), store.counts().events) == (21, 0)


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with EventStore.open(path) as store:
        batch = intake(store, 0)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        told: list[str | None] = []
        patient = PatientStore(
            store, stop=lambda: False, told=told.append, pause=lambda _: other.in_transaction and other.rollback()
        )
        assert patient.append(batch).accepted == 1
        other.close()
    assert told == ["OperationalError: database is locked", None]


def test_a_server_stopped_under_load_loses_doubles_and_rejects_nothing(postgres_server: Server) -> None:
    with fresh_database(postgres_server.admin_url) as url, EventStore.open(url) as store:
        told: list[str | None] = []
        patient = PatientStore(store, stop=lambda: False, told=told.append)
        stored = threading.Event()
        operator = threading.Thread(target=stop_and_start, args=(postgres_server, stored))
        operator.start()
        result = ingest(Numbers(patient, while_=operator.is_alive), patient, progress=lambda _: stored.set())
        operator.join()
        counts = store.counts()
        offset = (store.position(SOURCE) or {})["offset"]
    assert (counts.events, counts.conflicts, counts.rejected_open) == (offset, 0, 0)
    assert (result.appended.accepted + result.appended.duplicate, result.appended.rejected) == (offset, 0)
    assert None in told, "the outages were noticed, and their ends"


class Numbers:
    """An endless source of numbered events."""

    def __init__(self, store: IntakeStore, while_: Callable[[], bool]) -> None:
        self._claim, self._while = store.claim(SOURCE), while_

    def batches(self, saved: SavedPosition) -> Generator[Batch, None, None]:
        offset = 0
        while self._while():
            records = [Record(line("score", id=f"e-{n}"), f"offset {n}", 1) for n in range(offset, offset + 20)]
            offset += 20
            yield Batch(SOURCE, records, {"offset": offset}, self._claim)


def stop_and_start(server: Server, stored: threading.Event) -> None:
    """As a crash does, in good order, and as a crash does, each time after another batch was stored."""
    for mode in ("immediate", "fast", "immediate"):
        stored.clear()
        stored.wait(60)
        server.stop(mode)
        time.sleep(0.2)
        server.start()
