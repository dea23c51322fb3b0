"""What does a plain table of results say? One result a row, or one item a row.

Columns: `checkpoint` (or `--checkpoint`), `suite`, `category`, `metric`, `value`; `n`, `stderr`, `higher_is_better` and
`time` where there are any. With a column `item` each row is one item, and the rows of one checkpoint, suite, category
and metric become one result: their mean, with the items as samples. An empty value is an item that was not scored. A
table with other names for its columns is read by a mapping of type `evaluation`, with or without its key `item`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consumers.importers.cells import cell_text, is_empty
from consumers.importers.directions import higher_is_better
from consumers.importers.foreign import Cells, Format, Given, Told
from consumers.importers.items import Gathered
from consumers.importers.rows import RowFault
from consumers.importers.samples import number_in

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Result(NamedTuple):
    """Which result a row is of."""

    checkpoint: str
    suite: str
    category: str
    metric: str
    higher_is_better: bool


@dataclass
class Results:
    """One table. refused: metrics nobody knows the direction of, each told once."""

    given: Given
    items: Gathered = field(default_factory=Gathered)
    refused: set[str] = field(default_factory=set)

    def row(self, cells: Cells) -> Iterable[Told]:
        """The evaluation of a row; nothing yet for a row of one item."""
        result = self._result(cells)
        if result is None:
            return []
        if not is_empty(cells.get("item")):
            value = number_in(_cell(cells, "value"))
            self.items.add(result._asdict(), cell_text(cells["item"]), value, _time(cells))
            return []
        if (value := number_in(cells.get("value"))) is None:
            raise RowFault("no 'value'; a row without one needs an 'item'")
        data = {**result._asdict(), "value": value, "n": _count(cells), "stderr": number_in(_cell(cells, "stderr"))}
        return [Told("evaluation", data, _time(cells))]

    def finish(self) -> Iterator[Told]:
        """The results that were told item by item."""
        for data, time in self.items.told():
            yield Told("evaluation", data, time)

    def _result(self, cells: Cells) -> Result | None:
        checkpoint = self.given.checkpoint or _text(cells, "checkpoint")
        suite, category, metric = (_text(cells, name) for name in ("suite", "category", "metric"))
        if metric in self.refused:
            return None
        flag = _cell(cells, "higher_is_better")
        said = flag if isinstance(flag, bool) else None if flag is None else FLAGS.get(cell_text(flag).strip().lower())
        if flag is not None and said is None:
            raise RowFault(f"higher_is_better is {str(flag)[:60]!r}, neither true nor false")
        try:
            better = higher_is_better(metric, self.given, said)
        except RowFault as fault:
            self.refused.add(metric)
            raise RowFault(f"{fault}, or a column higher_is_better; no row of it is told") from None
        return Result(checkpoint, suite, category, metric, better)


RESULTS = Format("results", Results, has_times=True, options=("checkpoint", "lower", "higher"))


def _cell(cells: Cells, name: str) -> Any:
    cell = cells.get(name)
    return None if is_empty(cell) else cell


def _text(cells: Cells, name: str) -> str:
    if (cell := _cell(cells, name)) is None or isinstance(cell, list | dict):
        hint = "; name it with --checkpoint" if name == "checkpoint" else ""
        raise RowFault(f"no {name!r}{hint}")
    return cell_text(cell)


def _count(cells: Cells) -> int | None:
    count = number_in(_cell(cells, "n"))
    if count is not None and not count.is_integer():
        raise RowFault(f"n is {count:g}, which is no number of items")
    return None if count is None else int(count)


def _time(cells: Cells) -> dt.datetime | None:
    if (cell := _cell(cells, "time")) is None:
        return None
    try:
        moment = cell if isinstance(cell, dt.datetime) else dt.datetime.fromisoformat(cell_text(cell).strip())
    except ValueError:
        raise RowFault(f"time {str(cell)[:60]!r} is no time; write it as 2026-01-05T00:00:00Z") from None
    if moment.tzinfo is None:
        raise RowFault(f"time {str(cell)[:60]!r} has no offset; write Z for UTC")
    return moment
