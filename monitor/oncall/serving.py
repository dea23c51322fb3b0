"""Which checkpoint serves, since when, and which one could be served instead?"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from monitor.gate.records import newest_records
from monitor.gate.result import Decision
from monitor.production.items import EPOCH, microseconds

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SERVED_LATELY = dt.timedelta(days=7)
LOOK_BACK = dt.timedelta(days=90)  # whoever served last before that is nobody to go back to unread
TOLD_SHARES = """
    SELECT checkpoint, traffic_share, time_us FROM checkpoint WHERE traffic_share IS NOT NULL ORDER BY time_us, seq
"""
LAST = """
    SELECT checkpoint, COUNT(*) AS answers FROM (
        SELECT checkpoint FROM response
        WHERE environment = 'production' AND time_us >= :since AND time_us < :until ORDER BY time_us DESC LIMIT :most
    ) AS last GROUP BY checkpoint ORDER BY answers DESC, checkpoint
"""
ENOUGH_OF_AN_HOUR, ENOUGH_OF_A_DAY, ENOUGH_BEFORE = 100, 200, 1_000  # answers: no page waits for millions
LATEST_GATES = 100


@dataclass(frozen=True)
class Live:
    """share: of traffic, 0 to 1. since: when events told that it began to serve; None where none did."""

    share: float
    since: dt.datetime | None = None


@dataclass(frozen=True)
class Before:
    """What served before a moment. back: whom to go back to and why, as "ckpt-04 (last GO)", "" if nobody is known.

    served: checkpoints seen serving before it. One that is not among them may still have had a few of the answers.
    """

    back: str
    served: frozenset[str]


def live_checkpoints(connection: Connection, now: dt.datetime) -> dict[str, Live]:
    """Those that serve, as their last events told, else as counted over the last 100 answers of each hour of a week."""
    told: dict[str, Live] = {}
    for name, share, time in connection.execute(text(TOLD_SHARES)).all():
        before = told.get(name)
        since = before.since if before and before.share else EPOCH + dt.timedelta(microseconds=time)
        told[name] = Live(float(share), since)
    if any(live.share for live in told.values()):
        return {name: live for name, live in told.items() if live.share > 0}
    counts: Counter[str] = Counter()
    for hours in range(SERVED_LATELY // HOUR):
        until = now - hours * HOUR
        counts.update(_last(connection, until - HOUR, until, ENOUGH_OF_AN_HOUR))
    return {name: Live(count / sum(counts.values())) for name, count in counts.items()}


def ways_back(
    connection: Connection, loop: str, starts: Iterable[dt.datetime], blamed: Iterable[str]
) -> Mapping[dt.datetime, Before]:
    """By moment: what served before it, and whom to go back to; never one of `blamed`.

    That is the last candidate that a gate let through before that moment, else the checkpoint that served most on the
    last day before it on which another than `blamed` did, of 90 days and each day's last 200 answers.
    """
    names = frozenset(blamed)
    days: dict[dt.datetime, Mapping[str, int]] = {}
    gone = [one for one in _gone(connection, loop) if one[0] not in names]
    found = {}
    for start in sorted(set(starts)):
        passed = next((name for name, at in gone if at < start), None)
        served = _served_before(connection, start, names, days)
        back = f"{passed} (last GO)" if passed else f"{served} (served before)" if served else ""
        lately = _last(connection, start - LOOK_BACK, start, ENOUGH_BEFORE)
        found[start] = Before(back, frozenset(lately) | ({served} if served else frozenset()))
    return found


def _gone(connection: Connection, loop: str) -> list[tuple[str, dt.datetime]]:
    """Candidates to which a gate said GO, and when, the newest first; none in a store without gates."""
    records = [one for one in newest_records(connection, loop, LATEST_GATES) if one.as_written]
    told = [(json.loads(one.content), one.recorded_at) for one in records]
    return [(str(report["candidate"]), at) for report, at in told if report["decision"] == Decision.GO]


def _served_before(
    connection: Connection, start: dt.datetime, blamed: frozenset[str], days: dict[dt.datetime, Mapping[str, int]]
) -> str | None:
    """days: what was read already, by the end of each day."""
    until, first = start, start - LOOK_BACK
    while until > first:
        if until not in days:
            days[until] = _last(connection, until - DAY, until, ENOUGH_OF_A_DAY)
        found = next((name for name in days[until] if name not in blamed), None)
        if found is not None:
            return found
        until -= DAY
    return None


def _last(connection: Connection, since: dt.datetime, until: dt.datetime, most: int) -> Mapping[str, int]:
    """How many of the last answers each checkpoint gave, whoever gave most first."""
    given = {"since": microseconds(since), "until": microseconds(until), "most": most}
    return {row[0]: int(row[1]) for row in connection.execute(text(LAST), given)}
