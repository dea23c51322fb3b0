"""What does one cell say? Text and numbers of a table, made into the values of an event."""

import datetime as dt
import hashlib
import math
from typing import Any

import msgspec

from consumers.importers.fields import choices
from consumers.importers.mapping import Column, Time, nearest

UNITS = {"unix": 1.0, "unix_ms": 1e-3}


class CellError(Exception):
    """A cell that does not fit; the message names its column and what to change."""


def is_empty(cell: Any) -> bool:
    """Is there nothing in this cell? NaN is how numeric columns write it."""
    return cell is None or cell == "" or (isinstance(cell, str) and cell.isspace()) or cell != cell


def cell_text(cell: Any) -> str:
    """Write a cell as text; a whole number has no decimals, whatever column type it came from.

    >>> [cell_text(cell) for cell in (12.0, True, "twelve")]
    ['12', 'true', 'twelve']
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def digest(*parts: str) -> str:
    """A short name of some texts that does not depend on anything else."""
    return hashlib.blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=12).hexdigest()


def convert_cell(column: Column, cell: Any, kind: Any) -> Any:
    """Convert a cell to what its field holds; None for an empty cell. Raises CellError."""
    if is_empty(cell):
        return None
    if column.map is not None:
        return _translated(column, cell_text(cell))
    if column.scale is not None:
        return _scaled(column, cell)
    if isinstance(cell, list | dict):
        return cell  # nested JSON, judged with the whole event
    try:
        value = msgspec.convert(cell_text(cell), kind, strict=False)
    except msgspec.ValidationError as fault:
        words = choices(kind)
        hint = (
            f"{nearest(cell_text(cell), words)} (translate it: map: {{...}})" if words else "translate it: map: {...}"
        )
        raise CellError(f"column {column.name}: {cell!r}: {fault}; {hint}translate it: map: {{...}}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError(f"column {column.name}: {cell!r} is no finite number; leave the cell empty or map it")
    return value


def convert_time(cell: Any, time: Time) -> dt.datetime:
    """Read an event time as aware UTC. Raises CellError."""
    if is_empty(cell):
        raise CellError(f"column {time.column}: no time; every event needs one")
    try:
        moment = _moment(cell, time.format)
    except (ValueError, OverflowError, OSError) as fault:
        hint = "change the format in the mapping" if time.format else "give the mapping a format, e.g. '%d.%m.%Y %H:%M'"
        raise CellError(f"column {time.column}: {cell!r} is no time: {fault}; {hint}") from None
    if moment.tzinfo is None:
        if time.zone is None:
            raise CellError(f"column {time.column}: {cell!r} has no offset; give the mapping a zone, e.g. zone: UTC")
        moment = moment.replace(tzinfo=time.zone)
    return moment.astimezone(dt.UTC)


def _moment(cell: Any, form: str | None) -> dt.datetime:
    if form in UNITS:
        return dt.datetime.fromtimestamp(float(cell) * UNITS[form], dt.UTC)
    if isinstance(cell, dt.datetime):
        return cell
    if isinstance(cell, dt.date):
        return dt.datetime(cell.year, cell.month, cell.day)
    text = cell_text(cell).strip()
    return dt.datetime.strptime(text, form) if form else dt.datetime.fromisoformat(text)


def _translated(column: Column, text: str) -> Any:
    translation = column.map or {}
    if text not in translation:
        known = ", ".join(translation)
        raise CellError(f"column {column.name}: {text!r} is not in its map ({known}); add it, or map it to null")
    return translation[text]


def _scaled(column: Column, cell: Any) -> float:
    low, high = column.scale or (0.0, 1.0)
    try:
        share = (float(cell) - low) / (high - low)
    except (TypeError, ValueError):
        raise CellError(f"column {column.name}: {cell!r} is no number") from None
    if not 0 <= share <= 1:
        raise CellError(f"column {column.name}: {cell!r} is outside its scale [{low}, {high}]; widen the scale")
    return share
