"""Which reactions of annotators may become training labels, and why not the others?

The firewall's decision alone: no files, no formats. Whatever is not shown to be allowed is withheld under a reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection, Engine, Select, select, text
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.anchored import read_held_out
from consumers.fingerprints import Fingerprints
from consumers.ledger import count_entries

Shape = Literal["unpaired", "sft", "preference"]
SIGNALS: Mapping[Shape, frozenset[str]] = {
    "unpaired": frozenset({"thumbs", "rating"}),
    "sft": frozenset({"correction"}),
    "preference": frozenset({"correction"}),
}
UNKNOWN_RESPONSE = "response unknown"

_event, _feedback, _response, _text = (
    SQLModel.metadata.tables[name] for name in ("event", "feedback", "response", "text")
)
_curated = select(_feedback.c.response_id).where(_feedback.c.purpose == "curation")


@dataclass(frozen=True)
class Reaction:
    """One curation feedback event. `key` orders events of equal time; `score` is its value as a share of its scale.

    seq: its number in the store.
    """

    seq: int
    time_us: int
    key: tuple[str, str]  # source, event id
    response_id: str
    signal: str
    actor: str | None
    score: float | None
    correction: str | None


@dataclass(frozen=True)
class Answer:
    """The response a reaction is about, with everything that can forbid its use. seq: number of its first report."""

    seq: int
    response_id: str
    checkpoint: str
    prompt_id: str | None
    conversation: str | None
    user: str | None
    environments: frozenset[str]  # of every event that reports this response
    prompt: str | None
    response: str | None


@dataclass(frozen=True)
class Forbidden:
    """What must never leave: anchored items, by whatever names or says them, and users who asked to be forgotten."""

    responses: frozenset[str]
    prompts: frozenset[str]
    texts: Fingerprints
    conversations: frozenset[str]
    users: frozenset[str]
    erased: frozenset[str]


@dataclass(frozen=True)
class Curation:
    """Everything the export decides on, read from the store. `rules`: feedback events per (purpose, rule).

    erasures: how many the ledger held before anything else was read.
    """

    erasures: int
    reactions: Sequence[Reaction]
    answers: Mapping[str, Answer]
    forbidden: Forbidden
    rules: Mapping[tuple[str, str], int]


def read_curation(engine: Engine) -> Curation:
    """Read everything of one moment; prohibitions last, for a database whose readers see later commits."""
    with engine.connect() as connection:
        return Curation(
            erasures=count_entries(connection),
            reactions=sorted(_reactions(connection), key=lambda reaction: (reaction.time_us, reaction.key)),
            answers=read_answers(connection, _curated),
            rules={
                (purpose, rule): count
                for purpose, rule, count in connection.execute(
                    text(
                        "SELECT purpose, purpose_rule, count(*) FROM feedback"
                        " GROUP BY purpose, purpose_rule ORDER BY purpose, purpose_rule"
                    )
                )
            },
            forbidden=read_forbidden(connection),
        )


def latest(reactions: Iterable[Reaction]) -> list[Reaction]:
    """Keep the last reaction of each actor with each signal to each response, by event time, in order of time.

    Reactions come ordered by (time, source, id). An unknown actor may be anybody, so nobody's reaction replaces it.
    """
    kept = {(r.actor or r.key, r.signal, r.response_id): r for r in reactions}
    return sorted(kept.values(), key=lambda reaction: (reaction.time_us, reaction.key))


def refusal(
    reaction: Reaction, answer: Answer | None, forbidden: Forbidden, shape: Shape, rating_threshold: float | None
) -> str | None:
    """Name the first reason why this reaction may not become a row of this shape; None if it may."""
    if reaction.signal not in SIGNALS[shape]:
        return f"signal {reaction.signal} has no place in this shape"
    if reaction.signal == "rating" and rating_threshold is None:
        return "rating without a threshold"
    if answer is None:
        return UNKNOWN_RESPONSE
    return (
        prohibition(reaction.response_id, reaction.actor, answer, forbidden, (reaction.correction,))
        or _missing_text(reaction, answer, shape)
        or (_missing_value(reaction) if shape == "unpaired" else None)
    )


def prohibition(
    response_id: str, actor: str | None, answer: Answer | None, forbidden: Forbidden, said: Iterable[str | None]
) -> str | None:
    """Name the first reason why nothing said about this response may become a label, in any shape; None if it may.

    said: what is said about it.
    """
    held = held_back(response_id, actor, answer, forbidden, said)
    if held or answer is None:
        return held or UNKNOWN_RESPONSE
    elsewhere = sorted(answer.environments - {"production"})
    return f"response from {elsewhere[0]}" if elsewhere else None


def held_back(
    response_id: str, actor: str | None, answer: Answer | None, forbidden: Forbidden, said: Iterable[str | None]
) -> str | None:
    """Name why what an actor said about a response may leave for no purpose: erased, or anchored. None if it may."""
    if actor in forbidden.erased or (answer and answer.user in forbidden.erased):
        return "user asked for erasure"
    if response_id in forbidden.responses or (
        answer
        and (
            answer.prompt_id in forbidden.prompts
            or answer.conversation in forbidden.conversations
            or answer.user in forbidden.users
        )
    ):
        return "anchored: held out for measuring"
    if any(map(forbidden.texts.hold, (*said, *((answer.prompt, answer.response) if answer else ())))):
        return "anchored: says what a held-out item says"
    return None


def _missing_text(reaction: Reaction, answer: Answer, shape: Shape) -> str | None:
    if not answer.prompt:
        return "no text of the prompt"
    if shape != "sft" and not answer.response:
        return "no text of the response"
    if shape != "unpaired" and not reaction.correction:
        return "no text of the correction"
    if shape == "preference" and reaction.correction == answer.response:
        return "correction equals the response"
    return None


def _missing_value(reaction: Reaction) -> str | None:
    return "no value on a known scale" if reaction.score is None else None


def _reactions(connection: Connection) -> Iterator[Reaction]:
    rows = connection.execute(
        text(
            "SELECT e.seq, e.time_us, e.source, e.event_id, f.response_id, f.signal, f.actor_id,"
            " f.value, f.scale_low, f.scale_high, t.correction"
            " FROM feedback f JOIN event e ON e.seq = f.seq LEFT JOIN text t ON t.seq = f.seq"
            " WHERE f.purpose = 'curation'"
        )
    )
    for row in rows:
        yield Reaction(
            seq=row.seq,
            time_us=row.time_us,
            key=(row.source, row.event_id),
            response_id=row.response_id,
            signal=row.signal,
            actor=row.actor_id,
            score=_share(row.signal, row.value, row.scale_low, row.scale_high),
            correction=row.correction,
        )


def _share(signal: str, value: float | None, low: float | None, high: float | None) -> float | None:
    """Place a value on its scale, 0 to 1; thumbs have no other scale. None if it has no place there."""
    if signal == "thumbs":
        low, high = 0.0, 1.0
    if value is None or low is None or high is None or not low <= value <= high or low == high:
        return None
    return (value - low) / (high - low)


def read_answers(connection: Connection, about: Select[tuple[str]] | Iterable[str]) -> dict[str, Answer]:
    """The first report of each response (by event time), with the environments of all its reports.

    about: response ids, at most some ten thousand, or the query that selects them.
    """
    query = (
        select(
            _event.c.seq,
            _event.c.time_us,
            _event.c.source,
            _event.c.event_id,
            _response.c.response_id,
            _response.c.checkpoint,
            _response.c.prompt_id,
            _response.c.conversation_id,
            _response.c.user_id,
            _response.c.environment,
            _text.c.prompt,
            _text.c.response,
        )
        .select_from(
            _response.join(_event, _event.c.seq == _response.c.seq).outerjoin(_text, _text.c.seq == _response.c.seq)
        )
        .where(_response.c.response_id.in_(about))
    )
    rows = connection.execute(query)
    answers: dict[str, Answer] = {}
    for row in sorted(rows, key=lambda row: (row.time_us, row.source, row.event_id)):
        before = answers.get(row.response_id)
        first = before or Answer(
            seq=row.seq,
            response_id=row.response_id,
            checkpoint=row.checkpoint,
            prompt_id=row.prompt_id,
            conversation=row.conversation_id,
            user=row.user_id,
            environments=frozenset(),
            prompt=row.prompt,
            response=row.response,
        )
        answers[row.response_id] = replace(first, environments=first.environments | {row.environment})
    return answers


def read_forbidden(connection: Connection) -> Forbidden:
    """Everything that must never leave, as of this moment."""

    def names(query: str) -> frozenset[str]:
        return frozenset(name for row in connection.execute(text(query)) for name in row if name is not None)

    held_out_prompts, texts = read_held_out(connection)
    return Forbidden(
        responses=names(
            "SELECT response_id, NULL FROM outcome WHERE anchor_set IS NOT NULL"
            " UNION SELECT a_response_id, b_response_id FROM preference WHERE anchor_set IS NOT NULL"
        ),
        prompts=held_out_prompts
        | names(
            "SELECT prompt_id FROM preference WHERE anchor_set IS NOT NULL"
            " UNION SELECT r.prompt_id FROM response r JOIN outcome o ON o.response_id = r.response_id"
            " WHERE o.anchor_set IS NOT NULL"
            " UNION SELECT r.prompt_id FROM response r JOIN preference p ON p.a_response_id = r.response_id"
            " WHERE p.anchor_set IS NOT NULL"
            " UNION SELECT r.prompt_id FROM response r JOIN preference p ON p.b_response_id = r.response_id"
            " WHERE p.anchor_set IS NOT NULL"
        ),
        texts=texts,
        conversations=names("SELECT conversation_id FROM outcome WHERE anchor_set IS NOT NULL"),
        users=names("SELECT user_id FROM outcome WHERE anchor_set IS NOT NULL"),
        erased=names("SELECT user_id FROM erasure"),
    )
