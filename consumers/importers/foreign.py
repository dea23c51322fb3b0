"""How do files of other projects become events, unchanged? Row by row, by a reader for each format.

Ids depend on what a row says and on nothing else, so that importing a file again adds nothing. Who judged is taken from
the file or from the options; that a person judged is never assumed.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from consumers.canonical import canonical_json
from consumers.events import EventRejected, parse_event
from consumers.importers.json_rows import read_any_rows
from consumers.importers.rows import RowFault, TableError
from consumers.importers.samples import without_samples
from consumers.importers.table import RowProblem, warn

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Given:
    """What the caller adds: who judged, of which kind, and when. None: as the file says.

    checkpoint: whose results they are. lower, higher: metrics of which less, or more, is better. every: steps of
    training from one checkpoint to the next.
    """

    judge: str | None = None
    kind: str | None = None
    time: dt.datetime | None = None
    checkpoint: str | None = None
    lower: Collection[str] = ()
    higher: Collection[str] = ()
    every: int | None = None


class Told(NamedTuple):
    """An event without its envelope. time: as the row tells it; None if it tells none."""

    type: str
    data: dict[str, Any]
    time: dt.datetime | None = None


class Reader(Protocol):
    """One file being read. Both raise RowFault: of a row alone, of what the rows say together."""

    def row(self, cells: Cells) -> Iterable[Told]: ...
    def finish(self) -> Iterable[Told]: ...


@dataclass(frozen=True)
class Format:
    """A format. has_times: its rows may tell when. needs: options it cannot do without; options: all it understands."""

    name: str
    start: Callable[[Given], Reader]
    has_times: bool = False
    needs: Sequence[str] = ()
    options: Sequence[str] = ("judge", "kind")


def import_foreign(
    path: Path, form: Format, given: Given, report: Callable[[RowProblem], None] = warn
) -> Iterator[bytes]:
    """Yield the events of a file, each as the JSON of a CloudEvent.

    report: gets every row that gives no event, with line and reason; the others are yielded. Raises TableError, before
    anything is yielded, for options that are missing, and later for a file that cannot be read any further.
    """
    _refuse_missing(form, given)
    reader, line = form.start(given), 0
    for row in read_any_rows(path):
        line = row.line
        if row.fault:
            report(RowProblem(path, line, None, row.fault))
        else:
            yield from _told(partial(reader.row, row.cells), form, given, path, line, report)
    yield from _told(reader.finish, form, given, path, line, report)


def _refuse_missing(form: Format, given: Given) -> None:
    missing = [f"--{name}" for name in form.needs if getattr(given, name) is None]
    if missing:
        raise TableError(f"{form.name} does not say who judged: give {' and '.join(missing)}")
    if given.time is None and not form.has_times:
        raise TableError(f"files of {form.name} tell no times: give --time, e.g. --time 2026-01-05T00:00:00Z")


def _told(
    ask: Callable[[], Iterable[Told]],
    form: Format,
    given: Given,
    path: Path,
    line: int,
    report: Callable[[RowProblem], None],
) -> Iterator[bytes]:
    """The events of one row that are good; all others are reported."""
    try:
        found = list(ask())
    except RowFault as fault:
        report(RowProblem(path, line, None, str(fault)))
        return
    for told in found:
        try:
            raw, left_behind = fitting(told, form.name, given)
            yield raw
            if left_behind:
                report(RowProblem(path, line, told.type, left_behind))
        except (RowFault, EventRejected) as fault:
            report(RowProblem(path, line, told.type, str(fault)))
        except UnicodeEncodeError:
            report(RowProblem(path, line, told.type, "text that is no Unicode; save the file as UTF-8"))


def fitting(told: Told, form: str, given: Given) -> tuple[bytes, str | None]:
    """The JSON of a CloudEvent, and what had to be left out so that it is none too large. form: the format's name.

    Raises RowFault, EventRejected, UnicodeEncodeError.
    """
    try:
        return _event(told, form, given), None
    except EventRejected as fault:
        if fault.reason != "too_large" or not told.data.get("samples"):
            raise
    data, left_behind = without_samples(told.data)
    return _event(told._replace(data=data), form, given), left_behind


def _event(told: Told, form: str, given: Given) -> bytes:
    time = told.time or given.time
    if time is None:
        raise RowFault("no time; give --time for rows without one")
    data = without_none(told.data)
    named = canonical_json([told.type, data, told.time.isoformat() if told.time else None])
    raw = msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": hashlib.blake2b(named.encode(), digest_size=16).hexdigest(),
            "source": f"/import/{form}",
            "type": f"rewarddrift.{told.type}.v1",
            "time": time.astimezone(dt.UTC),
            "data": data,
        }
    )
    parse_event(raw)
    return raw


def without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what nothing is known of; a null choice or value is a statement and stays."""
    said = ("choice", "value")
    kept = {name: without_none(value) if isinstance(value, dict) else value for name, value in data.items()}
    return {name: value for name, value in kept.items() if value is not None or name in said}


def text_of(cells: Cells, *names: str) -> str:
    """The first of these cells that is there, as text. Raises RowFault when none is."""
    for name in names:
        if (cell := cells.get(name)) is not None and cell == cell and not isinstance(cell, list | dict):
            return str(cell)
    raise RowFault(f"no {names[0]!r}")


def number_of(cell: Any, name: str) -> float | None:
    """A number; None where nothing stands (null, NaN, an empty cell). Raises RowFault for anything else."""
    if isinstance(cell, list) and len(cell) == 1:
        cell = cell[0]  # scores of one head are written as lists of one
    if cell is None or cell == "" or cell != cell:
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        raise RowFault(f"{name!r} is {str(cell)[:60]!r}, which is no number") from None


def in_one_order(*sides: Any) -> bool:
    """Whether two sides, described by anything, are already in the order in which every file tells them."""
    first, second = (canonical_json(side) for side in sides)
    return first <= second
