"""What did gates decide, and is that still what they decided? Each record holds the hash of the one before.

The databases refuse to change or remove a record (triggers). Whoever gets around that breaks the chain, and
`verify_chain` names the place; number and hash of the last record are kept apart, so that none is cut off unseen.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, inspect, text

from consumers.canonical import canonical_json
from consumers.database import migrate, reading, writing
from consumers.mendable import Mendable
from consumers.store import Clock, utc_now
from monitor.gate.record_migrations import CHAIN, MIGRATIONS
from monitor.gate.result import GateReport
from monitor.production.items import EPOCH, microseconds
from monitor.result import plain_json

HEAD = "SELECT number, digest FROM gate_record_head"
ADD = """
    INSERT INTO gate_record (number, loop, recorded_us, content, previous, digest)
    VALUES (:number, :loop, :recorded_us, :content, :previous, :digest)
"""
MOVE_HEAD = "UPDATE gate_record_head SET number = :number, digest = :digest"
ALL = "SELECT * FROM gate_record ORDER BY number"
OF_LOOP = "SELECT * FROM gate_record WHERE loop = :loop ORDER BY number"
NEWEST = "SELECT * FROM gate_record WHERE loop = :loop AND number < :before ORDER BY number DESC LIMIT :most"
ONE = "SELECT * FROM gate_record WHERE number = :number"
ANY = 2**31 - 1  # more than any number of a record


class UnknownRecord(Mendable):
    """There is no such record."""


@dataclass(frozen=True)
class GateRecord:
    """A decision as it was recorded. report: the output contract, with its number. digest: of this record and all
    before it, sha256, hexadecimal. as_written: whether the digest is that of what it holds; of those before and behind
    it `verify_chain` tells. One that is not as it was written decides nothing."""

    number: int
    loop: str
    recorded_at: dt.datetime
    report: Mapping[str, Any]
    previous: str
    digest: str
    as_written: bool


@dataclass(frozen=True)
class UnreadRecord:
    """The same with its report as JSON, for whoever needs little of it."""

    number: int
    recorded_at: dt.datetime
    content: str
    as_written: bool


def write_record(
    engine: Engine,
    report: GateReport,
    clock: Clock = utc_now,
    beside: Callable[[Connection, int], None] = lambda _connection, _number: None,
) -> int:
    """Append a decision; the answer is its number. Raises whatever the database raises, with nothing written.

    beside: writes what must be on record with it or not at all, in the same transaction.
    """
    migrate(engine, CHAIN, MIGRATIONS)
    with writing(engine) as connection:
        last = connection.execute(text(HEAD)).mappings().one()
        number = int(last["number"]) + 1
        row = {
            "number": number,
            "loop": report.loop,
            "recorded_us": microseconds(clock()),
            "content": canonical_json({**report.to_dict(), "record": number}),
            "previous": last["digest"],
        }
        row["digest"] = _digest(row)
        connection.execute(text(ADD), row)
        connection.execute(text(MOVE_HEAD), {"number": number, "digest": row["digest"]})
        beside(connection, number)
    return number


def read_records(engine: Engine, loop: str) -> list[GateRecord]:
    """Every decision about a loop, the oldest first."""
    return [_record(row) for row in _rows(engine, OF_LOOP, {"loop": loop})]


def deciding_records(engine: Engine, loop: str) -> list[GateRecord]:
    """Those of them that were not edited since they were written."""
    return [one for one in read_records(engine, loop) if one.as_written]


def newest_records(connection: Connection, loop: str, most: int, before: int = ANY) -> list[UnreadRecord]:
    """The newest decisions about a loop below a number, the newest first."""
    if not inspect(connection).has_table("gate_record"):
        return []
    rows = connection.execute(text(NEWEST), {"loop": loop, "before": min(before, ANY), "most": most}).mappings()
    return [UnreadRecord(row["number"], _at(row), row["content"], _is_as_written(row)) for row in rows]


def record_told(record: GateRecord) -> dict[str, Any]:
    """A record in a list, as JSON: its report, when it was recorded, and whether it is as it was written."""
    return {"recorded_at": plain_json(record.recorded_at), **record.report, "as_written": record.as_written}


def read_record(engine: Engine, number: int) -> GateRecord:
    """One record. Raises UnknownRecord."""
    rows = _rows(engine, ONE, {"number": number})
    if not rows:
        raise UnknownRecord(f"no gate record {number} in this store; `reward-drift gate` prints the number it records")
    return _record(rows[0])


def look_number(engine: Engine, loop: str, candidate: str, reference: str) -> int:
    """The how-manieth decision about these two the next one is, counted from 1."""
    asked = (candidate, reference)
    known = read_records(engine, loop)
    return 1 + sum((one.report["candidate"], one.report["reference"]) == asked for one in known)


def verify_chain(engine: Engine) -> list[str]:
    """What is wrong with the records of the store, in order; nothing if all are there as they were written.

    Found: a record that was edited, removed (the last one too) or moved. Not found: whoever rewrites everything from a
    record on, with its own hashes and the head, is found only by a number and digest that were noted elsewhere.
    """
    rows = _rows(engine, ALL, {})
    heads = _rows(engine, HEAD, {})
    return [*_broken(rows), *_wrong_end(rows, heads)]


def _broken(rows: Iterable[RowMapping]) -> Iterator[str]:
    expected, before = 1, ""
    for row in rows:
        number = row["number"]
        if number > expected:
            yield f"record {_span(expected, number - 1)} gone"
        if not _is_as_written(row):
            yield f"record {number} is not as it was written"
        elif row["previous"] != before and number == expected:
            yield f"record {number} does not follow on record {number - 1}"
        expected, before = number + 1, row["digest"]


def _wrong_end(rows: list[RowMapping], heads: list[RowMapping]) -> Iterator[str]:
    if len(heads) != 1:
        if rows or heads:
            yield "the note of the last record is gone"
        return
    last = rows[-1]["number"] if rows else 0
    if heads[0]["number"] > last:
        yield f"record {_span(last + 1, heads[0]['number'])} gone"
    elif rows and (heads[0]["number"], heads[0]["digest"]) != (last, rows[-1]["digest"]):
        yield f"record {last} is not the one that was written last"


def _span(first: int, last: int) -> str:
    """
    >>> _span(3, 3), _span(3, 5)
    ('3 is', '3 to 5 are')
    """
    return f"{first} is" if first == last else f"{first} to {last} are"


def _digest(row: Mapping[str, Any] | RowMapping) -> str:
    parts = [row[name] for name in ("number", "loop", "recorded_us", "content", "previous")]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def _is_as_written(row: RowMapping) -> bool:
    return bool(row["digest"] == _digest(row))


def _rows(engine: Engine, query: str, given: Mapping[str, Any]) -> list[RowMapping]:
    """Rows of a store; of one in which nothing was ever recorded, none."""
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, "gate_record"):
            return []
        return list(connection.execute(text(query), given).mappings())


def _record(row: RowMapping) -> GateRecord:
    return GateRecord(
        number=row["number"],
        loop=row["loop"],
        recorded_at=_at(row),
        report=json.loads(row["content"]),
        previous=row["previous"],
        digest=row["digest"],
        as_written=_is_as_written(row),
    )


def _at(row: RowMapping) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=row["recorded_us"])
