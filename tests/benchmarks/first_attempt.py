"""What one would write first: pydantic models, SQLModel rows, session.add_all; rows and offsets in one transaction."""

from collections.abc import Callable
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter
from sqlmodel import Session, SQLModel

from consumers.store import EventStore
from consumers.tables import EventRow, FeedbackRow, OutcomeRow, ResponseRow, ScoreRow, SourcePositionRow, TextRow

BATCH = 2000


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Response(_Open):
    response_id: str
    checkpoint: str
    prompt_id: str | None = None
    conversation_id: str | None = None
    user: str | None = None
    cohort: dict[str, str] | None = None
    prompt: str | None = None
    response: str | None = None
    environment: str = "production"
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Actor(_Open):
    id: str | None = None
    role: str = "unknown"


class _Surface(_Open):
    name: str | None = None
    environment: str = "unknown"
    purpose: str = "unknown"


class _Feedback(_Open):
    response_id: str
    signal: Literal["thumbs", "rating", "correction", "comment", "flag"]
    value: float | None = None
    comment: str | None = None
    actor: _Actor = _Actor()
    surface: _Surface = _Surface()


class _Outcome(_Open):
    metric: str
    value: bool | float
    response_id: str | None = None
    method: str | None = None


class _Scorer(_Open):
    name: str
    kind: str | None = None
    revision: str | None = None


class _Score(_Open):
    response_id: str
    scorer: _Scorer
    value: float | None = None
    status: str = "ok"


class _Event(_Open):
    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: AwareDatetime
    data: dict[str, Any]


_EVENT = TypeAdapter(_Event)
_DATA = {
    "rewarddrift.response.v1": TypeAdapter(_Response),
    "rewarddrift.feedback.v1": TypeAdapter(_Feedback),
    "rewarddrift.outcome.v1": TypeAdapter(_Outcome),
    "rewarddrift.score.v1": TypeAdapter(_Score),
}


def write_as_one_would_first(
    bootstrap: str, topic: str, events: int, progress: Callable[[int], None], url: str
) -> dict[str, float]:
    """Read the topic's two partitions into the same tables."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, max_poll_records=BATCH)
    partitions = [TopicPartition(topic, number) for number in range(2)]
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, 0)
    seen = 0
    with EventStore.open(url) as store:
        while seen < events:
            polled = consumer.poll(1000)
            progress(seen)
            rows: list[SQLModel] = []
            for batch in polled.values():
                for record in batch:
                    seen += 1
                    rows += _rows(seen, record.value)
            with Session(store.engine) as session:
                session.add_all(sorted(rows, key=_shape))  # in its favour: unsorted, it is several times slower
                for partition, batch in polled.items():
                    place = f"{partition.topic}/{partition.partition}"
                    session.merge(SourcePositionRow(source=place, position=str(batch[-1].offset + 1), updated_at_us=0))
                session.commit()
            progress(seen)
    consumer.close()
    return {}


def _shape(row: SQLModel) -> str:
    """Rows with values in the same columns go into one statement."""
    return type(row).__name__ + "".join(name for name, value in row if value is not None)


def _rows(seq: int, raw: bytes) -> list[SQLModel]:
    event = _EVENT.validate_json(raw)
    data = _DATA[event.type].validate_python(event.data)
    time_us = round(event.time.timestamp() * 1e6)
    digest = seq.to_bytes(16, "big")
    known = EventRow(seq=seq, source=event.source, event_id=event.id, type=event.type, time_us=time_us, digest=digest)
    if isinstance(data, _Response):
        answer = ResponseRow(
            seq=seq,
            time_us=time_us,
            user_id=data.user,
            cohort=str(data.cohort),
            length=len(data.response or ""),
            **data.model_dump(
                include={"response_id", "checkpoint", "prompt_id", "conversation_id", "environment", "latency_ms"}
                | {"input_tokens", "output_tokens"}
            ),
        )
        return [known, answer, TextRow(seq=seq, prompt=data.prompt, response=data.response)]
    if isinstance(data, _Feedback):
        reaction = FeedbackRow(
            seq=seq,
            time_us=time_us,
            response_id=data.response_id,
            signal=data.signal,
            value=data.value,
            actor_id=data.actor.id,
            actor_role=data.actor.role,
            surface_name=data.surface.name,
            surface_environment=data.surface.environment,
            surface_purpose=data.surface.purpose,
            purpose="reward" if data.actor.role == "end_user" else "debugging",
            purpose_rule="1:reward",
        )
        return [known, reaction, TextRow(seq=seq, comment=data.comment)]
    if isinstance(data, _Outcome):
        result = OutcomeRow(
            seq=seq,
            time_us=time_us,
            value=float(data.value),
            **data.model_dump(include={"metric", "response_id", "method"}),
        )
        return [known, result]
    assert isinstance(data, _Score)
    score = ScoreRow(
        seq=seq,
        time_us=time_us,
        scorer=data.scorer.name,
        kind=data.scorer.kind,
        revision=data.scorer.revision,
        **data.model_dump(include={"response_id", "value", "status"}),
    )
    return [known, score]
