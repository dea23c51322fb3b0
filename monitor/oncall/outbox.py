"""What is still to be sent? Rows written with the transition they tell of, sent at least once, under one key."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, RowMapping, text

from monitor.oncall.receivers.port import ENDED, Message
from monitor.production.items import microseconds

ADD = """
    INSERT INTO outbox (dedup_key, receiver, body, kind, created_us, attempts, next_attempt_us)
    VALUES (:key, :receiver, :body, :kind, :now, 0, :now) RETURNING id
"""
WAITING = """
    SELECT id, dedup_key, receiver, body, attempts, next_attempt_us, created_us, passed_on FROM outbox
    WHERE sent_us IS NULL AND dropped IS NULL ORDER BY id
"""
LATEST = """
    SELECT id, dedup_key, receiver, body, attempts, next_attempt_us, created_us, passed_on, kind,
        sent_us, COALESCE(refreshed_us, sent_us) AS told_us
    FROM outbox WHERE sent_us IS NOT NULL AND id IN (
        SELECT MAX(id) FROM outbox WHERE receiver = :receiver AND COALESCE(dropped, '') <> 'unwanted'
        GROUP BY dedup_key)
    ORDER BY id
"""
EARLIER = """
    SELECT COUNT(*) FROM outbox WHERE receiver = :receiver AND dedup_key = :key AND id < :id
        AND COALESCE(dropped, '') <> 'unwanted'
"""
SENT = "UPDATE outbox SET sent_us = :now, attempts = attempts + 1, last_error = NULL WHERE id = :id"
REFRESHED = "UPDATE outbox SET refreshed_us = :now WHERE id = :id"
FAILED = "UPDATE outbox SET attempts = attempts + 1, next_attempt_us = :next, last_error = :why WHERE id = :id"
WAITS = """
    UPDATE outbox SET next_attempt_us = :next
    WHERE receiver = :receiver AND sent_us IS NULL AND dropped IS NULL AND next_attempt_us < :next
"""
PASSED_ON = "UPDATE outbox SET passed_on = :to WHERE id = :id"
DROPPED = "UPDATE outbox SET dropped = :why WHERE id = :id"


@dataclass(frozen=True)
class Row:
    """One message for one receiver, as kept. Times are microseconds since 1970-01-01 UTC.

    passed_on: the receiver that got it instead, after this one failed for too long.
    """

    id: int
    receiver: str
    message: Message
    attempts: int
    next_attempt_us: int
    created_us: int
    passed_on: str | None


def enqueue(connection: Connection, message: Message, receivers: Sequence[str], now: dt.datetime) -> list[int]:
    """Add one row a receiver to the caller's transaction; return their numbers."""
    body = json.dumps(message.to_plain())
    row = {"key": message.dedup_key, "body": body, "kind": message.kind, "now": microseconds(now)}
    return [connection.execute(text(ADD), {**row, "receiver": receiver}).scalar_one() for receiver in receivers]


def read_waiting(engine: Engine) -> list[Row]:
    """Every row that is neither sent nor dropped, due or not, oldest first."""
    with engine.connect() as connection:
        return [_row(found) for found in connection.execute(text(WAITING)).mappings()]


def was_told(engine: Engine, row: Row) -> bool:
    """Whether the receiver was to be told anything under this key before this row."""
    key = {"receiver": row.receiver, "key": row.message.dedup_key, "id": row.id}
    with engine.connect() as connection:
        return bool(connection.execute(text(EARLIER), key).scalar_one())


def read_stale(engine: Engine, receiver: str, now: dt.datetime, refresh: dt.timedelta) -> list[Row]:
    """The last message of each key that a receiver forgets unless told again: open ones not told since `refresh`.

    An end is told again for five minutes, a test never. Of a combined message those members are left out whose end was
    told under another key since.
    """
    with engine.connect() as connection:
        latest = connection.execute(text(LATEST), {"receiver": receiver}).mappings().all()
    stale = [one for one in latest if one["told_us"] <= microseconds(now - refresh) and _is_told_again(one, now)]
    if not stale:
        return []
    ended = [_row(one) for one in latest if one["kind"] in ENDED and one["id"] > stale[0]["id"]]
    ends = {name: row.id for row in ended for name in _fingerprints(row.message)}
    return [row for row in (_without_ended(_row(one), ends) for one in stale) if row is not None]


def _is_told_again(found: RowMapping, now: dt.datetime) -> bool:
    if found["kind"] in ENDED:
        return bool(found["sent_us"] > microseconds(now - dt.timedelta(minutes=5)))
    return bool(found["kind"] != "test")


def _fingerprints(message: Message) -> list[str]:
    return [alert["fingerprint"] for alert in message.members or (message.alert,)]


def _without_ended(row: Row, ends: Mapping[str, int]) -> Row | None:
    """The row without the alerts that ended after it; None if nothing is left."""
    left = tuple(one for one in row.message.members if ends.get(one["fingerprint"], 0) <= row.id)
    if row.message.members:
        return replace(row, message=replace(row.message, members=left)) if left else None
    return row if ends.get(row.message.alert["fingerprint"], 0) <= row.id else None


def mark_sent(connection: Connection, row: Row, now: dt.datetime, *, again: bool = False) -> None:
    """The receiver took it; again: it had it before."""
    connection.execute(text(REFRESHED if again else SENT), {"id": row.id, "now": microseconds(now)})


def mark_failed(connection: Connection, row: Row, next_attempt: dt.datetime, why: str) -> None:
    """It is tried again, not before `next_attempt`."""
    connection.execute(text(FAILED), {"id": row.id, "next": microseconds(next_attempt), "why": why})


def mark_busy(connection: Connection, receiver: str, until: dt.datetime) -> None:
    """The receiver asked for peace: nothing is sent to it before `until`."""
    connection.execute(text(WAITS), {"receiver": receiver, "next": microseconds(until)})


def drop(connection: Connection, row: Row, why: str) -> None:
    """It will not be sent: unwanted (by its severity), refused for good, or over (a test)."""
    connection.execute(text(DROPPED), {"id": row.id, "why": why})


def pass_on(connection: Connection, row: Row, fallback: str, why: str, now: dt.datetime) -> None:
    """Give the message to the fallback too, once, saying why."""
    message = row.message
    note = "; ".join(filter(None, [message.note, f"{row.receiver} could not deliver this: {why}"]))
    enqueue(connection, replace(message, via=(*message.via, row.receiver), note=note), [fallback], now)
    connection.execute(text(PASSED_ON), {"id": row.id, "to": fallback})


def _row(found: RowMapping) -> Row:
    return Row(
        found["id"],
        found["receiver"],
        Message.from_plain(json.loads(found["body"])),
        found["attempts"],
        found["next_attempt_us"],
        found["created_us"],
        found["passed_on"],
    )
