"""What was emptied, and how is it known when it comes again? Nothing that was removed may come back as a copy."""

import hashlib
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, not_, or_, select, tuple_
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.chunks import in_chunks

_event, _text = (SQLModel.metadata.tables[name] for name in ("event", "text"))
_DETAIL = "its bytes were removed; content "


def has_words() -> ColumnElement[bool]:
    """Condition: a row of `text` that was not emptied."""
    return or_(*(column.is_not(None) for column in _text.columns if column.name != "seq"))


def emptied_events(connection: Connection, identities: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of these (source, id), the events whose words were erased: their text row is there, and empty."""
    identity = tuple_(_event.c.source, _event.c.event_id)
    found: set[tuple[str, str]] = set()
    for some in in_chunks(identities):
        query = select(_event.c.source, _event.c.event_id).join(_text, _text.c.seq == _event.c.seq)
        found.update(
            (source, name) for source, name in connection.execute(query.where(identity.in_(some), not_(has_words())))
        )
    return found


def content_mark(raw: bytes) -> str:
    """Twelve hexadecimal digits, by which the same bytes are known."""
    return hashlib.blake2b(raw, digest_size=6).hexdigest()


def emptied_record(raw: bytes) -> dict[str, bytes | str]:
    """New values of a rejected row's columns. The old detail goes too: it may quote."""
    return {"raw": b"", "detail": f"{_DETAIL}{content_mark(raw)}"}


def holds(stored: bytes, detail: str, raw: bytes) -> bool:
    """Is a stored row of this record, or was it before it was emptied?"""
    return stored == raw or (not stored and detail == f"{_DETAIL}{content_mark(raw)}")
