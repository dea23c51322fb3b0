"""What a store holds, apart from the order in which it came."""

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import text

from consumers.payloads import TYPES
from consumers.store import EventStore

TYPED = [kind.__name__.lower() for kind in TYPES.values()]


def contents(store: EventStore) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its rows sorted, each typed and text row with the identity of its event instead of its number."""
    found = {}
    with store.engine.connect() as connection:
        for table in [*TYPED, "text"]:
            query = f"SELECT e.source AS s, e.event_id AS i, t.* FROM {table} t JOIN event e ON e.seq = t.seq"
            rows = connection.execute(text(query)).mappings()
            found[table] = [tuple(value for name, value in row.items() if name != "seq") for row in rows]
        for table, columns in {
            "event": "source, event_id, type, time_us, digest",
            "rejected": "source, position, reason, detail, raw, raw_size, status",
            "conflict": "source, event_id, digest, raw",
            "source_position": "source, position",
        }.items():
            found[table] = [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))]
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def fresh_store(template: Path, path: Path) -> EventStore:
    """A migrated, empty store, copied because migrating takes longer."""
    if not template.exists():
        EventStore.open(template).close()
    shutil.copy(template, path)
    return EventStore.open(path)
