"""Is the loop well, since when do we know, and how much may be a false alert?"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from consumers.database import reading
from consumers.incidents import read_incidents
from monitor.oncall.alerts import SEVERITIES
from monitor.oncall.episodes import StoredEpisode, read_episodes
from monitor.oncall.freshness import Stage, read_stages
from monitor.oncall.intake import told
from monitor.production.items import date_of
from monitor.report import wording
from monitor.settings import Settings
from monitor.status import BLIND_DAYS
from monitor.web.views.changes import Changes, read_changes

YEAR = dt.timedelta(days=365)
CLOSED = "SELECT closed FROM monitor_memory WHERE loop = :loop"
LOOPS = """
    SELECT loop, closed, (SELECT COUNT(*) FROM alert_episode AS e
        WHERE e.loop = m.loop AND e.state IN ('firing', 'acked')) AS open_alerts
    FROM monitor_memory AS m ORDER BY loop
"""


@dataclass(frozen=True)
class Budget:
    """How many alerts of a severity were told in the last 365 days, and how many of them may be false."""

    severity: str
    fired: int
    called_false: int
    allowed: float


@dataclass(frozen=True)
class OtherLoop:
    """Another loop of the same store. decided: the last day that was."""

    name: str
    open_alerts: int
    decided: dt.date | None


@dataclass(frozen=True)
class Overview:
    """state: alert, quiet, or blind where harm would not be seen: nothing was decided lately, or a stage is too old.

    incidents: of the intake, in words. reasons: why harm would not be seen.
    """

    state: str
    headline: str
    incidents: Sequence[str]
    reasons: Sequence[str]
    open_alerts: Sequence[StoredEpisode]
    decided: dt.date | None
    stages: Sequence[Stage]
    budgets: Sequence[Budget]
    others: Sequence[OtherLoop]
    changes: Changes


def overview(engine: Engine, settings: Settings, now: dt.datetime) -> Overview:
    """Read it; no query is longer for more events."""
    with reading(engine) as connection:
        episodes = read_episodes(connection, settings.loop)
        incidents = [told(one) for one in read_incidents(connection, open_only=True)]
        stages = read_stages(connection, settings, now)
        decided = _decided(connection.execute(text(CLOSED), {"loop": settings.loop}).scalar())
        others = _others(connection, settings.loop)
        changes = read_changes(connection, settings)
    open_alerts = sorted((one for one in episodes if one.is_open), key=_worst_first)
    reasons = _blind(decided, stages, now)
    state = "alert" if open_alerts or incidents else "blind" if reasons else "quiet"
    return Overview(
        state=state,
        headline=_headline(state, open_alerts, len(incidents)),
        incidents=incidents,
        reasons=reasons,
        open_alerts=open_alerts,
        decided=decided,
        stages=stages,
        budgets=[_budget(name, days, episodes, now) for name, days in settings.alerts.days().items()],
        others=others,
        changes=changes,
    )


def _headline(state: str, open_alerts: Sequence[StoredEpisode], incidents: int) -> str:
    if state == "quiet":
        return "No alert: nothing crossed a threshold on any decided day."
    if state == "blind":
        return "Blind: harm would not be seen now."
    counts = Counter(one.episode.severity for one in open_alerts)
    told_of = [wording.plural(counts[name], name) for name in reversed(SEVERITIES) if counts[name]]
    gaps = [f"{wording.plural(incidents, 'open incident')} of the intake"] if incidents else []
    return f"Not well: {', '.join([*told_of, *gaps])}."


def _blind(decided: dt.date | None, stages: Sequence[Stage], now: dt.datetime) -> list[str]:
    """Why silence is no sign of health."""
    if decided is None:
        return ["No day was decided yet: `reward-drift serve` or a daily `reward-drift tick` looks at the store."]
    late = (now.date() - decided).days > BLIND_DAYS
    reasons = [f"Nothing was decided since {decided.isoformat()}: does `reward-drift serve` run?"] if late else []
    return reasons + [
        f"the newest {one.name} is too old, so what depends on it cannot be seen" for one in _stale(stages)
    ]


def _stale(stages: Sequence[Stage]) -> list[Stage]:
    return [one for one in stages if one.is_stale and one.name != "evaluation"]


def _budget(severity: str, days: float, episodes: Sequence[StoredEpisode], now: dt.datetime) -> Budget:
    told_of = [
        one
        for one in episodes
        if one.fired is not None and now - one.fired <= YEAR and one.episode.severity == severity
    ]
    false = sum(one.decision in ("dismissed", "false-alert") for one in told_of)
    return Budget(severity, len(told_of), false, YEAR / dt.timedelta(days=days))


def _others(connection: Connection, loop: str) -> list[OtherLoop]:
    rows = connection.execute(text(LOOPS)).mappings()
    return [OtherLoop(row["loop"], row["open_alerts"], _decided(row["closed"])) for row in rows if row["loop"] != loop]


def _decided(closed: int | None) -> dt.date | None:
    return date_of(closed - 1) if closed else None


def _worst_first(stored: StoredEpisode) -> tuple[int, bool, int]:
    return -SEVERITIES.index(stored.episode.severity), bool(stored.episode.slice), stored.id
