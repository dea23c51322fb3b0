"""How do bytes that no row holds any more leave the files of the database?"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

WORDY = ("text", "rejected", "conflict", "response", "feedback", "outcome", "preference", "erasure")


def overwrite_deleted(connection: Connection) -> None:
    """On SQLite, have what this connection deletes overwritten with zeros."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def wipe(engine: Engine, tables: Sequence[str] = WORDY) -> bool:
    """Clean up after an erasure; may be called again at any time.

    SQLite: the file is written anew and the log cut to nothing. PostgreSQL: dead rows of these tables are removed;
    their bytes may stay in free space of the files and in the log until they are used again.
    Returns whether it is done; False: somebody has been reading all the while and the log still holds old pages.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.execute(text(f"VACUUM {engine.dialect.identifier_preparer.quote(table)}"))
        return True
    pooled = engine.raw_connection()
    try:
        driver: Any = pooled.driver_connection
        driver.execute("VACUUM")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        pooled.close()
