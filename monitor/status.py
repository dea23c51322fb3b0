"""Is the loop watched, and how fresh is what we know?"""

import datetime as dt
from typing import Any

from sqlalchemy import text

from consumers.canary import SOURCES as CANARIES
from consumers.store import EventStore
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.oncall.alerts import OPEN
from monitor.oncall.freshness import read_stages
from monitor.oncall.intake import noticed, told
from monitor.production.items import EPOCH, date_of
from monitor.result import plain_json
from monitor.settings import Settings

BLIND_DAYS = 2
NEWEST = "SELECT type, MAX(time_us) FROM event WHERE source NOT LIKE :ours GROUP BY type ORDER BY type"


def status_of(store: EventStore, settings: Settings, now: dt.datetime) -> dict[str, Any]:
    """Open alerts and incidents, event counts and the age of the newest event of each type, as plain JSON types.

    state: "alert" with an open alert or an open incident of the intake, told already or not; else "blind" when for two
    days nothing was decided or no event happened, or a stage is older than it may be, since silence is no sign of
    health; else "quiet".
    """
    state = MonitorState(store.engine)
    memory = state.load(settings.loop)
    alerts = [s for s in state.episodes(settings.loop) if s.episode.state in OPEN]
    decided = date_of(memory.closed - 1) if memory and memory.closed else None
    counts, incidents = store.counts(), store.incidents()
    with store.engine.connect() as connection:
        newest = {
            row[0]: EPOCH + dt.timedelta(microseconds=row[1])
            for row in connection.execute(text(NEWEST), {"ours": f"{CANARIES}%"})
        }
        stages = read_stages(connection, settings, now)
    stale = any(stage.is_stale for stage in stages)
    late = decided is None or (now.date() - decided).days > BLIND_DAYS
    silent = now - max(newest.values(), default=EPOCH) > dt.timedelta(days=BLIND_DAYS)
    state_now: dict[str, Any] = plain_json(
        {
            "loop": settings.loop,
            "state": "alert" if alerts or incidents else "blind" if late or silent or stale else "quiet",
            "decided_until": decided,
            "reference": memory.baseline.window.checkpoint if isinstance(memory, Memory) else None,
            "alerts": [
                {"id": s.id, "check": s.episode.check, "severity": s.episode.severity, "slice": s.episode.slice}
                for s in alerts
            ],
            "incidents": [
                {
                    "id": one.id,
                    "source": one.source,
                    "kind": one.kind,
                    "lost_from": one.lost_from,
                    "lost_until": one.lost_until,
                    "since": noticed(one),
                    "message": told(one),
                }
                for one in incidents
            ],
            "freshness": {
                name: {"newest": moment, "age_days": round((now - moment) / dt.timedelta(days=1), 2)}
                for name, moment in newest.items()
            },
            "stages": [
                {
                    "stage": one.name,
                    "newest": one.newest,
                    "age_days": None if one.age is None else round(one.age / dt.timedelta(days=1), 2),
                    "limit_days": one.limit / dt.timedelta(days=1),
                    "stale": one.is_stale,
                }
                for one in stages
            ],
            "events": counts.by_type,
            "feedback": counts.purposes,
            "rejected": counts.rejected_by_reason,
            "conflicts": counts.conflicts,
        }
    )
    return state_now


def _troubles(state: dict[str, Any]) -> str:
    return "; ".join(
        f"{len(state[kind])} open {kind.removesuffix('s') if len(state[kind]) == 1 else kind};"
        f" `reward-drift {kind} list` tells more"
        for kind in ("alerts", "incidents")
        if state[kind]
    )


def status_text(state: dict[str, Any]) -> str:
    """The same for people."""
    said = {
        "alert": _troubles(state),
        "quiet": "no open alert",
        "blind": "BLIND: something recent is missing; do events come, does `reward-drift serve` run, or `tick` daily?",
    }[state["state"]]
    lines = [f"{state['loop']}: {said}", f"decided until {state['decided_until'] or 'never'}"]
    lines += [f"  the data have a gap: {incident['message']}" for incident in state["incidents"]]
    for name, fresh in state["freshness"].items():
        lines.append(f"  {name:<32} {state['events'][name]:>10,}  newest {fresh['newest']} ({fresh['age_days']} d ago)")
    for stage in state["stages"]:
        if stage["stale"]:
            lines.append(f"  TOO OLD: {stage['stage']} ({stage['age_days']} d, at most {stage['limit_days']:g} d)")
    lines.append("  feedback: " + (", ".join(f"{n:,} {p}" for p, n in state["feedback"].items()) or "none"))
    lines.append("  rejected: " + (", ".join(f"{n:,} {r}" for r, n in state["rejected"].items()) or "none"))
    return "\n".join(lines)
