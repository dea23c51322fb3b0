"""How old is the newest of each kind of data? No data is an alert of its own, and never a sign of health."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from monitor.oncall.hold import Reading
from monitor.production.items import EPOCH, microseconds
from monitor.settings import Settings

CHECK = "no_data"
HOLD = dt.timedelta(minutes=10)  # a reader that restarts is no alert
DAY = dt.timedelta(days=1)
BLINDING = ("event", "outcome", "evaluation")  # without these nobody would see harm: a warning, else a ticket
FIRST_EVENT = "SELECT time_us FROM response WHERE environment = 'production' ORDER BY time_us LIMIT 1"
# Responses have an index by time, and one of evaluation answers, which SQLite takes only where no time is compared; of
# other kinds the rows that came last are enough.
NEWEST = {
    "event": """
        SELECT time_us FROM response WHERE environment = 'production' AND time_us <= :now
        ORDER BY time_us DESC LIMIT 1
    """,
    "feedback": """
        SELECT MAX(time_us) FROM (SELECT time_us FROM feedback ORDER BY seq DESC LIMIT 10000) AS last
        WHERE time_us <= :now
    """,
    "score": """
        SELECT MAX(time_us) FROM (SELECT time_us FROM score ORDER BY seq DESC LIMIT 10000) AS last
        WHERE time_us <= :now
    """,
    "outcome": """
        SELECT MAX(time_us) FROM (SELECT time_us FROM outcome WHERE metric = :metric ORDER BY seq DESC LIMIT 10000)
        AS last WHERE time_us <= :now
    """,
    "anchors": """
        SELECT MAX(CASE WHEN time_us <= :now THEN time_us END) FROM response WHERE environment = 'evaluation'
    """,
    "judgments": """
        SELECT MAX(time_us) FROM (SELECT time_us FROM preference ORDER BY seq DESC LIMIT 10000) AS last
        WHERE time_us <= :now
    """,
}
DECIDED = "SELECT closed FROM monitor_memory WHERE loop = :loop"
WORDS = {
    "event": "answer in production",
    "feedback": "feedback",
    "score": "score",
    "outcome": "outcome",
    "anchors": "answer to a held-out item",
    "judgments": "judgment",
    "evaluation": "look at the loop",
}


@dataclass(frozen=True)
class Stage:
    """How old the newest of a stage is, and how old it may be. newest: None when there never was one."""

    name: str
    newest: dt.datetime | None
    age: dt.timedelta | None
    limit: dt.timedelta

    @property
    def is_stale(self) -> bool:
        """Older than it may be, or never there."""
        return self.age is None or self.age > self.limit


def read_stages(connection: Connection, settings: Settings, now: dt.datetime) -> list[Stage]:
    """The stages that this loop needs, and those of which there ever was one.

    Of a needed stage that never was, the age counts from the first answer; without any answer there is no age.
    """
    found = {name: _newest(connection, name, settings, now) for name in NEWEST}
    closed = connection.execute(text(DECIDED), {"loop": settings.loop}).scalar()
    found["evaluation"] = EPOCH + closed * DAY if closed else None
    first = connection.execute(text(FIRST_EVENT)).scalar()
    began = None if first is None else EPOCH + dt.timedelta(microseconds=first)
    limits: Mapping[str, dt.timedelta] = dict(settings.freshness)
    stages = []
    for name in WORDS:
        newest = found[name]
        since = newest or (began if name in _needed(settings) else None)
        if name in _needed(settings) or newest is not None:
            stages.append(Stage(name, newest, None if since is None else max(now - since, 0 * DAY), limits[name]))
    return [stage for stage in stages if stage.name not in _unused(settings)]


def freshness_readings(stages: list[Stage], now: dt.datetime) -> Iterator[Reading]:
    """One reading a stage: its age in days. It is well again at half the age that it may have."""
    for stage in stages:
        days, limit = (None if stage.age is None else stage.age / DAY), stage.limit / DAY
        yield Reading(
            check=CHECK,
            slice={"stage": stage.name},
            severity="warning" if stage.name in BLINDING else "ticket",
            value=float("inf") if stage.name == "event" and days is None else days,
            limit=limit,
            recovered=limit / 2 if stage.name != "evaluation" else limit,
            hold=HOLD,
            since=None if stage.age is None else now - stage.age + stage.limit,
            message=_told(stage),
        )


def _told(stage: Stage) -> str:
    what = WORDS[stage.name]
    if stage.newest is None:
        return f"no {what} has ever arrived; silence is no sign of health"
    return (
        f"the newest {what} is of {stage.newest:%Y-%m-%d %H:%M} UTC; it may be {stage.limit / DAY:g} d old"
        f" (freshness.{stage.name}); silence is no sign of health"
    )


def _newest(connection: Connection, name: str, settings: Settings, now: dt.datetime) -> dt.datetime | None:
    given = {"now": microseconds(now)} | ({"metric": settings.outcome.metric} if name == "outcome" else {})
    found = connection.execute(text(NEWEST[name]), given).scalar()
    return None if found is None else EPOCH + dt.timedelta(microseconds=found)


def _needed(settings: Settings) -> set[str]:
    return {"event", "outcome", "score" if settings.reward.scorer else "feedback"}


def _unused(settings: Settings) -> set[str]:
    reward = "feedback" if settings.reward.scorer else "score"
    return {reward} | (set() if settings.judges.watched else {"judgments"})
