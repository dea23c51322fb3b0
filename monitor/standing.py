"""How does the loop stand now? In a few short reads, however many events the store has."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from consumers.incidents import Incident, read_incidents
from monitor.detection.book import SeriesKey
from monitor.detection.daily import DailySums
from monitor.oncall.episodes import StoredEpisode, read_episodes
from monitor.oncall.freshness import WORDS, Stage, read_stages
from monitor.oncall.intake import noticed, told
from monitor.production.items import date_of
from monitor.result import plain_json
from monitor.settings import Settings
from monitor.telling.explain import DECOUPLING_CHECK

DAY = dt.timedelta(days=1)
ALL_OUTCOMES = SeriesKey(DECOUPLING_CHECK, "A2", "")
CLOSED = "SELECT closed FROM monitor_memory WHERE loop = :loop"


@dataclass(frozen=True)
class Standing:
    """What is open and how fresh what we know is.

    decided: the last day that was. episodes: all of the loop's, oldest first. incidents: the open ones of the intake.
    reasons: why harm would not be seen now; silence is then no sign of health.
    """

    loop: str
    decided: dt.date | None
    episodes: Sequence[StoredEpisode]
    incidents: Sequence[Incident]
    stages: Sequence[Stage]
    reasons: Sequence[str]

    @property
    def open_alerts(self) -> list[StoredEpisode]:
        """Those that did not end, oldest first."""
        return [one for one in self.episodes if one.is_open]

    @property
    def state(self) -> str:
        """alert: something is open, told already or not; else blind: harm would not be seen; else quiet."""
        return "alert" if self.open_alerts or self.incidents else "blind" if self.reasons else "quiet"

    def to_dict(self) -> dict[str, Any]:
        """The same in plain JSON types, as commands and the API tell it."""
        state: dict[str, Any] = plain_json(
            {
                "loop": self.loop,
                "state": self.state,
                "decided_until": self.decided,
                "blind_because": self.reasons,
                "alerts": [_alert(one) for one in self.open_alerts],
                "incidents": [_incident(one) for one in self.incidents],
                "stages": [_stage(one) for one in self.stages],
            }
        )
        return state


def read_standing(connection: Connection, settings: Settings, now: dt.datetime) -> Standing:
    """Read it; no query is longer for more production."""
    decided = decided_until(connection.execute(text(CLOSED), {"loop": settings.loop}).scalar())
    stages = read_stages(connection, settings, now)
    return Standing(
        loop=settings.loop,
        decided=decided,
        episodes=read_episodes(connection, settings.loop),
        incidents=read_incidents(connection, open_only=True),
        stages=stages,
        reasons=_blind(decided, stages, now, DailySums.of(connection, settings.loop)),
    )


def decided_until(closed: int | None) -> dt.date | None:
    """The last day that was decided. closed: the first one that was not, as the last look left it."""
    return date_of(closed - 1) if closed else None


def _blind(decided: dt.date | None, stages: Sequence[Stage], now: dt.datetime, sums: DailySums | None) -> list[str]:
    if decided is None:
        return ["No day was decided yet: `reward-drift serve` or a daily `reward-drift tick` looks at the store."]
    if decided > now.date():  # then every age is wrong too
        return [f"It is {now:%Y-%m-%d} here, and every day until {decided.isoformat()} is decided: set the clock."]
    reasons = [_stale(one, decided) for one in stages if one.is_stale]
    if sums is not None and ALL_OUTCOMES not in sums.slices:
        reasons.append("Nothing of production was compared yet: no unit after the reference has an outcome.")
    return reasons


def _stale(stage: Stage, decided: dt.date) -> str:
    if stage.name == "evaluation":
        return f"Nothing was decided since {decided.isoformat()}: does `reward-drift serve` run?"
    if stage.newest is None:
        return f"No {WORDS[stage.name]} ever came, so what depends on it cannot be seen."
    return f"The newest {WORDS[stage.name]} is too old, so what depends on it cannot be seen."


def _alert(one: StoredEpisode) -> dict[str, Any]:
    episode = one.episode
    return {"id": one.id, "check": episode.check, "severity": episode.severity, "slice": episode.slice}


def _incident(one: Incident) -> dict[str, Any]:
    return {
        "id": one.id,
        "source": one.source,
        "kind": one.kind,
        "lost_from": one.lost_from,
        "lost_until": one.lost_until,
        "since": noticed(one),
        "message": told(one),
    }


def _stage(one: Stage) -> dict[str, Any]:
    return {
        "stage": one.name,
        "newest": one.newest,
        "age_days": None if one.age is None else round(one.age / DAY, 2),
        "limit_days": one.limit / DAY,
        "stale": one.is_stale,
    }
