"""Which rows of the store speak of a person?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata

_response, _feedback, _outcome, _score, _preference, _erasure = (
    SQLModel.metadata.tables[name] for name in ("response", "feedback", "outcome", "score", "preference", "erasure")
)


@dataclass(frozen=True)
class Belongings:
    """What is about a user. responses, conversations: their ids. events: numbers of the events whose words all go.

    annotated: numbers of preferences that the user judged: their texts are others', their unknown fields the user's.
    """

    user: str
    responses: frozenset[str]
    conversations: frozenset[str]
    events: frozenset[int]
    annotated: frozenset[int]


def find_belongings(connection: Connection, user: str) -> Belongings:
    """Everything the store can attribute.

    The user's responses are those under the user's name; those under no name in the same conversations; and those
    under no name to a prompt that only this user asked (an evaluation repeats it). To them belong feedback, scores,
    outcomes and preferences, whoever gave them; to the user, all that the user said of anything.
    """
    conversations = _values(connection, _conversations(user))
    responses = _values(connection, _responses(user))
    return Belongings(
        user=user,
        responses=responses,
        conversations=conversations,
        events=frozenset(seq for query in _events(user) for seq in connection.execute(query).scalars()),
        annotated=_values(connection, select(_preference.c.seq).where(_preference.c.annotator == user)),
    )


def _conversations(user: str) -> Select[Any]:
    return select(_response.c.conversation_id).where(
        _response.c.user_id == user, _response.c.conversation_id.is_not(None)
    )


def _prompts(user: str) -> Select[Any]:
    asked_by_others = select(_response.c.prompt_id).where(
        _response.c.user_id != user, _response.c.prompt_id.is_not(None)
    )
    return select(_response.c.prompt_id).where(
        _response.c.user_id == user, _response.c.prompt_id.is_not(None), _response.c.prompt_id.not_in(asked_by_others)
    )


def _responses(user: str) -> Select[Any]:
    unnamed = _response.c.user_id.is_(None) & or_(
        _response.c.conversation_id.in_(_conversations(user)), _response.c.prompt_id.in_(_prompts(user))
    )
    return select(_response.c.response_id).where(or_(_response.c.user_id == user, unnamed))


def _events(user: str) -> Iterator[Select[Any]]:
    def about(column: ColumnElement[Any]) -> ColumnElement[bool]:
        return column.in_(_responses(user))

    pairs = _preference.c
    yield select(_response.c.seq).where(about(_response.c.response_id))
    yield select(_feedback.c.seq).where(or_(_feedback.c.actor_id == user, about(_feedback.c.response_id)))
    yield select(_score.c.seq).where(about(_score.c.response_id))
    yield select(_outcome.c.seq).where(
        or_(
            _outcome.c.user_id == user,
            about(_outcome.c.response_id),
            _outcome.c.conversation_id.in_(_conversations(user)),
        )
    )
    yield select(pairs.seq).where(
        or_(about(pairs.a_response_id), about(pairs.b_response_id), pairs.prompt_id.in_(_prompts(user)))
    )
    yield select(_erasure.c.seq).where(_erasure.c.user_id == user)


def _values(connection: Connection, query: Select[Any]) -> frozenset[Any]:
    return frozenset(connection.execute(query.distinct()).scalars())
