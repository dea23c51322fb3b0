"""Which tables of the monitor did each release add? Steps of the chain "monitor": appended, never edited."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

CHAIN = "monitor"


def _create_tables(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "monitor_memory",
        metadata,
        Column("loop", String, primary_key=True),
        Column("settings", String, nullable=False),
        Column("baseline", String, nullable=False),
        Column("series", String, nullable=False),
        Column("errors", String, nullable=False),
        Column("arms", String, nullable=False),
        Column("fixed", String, nullable=False),
        Column("told", String, nullable=False),
        Column("first_day", Integer, nullable=False),
        Column("closed", Integer, nullable=False),
        Column("last_seq", BigInteger, nullable=False),
    )
    Table(
        "series_day",
        metadata,
        Column("loop", String, primary_key=True),
        Column("day", Integer, primary_key=True),
        Column("cells", LargeBinary, nullable=False),
    )
    Table(
        "alert_episode",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("loop", String, nullable=False, index=True),
        Column("fingerprint", String, nullable=False),
        Column("check_name", String, nullable=False),
        Column("slice_name", String, nullable=False),
        Column("slice", String, nullable=False),
        Column("crossings", String, nullable=False),
        Column("state", String, nullable=False),
        Column("opened_us", BigInteger, nullable=False),
        Column("resolved_day", Integer),
        Column("decision", String),
        Column("note", String),
    )
    Table(
        "alert_transition",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("episode", Integer, ForeignKey("alert_episode.id"), nullable=False),
        Column("at_us", BigInteger, nullable=False),
        Column("reason", String, nullable=False),
        Column("severity", String, nullable=False),
    )
    Table(
        "outbox",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("dedup_key", String, nullable=False),
        Column("receiver", String, nullable=False),
        Column("body", String, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_us", BigInteger, nullable=False),
        Column("sent_us", BigInteger),
        Column("last_error", String),
    )
    metadata.create_all(connection, checkfirst=False)


def _number_the_format(connection: Connection) -> None:
    """What was saved before had no number; it is of format 1."""
    connection.execute(text("ALTER TABLE monitor_memory ADD COLUMN format INTEGER NOT NULL DEFAULT 1"))


def _record_baselines(connection: Connection) -> None:
    """Decisions for another baseline; what the guard compares with is kept beside the memory."""
    metadata = MetaData()
    Table(
        "baseline_version",
        metadata,
        Column("loop", String, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("checkpoint", String),
        Column("start_us", BigInteger, nullable=False),
        Column("end_us", BigInteger, nullable=False),
        Column("day", Integer, nullable=False),
        Column("note", String, nullable=False),
        Column("decided_us", BigInteger, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    for name in ("first_baseline", "first_errors"):
        connection.execute(text(f"ALTER TABLE monitor_memory ADD COLUMN {name} VARCHAR"))


def _remember_comparisons(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE monitor_memory ADD COLUMN comparisons VARCHAR"))


def _remember_voices(connection: Connection) -> None:
    """What was learned of teachers' voices stays when the words are gone; comparisons with them go with a look."""
    metadata = MetaData()
    Table(
        "learned_voice",
        metadata,
        Column("loop", String, primary_key=True),
        Column("name", String, primary_key=True),
        Column("voice", String, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text("ALTER TABLE monitor_memory ADD COLUMN voices VARCHAR"))


def _keep_the_life_of_alerts(connection: Connection) -> None:
    """Holds, recoveries, acknowledgements, what was told of each transition, silences, incidents nobody told of.

    What happened before counts as told.
    """
    numbers = ("changed_us", "evaluated_us", "good", "fired_us", "ended_us", "reopened", "previous", "ack_until_us")
    for name in (*numbers, "reminded_us"):
        connection.execute(text(f"ALTER TABLE alert_episode ADD COLUMN {name} BIGINT"))
    for name in ("ack_owner", "ack_note", "alert"):
        connection.execute(text(f"ALTER TABLE alert_episode ADD COLUMN {name} VARCHAR"))
    for name in ("told", "actor", "note"):
        connection.execute(text(f"ALTER TABLE alert_transition ADD COLUMN {name} VARCHAR"))
    connection.execute(text("ALTER TABLE alert_transition ADD COLUMN message BIGINT"))
    connection.execute(text("UPDATE alert_transition SET told = 'sent'"))
    connection.execute(text("UPDATE alert_episode SET fired_us = opened_us, changed_us = opened_us, reopened = 0"))
    metadata = MetaData()
    Table(
        "alert_message",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("loop", String, nullable=False, index=True),
        Column("dedup_key", String, nullable=False, index=True),
        Column("kind", String, nullable=False),
        Column("severity", String, nullable=False),
        Column("at_us", BigInteger, nullable=False),
    )
    Table(
        "alert_silence",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("loop", String, nullable=False, index=True),
        Column("matcher", String, nullable=False),
        Column("author", String, nullable=False),
        Column("reason", String, nullable=False),
        Column("begins_us", BigInteger, nullable=False),
        Column("ends_us", BigInteger, nullable=False),
        Column("closed_us", BigInteger),
    )
    Table(
        "missed_incident",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("loop", String, nullable=False, index=True),
        Column("at_us", BigInteger, nullable=False),
        Column("what", String, nullable=False),
        Column("entered_us", BigInteger, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text(_MESSAGES_OF_BEFORE))
    connection.execute(text(_TOLD_IN_THEM))


def _deliver_until_taken(connection: Connection) -> None:
    """What a message is about, why one is not sent, when it was told again, who got it instead; how receivers fare."""
    connection.execute(text("ALTER TABLE outbox ADD COLUMN kind VARCHAR NOT NULL DEFAULT 'fired'"))
    for name in ("dropped", "passed_on"):
        connection.execute(text(f"ALTER TABLE outbox ADD COLUMN {name} VARCHAR"))
    connection.execute(text("ALTER TABLE outbox ADD COLUMN refreshed_us BIGINT"))
    connection.execute(text("CREATE INDEX outbox_key ON outbox (receiver, dedup_key)"))
    connection.execute(text("CREATE INDEX outbox_waiting ON outbox (receiver) WHERE sent_us IS NULL"))
    metadata = MetaData()
    Table(
        "receiver_health",
        metadata,
        Column("receiver", String, primary_key=True),
        Column("failing_since_us", BigInteger),
        Column("failures", Integer, nullable=False),
        Column("told_key", String),
        Column("last_sent_us", BigInteger),
    )
    metadata.create_all(connection, checkfirst=False)


_MESSAGES_OF_BEFORE = """
    INSERT INTO alert_message (loop, dedup_key, kind, severity, at_us)
    SELECT loop, fingerprint || ':' || id, 'alert', 'ticket', opened_us FROM alert_episode ORDER BY id
"""
_TOLD_IN_THEM = """
    UPDATE alert_transition SET message = (
        SELECT m.id FROM alert_message AS m JOIN alert_episode AS e ON m.dedup_key = e.fingerprint || ':' || e.id
        WHERE e.id = alert_transition.episode)
"""

MIGRATIONS = (
    _create_tables,
    _number_the_format,
    _record_baselines,
    _remember_comparisons,
    _remember_voices,
    _keep_the_life_of_alerts,
    _deliver_until_taken,
)
