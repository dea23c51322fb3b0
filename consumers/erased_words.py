"""How do a person's words leave the tables of events? Columns are emptied, rows and numbers stay."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, true, update
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.belongings import Belongings
from consumers.canonical import canonical_json
from consumers.chunks import in_chunks
from consumers.emptied import has_words

_response, _feedback, _outcome, _preference, _checkpoint, _evaluation, _erasure, _text = (
    SQLModel.metadata.tables[name]
    for name in ("response", "feedback", "outcome", "preference", "checkpoint", "evaluation", "erasure", "text")
)
_SAID = [column for column in _text.columns if column.name not in ("seq", "extra")]
_WORDS = [*_SAID, _text.c.extra]
_NAMED = (
    _response.c.user_id,
    _outcome.c.user_id,
    _feedback.c.actor_id,
    _erasure.c.user_id,
    _preference.c.annotator,
)
_FREE_FORM = (
    _text.c.extra,
    _response.c.cohort,
    _preference.c.cohort,
    _checkpoint.c.lineage,
    _evaluation.c.samples,
)
_PLACES, _NEIGHBOURS = 100, 10  # where other people's texts are looked at, and how many there


def read_texts(connection: Connection, theirs: Belongings) -> list[str]:
    """The words in fields we know, of the user's events."""
    said: list[str] = []
    for events in in_chunks(sorted(theirs.events)):
        query = select(*_SAID).where(_text.c.seq.in_(events)).order_by(_text.c.seq)
        said += [words for row in connection.execute(query) for words in row if words]
    return said


def take_texts(connection: Connection, theirs: Belongings) -> int:
    """Empty the text rows of the user's events; returns how many had words.

    The empty rows stay: by them another copy of an erased event is known.
    """
    count = 0
    for events in in_chunks(sorted(theirs.events)):
        here = _text.c.seq.in_(events) & has_words()
        emptied = {column.name: None for column in _WORDS}
        count += connection.execute(update(_text).where(here).values(emptied)).rowcount
    for events in in_chunks(sorted(theirs.annotated - theirs.events)):
        here = _text.c.seq.in_(events) & _text.c.extra.is_not(None)
        count += connection.execute(update(_text).where(here).values(extra=None)).rowcount
    return count


def take_copies(connection: Connection, said: Iterable[str]) -> int:
    """Empty sides of preferences that name no response and repeat a text word for word; how many sides."""
    count, distinct = 0, sorted(set(said))
    for side, response_id in ((_text.c.a, _preference.c.a_response_id), (_text.c.b, _preference.c.b_response_id)):
        unnamed = select(_preference.c.seq).where(response_id.is_(None))
        for some in in_chunks(distinct):
            here = side.in_(some) & _text.c.seq.in_(unnamed)
            count += connection.execute(update(_text).where(here).values({side.name: None})).rowcount
    return count


def take_quotes(connection: Connection, is_quote: Callable[[str], bool]) -> int:
    """Empty strings that quote the user inside what checkpoints and evaluations carry along; how many rows."""
    unowned = [select(table.c.seq) for table in (_checkpoint, _evaluation)]
    count = 0
    for column, here in (
        (_checkpoint.c.lineage, true()),
        (_evaluation.c.samples, true()),
        *((_text.c.extra, _text.c.seq.in_(seqs)) for seqs in unowned),
    ):
        table = column.table
        rows = connection.execute(select(table.c.seq, column).where(column.is_not(None), here)).all()
        for seq, carried in rows:
            kept = canonical_json(_without(json.loads(carried), is_quote))
            if kept != carried:
                connection.execute(update(table).where(table.c.seq == seq).values({column.name: kept}))
                count += 1
    return count


def texts_of_others(connection: Connection, events: frozenset[int]) -> Iterator[str]:
    """Some texts that stand near the user's and are not: they tell what everybody says."""
    numbers, seen = sorted(events), set(events)
    for seq in numbers[:: max(len(numbers) // _PLACES, 1)]:
        query = select(_text.c.seq, *_SAID).where(_text.c.seq > seq).order_by(_text.c.seq).limit(_NEIGHBOURS)
        for number, *texts in connection.execute(query):
            if number not in seen:
                seen.add(number)
                yield "\n".join(filter(None, texts))


def rename(connection: Connection, user: str, name: str) -> int:
    """Put a name in the place of the user's, also where that is a string of free-form JSON; how many rows."""
    count = 0
    for column in _NAMED:
        count += connection.execute(update(column.table).where(column == user).values({column.name: name})).rowcount
    for column in _FREE_FORM:
        renamed = func.replace(column, bindparam("old", canonical_json(user)), bindparam("new", canonical_json(name)))
        changed = update(column.table).where(renamed != column).values({column.name: renamed})
        count += connection.execute(changed).rowcount
    return count


def _without(value: Any, is_quote: Callable[[str], bool]) -> Any:
    if isinstance(value, str):
        return "" if is_quote(value) else value
    if isinstance(value, dict):
        return {key: _without(item, is_quote) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, is_quote) for item in value]
    return value
