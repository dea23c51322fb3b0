"""Which numbers stand behind a drawing? The same rows as a table of the page and as a file."""

import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from monitor.spreadsheet import inert

Cell = str | int | float | dt.date | None
NAME = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Table:
    """Columns, and rows of as many cells. None: nothing is known."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def shown(self) -> list[list[str]]:
        """The rows in words."""
        return [[_shown(cell) for cell in row] for row in self.rows]


def csv_file(table: Table, name: str) -> Response:
    """The table as a file of this name, without its ending. Texts cannot be taken for formulas."""
    written = io.StringIO()
    writer = csv.writer(written)  # its ends of lines, CR LF, have it quote cells that hold one of the two
    writer.writerow(table.columns)
    writer.writerows([_inert(cell) for cell in row] for row in table.rows)
    headers = {"content-disposition": f'attachment; filename="{NAME.sub("-", name)[:80]}.csv"'}
    return Response(written.getvalue().encode("utf-8", "replace"), media_type="text/csv", headers=headers)


def _shown(cell: Cell) -> str:
    if _is_missing(cell):
        return "no data"
    return f"{cell:.4g}".replace("-", "−") if isinstance(cell, float) else str(cell)


def _inert(cell: Cell) -> Cell:
    """
    >>> _inert("=cmd()"), _inert(-0.04), _inert(float("nan"))
    ("'=cmd()", -0.04, None)
    """
    if _is_missing(cell):
        return None
    return inert(cell) if isinstance(cell, str) else cell


def _is_missing(cell: Cell) -> bool:
    return cell is None or cell != cell
