"""Is the machinery well? Data come, few events are rejected, no check is broken, the gate let its candidate through."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from monitor.check import Finding, Interval, Verdict
from monitor.oncall.alerts import OPERATIONAL, Crossing, Episode, Reason
from monitor.oncall.episodes import (
    StoredEpisode,
    add_transition,
    change,
    keep_alert,
    moved,
    open_episode,
    read_episodes,
)
from monitor.oncall.freshness import CHECK as NO_DATA
from monitor.oncall.freshness import freshness_readings, read_stages
from monitor.oncall.gate_told import CHECK as GATE
from monitor.oncall.gate_told import gate_readings
from monitor.oncall.hold import ENDED, Life, Reading, at_once, follow, is_over
from monitor.production.items import day_of, microseconds
from monitor.result import Alert
from monitor.settings import Settings
from monitor.snapshot import slice_name

REJECTED, BROKEN = "rejection_ratio", "check_error"
RULES = (NO_DATA, REJECTED, BROKEN, GATE)
MOST_REJECTED, FEW_REJECTED = 0.05, 0.02  # shares of what came in a day
LEAST_REJECTED = 20
COUNTED = 100_000  # of the newest events, so that a tick stays cheap
REJECTION_HOLD = dt.timedelta(minutes=15)
ACCEPTED_SINCE = """
    SELECT COUNT(*), MIN(time_us) FROM (SELECT time_us FROM event ORDER BY seq DESC LIMIT :most) AS last
    WHERE time_us > :since AND time_us <= :now
"""
REJECTED_SINCE = "SELECT COUNT(*) FROM rejected WHERE received_at_us > :since AND received_at_us <= :now"
FIXED = "SELECT fixed FROM monitor_memory WHERE loop = :loop"
BROKE_BEFORE = """
    SELECT DISTINCT SUBSTR(slice_name, 8) FROM alert_episode WHERE loop = :loop AND check_name = 'check_error'
"""
ATTRIBUTIONS = {NO_DATA: "no_data", REJECTED: "data_fault", BROKEN: "tool_fault", GATE: "not_let_through"}


def read_machinery(connection: Connection, settings: Settings, as_of: dt.datetime) -> list[Reading]:
    """What every operational rule says as of a moment."""
    stages = read_stages(connection, settings, as_of)
    return [
        *freshness_readings(stages, as_of),
        _rejection(connection, as_of),
        *_broken_checks(connection, settings.loop),
        *gate_readings(connection, settings.loop, microseconds(as_of)),
    ]


def _rejection(connection: Connection, as_of: dt.datetime) -> Reading:
    now, since = microseconds(as_of), microseconds(as_of - dt.timedelta(days=1))
    given: dict[str, Any] = {"most": COUNTED, "since": since, "now": now}
    accepted, first = connection.execute(text(ACCEPTED_SINCE), given).one()
    since = first if accepted == COUNTED else since
    rejected = connection.execute(text(REJECTED_SINCE), {"since": since, "now": now}).scalar_one()
    came = accepted + rejected
    share = rejected / came if came else None
    return Reading(
        REJECTED, {}, "ticket",
        value=share if rejected >= LEAST_REJECTED or share is None else 0.0,
        limit=MOST_REJECTED, recovered=FEW_REJECTED, hold=REJECTION_HOLD,
        message=f"{rejected:,} of {came:,} events of the last day were rejected; `reward-drift rejected list` says why",
    )  # fmt: skip


def _broken_checks(connection: Connection, loop: str) -> Iterator[Reading]:
    fixed = connection.execute(text(FIXED), {"loop": loop}).scalar()
    if fixed is None:
        return
    found = msgspec.json.decode(fixed, type=list[Finding])
    broken = {finding.check: finding.message for finding in found if finding.verdict is Verdict.ERROR}
    known = {row[0] for row in connection.execute(text(BROKE_BEFORE), {"loop": loop})}
    for name in sorted({*broken, *known}):
        told = f"the check broke and says nothing until it is mended: {broken.get(name, '')}"
        yield at_once(BROKEN, {"broken": name}, "ticket", is_broken=name in broken, message=told)


def observe(connection: Connection, loop: str, readings: Sequence[Reading], now: dt.datetime) -> None:
    """Carry every operational episode over one evaluation, inside the caller's transaction.

    An open one whose rule is not asked any more is superseded.
    """
    latest = {
        (stored.episode.check, stored.episode.slice_name): stored
        for stored in read_episodes(connection, loop)
        if is_operational(stored)
    }
    for reading in readings:
        _evaluate(connection, loop, latest.pop((reading.check, slice_name(reading.slice)), None), reading, now)
    for stored in latest.values():
        if stored.is_open or stored.episode.state == "pending":
            add_transition(connection, stored.id, Reason.SUPERSEDED, "", now)
            change(connection, stored.id, ended_us=microseconds(now), **moved("superseded", now))


def _evaluate(
    connection: Connection, loop: str, stored: StoredEpisode | None, reading: Reading, now: dt.datetime
) -> None:
    previous = None
    if stored is not None and is_over(life_of(stored), now):
        previous, stored = stored.id, None
    before = None if stored is None else life_of(stored)
    life, reason = follow(before, reading, now)
    if life is None or life == before:
        return
    number = open_episode(connection, loop, _episode(reading, now), now, previous) if stored is None else stored.id
    change(connection, number, evaluated_us=microseconds(now), good=life.good, reopened=life.reopened)
    if before is None or life.state != before.state:
        _move(connection, number, before, life, reason, reading, loop, now)


def _move(
    connection: Connection,
    number: int,
    before: Life | None,
    life: Life,
    reason: Reason,
    reading: Reading,
    loop: str,
    now: dt.datetime,
) -> None:
    """Write that an episode came into another state, and what is told of it there."""
    change(connection, number, **moved(life.state, life.changed))
    if life.fired and not (before and before.fired):
        change(connection, number, fired_us=microseconds(now))
    ended = microseconds(now) if life.state in ENDED else None
    change(connection, number, ended_us=ended)
    if life.state not in ENDED:
        keep_alert(connection, number, alert_of(reading, loop, now))
    add_transition(connection, number, reason, "" if ended else reading.severity, now)


def life_of(stored: StoredEpisode) -> Life:
    """Where a stored operational episode stands."""
    evaluated = stored.evaluated or stored.opened - dt.timedelta(microseconds=1)
    fired = stored.fired is not None
    return Life(stored.episode.state, stored.changed, evaluated, stored.good, fired, stored.reopened)


def is_operational(stored: StoredEpisode) -> bool:
    """Whether this is an alert about the machinery."""
    return stored.episode.crossings[0].rule == OPERATIONAL


def alert_of(reading: Reading, loop: str, now: dt.datetime) -> Alert:
    """The alert of a rule that is broken. It stands on no inference, so that it has neither effect nor evidence."""
    episode = _episode(reading, now)
    return Alert(
        fingerprint=episode.fingerprint(loop),
        check=reading.check,
        attribution=ATTRIBUTIONS[reading.check],
        severity=reading.severity,
        slice=reading.slice,
        checkpoint="",
        fired_at=now,
        leading=ATTRIBUTIONS[reading.check],
        shares={},
        effect=Interval(),
        reward_change=Interval(),
        outcome_change=Interval(),
        n=0,
        message=f"{loop}: {reading.message}",
        evidence=None,
    )


def _episode(reading: Reading, now: dt.datetime) -> Episode:
    crossing = Crossing(reading.severity, OPERATIONAL, day_of(now))
    return Episode(reading.check, slice_name(reading.slice), reading.slice, (crossing,), "pending")
