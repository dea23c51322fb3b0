"""How do we reach the database? One engine, one writer at a time, numbered migrations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL, make_url

from consumers.connections import DatabaseUnsuitable, open_postgres, open_sqlite
from consumers.mendable import Mendable
from consumers.turns import take_turn

Step = Callable[[Connection], None]
Guard = Callable[[Connection], None]


class DatabaseTooNew(Mendable):
    """The database was migrated by a newer release than this one."""

    def __init__(self, chain: str, number: int, known: int) -> None:
        super().__init__(
            f"this database is at step {number} of {chain!r}, this release knows {known}: install a newer release"
        )


def open_engine(url_or_path: str | Path) -> Engine:
    """An engine for a SQLite file (path or sqlite:/// URL), for ":memory:" (a store that ends with the engine), or for
    a postgresql:// URL.

    Committed means on disk: neither a killed process nor a power cut takes a committed batch back. Readers never wait
    for the writer; writers wait for each other, up to a minute on SQLite. Raises DatabaseUnsuitable.
    """
    url = _url(url_or_path)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return open_sqlite(url)
    if backend in ("postgres", "postgresql"):
        return open_postgres(url)
    raise DatabaseUnsuitable(f"a store is a SQLite file or a postgresql:// URL, not {backend}://")


@contextmanager
def writing(engine: Engine, *, for_ever: bool = False) -> Iterator[Connection]:
    """One write transaction, committed at the end of the block, rolled back by an exception.

    There is one writer at a time, from its turn to its commit: what it read in between is still true when it commits,
    and whoever reads rows in the order of `seq` never sees one before a smaller one.
    for_ever: wait for the turn however long it takes (PostgreSQL; SQLite waits a minute).
    Of an engine from `guarded`, the guard is asked first; what it raises ends the transaction with nothing written.
    """
    with engine.connect() as connection:
        connection = connection.execution_options(write_transaction=True)
        with connection.begin():
            take_turn(connection, for_ever=for_ever)
            if guard := connection.get_execution_options().get("guard"):
                guard(connection)
            yield connection


def guarded(engine: Engine, guard: Guard) -> Engine:
    """The same database, where every write transaction begins with asking whether it may still be made.

    The answer stays true until the commit, because whatever could change it has to wait for the writer's turn.
    """
    return engine.execution_options(guard=guard)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction: all its queries see the database as it was at the first one."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection


def migrate(engine: Engine, chain: str, steps: Sequence[Step]) -> None:
    """Bring the chain's tables to the newest step: each missing step in one transaction, in order.

    Steps are appended and never edited. Of several starters one migrates while the others wait, however long it takes.
    A killed migration goes on where it stopped. Raises DatabaseTooNew when the database knows more steps than we do.
    """
    if _applied(engine, chain, len(steps)) == len(steps):
        return
    with writing(engine, for_ever=True) as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS migration (chain VARCHAR NOT NULL PRIMARY KEY, number INTEGER NOT NULL)")
        )
        connection.execute(text("INSERT INTO migration VALUES (:chain, 0) ON CONFLICT DO NOTHING"), {"chain": chain})
    for number, step in enumerate(steps, start=1):
        with writing(engine, for_ever=True) as connection:
            if _number(connection, chain, len(steps)) < number:
                step(connection)
                connection.execute(
                    text("UPDATE migration SET number = :number WHERE chain = :chain"),
                    {"chain": chain, "number": number},
                )


def _applied(engine: Engine, chain: str, known: int) -> int:
    """Steps applied so far; read without the write lock, so that opening never waits for a running ingest."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "migration"):
            return 0
        return _number(connection, chain, known)


def _number(connection: Connection, chain: str, known: int) -> int:
    found = connection.execute(text("SELECT number FROM migration WHERE chain = :chain"), {"chain": chain}).scalar()
    if found is not None and found > known:
        raise DatabaseTooNew(chain, found, known)
    return found or 0


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        return make_url(url_or_path)
    return URL.create("sqlite", database=str(url_or_path))
