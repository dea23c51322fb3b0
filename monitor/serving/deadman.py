"""Is the monitor alive from end to end? A canary that arrives says so, outside; nothing else does.

1 the lane `intake` appends a canary as any event is appended
2 the lane `look`, where loops are looked at, finds it in the database and, if every thread turns, puts it in the outbox
3 the lane `send`, where alerts leave, takes it out, and its arrival there triggers the ping

A timer that pings while the rest is dead would be a lie; so there is none.
"""

import datetime as dt
import json
import os

from sqlalchemy import Connection, Engine, text

from consumers.canary import newest_canary
from consumers.database import writing
from monitor.oncall.receivers.endpoint import Endpoint
from monitor.production.items import microseconds
from monitor.serving.settings import DeadmanSettings

URL = "REWARD_DRIFT_DEADMAN_URL"
RECEIVER = "deadman"

LAST = "SELECT seq, passed_us, arrived_us FROM canary WHERE loop = :loop"
PASSED = """
    INSERT INTO canary (loop, seq, passed_us) VALUES (:loop, :seq, :now)
    ON CONFLICT (loop) DO UPDATE SET seq = :seq, passed_us = :now
"""
CLEAR = "DELETE FROM outbox WHERE receiver = :receiver AND dedup_key = :key"
ADD = """
    INSERT INTO outbox (dedup_key, receiver, body, created_us, attempts, next_attempt_us)
    VALUES (:key, :receiver, :body, :now, 0, :now)
"""
WAITING = """
    SELECT id, created_us FROM outbox WHERE receiver = :receiver AND dedup_key = :key AND sent_us IS NULL ORDER BY id
"""
SENT = "UPDATE outbox SET sent_us = :now, attempts = attempts + 1 WHERE id = :id"
ARRIVED = "UPDATE canary SET arrived_us = :now WHERE loop = :loop"


def watcher(chosen: DeadmanSettings | None) -> Endpoint | None:
    """Whom to ping. The URL in the environment was put there by whoever runs the monitor: it may be a private one."""
    if os.environ.get(URL):
        return Endpoint(os.environ[URL], allow_private=True)
    return None if chosen is None else Endpoint(chosen.url, allow_private=chosen.allow_private)


def pass_canary(engine: Engine, loop: str, now: dt.datetime) -> bool:
    """Put the newest canary into the outbox if it was not there yet; returns whether it was a new one."""
    with writing(engine) as connection:
        newest = newest_canary(connection, loop)
        last = connection.execute(text(LAST), {"loop": loop}).first()
        if newest is None or (last is not None and last.seq >= newest.seq):
            return False
        connection.execute(text(PASSED), {"loop": loop, "seq": newest.seq, "now": microseconds(now)})
        row = {"receiver": RECEIVER, "key": _key(loop)}
        connection.execute(text(CLEAR), row)
        body = json.dumps({"dedup_key": _key(loop), "alert": {"severity": "ticket", "message": "a canary"}})
        connection.execute(text(ADD), {**row, "body": body, "now": microseconds(now)})
        return True


def canary_arrives(engine: Engine, loop: str, now: dt.datetime, outside: Endpoint | None, oldest: dt.timedelta) -> bool:
    """Take the canary out of the outbox and ping; returns whether one was there that is not too old.

    Without a watcher outside its arrival is put on record only, for one that reads our metrics. Raises DeliveryFailed.
    """
    with engine.connect() as connection:
        row = _waiting(connection, loop)
    if row is None or row[1] < microseconds(now - oldest):
        return False
    if outside is not None:
        outside.post(b"", {})
    with writing(engine) as connection:
        connection.execute(text(SENT), {"id": row[0], "now": microseconds(now)})
        connection.execute(text(ARRIVED), {"loop": loop, "now": microseconds(now)})
    return True


def _waiting(connection: Connection, loop: str) -> tuple[int, int] | None:
    row = connection.execute(text(WAITING), {"receiver": RECEIVER, "key": _key(loop)}).first()
    return None if row is None else (row.id, row.created_us)


def _key(loop: str) -> str:
    return f"canary:{loop}"
