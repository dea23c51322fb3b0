"""Which tables of the gate did each release add? Steps of the chain "gate": appended, never edited."""

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table

CHAIN = "gate"

# What the databases themselves refuse. SQLite fires no trigger for a row that is replaced: hence the order.
_SQLITE = (
    """CREATE TRIGGER gate_record_order BEFORE INSERT ON gate_record
        WHEN NEW.number IS NOT (SELECT number + 1 FROM gate_record_head)
        BEGIN SELECT RAISE(ABORT, 'gate records are appended, one number after the other'); END""",
    """CREATE TRIGGER gate_record_head_order BEFORE UPDATE ON gate_record_head
        WHEN NEW.number IS NOT OLD.number + 1
        BEGIN SELECT RAISE(ABORT, 'gate records are appended, one number after the other'); END""",
    *(
        f"CREATE TRIGGER {table}_{what} BEFORE {what} ON {table}"
        " BEGIN SELECT RAISE(ABORT, 'gate records are kept as they are'); END"
        for table, what in (
            ("gate_record", "UPDATE"),
            ("gate_record", "DELETE"),
            ("gate_record_head", "INSERT"),
            ("gate_record_head", "DELETE"),
        )
    ),
)
_POSTGRES = (
    """CREATE FUNCTION gate_record_kept() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'gate records are kept as they are'; END $$""",
    """CREATE FUNCTION gate_record_in_order() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.number IS DISTINCT FROM (SELECT number + 1 FROM gate_record_head)
        THEN RAISE EXCEPTION 'gate records are appended, one number after the other'; END IF; RETURN NEW; END $$""",
    """CREATE TRIGGER gate_record_order BEFORE INSERT ON gate_record
        FOR EACH ROW EXECUTE FUNCTION gate_record_in_order()""",
    """CREATE TRIGGER gate_record_head_order BEFORE UPDATE ON gate_record_head
        FOR EACH ROW EXECUTE FUNCTION gate_record_in_order()""",
    *(
        f"CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} EXECUTE FUNCTION gate_record_kept()"
        for table, name, what in (
            ("gate_record", "kept", "UPDATE OR DELETE OR TRUNCATE"),
            ("gate_record_head", "kept", "INSERT OR DELETE OR TRUNCATE"),
        )
    ),
)


def _create_records(connection: Connection) -> None:
    """What gates decided, and the number and digest of the last record, so that it cannot be cut off unseen."""
    metadata = MetaData()
    Table(
        "gate_record",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("loop", String, nullable=False),
        Column("recorded_us", BigInteger, nullable=False),
        Column("content", String, nullable=False),
        Column("previous", String, nullable=False),
        Column("digest", String, nullable=False),
    )
    Table(
        "gate_record_head",
        metadata,
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("number", Integer, nullable=False),
        Column("digest", String, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql("INSERT INTO gate_record_head (one, number, digest) VALUES (1, 0, '')")
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.exec_driver_sql(statement)


MIGRATIONS = (_create_records,)
