"""Is the loop watched, and how fresh is what we know?"""

import datetime as dt
from typing import Any

from sqlalchemy import text

from consumers.canary import SOURCES as CANARIES
from consumers.store import EventStore
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.production.items import EPOCH
from monitor.result import plain_json
from monitor.settings import Settings
from monitor.standing import DAY, read_standing

NEWEST = "SELECT type, MAX(time_us) FROM event WHERE source NOT LIKE :ours GROUP BY type ORDER BY type"


def status_of(store: EventStore, settings: Settings, now: dt.datetime) -> dict[str, Any]:
    """How the loop stands, and the counts of the whole store with the newest event of each type, as plain JSON types.

    state: as of `Standing`.
    """
    memory = MonitorState(store.engine).load(settings.loop)
    counts = store.counts()
    with store.engine.connect() as connection:
        standing = read_standing(connection, settings, now)
        newest = {
            row[0]: EPOCH + dt.timedelta(microseconds=row[1])
            for row in connection.execute(text(NEWEST), {"ours": f"{CANARIES}%"})
        }
    counted: dict[str, Any] = plain_json(
        {
            "reference": memory.baseline.window.checkpoint if isinstance(memory, Memory) else None,
            "freshness": {
                name: {"newest": moment, "age_days": round((now - moment) / DAY, 2)} for name, moment in newest.items()
            },
            "events": counts.by_type,
            "feedback": counts.purposes,
            "rejected": counts.rejected_by_reason,
            "conflicts": counts.conflicts,
        }
    )
    return {**standing.to_dict(), **counted}


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
        "blind": "BLIND: harm would not be seen now",
    }[state["state"]]
    lines = [f"{state['loop']}: {said}", f"decided until {state['decided_until'] or 'never'}"]
    lines += [f"  {reason}" for reason in state["blind_because"]]
    lines += [f"  the data have a gap: {incident['message']}" for incident in state["incidents"]]
    for name, fresh in state["freshness"].items():
        lines.append(f"  {name:<32} {state['events'][name]:>10,}  newest {fresh['newest']} ({fresh['age_days']} d ago)")
    for stage in state["stages"]:
        if stage["stale"]:
            lines.append(f"  TOO OLD: {stage['stage']} ({stage['age_days']} d, at most {stage['limit_days']:g} d)")
    lines.append("  feedback: " + (", ".join(f"{n:,} {p}" for p, n in state["feedback"].items()) or "none"))
    lines.append("  rejected: " + (", ".join(f"{n:,} {r}" for r, n in state["rejected"].items()) or "none"))
    return "\n".join(lines)
