"""Which baselines was a loop given, since when, and why? Rows that are only ever added."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from monitor.production.baseline import Window
from monitor.production.items import EPOCH, microseconds

READ = "SELECT * FROM baseline_version WHERE loop = :loop ORDER BY number"
ADD = """
    INSERT INTO baseline_version (loop, number, checkpoint, start_us, end_us, day, note, decided_us)
    VALUES (:loop, :number, :checkpoint, :start_us, :end_us, :day, :note, :decided_us)
"""
FIRST_NOTE = "the first baseline: the guard compares with it for ever"


@dataclass(frozen=True)
class Version:
    """One baseline of a loop. number: 0 is the first one. day: evidence against it counts from this day on."""

    number: int
    window: Window
    day: int
    note: str
    decided_at: dt.datetime


def read_versions(connection: Connection, loop: str) -> list[Version]:
    """Every baseline that was decided, the first one in front; none while nobody decided anything."""
    rows = connection.execute(text(READ), {"loop": loop}).mappings()
    return [
        Version(
            row["number"],
            Window(row["checkpoint"], row["start_us"], row["end_us"], chosen_by_default=False, ended=True),
            row["day"],
            row["note"],
            EPOCH + dt.timedelta(microseconds=row["decided_us"]),
        )
        for row in rows
    ]


def add_versions(connection: Connection, loop: str, versions: Sequence[Version]) -> None:
    """Append to the record, inside the caller's transaction."""
    connection.execute(text(ADD), [_row(loop, version) for version in versions])


def _row(loop: str, version: Version) -> dict[str, Any]:
    window = version.window
    return {
        "loop": loop,
        "number": version.number,
        "checkpoint": window.checkpoint,
        "start_us": window.start_us,
        "end_us": window.end_us,
        "day": version.day,
        "note": version.note,
        "decided_us": microseconds(version.decided_at),
    }
