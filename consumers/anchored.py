"""Which texts are held out for measuring? The store keeps their fingerprints, so that no export and no topic says them.

The sets themselves are sealed and opened by `judges`, which imports nothing that exports; the two meet in this table.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Engine, select, text
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.database import writing
from consumers.fingerprints import Fingerprint, Fingerprints, fingerprint

_anchor_text = SQLModel.metadata.tables["anchor_text"]


def hold_out(engine: Engine, set_digest: str, texts: Mapping[str, Iterable[str]], now_us: int) -> None:
    """From now on nothing leaves that has one of these prompts or says one of these texts. Again: no effect.

    set_digest: names the set. texts: those of each item, by the id of its prompt in events.
    now_us: microseconds since 1970-01-01 UTC.
    """
    rows = [
        {"set_digest": set_digest, "prompt_id": prompt_id, "now_us": now_us, **fingerprint(one)._asdict()}
        for prompt_id, of_item in texts.items()
        for one in of_item
    ]
    insert = text(
        "INSERT INTO anchor_text (set_digest, prompt_id, words, head, whole, registered_at_us)"
        " VALUES (:set_digest, :prompt_id, :words, :head, :whole, :now_us) ON CONFLICT DO NOTHING"
    )
    with writing(engine) as connection:
        connection.execute(insert, rows)


def read_held_out(connection: Connection) -> tuple[frozenset[str], Fingerprints]:
    """Ids of held-out prompts, and the texts that must not leave."""
    columns = _anchor_text.c
    rows = connection.execute(select(columns.prompt_id, columns.words, columns.head, columns.whole)).all()
    return frozenset(row.prompt_id for row in rows), Fingerprints(Fingerprint(*row[1:]) for row in rows)
