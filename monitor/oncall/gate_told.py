"""Did the gate that runs by itself say anything but GO of a candidate that still waits? Nobody saw its exit code."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, inspect, text

from monitor.gate.records import newest_records
from monitor.gate.result import Decision
from monitor.oncall.hold import Reading, at_once
from monitor.report import wording

CHECK = "gate_decision"
SHOWN = 3  # of what blocks
NEWEST = """
    SELECT record FROM gate_slot WHERE loop = :loop AND slot_us <= :now ORDER BY slot_us DESC LIMIT 1
"""
EDITED = "gate record {0} is not as it was written, and decides nothing: `reward-drift gate verify {0}`"
STAGE = "SELECT stage FROM checkpoint WHERE checkpoint = :name AND stage IS NOT NULL ORDER BY seq DESC LIMIT 1"


def gate_readings(connection: Connection, loop: str, now_us: int) -> Iterator[Reading]:
    """One reading while the newest decision of `serve`'s own gate is no GO and its candidate is still one.

    A ticket, and never more: what a gate stops hurts nobody. A record that was edited says nothing, be it GO, and is
    told itself. Another decision about the candidate, another candidate, or the end of its candidacy supersedes it.
    now_us: microseconds since 1970-01-01 UTC.
    """
    tables = inspect(connection)
    if not all(tables.has_table(name) for name in ("gate_slot", "gate_record")):
        return
    number = connection.execute(text(NEWEST), {"loop": loop, "now": now_us}).scalar()
    record = next(iter(newest_records(connection, loop, 1, before=number + 1)), None) if number else None
    if record is None:
        return
    if not record.as_written:
        part = {"record": str(record.number), "decision": "edited"}
        yield at_once(CHECK, part, "ticket", is_broken=True, message=EDITED.format(record.number))
        return
    told = json.loads(record.content)
    if told["decision"] == Decision.GO:
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
