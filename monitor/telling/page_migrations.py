"""Which tables of sums for pages did each release add? Steps of the chain "pages": appended, never edited."""

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table

CHAIN = "pages"


def _create_tables(connection: Connection) -> None:
    """Feedback by day with the number of the last event in it, and the judges' cards as last made."""
    metadata = MetaData()
    Table(
        "purpose_day",
        metadata,
        Column("day", Integer, primary_key=True, autoincrement=False),
        Column("purpose", String, primary_key=True),
        Column("rule", String, primary_key=True),
        Column("events", BigInteger, nullable=False),
    )
    Table(
        "purpose_day_head",
        metadata,
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("seq", BigInteger, nullable=False),
    )
    Table(
        "judge_cards",
        metadata,
        Column("loop", String, primary_key=True),
        Column("content", String, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql("INSERT INTO purpose_day_head (one, seq) VALUES (1, 0)")


MIGRATIONS = (_create_tables,)
