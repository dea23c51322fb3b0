"""Did the gate that runs by itself say anything but GO of a candidate that still waits? Nobody saw its exit code."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, inspect, text

from monitor.gate.result import Decision
from monitor.oncall.hold import Reading, at_once
from monitor.report import wording

CHECK = "gate_decision"
SHOWN = 3  # of what blocks
NEWEST = """
    SELECT content FROM gate_slot JOIN gate_record ON gate_record.number = gate_slot.record
    WHERE gate_slot.loop = :loop AND gate_slot.slot_us <= :now ORDER BY gate_slot.slot_us DESC LIMIT 1
"""
STAGE = "SELECT stage FROM checkpoint WHERE checkpoint = :name AND stage IS NOT NULL ORDER BY seq DESC LIMIT 1"


def gate_readings(connection: Connection, loop: str, now_us: int) -> Iterator[Reading]:
    """One reading while the newest decision of `serve`'s own gate is no GO and its candidate is still one.

    A ticket, and never more: what a gate stops hurts nobody. Another decision about the candidate, another candidate,
    or the end of its candidacy supersedes it. now_us: microseconds since 1970-01-01 UTC.
    """
    tables = inspect(connection)
    if not all(tables.has_table(name) for name in ("gate_slot", "gate_record")):
        return
    content = connection.execute(text(NEWEST), {"loop": loop, "now": now_us}).scalar()
    told = None if content is None else json.loads(content)
    if told is None or told["decision"] == Decision.GO:
        return
    if connection.execute(text(STAGE), {"name": told["candidate"]}).scalar() == "candidate":
        part = {"candidate": told["candidate"], "decision": told["decision"]}
        yield at_once(CHECK, part, "ticket", is_broken=True, message=_in_words(told))


def _in_words(told: Mapping[str, Any]) -> str:
    blocking = [wording.name(name) for name in told["blocking"]]
    more = f" and {len(blocking) - SHOWN} more" if len(blocking) > SHOWN else ""
    why = f", blocked by {', '.join(blocking[:SHOWN])}{more}" if blocking else ""
    sides = f"{wording.name(told['candidate'])} beside {wording.name(told['reference'])}"
    return f"the gate says {told['decision']} to {sides}{why}; `reward-drift gate records` tells it as {told['record']}"
