"""Which checkpoint serves, since when, and which one could be served instead?"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, inspect, text

from monitor.gate.result import Decision
from monitor.production.items import EPOCH, microseconds

SERVED_LATELY = dt.timedelta(days=7)
LOOK_BACK = dt.timedelta(days=90)  # whoever served last before that is nobody to go back to unread
TOLD_SHARES = """
    SELECT checkpoint, traffic_share, time_us FROM checkpoint WHERE traffic_share IS NOT NULL ORDER BY time_us, seq
"""
SERVED = """
    SELECT checkpoint, COUNT(*) FROM response WHERE environment = 'production' AND time_us > :since GROUP BY checkpoint
"""
SERVED_BEFORE = text("""
    SELECT checkpoint FROM response WHERE environment = 'production' AND time_us >= :since AND time_us < :until
      AND checkpoint NOT IN :blamed
    ORDER BY time_us DESC, seq DESC LIMIT 1
""").bindparams(bindparam("blamed", expanding=True))
LATEST_GATES = "SELECT content, recorded_us FROM gate_record WHERE loop = :loop ORDER BY number DESC LIMIT 100"


@dataclass(frozen=True)
class Live:
    """share: of traffic, 0 to 1. since: when events told that it began to serve; None where none did."""

    share: float
    since: dt.datetime | None = None


def live_checkpoints(connection: Connection, now: dt.datetime) -> dict[str, Live]:
    """Those that serve, as their last events told, else as counted over the last week's answers."""
    told: dict[str, Live] = {}
    for name, share, time in connection.execute(text(TOLD_SHARES)).all():
        before = told.get(name)
        since = before.since if before and before.share else EPOCH + dt.timedelta(microseconds=time)
        told[name] = Live(float(share), since)
    if any(live.share for live in told.values()):
        return {name: live for name, live in told.items() if live.share > 0}
    since_us = {"since": microseconds(now - SERVED_LATELY)}
    counts = {row[0]: int(row[1]) for row in connection.execute(text(SERVED), since_us)}
    return {name: Live(count / sum(counts.values())) for name, count in counts.items()}


def ways_back(
    connection: Connection, loop: str, starts: Iterable[dt.datetime], blamed: Iterable[str]
) -> Mapping[dt.datetime, str]:
    """By moment: which checkpoint to go back to, and why, as "ckpt-04 (last GO)"; a moment without one is left out.

    The last candidate that a gate let through before that moment, else the last checkpoint that served before it,
    within 90 days; never one of `blamed`.
    """
    names = sorted(set(blamed))
    gone = [one for one in _gone(connection, loop) if one[0] not in names]
    found = {}
    for start in sorted(set(starts)):
        passed = next((name for name, at in gone if at < start), None)
        served = None if passed else _served_before(connection, start, names)
        if passed or served:
            found[start] = f"{passed} (last GO)" if passed else f"{served} (served before)"
    return found


def _gone(connection: Connection, loop: str) -> list[tuple[str, dt.datetime]]:
    """Candidates to which a gate said GO, and when, the newest first; none in a store without gates."""
    if not inspect(connection).has_table("gate_record"):
        return []
    rows = connection.execute(text(LATEST_GATES), {"loop": loop}).all()
    told = [(json.loads(content), EPOCH + dt.timedelta(microseconds=at)) for content, at in rows]
    return [(str(record["candidate"]), at) for record, at in told if record["decision"] == Decision.GO]


def _served_before(connection: Connection, start: dt.datetime, blamed: list[str]) -> str | None:
    window = {"since": microseconds(start - LOOK_BACK), "until": microseconds(start)}
    found = connection.execute(SERVED_BEFORE, {**window, "blamed": blamed}).scalar()
    return None if found is None else str(found)
