"""Which rows does a JSON file hold: a list of objects, an object of columns, or one object alone?"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from consumers.importers.rows import Row, TableError, read_rows

BLANK = " \t\r\n"


def read_any_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a .json file (also .gz), or of any table `read_rows` knows.

    A row's line is where its object begins; of an object of columns it is the number of the item. Raises TableError for
    a file that cannot be read, or from where its JSON breaks off.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix != ".json":
        yield from read_rows(path)
        return
    text = _text(path)
    if text.lstrip(BLANK).startswith("["):
        yield from _list_rows(path, text)
    else:
        yield from _object_rows(path, text)


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read().decode("utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; see what is there: ls {path.parent}") from None
    except (EOFError, OSError) as fault:
        raise TableError(f"{path}: cannot be read: {fault}") from fault


def _list_rows(path: Path, text: str) -> Iterator[Row]:
    """One object after the other, so that each is told with its line and a broken end spares what stands before it."""
    decoder = json.JSONDecoder()
    place = _skip(text, text.index("[") + 1)
    line, seen = 1, 0
    while text[place : place + 1] != "]":
        line, seen = line + text.count("\n", seen, place), place
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as fault:
            raise TableError(f"{path}:{line}: no JSON: {fault}; the rows before it are whole") from None
        yield Row(line, value) if isinstance(value, dict) else Row(line, {}, "no JSON object")
        place = _skip(text, place)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
        elif text[place : place + 1] != "]":
            raise TableError(f"{path}:{line}: the list breaks off after this row; was the file cut?")


def _object_rows(path: Path, text: str) -> Iterator[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise TableError(f"{path}: no JSON: {fault}; lines of JSON want the name .jsonl") from None
    if not isinstance(value, dict):
        raise TableError(f"{path}: neither a list of objects nor an object")
    columns = {name: cells for name, cells in value.items() if isinstance(cells, list)}
    if not columns:
        yield Row(1, value)
        return
    if len(lengths := {len(cells) for cells in columns.values()}) > 1:
        raise TableError(f"{path}: columns of unequal length: {', '.join(map(str, sorted(lengths)))}")
    alike: dict[str, Any] = {name: cell for name, cell in value.items() if name not in columns}
    for number in range(lengths.pop()):
        yield Row(number + 1, {**alike, **{name: cells[number] for name, cells in columns.items()}})


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in BLANK:
        place += 1
    return place
