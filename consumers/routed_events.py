"""Which stored feedback may leave by a topic, and what does it look like there? The training firewall decides."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, func, select
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.curation import Answer, Forbidden, held_back, prohibition, read_answers, read_forbidden

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
NO_TOPIC = "no topic for this purpose"

Topics = Mapping[str, str | None]
"""Purpose -> the topic of its feedback; None: not routed."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_event, _feedback, _response, _text = (
    SQLModel.metadata.tables[name] for name in ("event", "feedback", "response", "text")
)


class Message(NamedTuple):
    """One event on its way to a topic. seq: its number in the store. key: the response it is about."""

    seq: int
    topic: str
    key: bytes
    value: bytes
    has_words: bool


@dataclass(frozen=True)
class Window:
    """A stretch of the store. until: number of its last event. withheld: feedback that stays, by reason."""

    until: int
    messages: Sequence[Message]
    withheld: Counter[str]


def has_events(engine: Engine, after: int) -> bool:
    """Is there an event of any type behind number `after`?"""
    with engine.connect() as connection:
        return connection.execute(select(_event.c.seq).where(_event.c.seq > after).limit(1)).scalar() is not None


def read_window(connection: Connection, after: int, topics: Topics, size: int) -> Window:
    """Read the feedback that becomes publishable with the `size` events behind number `after`, and decide on each.

    Curation feedback becomes so with the later of its own event and the first event of its response.
    """
    until = _end(connection, after, size)
    rows = [*_feedback_where(connection, _arrived(after, until)), *_feedback_where(connection, _waited(after, until))]
    about = {row["response_id"] for row in rows}
    answers = read_answers(connection, about)
    reported = _reported(connection, about, until)
    forbidden = read_forbidden(connection) if rows else None
    messages: list[Message] = []
    withheld: Counter[str] = Counter()
    for row in rows:
        assert forbidden is not None
        topic = topics.get(row["purpose"])
        reason = _refusal(row, answers, reported, forbidden)
        if topic is None or reason is not None:
            withheld[NO_TOPIC if topic is None else str(reason)] += 1
        else:
            has_words = any(row[name] is not None for name in ("correction", "comment", "extra"))
            messages.append(Message(row["seq"], topic, row["response_id"].encode(), cloud_event(row), has_words))
    return Window(until, messages, withheld)


def cloud_event(row: RowMapping) -> bytes:
    """One feedback event in CloudEvents structured mode, under the id and source it came with.

    row: of `event`, `feedback` and `text`. Extension attributes `feedbackpurpose` and `feedbackrule` say what it is
    good for, and which rule of which version decided. Of words, what the store still has; a field that was absent or
    unknown is absent.
    """
    event = {
        "specversion": "1.0",
        "id": row["event_id"],
        "source": row["source"],
        "type": "rewarddrift.feedback.v1",
        "time": (_EPOCH + dt.timedelta(microseconds=row["time_us"])).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "subject": row["response_id"],
        "feedbackpurpose": row["purpose"],
        "feedbackrule": row["purpose_rule"],
        "data": _merged(_data(row), json.loads(row["extra"] or "{}")),
    }
    return msgspec.json.encode(event)


def _data(row: RowMapping) -> dict[str, Any]:
    scale = None if row["scale_low"] is None else [row["scale_low"], row["scale_high"]]
    named = ("response_id", "signal", "value", "correction", "comment", "rubric", "task_id")
    actor = _known(id=row["actor_id"], role=row["actor_role"])
    surface = _known(name=row["surface_name"], environment=row["surface_environment"], purpose=row["surface_purpose"])
    data = {name: row[name] for name in named} | {"scale": scale, "actor": actor or None, "surface": surface or None}
    return {name: value for name, value in data.items() if value is not None}


def _known(**fields: str | None) -> dict[str, str]:
    """Without what is unknown: missing counts as unknown everywhere, and an id or a name may itself be "unknown"."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and (value != "unknown" or name in ("id", "name"))
    }


def _merged(known: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Put the fields the format does not know back where they stood."""
    merged = dict(known)
    for name, value in extra.items():
        both = isinstance(value, dict) and isinstance(known.get(name), dict)
        merged[name] = _merged(known[name], value) if both else value
    return merged


def _refusal(
    row: RowMapping, answers: Mapping[str, Answer], reported: frozenset[str], forbidden: Forbidden
) -> str | None:
    """A label passes the whole firewall; other feedback stays only if it is held out for measuring, or erased."""
    response_id, actor = row["response_id"], row["actor_id"]
    answer, said = answers.get(response_id), (row["correction"], row["comment"], row["extra"])
    if row["purpose"] != "curation":
        return held_back(response_id, actor, answer, forbidden, said)
    return prohibition(response_id, actor, answer if response_id in reported else None, forbidden, said)


def _end(connection: Connection, after: int, size: int) -> int:
    ahead = select(_event.c.seq).where(_event.c.seq > after).order_by(_event.c.seq).limit(size).subquery()
    return connection.execute(select(func.max(ahead.c.seq))).scalar() or after


def _feedback_where(connection: Connection, condition: ColumnElement[bool]) -> Sequence[RowMapping]:
    query = (
        select(_event.c.source, _event.c.event_id, _feedback, _text.c.correction, _text.c.comment, _text.c.extra)
        .select_from(
            _feedback.join(_event, _event.c.seq == _feedback.c.seq).outerjoin(_text, _text.c.seq == _feedback.c.seq)
        )
        .where(condition)
        .order_by(_feedback.c.seq)
    )
    return connection.execute(query).mappings().all()


def _arrived(after: int, until: int) -> ColumnElement[bool]:
    return (_feedback.c.seq > after) & (_feedback.c.seq <= until)


def _waited(after: int, until: int) -> ColumnElement[bool]:
    """Labels from before this stretch whose response is first reported in it."""
    here = select(_response.c.response_id).where(_response.c.seq > after, _response.c.seq <= until)
    before = select(_response.c.seq).where(_response.c.response_id == _feedback.c.response_id, _response.c.seq <= after)
    return (
        (_feedback.c.purpose == "curation")
        & (_feedback.c.seq <= after)
        & _feedback.c.response_id.in_(here)
        & ~before.exists()
    )


def _reported(connection: Connection, about: Iterable[str], until: int) -> frozenset[str]:
    known = select(_response.c.response_id).where(_response.c.response_id.in_(about), _response.c.seq <= until)
    return frozenset(connection.execute(known).scalars())
