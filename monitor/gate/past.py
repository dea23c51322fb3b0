"""What did a store hold when a decision was made? A copy of that, to decide again on."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, insert, null, select, text
from sqlmodel import SQLModel

from consumers.chunks import in_chunks
from consumers.database import reading, writing
from consumers.store import EventStore
from judges.scores import ScoreBoard
from monitor.production.items import microseconds

BY_NUMBER = (
    "event", "checkpoint", "response", "feedback", "outcome", "score", "preference", "evaluation", "erasure", "text",
)  # fmt: skip
BY_TIME = {"anchor_text": "registered_at_us", "incident": "noticed_at_us"}
SCORED = {
    "score_spec": "SELECT spec_id, spec FROM score_spec",
    "score_run": "SELECT run_id, spec_id, subject, items, started_us, completed_us FROM score_run"
    " WHERE started_us <= :moment",
}
KEEP_SCORED = {
    "score_spec": "INSERT INTO score_spec VALUES (:spec_id, :spec)",
    "score_run": "INSERT INTO score_run VALUES (:run_id, :spec_id, :subject, :items, :started_us, :completed_us)",
}
ROWS = 5000


@contextmanager
def store_as_of(engine: Engine, highest_seq: int, moment: dt.datetime) -> Iterator[EventStore]:
    """A store of its own with the events up to a number, and the incidents and rulers up to a moment.

    Words that were erased since are missing in it. It is gone at the end of the block.
    """
    with (
        tempfile.TemporaryDirectory(prefix="reward-drift-") as folder,
        EventStore.open(Path(folder) / "then.sqlite") as then,
    ):
        ScoreBoard(then.engine)  # makes its tables
        with reading(engine) as source, writing(then.engine) as copy:
            for name in BY_NUMBER:
                _copy_events(source, copy, SQLModel.metadata.tables[name], highest_seq)
            _copy_dated(source, copy, microseconds(moment))
            _copy_positions(source, copy)
            _copy_scored(source, copy, microseconds(moment))
        yield then


def _copy_events(source: Connection, copy: Connection, table: Table, highest_seq: int) -> None:
    """Rows go to the driver as they come: there may be millions."""
    add = str(insert(table).compile(dialect=copy.dialect))
    rows = source.execute(select(table).where(table.c.seq <= highest_seq), execution_options={"yield_per": ROWS})
    for some in in_chunks(rows, ROWS):
        copy.exec_driver_sql(add, [tuple(row) for row in some])


def _copy_dated(source: Connection, copy: Connection, moment_us: int) -> None:
    """What had been noticed by then; an incident that was closed later was open."""
    for name, column in BY_TIME.items():
        table = SQLModel.metadata.tables[name]
        for row in source.execute(select(table).where(table.c[column] <= moment_us)).mappings():
            copy.execute(insert(table), dict(row))
    incident = SQLModel.metadata.tables["incident"].c
    reopened = incident.closed_at_us > moment_us
    copy.execute(SQLModel.metadata.tables["incident"].update().where(reopened).values(closed_at_us=null(), note=null()))


def _copy_positions(source: Connection, copy: Connection) -> None:
    """Which sources were ever read: at least one if there is an event."""
    table = SQLModel.metadata.tables["source_position"]
    for row in source.execute(select(table)).mappings():
        copy.execute(insert(table), dict(row))


def _copy_scored(source: Connection, copy: Connection, moment_us: int) -> None:
    if not source.dialect.has_table(source, "score_run"):
        return
    for name, query in SCORED.items():
        for row in source.execute(text(query), {"moment": moment_us}).mappings():
            copy.execute(text(KEEP_SCORED[name]), dict(row))
