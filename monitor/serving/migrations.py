"""Which tables of the serving process did each release add? Steps of the chain "serving": appended, never edited."""

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, MetaData, String, Table

CHAIN = "serving"


def _create_tables(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "serve_lease",
        metadata,
        Column("loop", String, primary_key=True),
        Column("holder", String, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("expires_us", BigInteger, nullable=False),
    )
    Table(
        "job_run",
        metadata,
        Column("loop", String, primary_key=True),
        Column("job", String, primary_key=True),
        Column("slot_us", BigInteger, primary_key=True, autoincrement=False),
        Column("epoch", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("state", String, nullable=False),
        Column("started_us", BigInteger, nullable=False),
        Column("finished_us", BigInteger),
        Column("late", Boolean, nullable=False),
        Column("missed", Integer, nullable=False),
        Column("missed_us", String, nullable=False),
        Column("note", String, nullable=False),
    )
    Table(
        "canary",
        metadata,
        Column("loop", String, primary_key=True),
        Column("seq", BigInteger, nullable=False),
        Column("passed_us", BigInteger, nullable=False),
        Column("arrived_us", BigInteger),
    )
    Table(
        "scored_checkpoint",
        metadata,
        Column("loop", String, primary_key=True),
        Column("checkpoint", String, primary_key=True),
        Column("artifact", String, nullable=False),
        Column("state", String, nullable=False),
        Column("note", String, nullable=False),
        Column("at_us", BigInteger, nullable=False),
    )
    Table(
        "last_look",
        metadata,
        Column("loop", String, primary_key=True),
        Column("at_us", BigInteger, nullable=False),
        Column("figures", String, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


def _create_gate_slots(connection: Connection) -> None:
    """Which slot of the gate led to which record."""
    metadata = MetaData()
    Table(
        "gate_slot",
        metadata,
        Column("loop", String, primary_key=True),
        Column("slot_us", BigInteger, primary_key=True, autoincrement=False),
        Column("record", Integer, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


MIGRATIONS = (_create_tables, _create_gate_slots)
