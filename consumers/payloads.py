"""What may each type of event say? The `data` of the eight types, validated while it is decoded.

Optional fields may be absent or null. Unknown fields are refused here and kept by `consumers.events`, which splits them
off first.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Identifier = Annotated[str, Meta(min_length=1, max_length=512)]
Share = Annotated[float, Meta(ge=0, le=1)]
Quantity = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # fits an INTEGER of every database
AwareTime = Annotated[dt.datetime, Meta(tz=True)]

Environment = Literal["production", "staging", "development", "evaluation"]
Status = Literal["ok", "unscoreable", "refused", "error"]
Role = Literal["end_user", "engineer", "on_call", "annotator", "support", "bot", "unknown"]
SurfacePurpose = Literal["product", "debugging", "curation", "unknown"]

_EARLIEST_US, _LATEST_US = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**6 for year in (2000, 2100))


class Payload(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Base of all payloads. `gc=False`: decoded JSON holds no cycles, so the collector need not look at it."""


class Checkpoint(Payload, frozen=True):
    """A checkpoint exists or changed state. `kl_nats` is the divergence from the initial policy."""

    checkpoint: Identifier
    order: float | None = None
    stage: Literal["candidate", "serving", "retired", "reference"] | None = None
    traffic_share: Share | None = None
    parent: Identifier | None = None
    base_model: Identifier | None = None
    teacher: Identifier | None = None
    reward_model: Identifier | None = None
    kl_nats: float | None = None
    steps: Quantity | None = None
    artifact: str | None = None
    sha256: Identifier | None = None
    lineage: dict[str, Any] | None = None


class Response(Payload, frozen=True):
    """A model answered. `length` is in characters, for when the text is withheld."""

    response_id: Identifier
    checkpoint: Identifier
    prompt_id: Identifier | None = None
    conversation_id: Identifier | None = None
    user: Identifier | None = None
    prompt: str | None = None
    response: str | None = None
    length: Count | None = None
    cohort: dict[Identifier, Annotated[str, Meta(max_length=512)]] | None = None
    environment: Environment | None = None
    latency_ms: Quantity | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None


class Actor(Payload, frozen=True):
    """Who reacted."""

    id: Identifier | None = None
    role: Role | None = None


class Surface(Payload, frozen=True):
    """Where they reacted, and what that place is for."""

    name: Identifier | None = None
    environment: Environment | Literal["unknown"] | None = None
    purpose: SurfacePurpose | None = None


class Feedback(Payload, frozen=True):
    """A person reacted to a response. Thumbs are 1 or 0; a rating is a number within its scale."""

    response_id: Identifier
    signal: Literal["thumbs", "rating", "correction", "comment", "flag"]
    value: float | None = None
    scale: tuple[float, float] | None = None
    correction: str | None = None
    comment: str | None = None
    actor: Actor | None = None
    surface: Surface | None = None
    rubric: Identifier | None = None
    task_id: Identifier | None = None

    def __post_init__(self) -> None:
        if self.signal == "thumbs":
            if self.value != 1 and self.value != 0:
                raise ValueError("Expected `value` 1 or 0 for thumbs" if self.value is not None else _missing("value"))
        elif self.signal == "rating":
            if self.value is None or self.scale is None:
                raise ValueError(_missing("value" if self.value is None else "scale"))
            if not self.scale[0] < self.scale[1]:
                raise ValueError("Expected `scale` [low, high] with low < high")
            if not self.scale[0] <= self.value <= self.scale[1]:
                raise ValueError("Expected `value` within `scale`")


class Outcome(Payload, frozen=True):
    """What really happened, keyed by exactly one of response, conversation and user."""

    metric: Identifier
    value: bool | float
    response_id: Identifier | None = None
    conversation_id: Identifier | None = None
    user: Identifier | None = None
    method: Literal["human", "system", "exact", "model"] | None = None
    anchor_set: Identifier | None = None
    propensity: Share | None = None

    def __post_init__(self) -> None:
        if (self.response_id is not None) + (self.conversation_id is not None) + (self.user is not None) != 1:
            raise ValueError("Expected exactly one of `response_id`, `conversation_id`, `user`")


class Scorer(Payload, frozen=True):
    """The ruler: another revision is another ruler."""

    name: Identifier
    kind: Literal["reward_model", "judge", "rubric", "classifier"] | None = None
    revision: Identifier | None = None
    family: Identifier | None = None
    rubric: Identifier | None = None
    prompt_sha256: Identifier | None = None
    trained_on: bool | None = None


class Score(Payload, frozen=True):
    """A scorer scored a response; a null value says by its status why there is none."""

    response_id: Identifier
    scorer: Scorer
    value: float | None
    status: Status | None = None

    def __post_init__(self) -> None:
        _refuse_unclear_null("value", self.value, self.status)


class Judge(Payload, frozen=True):
    """Who compared."""

    name: Identifier
    kind: Literal["human", "exact", "model", "reward_model", "teacher"] | None = None
    annotator: Identifier | None = None
    family: Identifier | None = None
    revision: Identifier | None = None
    prompt_sha256: Identifier | None = None
    rubric: Identifier | None = None


class Candidate(Payload, frozen=True):
    """One side of a pair. `length` is in characters."""

    response_id: Identifier | None = None
    checkpoint: Identifier | None = None
    length: Count | None = None
    family: Identifier | None = None
    text: str | None = None


class Preference(Payload, frozen=True):
    """Somebody compared two responses; `order` says which was shown first."""

    pair_id: Identifier
    judge: Judge
    choice: Literal["a", "b", "tie"] | None
    status: Status | None = None
    probability_a: Share | None = None
    prompt_id: Identifier | None = None
    a: Candidate | None = None
    b: Candidate | None = None
    order: Literal["ab", "ba"] | None = None
    anchor_set: Identifier | None = None
    cohort: dict[Identifier, Annotated[str, Meta(max_length=512)]] | None = None

    def __post_init__(self) -> None:
        _refuse_unclear_null("choice", self.choice, self.status)


class Evaluation(Payload, frozen=True):
    """A benchmark result of one checkpoint. `samples` are per-item numbers, or objects with a `value` (and an `id`)."""

    checkpoint: Identifier
    suite: Identifier
    category: Identifier
    metric: Identifier
    value: float
    n: Count | None = None
    stderr: Quantity | None = None
    higher_is_better: bool | None = None
    samples: list[dict[str, Any] | bool | float | None] | None = None

    def __post_init__(self) -> None:
        for sample in self.samples or ():
            if isinstance(sample, Mapping) and not isinstance(sample.get("value", ""), bool | int | float | None):
                raise ValueError("Expected a number or null as `value` of each of `samples`")


class Erasure(Payload, frozen=True):
    """A person asked to be forgotten."""

    user: Identifier
    requested_at: AwareTime | None = None
    deadline: AwareTime | None = None

    def __post_init__(self) -> None:
        for time in (self.requested_at, self.deadline):
            if time is not None:
                microseconds(time)


def microseconds(time: dt.datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly.

    Raises ValueError for a time outside the years 2000 to 2099, where broken clocks and wrong units land.
    """
    time_us = round(time.timestamp() * 1e6)  # in these years a float has bits to spare
    if not _EARLIEST_US <= time_us < _LATEST_US:
        raise ValueError(f"Expected a time between the year 2000 and 2100, got {time.isoformat()}")
    return time_us


def _refuse_unclear_null(name: str, value: object, status: str | None) -> None:
    if (value is None) is (status is None or status == "ok"):
        raise ValueError(f"Expected either `{name}` with status ok, or null with the status that says why")


def _missing(name: str) -> str:
    return f"Object missing required field `{name}`"


TYPES: Mapping[str, type[Payload]] = {
    f"rewarddrift.{payload.__name__.lower()}.v1": payload
    for payload in (Checkpoint, Response, Feedback, Outcome, Score, Preference, Evaluation, Erasure)
}
