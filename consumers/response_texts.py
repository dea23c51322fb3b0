"""What was answered, by the name of the answer? For whoever wrote answers into the store and goes on from them."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Engine, bindparam, text

from consumers.chunks import in_chunks
from consumers.database import reading

_TOLD = text("""
    SELECT r.response_id, r.time_us, t.response FROM response AS r LEFT JOIN text AS t ON t.seq = r.seq
    WHERE r.response_id IN :ids
""").bindparams(bindparam("ids", expanding=True))


class Told(NamedTuple):
    """A response on record. text: None if it came without words, or they were removed since."""

    time_us: int
    text: str | None


def responses_told(engine: Engine, ids: Iterable[str]) -> dict[str, Told]:
    """Those of these responses that are on record."""
    found: dict[str, Told] = {}
    with reading(engine) as connection:
        for some in in_chunks(ids):
            rows = connection.execute(_TOLD, {"ids": some})
            found.update((row.response_id, Told(row.time_us, row.response)) for row in rows)
    return found
