"""Is the loop well, since when do we know, and how much may be a false alert?"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from consumers.database import reading
from monitor.oncall.alerts import SEVERITIES, is_inferred
from monitor.oncall.episodes import StoredEpisode
from monitor.oncall.intake import told
from monitor.report import wording
from monitor.settings import Settings
from monitor.standing import Standing, decided_until, read_standing
from monitor.web.views.changes import Changes, read_changes

YEAR = dt.timedelta(days=365)
LOOPS = """
    SELECT loop, closed, (SELECT COUNT(*) FROM alert_episode AS e
        WHERE e.loop = m.loop AND e.state IN ('firing', 'acked')) AS open_alerts
    FROM monitor_memory AS m ORDER BY loop
"""


@dataclass(frozen=True)
class Budget:
    """How many alerts that stand on evidence were raised in the last 365 days, and how many of them may be false."""

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
    """standing: how the loop does, in words in `headline`. open_alerts: the worst first. incidents: in words."""

    standing: Standing
    headline: str
    incidents: Sequence[str]
    open_alerts: Sequence[StoredEpisode]
    budgets: Sequence[Budget]
    others: Sequence[OtherLoop]
    changes: Changes


def overview(engine: Engine, settings: Settings, now: dt.datetime) -> Overview:
    """Read it; no query is longer for more events."""
    with reading(engine) as connection:
        standing = read_standing(connection, settings, now)
        others = _others(connection, settings.loop)
        changes = read_changes(connection, settings)
    episodes = standing.episodes
    return Overview(
        standing=standing,
        headline=_headline(standing),
        incidents=[told(one) for one in standing.incidents],
        open_alerts=sorted(standing.open_alerts, key=_worst_first),
        budgets=[_budget(name, days, episodes, now) for name, days in settings.alerts.days().items()],
        others=others,
        changes=changes,
    )


def _headline(standing: Standing) -> str:
    if standing.state == "quiet":
        return "No alert: nothing crossed a threshold on any decided day."
    if standing.state == "blind":
        return "Blind: harm would not be seen now."
    counts = Counter(one.episode.severity for one in standing.open_alerts)
    told_of = [wording.plural(counts[name], name) for name in reversed(SEVERITIES) if counts[name]]
    incidents = len(standing.incidents)
    gaps = [f"{wording.plural(incidents, 'open incident')} of the intake"] if incidents else []
    return f"Not well: {', '.join([*told_of, *gaps])}."


def _budget(severity: str, days: float, episodes: Sequence[StoredEpisode], now: dt.datetime) -> Budget:
    told_of = [
        one
        for one in episodes
        if one.fired is not None
        and now - one.fired <= YEAR
        and one.episode.severity == severity
        and is_inferred(one.episode)
    ]
    false = sum(one.decision in ("dismissed", "false-alert") for one in told_of)
    return Budget(severity, len(told_of), false, YEAR / dt.timedelta(days=days))


def _others(connection: Connection, loop: str) -> list[OtherLoop]:
    rows = connection.execute(text(LOOPS)).mappings()
    return [
        OtherLoop(row["loop"], row["open_alerts"], decided_until(row["closed"])) for row in rows if row["loop"] != loop
    ]


def _worst_first(stored: StoredEpisode) -> tuple[int, bool, int]:
    return -SEVERITIES.index(stored.episode.severity), bool(stored.episode.slice), stored.id
