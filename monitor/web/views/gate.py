"""What did gates decide, and what does one decision stand on? Read from the records alone."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Engine

from consumers.database import reading
from monitor.gate.records import ANY, GateRecord, UnknownRecord, UnreadRecord, newest_records, read_record
from monitor.gate.result import Decision, GateReport
from monitor.settings import Settings

PAGE = 50  # records on one page


class _Told(msgspec.Struct):
    """What a list needs of a record's content; the findings are not read."""

    decision: Decision
    candidate: str
    reference: str
    stage: str
    as_of: dt.datetime
    blocking: list[str]


@dataclass(frozen=True)
class Head:
    """One record in a list. blocking: names of what kept it from GO, worst first. as_written: whether it was not
    edited since; an edited one decides nothing."""

    number: int
    recorded_at: dt.datetime
    decision: str
    candidate: str
    reference: str
    stage: str
    as_of: dt.datetime
    blocking: Sequence[str]
    as_written: bool


@dataclass(frozen=True)
class GateList:
    """The newest records below a number. older: where the next page begins; None on the last one."""

    records: Sequence[Head]
    older: int | None


@dataclass(frozen=True)
class GatePage:
    """One record. report: None of one that another release wrote in a shape of its own. earlier: other records of the
    same candidate, the newest first. verify: how to have it repeated."""

    record: GateRecord
    report: GateReport | None
    earlier: Sequence[Head]
    verify: str


def gate_list(engine: Engine, settings: Settings, before: int = ANY) -> GateList:
    """A page of a loop's records, the newest first."""
    heads = _heads(engine, settings.loop, before, PAGE + 1)
    return GateList(heads[:PAGE], heads[PAGE - 1].number if len(heads) > PAGE else None)


def gate_page(engine: Engine, settings: Settings, number: int) -> GatePage:
    """One record of a loop, as it was decided. Raises UnknownRecord."""
    record = read_record(engine, number)
    if record.loop != settings.loop:
        raise UnknownRecord(f"gate record {number} is of another loop, {record.loop!r}, than {settings.loop!r}")
    mine = [head for head in records_of(engine, settings.loop, record.report["candidate"]) if head.number != number]
    return GatePage(record, _report(record), mine, f"reward-drift gate verify {number}")


def _report(record: GateRecord) -> GateReport | None:
    try:
        return msgspec.convert(record.report, GateReport)
    except msgspec.ValidationError:
        return None


def records_of(engine: Engine, loop: str, checkpoint: str | None = None) -> list[Head]:
    """The newest records, of one checkpoint those that decided about it or compared with it, the newest first."""
    heads = _heads(engine, loop, ANY, 4 * PAGE)
    return [head for head in heads if checkpoint in (None, head.candidate, head.reference)]


def _heads(engine: Engine, loop: str, before: int, limit: int) -> list[Head]:
    with reading(engine) as connection:
        return [_head(record) for record in newest_records(connection, loop, limit, before)]


def _head(record: UnreadRecord) -> Head:
    told = msgspec.json.decode(record.content, type=_Told)
    return Head(
        number=record.number,
        recorded_at=record.recorded_at,
        decision=told.decision.value,
        candidate=told.candidate,
        reference=told.reference,
        stage=told.stage,
        as_of=told.as_of,
        blocking=told.blocking,
        as_written=record.as_written,
    )
