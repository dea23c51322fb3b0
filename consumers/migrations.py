"""Which tables did each release add or change? Steps of the chain "consumers": appended, never edited.

A step is frozen: it has a copy of what `consumers.tables` was then. Whoever changes a table there appends a step here;
a test compares the two.
"""

from functools import cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

CHAIN = "consumers"


def _create_tables(connection: Connection) -> None:
    _first_tables().create_all(connection, checkfirst=False)


@cache
def _first_tables() -> MetaData:
    metadata = MetaData()
    Table(
        "event",
        metadata,
        _seq(),
        Column("source", String, nullable=False),
        Column("event_id", String, nullable=False),
        Column("type", String, nullable=False),
        Column("time_us", BigInteger, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        UniqueConstraint("source", "event_id"),
    )
    Table(
        "checkpoint",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("checkpoint", String, nullable=False),
        Column("position", Float),
        Column("stage", String),
        Column("traffic_share", Float),
        Column("parent", String),
        Column("base_model", String),
        Column("teacher", String),
        Column("reward_model", String),
        Column("kl_nats", Float),
        Column("steps", Float),
        Column("artifact", String),
        Column("sha256", String),
        Column("lineage", String),
    )
    Table(
        "response",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("response_id", String, nullable=False),
        Column("checkpoint", String, nullable=False),
        Column("prompt_id", String),
        Column("conversation_id", String),
        Column("user_id", String),
        Column("cohort", String),
        Column("environment", String, nullable=False),
        Column("length", Integer),
        Column("latency_ms", Float),
        Column("input_tokens", Integer),
        Column("output_tokens", Integer),
        Index("response_id", "response_id"),
        Index("response_time", "time_us"),
    )
    Table(
        "feedback",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("response_id", String, nullable=False),
        Column("signal", String, nullable=False),
        Column("value", Float),
        Column("scale_low", Float),
        Column("scale_high", Float),
        Column("actor_id", String),
        Column("actor_role", String, nullable=False),
        Column("surface_name", String),
        Column("surface_environment", String, nullable=False),
        Column("surface_purpose", String, nullable=False),
        Column("rubric", String),
        Column("task_id", String),
        Column("purpose", String, nullable=False),
        Column("purpose_rule", String, nullable=False),
        Index("feedback_response", "response_id"),
    )
    Table(
        "outcome",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("metric", String, nullable=False),
        Column("value", Float, nullable=False),
        Column("response_id", String),
        Column("conversation_id", String),
        Column("user_id", String),
        Column("method", String),
        Column("anchor_set", String),
        Column("propensity", Float),
        Index("outcome_conversation", "conversation_id"),
        Index("outcome_response", "response_id"),
        Index("outcome_user", "user_id"),
    )
    Table(
        "score",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("response_id", String, nullable=False),
        Column("scorer", String, nullable=False),
        Column("kind", String),
        Column("revision", String),
        Column("family", String),
        Column("rubric", String),
        Column("prompt_sha256", String),
        Column("trained_on", Boolean),
        Column("value", Float),
        Column("status", String, nullable=False),
        Index("score_response", "response_id"),
    )
    Table(
        "preference",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("pair_id", String, nullable=False),
        Column("judge", String, nullable=False),
        Column("kind", String),
        Column("annotator", String),
        Column("family", String),
        Column("revision", String),
        Column("prompt_sha256", String),
        Column("rubric", String),
        Column("choice", String),
        Column("status", String, nullable=False),
        Column("probability_a", Float),
        Column("prompt_id", String),
        Column("a_response_id", String),
        Column("a_checkpoint", String),
        Column("a_length", Integer),
        Column("a_family", String),
        Column("b_response_id", String),
        Column("b_checkpoint", String),
        Column("b_length", Integer),
        Column("b_family", String),
        Column("shown_order", String),
        Column("anchor_set", String),
        Column("cohort", String),
    )
    Table(
        "evaluation",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("checkpoint", String, nullable=False),
        Column("suite", String, nullable=False),
        Column("category", String, nullable=False),
        Column("metric", String, nullable=False),
        Column("value", Float, nullable=False),
        Column("n", Integer),
        Column("stderr", Float),
        Column("higher_is_better", Boolean, nullable=False),
        Column("samples", String),
    )
    Table(
        "erasure",
        metadata,
        _seq(),
        Column("time_us", BigInteger, nullable=False),
        Column("user_id", String, nullable=False),
        Column("requested_at_us", BigInteger),
        Column("deadline_us", BigInteger),
    )
    Table(
        "text",
        metadata,
        _seq(),
        Column("prompt", String),
        Column("response", String),
        Column("correction", String),
        Column("comment", String),
        Column("a", String),
        Column("b", String),
        Column("extra", String),
    )
    Table(
        "rejected",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("source", String, nullable=False),
        Column("position", String, nullable=False),
        Column("reason", String, nullable=False),
        Column("detail", String, nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("raw_size", BigInteger, nullable=False),
        Column("received_at_us", BigInteger, nullable=False),
        Column("status", String, nullable=False),
        Column("replayed_at_us", BigInteger),
        UniqueConstraint("source", "position"),
    )
    Table(
        "conflict",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("source", String, nullable=False),
        Column("event_id", String, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("received_at_us", BigInteger, nullable=False),
        UniqueConstraint("source", "event_id", "digest"),
    )
    Table(
        "source_position",
        metadata,
        Column("source", String, primary_key=True),
        Column("position", String, nullable=False),
        Column("updated_at_us", BigInteger, nullable=False),
    )
    return metadata


def _add_intake_tables(connection: Connection) -> None:
    _intake_tables().create_all(connection, checkfirst=False)


@cache
def _intake_tables() -> MetaData:
    metadata = MetaData()
    Table(
        "claim",
        metadata,
        Column("source", String, primary_key=True),
        Column("epoch", BigInteger, nullable=False),
        Column("held", Boolean, nullable=False),
        Column("deaths", Integer, nullable=False),
        Column("suspect", String),
        Column("claimed_at_us", BigInteger, nullable=False),
    )
    Table(
        "incident",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("source", String, nullable=False),
        Column("kind", String, nullable=False),
        Column("lost_from", BigInteger),
        Column("lost_until", BigInteger),
        Column("detail", String, nullable=False),
        Column("noticed_at_us", BigInteger, nullable=False),
        Column("closed_at_us", BigInteger),
        Column("note", String),
    )
    Table(
        "export",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("path", String, nullable=False),
        Column("sha256", String, nullable=False),
        Column("exported_at_us", BigInteger, nullable=False),
    )
    Table(
        "exported",
        metadata,
        Column("export_id", Integer, primary_key=True, autoincrement=False),
        _seq(),
        Index("exported_seq", "seq"),
    )
    Table(
        "erased",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("subject", String, nullable=False),
        Column("erased_at_us", BigInteger, nullable=False),
        Column("texts", Integer, nullable=False),
        Column("rejected", Integer, nullable=False),
        Column("conflicts", Integer, nullable=False),
        Column("exports", String, nullable=False),
        Column("checkpoints", String, nullable=False),
    )
    return metadata


def _widen_counts(connection: Connection) -> None:
    """PostgreSQL's INTEGER has 32 bits, SQLite's 64: the same event must fit both."""
    if connection.dialect.name != "postgresql":
        return
    for change in (
        "ALTER TABLE response ALTER COLUMN length TYPE BIGINT, ALTER COLUMN input_tokens TYPE BIGINT,"
        " ALTER COLUMN output_tokens TYPE BIGINT",
        "ALTER TABLE preference ALTER COLUMN a_length TYPE BIGINT, ALTER COLUMN b_length TYPE BIGINT",
        "ALTER TABLE evaluation ALTER COLUMN n TYPE BIGINT",
    ):
        connection.execute(text(change))


def _add_anchor_texts(connection: Connection) -> None:
    Table(
        "anchor_text",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("set_digest", String, nullable=False),
        Column("prompt_id", String, nullable=False),
        Column("words", Integer, nullable=False),
        Column("head", BigInteger),
        Column("whole", LargeBinary, nullable=False),
        Column("registered_at_us", BigInteger, nullable=False),
        UniqueConstraint("set_digest", "prompt_id", "whole"),
    ).create(connection)


def _index_evaluations(connection: Connection) -> None:
    """Answers to anchor items are few beside production's, and asked for at every look."""
    connection.execute(
        text("CREATE INDEX response_evaluation ON response (response_id) WHERE environment = 'evaluation'")
    )


def _count_labels(connection: Connection) -> None:
    """Exports of earlier releases stay without a count: what is in them is known by event, not by row."""
    connection.execute(text("ALTER TABLE export ADD COLUMN labels INTEGER"))


def _seq() -> Column[int]:
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)


MIGRATIONS = (
    _create_tables,
    _add_intake_tables,
    _widen_counts,
    _add_anchor_texts,
    _index_evaluations,
    _count_labels,
)
