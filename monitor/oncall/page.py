"""What must a woken reader know, in five lines? Is it real, who is hurt, what is safe to do, can it wait?"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from consumers.incidents import read_incidents
from monitor.gate.result import Decision
from monitor.oncall.alerts import is_inferred
from monitor.oncall.episodes import StoredEpisode
from monitor.oncall.freshness import Stage, read_stages
from monitor.oncall.words import SHOWN, ago
from monitor.production.items import microseconds
from monitor.report import wording
from monitor.result import Alert
from monitor.settings import Settings

SERVED_LATELY = dt.timedelta(days=7)
TOLD_SHARES = "SELECT checkpoint, traffic_share FROM checkpoint WHERE traffic_share IS NOT NULL ORDER BY time_us, seq"
SERVED = """
    SELECT checkpoint, COUNT(*) FROM response WHERE environment = 'production' AND time_us > :since GROUP BY checkpoint
"""
WITHHELD = """
    SELECT COUNT(DISTINCT t.episode) FROM alert_transition AS t JOIN alert_episode AS e ON e.id = t.episode
    WHERE e.loop = :loop AND t.told = 'withheld' AND e.state IN ('firing', 'acked')
"""


LATEST_GATES = "SELECT content FROM gate_record WHERE loop = :loop ORDER BY number DESC LIMIT 100"


@dataclass(frozen=True)
class Known:
    """What the store knows at the moment of a page. serving: checkpoint -> its share of traffic, 0 to 1.

    gone: candidates to which a gate said GO, the newest first.
    """

    outcome: str
    unit: str
    serving: Mapping[str, float]
    stages: Sequence[Stage]
    incidents: int
    open_alerts: Sequence[StoredEpisode]
    withheld: int
    gone: Sequence[str] = ()


def known(connection: Connection, settings: Settings, episodes: Iterable[StoredEpisode], now: dt.datetime) -> Known:
    """Read what a page says beside its alert."""
    return Known(
        outcome=settings.outcome.metric,
        unit=settings.unit,
        serving=serving_shares(connection, now),
        stages=read_stages(connection, settings, now),
        incidents=len(read_incidents(connection, open_only=True)),
        open_alerts=[stored for stored in episodes if stored.is_open],
        withheld=int(connection.execute(text(WITHHELD), {"loop": settings.loop}).scalar_one()),
        gone=candidates_gone(connection, settings.loop),
    )


def candidates_gone(connection: Connection, loop: str) -> list[str]:
    """Candidates to which a gate of the loop said GO, the newest first; none in a store without gates."""
    if not inspect(connection).has_table("gate_record"):
        return []
    records = [json.loads(row[0]) for row in connection.execute(text(LATEST_GATES), {"loop": loop})]
    return [str(record["candidate"]) for record in records if record["decision"] == Decision.GO]


def serving_shares(connection: Connection, now: dt.datetime) -> dict[str, float]:
    """Each checkpoint's share of traffic: as its last event told, else counted over the last week's answers."""
    told = {name: float(share) for name, share in connection.execute(text(TOLD_SHARES)).all()}
    if any(told.values()):
        return {name: share for name, share in told.items() if share > 0}
    since = {"since": microseconds(now - SERVED_LATELY)}
    counts = {row[0]: int(row[1]) for row in connection.execute(text(SERVED), since)}
    return {name: count / sum(counts.values()) for name, count in counts.items()}


def page_lines(alert: Alert, members: Sequence[StoredEpisode], known_: Known) -> list[str]:
    """The page: five lines of plain text, safe for a terminal. members: the episodes it speaks of, at least one."""
    return [
        _what(alert, members, known_),
        _how_sure(alert, known_),
        _who(alert, members, known_),
        _do(alert, members, known_),
        _next(alert, members),
    ]


def _what(alert: Alert, members: Sequence[StoredEpisode], known_: Known) -> str:
    """What happened, where, since when."""
    if len(members) > 1:
        title = f"{len(members)} alerts at once, the worst: {wording.title_of(alert.attribution)}"
    else:
        title = wording.title_of(alert.attribution)
    where = wording.name(alert.message.partition(":")[0])
    blamed = f" {wording.name(alert.checkpoint)} ({_serving(alert.checkpoint, known_)})" if alert.checkpoint else ""
    start = f"likely start {alert.evidence.likely_start:%-d %b}, " if alert.evidence else ""
    mark = wording.name(alert.severity).upper()
    return f"[{mark}] {title}: {where}{blamed}   {start}fired {wording.fired(alert.fired_at)}"


def _serving(checkpoint: str, known_: Known) -> str:
    share = known_.serving.get(checkpoint)
    return "not serving" if not share else f"SERVING {share:.0%}"


def _how_sure(alert: Alert, known_: Known) -> str:
    """How much, with intervals and n, and how sure; of a count, what it says."""
    if alert.evidence is None:
        return wording.name(alert.message, 400)
    evidence = alert.evidence
    statistic, threshold = (
        wording.statistic(value, evidence.rule) for value in (evidence.statistic, evidence.threshold)
    )
    return (
        f"reward {wording.points_interval(alert.reward_change)}"
        f"  {wording.name(known_.outcome)} {wording.points_interval(alert.outcome_change)}"
        f"  n={alert.n:,}/{evidence.reference_units:,} {known_.unit}s, missing {evidence.missing_share:.0%}"
        f"   evidence {statistic} ({alert.severity} at {threshold})"
        f"   smallest visible {wording.points(evidence.smallest_visible).lstrip('+')}"
    )


def _who(alert: Alert, members: Sequence[StoredEpisode], known_: Known) -> str:
    """Who is hurt most, and what else is open."""
    mine = {one.id for one in members}
    others = [one for one in known_.open_alerts if one.id not in mine]
    cohorts = [one.alert for one in (*members, *others) if one.episode.slice and is_inferred(one.episode)]
    hurt = sorted((a for a in cohorts if a and a.outcome_change.value is not None), key=_loss)[:SHOWN]
    worst = "; ".join(
        f"{wording.slice_name(one.slice)} {wording.points(one.outcome_change.value)} (n={one.n:,})" for one in hurt
    )
    if alert.evidence is None:
        worst = "nobody is known to be hurt; harm would not be seen meanwhile"
    also = f"{len(others)} more open" if others else "nothing else open"
    return f"worst cohort: {worst or 'no cohort stands out'}   also: {also}, {known_.withheld} withheld"


def _loss(alert: Alert) -> float:
    return alert.outcome_change.value or 0.0


def _do(alert: Alert, members: Sequence[StoredEpisode], known_: Known) -> str:
    """What is safe to do now, and whether the data are at fault."""
    freeze = f"reward-drift freeze --reason 'alert {members[0].id}'"
    if alert.evidence is None:
        steps = f"1 follow the runbook  2 freeze promotion until it is settled: {freeze}"
    else:
        last = next((name for name in known_.gone if name != alert.checkpoint), None)
        target = f"{wording.name(last)} (last GO)" if last else _fallback(alert)
        steps = f"1 freeze promotion (safe, reversible): {freeze}  2 roll back to {target}"
    return f"DO: {steps}   {data_health(known_)}"


def _fallback(alert: Alert) -> str:
    start = alert.evidence.likely_start if alert.evidence else None
    return f"the last checkpoint that served before {start:%-d %b}" if start else "the last one you trust"


def data_health(known_: Known) -> str:
    """Whether the data could be at fault: how old the newest of each stage is, and which incidents are open."""
    stale = [stage for stage in known_.stages if stage.is_stale or stage.age is None]
    ages = ", ".join(f"{stage.name} {ago(stage.age)} old" for stage in known_.stages)
    if not stale and not known_.incidents:
        return f"not a data fault: {ages}, no open incident"
    late = f"stale: {', '.join(stage.name for stage in stale)}" if stale else ""
    gaps = wording.plural(known_.incidents, "open incident") if known_.incidents else ""
    return f"MAY BE A DATA FAULT: {', '.join(part for part in (late, gaps) if part)} ({ages})"


def _next(alert: Alert, members: Sequence[StoredEpisode]) -> str:
    """Where to read on, and how to take it."""
    number = members[0].id
    hours = 4 if alert.severity == "page" else 24
    more = f" (and {len(members) - 1} more: reward-drift alerts list)" if len(members) > 1 else ""
    return (
        f"open: reward-drift alerts show {number}{more}   runbook: reward-drift runbook {alert.check}"
        f"   ack: reward-drift alerts ack {number} --for {hours}h"
    )
