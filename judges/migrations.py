"""Which tables of the judges did each release add? Steps of the chain "judges": appended, never edited.

No table of this chain holds a word that anybody wrote: keys are digests, values are numbers, names and reasons.
"""

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, LargeBinary, MetaData, String, Table

CHAIN = "judges"


def _create_judgments(connection: Connection) -> None:
    """What judges answered, in which run, and the secret of the fences."""
    metadata = MetaData()
    Table("judge_secret", metadata, Column("id", Integer, primary_key=True), Column("secret", LargeBinary))
    Table(
        "judge_run",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("spec", String, nullable=False, index=True),
        Column("started_us", BigInteger, nullable=False),
        Column("state", String, nullable=False),
        Column("note", String),
    )
    Table(
        "judge_verdict",
        metadata,
        Column("key", LargeBinary, primary_key=True),
        Column("run", Integer, nullable=False, index=True),
        Column("status", String, nullable=False),
        Column("reason", String),
        Column("letter", String),
        Column("log_a", Float),
        Column("log_b", Float),
        Column("log_c", Float),
        Column("served", String),
        Column("judged_us", BigInteger, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


def _create_scores(connection: Connection) -> None:
    """What rulers measured, by content; the runs that asked for it."""
    metadata = MetaData()
    Table("score_spec", metadata, Column("spec_id", String, primary_key=True), Column("spec", String, nullable=False))
    Table(
        "score_run",
        metadata,
        Column("run_id", String, primary_key=True),
        Column("spec_id", String, nullable=False),
        Column("subject", String, nullable=False),
        Column("items", Integer, nullable=False),
        Column("started_us", BigInteger, nullable=False),
        Column("completed_us", BigInteger),
    )
    Table(
        "score_item",
        metadata,
        Column("run_id", String, primary_key=True),
        Column("item_id", String, primary_key=True),
        Column("key", LargeBinary, nullable=False),
    )
    Table(
        "score_value",
        metadata,
        Column("key", LargeBinary, primary_key=True),
        Column("spec_id", String, nullable=False),
        Column("status", String, nullable=False),
        Column("value", Float),
        Column("outputs", String, nullable=False),
        Column("detail", String, nullable=False),
        Column("tokens", Integer, nullable=False),
        Column("prefix", Integer, nullable=False),
        Column("run_id", String, nullable=False),
        Column("pack", Integer),
        Column("scored_us", BigInteger, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


def _name_texts(connection: Connection) -> None:
    """Which text came to which content, so that what is known need not be tokenised to be found."""
    metadata = MetaData()
    Table(
        "score_text",
        metadata,
        Column("text_key", LargeBinary, primary_key=True),
        Column("key", LargeBinary, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


MIGRATIONS = (_create_judgments, _create_scores, _name_texts)
