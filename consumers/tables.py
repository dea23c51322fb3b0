"""What does the store keep of an event?

One `event` row per accepted event (its identity, time and digest), one row in the table of its type, and, only if
the event carries words of a person or a model, one row in `text`: the single place to erase. Times are microseconds
since 1970-01-01 UTC, so that both databases hold the same integers. Field meanings are those of `consumers.events`.
"""

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# SQLite's INTEGER has 64 bits, and it keeps rows by an INTEGER key; a BIGINT one would cost each table a second index.
Integer64 = BigInteger().with_variant(Integer, "sqlite")
EVALUATION = text("environment = 'evaluation'")  # answers to anchor items: few beside production's


class EventRow(SQLModel, table=True):
    """Identity of an accepted event. `digest` (BLAKE2b-128 of its canonical content) tells duplicate from conflict."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("source", "event_id"),)
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    source: str
    event_id: str
    type: str
    time_us: int = Field(sa_type=BigInteger)
    digest: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(SQLModel, table=True):
    __tablename__ = "checkpoint"
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    checkpoint: str
    position: float | None  # `order` on the wire, a reserved word in SQL
    stage: str | None
    traffic_share: float | None
    parent: str | None
    base_model: str | None
    teacher: str | None
    reward_model: str | None
    kl_nats: float | None
    steps: float | None
    artifact: str | None
    sha256: str | None
    lineage: str | None  # JSON object


class ResponseRow(SQLModel, table=True):
    __tablename__ = "response"
    __table_args__ = (
        Index("response_time", "time_us"),
        Index("response_id", "response_id"),
        Index("response_evaluation", "response_id", sqlite_where=EVALUATION, postgresql_where=EVALUATION),
    )
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    response_id: str
    checkpoint: str
    prompt_id: str | None
    conversation_id: str | None
    user_id: str | None
    cohort: str | None  # canonical JSON object, keys sorted
    environment: str
    length: int | None = Field(sa_type=Integer64)
    latency_ms: float | None
    input_tokens: int | None = Field(sa_type=Integer64)
    output_tokens: int | None = Field(sa_type=Integer64)


class FeedbackRow(SQLModel, table=True):
    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_response", "response_id"),)
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    response_id: str
    signal: str
    value: float | None
    scale_low: float | None
    scale_high: float | None
    actor_id: str | None
    actor_role: str
    surface_name: str | None
    surface_environment: str
    surface_purpose: str
    rubric: str | None
    task_id: str | None
    purpose: str  # curation | reward | debugging, decided by consumers.purpose
    purpose_rule: str


class OutcomeRow(SQLModel, table=True):
    __tablename__ = "outcome"
    __table_args__ = (
        Index("outcome_response", "response_id"),
        Index("outcome_conversation", "conversation_id"),
        Index("outcome_user", "user_id"),
    )
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    metric: str
    value: float
    response_id: str | None
    conversation_id: str | None
    user_id: str | None
    method: str | None
    anchor_set: str | None
    propensity: float | None


class ScoreRow(SQLModel, table=True):
    __tablename__ = "score"
    __table_args__ = (Index("score_response", "response_id"),)
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    response_id: str
    scorer: str
    kind: str | None
    revision: str | None
    family: str | None
    rubric: str | None
    prompt_sha256: str | None
    trained_on: bool | None
    value: float | None
    status: str


class PreferenceRow(SQLModel, table=True):
    __tablename__ = "preference"
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    pair_id: str
    judge: str
    kind: str | None
    annotator: str | None
    family: str | None
    revision: str | None
    prompt_sha256: str | None
    rubric: str | None
    choice: str | None
    status: str
    probability_a: float | None
    prompt_id: str | None
    a_response_id: str | None
    a_checkpoint: str | None
    a_length: int | None = Field(sa_type=Integer64)
    a_family: str | None
    b_response_id: str | None
    b_checkpoint: str | None
    b_length: int | None = Field(sa_type=Integer64)
    b_family: str | None
    shown_order: str | None
    anchor_set: str | None
    cohort: str | None


class EvaluationRow(SQLModel, table=True):
    __tablename__ = "evaluation"
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    checkpoint: str
    suite: str
    category: str
    metric: str
    value: float
    n: int | None = Field(sa_type=Integer64)
    stderr: float | None
    higher_is_better: bool
    samples: str | None  # JSON list


class ErasureRow(SQLModel, table=True):
    __tablename__ = "erasure"
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    time_us: int = Field(sa_type=BigInteger)
    user_id: str
    requested_at_us: int | None = Field(sa_type=BigInteger)
    deadline_us: int | None = Field(sa_type=BigInteger)


class TextRow(SQLModel, table=True):
    """Every word of a person or a model, and every field we do not know, in one erasable place."""

    __tablename__ = "text"
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})
    prompt: str | None
    response: str | None
    correction: str | None
    comment: str | None
    a: str | None
    b: str | None
    extra: str | None  # JSON object of unknown `data` fields


class RejectedRow(SQLModel, table=True):
    """An event we could not accept: first bytes, reason and where it stood. One row per (source, position)."""

    __tablename__ = "rejected"
    __table_args__ = (UniqueConstraint("source", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    source: str
    position: str
    reason: str
    detail: str
    raw: bytes = Field(sa_type=LargeBinary)
    raw_size: int = Field(sa_type=BigInteger)  # bytes before the raw copy was bounded
    received_at_us: int = Field(sa_type=BigInteger)
    status: str = "open"  # open | replayed | erased
    replayed_at_us: int | None = Field(default=None, sa_type=BigInteger)


class ConflictRow(SQLModel, table=True):
    """A second event under a known (source, id) with another body. The first one won; this one is for inspection."""

    __tablename__ = "conflict"
    __table_args__ = (UniqueConstraint("source", "event_id", "digest"),)
    id: int | None = Field(default=None, primary_key=True)
    source: str
    event_id: str
    digest: bytes = Field(sa_type=LargeBinary)
    raw: bytes = Field(sa_type=LargeBinary)
    received_at_us: int = Field(sa_type=BigInteger)


class SourcePositionRow(SQLModel, table=True):
    """How far a source was read. Written in the same transaction as the rows read up to there."""

    __tablename__ = "source_position"
    source: str = Field(primary_key=True)
    position: str  # JSON object, meaning known to the source
    updated_at_us: int = Field(sa_type=BigInteger)


class ClaimRow(SQLModel, table=True):
    """Who may store what a source delivers. Raising `epoch` takes the right away from whoever had it before.

    held: no owner has let go of it in good order since it was claimed. deaths: owners lost in a row without a batch
    stored. suspect: place of the record that was being tried alone, None when none is.
    """

    __tablename__ = "claim"
    source: str = Field(primary_key=True)
    epoch: int = Field(sa_type=BigInteger)
    held: bool
    deaths: int
    suspect: str | None
    claimed_at_us: int = Field(sa_type=BigInteger)


class IncidentRow(SQLModel, table=True):
    """What went wrong with a source as a whole, as opposed to one event. `consumers.incidents` knows the kinds.

    lost_from, lost_until: first place lost and first place read again (offsets or bytes); None where unknown.
    """

    __tablename__ = "incident"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    kind: str
    lost_from: int | None = Field(sa_type=BigInteger)
    lost_until: int | None = Field(sa_type=BigInteger)
    detail: str
    noticed_at_us: int = Field(sa_type=BigInteger)
    closed_at_us: int | None = Field(default=None, sa_type=BigInteger)
    note: str | None = None


class ExportRow(SQLModel, table=True):
    """A file of labels that left the store; `exported` says what was in it."""

    __tablename__ = "export"
    id: int | None = Field(default=None, primary_key=True)
    path: str
    sha256: str
    exported_at_us: int = Field(sa_type=BigInteger)
    labels: int | None = None  # rows of the file; None of a topic, which never ends, and of earlier releases' files


class ExportedRow(SQLModel, table=True):
    """An event whose words are in an export."""

    __tablename__ = "exported"
    __table_args__ = (Index("exported_seq", "seq"),)
    export_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int = Field(primary_key=True, sa_type=Integer64, sa_column_kwargs={"autoincrement": False})


class ErasedRow(SQLModel, table=True):
    """The ledger of erasures: that it was done, when and how much, without the words and without the name."""

    __tablename__ = "erased"
    id: int | None = Field(default=None, primary_key=True)
    subject: str  # SHA-256 of the user's identifier, to answer "was this one erased?"
    erased_at_us: int = Field(sa_type=BigInteger)
    texts: int
    rejected: int
    conflicts: int
    exports: str  # JSON list of {"path", "sha256"}: files that hold the words outside our reach
    checkpoints: str  # JSON list of checkpoints whose lineage names one of them


class AnchorTextRow(SQLModel, table=True):
    """A text of a held-out item, by its fingerprint. Fields as in `consumers.fingerprints`.

    set_digest: which sealed set. prompt_id: the name under which the item's prompt stands in events.
    """

    __tablename__ = "anchor_text"
    __table_args__ = (UniqueConstraint("set_digest", "prompt_id", "whole"),)
    id: int | None = Field(default=None, primary_key=True)
    set_digest: str
    prompt_id: str
    words: int
    head: int | None = Field(sa_type=BigInteger)
    whole: bytes = Field(sa_type=LargeBinary)
    registered_at_us: int = Field(sa_type=BigInteger)
