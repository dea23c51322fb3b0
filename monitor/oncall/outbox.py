"""What is still to be sent? Rows written with the transition they tell of; delivery is at least once, under one key."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text

from consumers.database import writing
from monitor.oncall.receivers.port import DeliveryFailed, Receiver
from monitor.production.items import microseconds
from monitor.result import Alert, plain_json

FIRST_RETRY = dt.timedelta(seconds=30)
LAST_RETRY = dt.timedelta(hours=1)
ADD = """
    INSERT INTO outbox (dedup_key, receiver, body, created_us, attempts, next_attempt_us)
    VALUES (:key, :receiver, :body, :now, 0, :now)
"""
DUE = "SELECT id, receiver, body, attempts FROM outbox WHERE sent_us IS NULL AND next_attempt_us <= :now ORDER BY id"
SENT = "UPDATE outbox SET sent_us = :now, attempts = attempts + 1, last_error = NULL WHERE id = :id"
FAILED = "UPDATE outbox SET attempts = attempts + 1, next_attempt_us = :next, last_error = :error WHERE id = :id"


@dataclass(frozen=True)
class Delivered:
    """How one round of delivery went."""

    sent: int
    failed: int


def enqueue(
    connection: Connection,
    dedup_key: str,
    alert: Alert,
    receivers: Sequence[str],
    now: dt.datetime,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Add one row a receiver to the caller's transaction. more: what else the message says (see oncall/message.py)."""
    body = json.dumps({"dedup_key": dedup_key, "alert": plain_json(asdict(alert)), **(more or {})})
    for receiver in receivers:
        row = {"key": dedup_key, "receiver": receiver, "body": body, "now": microseconds(now)}
        connection.execute(text(ADD), row)


def deliver(
    engine: Engine, receivers: Mapping[str, Receiver], now: dt.datetime, told: Callable[[str], None]
) -> Delivered:
    """Send every due row to its receiver; a failure waits twice as long each time, and no receiver holds up another.

    told: gets one line for each failure. A row is marked sent only after the receiver took it, so a crash in between
    sends it again under the same key.
    """
    with engine.connect() as connection:
        due = connection.execute(text(DUE), {"now": microseconds(now)}).mappings().all()
    sent = failed = 0
    for row in due:
        receiver = receivers.get(row["receiver"])
        if receiver is None:
            continue
        try:
            receiver.send(json.loads(row["body"]))
        except DeliveryFailed as fault:
            failed += 1
            told(f"alert not delivered to {row['receiver']}: {fault}; tried {row['attempts'] + 1} times, will retry")
            _mark(
                engine,
                FAILED,
                {"id": row["id"], "next": _next_attempt(row["attempts"], fault, now), "error": str(fault)},
            )
        else:
            sent += 1
            _mark(engine, SENT, {"id": row["id"], "now": microseconds(now)})
    return Delivered(sent, failed)


def _next_attempt(attempts: int, fault: DeliveryFailed, now: dt.datetime) -> int:
    wait = min(FIRST_RETRY * 2 ** min(attempts, 10), LAST_RETRY)
    return microseconds(now + max(wait, fault.retry_after))


def _mark(engine: Engine, statement: str, values: dict[str, Any]) -> None:
    with writing(engine) as connection:
        connection.execute(text(statement), values)
