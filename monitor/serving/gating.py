"""The weekly gate by itself: which candidate, beside what, and where is the answer kept?"""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from consumers.store import EventStore
from monitor.gate.binding import bind
from monitor.gate.contract import load_contract
from monitor.gate.freeze import freeze_file, read_freeze
from monitor.gate.records import deciding_records, look_number, read_record, write_record
from monitor.gate.result import Decision, GateReport
from monitor.gate.run import run_gate
from monitor.serving.turns import Work
from monitor.settings import Settings

OF_SLOT = "SELECT record FROM gate_slot WHERE loop = :loop AND slot_us = :slot"
KEEP_SLOT = "INSERT INTO gate_slot (loop, slot_us, record) VALUES (:loop, :slot, :record)"
STAGES = "SELECT checkpoint, stage FROM checkpoint WHERE stage IS NOT NULL ORDER BY seq"


def sides(store: EventStore, loop: str) -> tuple[str | None, str | None]:
    """(newest checkpoint whose stage is candidate, what it would replace); None for what there is none of.

    It would replace the newest one that serves; where no event says which does, the one that last got a GO.
    """
    stages: dict[str, str] = {}
    with store.engine.connect() as connection:
        for name, stage in connection.execute(text(STAGES)):
            stages.pop(name, None)
            stages[name] = stage  # the newest word comes last
    candidate, serving = _newest(stages, "candidate"), _newest(stages, "serving")
    return candidate, serving or _last_go(store, loop, candidate)


def gate_candidate(work: Work, settings: Settings, place: Path) -> str:
    """Try the newest candidate, record the decision, write the report; without a candidate nothing is decided.

    A slot is decided once: done again, its report is written from the record. place: the settings file, beside which a
    freeze and the capability contract stand.
    """
    record = _record_of(work, settings.loop)
    if record is None:
        candidate, reference = sides(work.store, settings.loop)
        if candidate is None:
            return "no checkpoint is a candidate"
        if reference is None:
            return f"{candidate} has nothing to be compared with: no checkpoint serves, and none got a GO"
        record = _record(work, _decided(work, settings, place, candidate, reference))
    return _written(work.store, settings, record)


def _record_of(work: Work, loop: str) -> int | None:
    with work.store.engine.connect() as connection:
        return connection.execute(text(OF_SLOT), {"loop": loop, "slot": work.slot_us}).scalar()


def _decided(work: Work, settings: Settings, place: Path, candidate: str, reference: str) -> GateReport:
    freeze, contract = read_freeze(freeze_file(place)), settings.gate.contract
    report = run_gate(
        work.store,
        settings,
        candidate,
        reference,
        work.now,
        frozen=freeze.told() if freeze.frozen else "",
        look=look_number(work.store.engine, settings.loop, candidate, reference),
        bound=partial(bind, settings=settings),
        contract=load_contract(place.parent / contract) if contract else None,
    )
    work.going_on()
    return report


def _record(work: Work, report: GateReport) -> int:
    """Put the decision on record, and which slot it was, in one transaction."""

    def keep_slot(connection: Connection, record: int) -> None:
        connection.execute(text(KEEP_SLOT), {"loop": report.loop, "slot": work.slot_us, "record": record})

    return write_record(work.store.engine, report, lambda: work.now, beside=keep_slot)


def _written(store: EventStore, settings: Settings, record: int) -> str:
    """Write the report of a record; what is told of it."""
    told = read_record(store.engine, record).report
    write_file(settings.serve.reports / f"gate-{record}.json", told)
    return f"{told['decision']}: {told['candidate']} beside {told['reference']}, record {record}"


def write_file(file: Path, told: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all, for nobody but the user we run as."""
    write_text(file, json.dumps(told, indent=2, allow_nan=False) + "\n")


def write_text(file: Path, told: str) -> None:
    """The same for any text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(told)
    draft.replace(file)


def _newest(stages: dict[str, str], wanted: str) -> str | None:
    return next((name for name, stage in reversed(stages.items()) if stage == wanted), None)


def _last_go(store: EventStore, loop: str, candidate: str | None) -> str | None:
    went = [one.report["candidate"] for one in deciding_records(store.engine, loop) if _is_go(one.report)]
    return next((str(name) for name in reversed(went) if name != candidate), None)


def _is_go(report: Mapping[str, Any]) -> bool:
    return bool(report["decision"] == Decision.GO.value)
