"""Are the words that alerts quote still in the store? A quotation lives no longer than the text it is from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, text

from consumers.chunks import in_chunks

TOLD = "SELECT loop, told FROM monitor_memory"
SAVE_TOLD = "UPDATE monitor_memory SET told = :told WHERE loop = :loop"
BODIES = "SELECT id, receiver, sent_us, body FROM outbox WHERE created_us >= :since"
SAVE_BODY = "UPDATE outbox SET body = :body WHERE id = :id"
STILL_THERE = text("""
    SELECT r.response_id FROM response AS r JOIN text AS t ON t.seq = r.seq
    WHERE r.response_id IN :ids AND r.time_us >= :before AND (t.prompt IS NOT NULL OR t.response IS NOT NULL)
""").bindparams(bindparam("ids", expanding=True))

Example = dict[str, Any]


@dataclass
class Dropped:
    """quotes: how many were taken out. receivers: names of those that had been sent one of them."""

    quotes: int = 0
    receivers: set[str] = field(default_factory=set)


def drop_quotes(connection: Connection, *, since_us: int = 0, before_us: int = 0, dry_run: bool = False) -> Dropped:
    """Take out of alerts, told and to be sent, the words of answers that the store has no text of any more.

    since_us: of alerts queued from this moment on. before_us: also the words of answers given before this moment.
    Microseconds since 1970-01-01 UTC. dry_run: only count.
    """
    dropped = Dropped()
    for loop, told in connection.execute(text(TOLD)).all():
        if (changed := _cleaned(connection, told, before_us, dropped)) and not dry_run:
            connection.execute(text(SAVE_TOLD), {"loop": loop, "told": changed})
    for number, receiver, sent_us, body in connection.execute(text(BODIES), {"since": since_us}).all():
        if changed := _cleaned(connection, body, before_us, dropped):
            if sent_us is not None:
                dropped.receivers.add(receiver)
            if not dry_run:
                connection.execute(text(SAVE_BODY), {"id": number, "body": changed})
    return dropped


def _cleaned(connection: Connection, document: str, before_us: int, dropped: Dropped) -> str | None:
    """The JSON document without stale quotations, None if it has none."""
    value = json.loads(document)
    quoted = [example for example in _examples(value) if example["prompt"] or example["response"]]
    there: set[str] = set()
    for ids in in_chunks(sorted({example["response_id"] for example in quoted})):
        there.update(connection.execute(STILL_THERE, {"ids": ids, "before": before_us}).scalars())
    stale = [example for example in quoted if example["response_id"] not in there]
    for example in stale:
        example.update(prompt=None, response=None)
    dropped.quotes += len(stale)
    return json.dumps(value, ensure_ascii=False) if stale else None


def _examples(value: Any) -> Iterator[Example]:
    if isinstance(value, dict):
        if {"response_id", "prompt", "response"} <= value.keys():
            yield value
        for item in value.values():
            yield from _examples(item)
    elif isinstance(value, list):
        for item in value:
            yield from _examples(item)
