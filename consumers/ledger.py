"""What was erased, when, and where are the words still, outside our reach?"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select
from sqlmodel import SQLModel

from consumers import tables  # noqa: F401 - fills the metadata
from consumers.chunks import in_chunks

_erased, _export, _exported, _checkpoint = (
    SQLModel.metadata.tables[name] for name in ("erased", "export", "exported", "checkpoint")
)


@dataclass(frozen=True)
class Erased:
    """One erasure on record. subject: SHA-256 of the user's name. erased_at_us: microseconds since 1970-01-01 UTC.

    texts, rejected, conflicts: events whose words went, and records whose bytes went. exports: files ("path",
    "sha256") that hold words that went. checkpoints: those whose lineage names one of these files, and their
    descendants, in order of their names: weights cannot be un-trained.
    """

    subject: str
    erased_at_us: int
    texts: int
    rejected: int
    conflicts: int
    exports: Sequence[Mapping[str, str]]
    checkpoints: Sequence[str]


def subject_of(user: str) -> str:
    """By what the ledger knows a user: enough to answer "was this one erased?", not to list who was."""
    return hashlib.sha256(user.encode()).hexdigest()


def add_entry(connection: Connection, entry: Erased) -> None:
    """Write it inside the caller's transaction."""
    lists = {name: json.dumps(getattr(entry, name), ensure_ascii=False) for name in ("exports", "checkpoints")}
    connection.execute(insert(_erased).values({**vars(entry), **lists}))


def last_entry(connection: Connection, subject: str) -> Erased | None:
    """The newest one of a user, None if there is none."""
    query = select(_erased).where(_erased.c.subject == subject).order_by(_erased.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _from_row(row)


def count_entries(connection: Connection) -> int:
    """How many erasures there were."""
    return connection.execute(select(func.count()).select_from(_erased)).scalar_one()


def add_export(
    connection: Connection, path: str, sha256: str, exported_at_us: int, labels: int, events: Iterable[int]
) -> None:
    """Note, before it leaves, a file, its number of labels, and the numbers of the events whose words it holds."""
    row = {"path": path, "sha256": sha256, "exported_at_us": exported_at_us, "labels": labels}
    number = connection.execute(insert(_export).values(row).returning(_export.c.id)).scalar_one()
    for some in in_chunks(events):
        connection.execute(insert(_exported), [{"export_id": number, "seq": seq} for seq in some])


def exports_of(connection: Connection, events: Iterable[int]) -> list[dict[str, str]]:
    """The exported files that hold words of these events, the oldest first."""
    numbers: set[int] = set()
    for some in in_chunks(events):
        numbers.update(connection.execute(select(_exported.c.export_id).where(_exported.c.seq.in_(some))).scalars())
    query = select(_export.c.id, _export.c.path, _export.c.sha256).order_by(_export.c.id)
    return [{"path": path, "sha256": sha256} for number, path, sha256 in connection.execute(query) if number in numbers]


def checkpoints_of(connection: Connection, exports: Sequence[Mapping[str, str]]) -> list[str]:
    """Checkpoints whose lineage names one of these files (by digest, path or file name), and their descendants."""
    rows = connection.execute(select(_checkpoint.c.checkpoint, _checkpoint.c.parent, _checkpoint.c.lineage)).all()
    found = {name for name, _, lineage in rows if lineage and _names_one(json.loads(lineage), exports)}
    while heirs := {name for name, parent, _ in rows if parent in found} - found:
        found |= heirs
    return sorted(found)


def _names_one(lineage: Any, exports: Sequence[Mapping[str, str]]) -> bool:
    said = list(_strings(lineage))
    return any(
        export["sha256"] in text or text.rpartition("/")[2] == export["path"].rpartition("/")[2]
        for export in exports
        for text in said
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _from_row(row: RowMapping) -> Erased:
    lists = {name: json.loads(row[name]) for name in ("exports", "checkpoints")}
    return Erased(**{**{name: row[name] for name in Erased.__dataclass_fields__}, **lists})
