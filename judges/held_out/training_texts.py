"""Which texts does a file of training data hold, and where? Tables, chats in JSON, and plain text."""

import gzip
import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from consumers.importers.rows import FORMATS, TableError, read_rows

PLAIN = ".txt"
MOST_LINES = 1000  # of one paragraph that are looked at as one text


class Unread(NamedTuple):
    """A row that could not be read."""

    file: str
    line: int
    cause: str


class TrainingText(NamedTuple):
    """One text. field: its column, or its path in a JSON row, as messages[1].content; empty in plain text."""

    file: str
    line: int
    field: str
    text: str


def read_texts(path: Path) -> Iterator[TrainingText | Unread]:
    """Every string in a .jsonl, .csv, .tsv, .parquet (each line a row) or .txt file (each line, and each paragraph).

    All but .parquet also as .gz. Raises TableError if the file cannot be read.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == PLAIN:
        yield from _plain(path)
    elif suffix in FORMATS:
        yield from _rows(path)
    else:
        known = ", ".join((*FORMATS, PLAIN))
        raise TableError(f"{path}: unknown kind of training data; end the name with {known} (text also .gz)")


def _rows(path: Path) -> Iterator[TrainingText | Unread]:
    for row in read_rows(path):
        if row.fault is not None:
            yield Unread(str(path), row.line, row.fault)
        for field, text in _strings(row.cells, ""):
            yield TrainingText(str(path), row.line, field, text)


def _strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Strings at any depth, without recursion: a row may be nested as deeply as a parser allows."""
    waiting = [(place, value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            waiting += reversed([(f"{place}.{key}" if place else str(key), one) for key, one in value.items()])
        elif isinstance(value, list):
            waiting += reversed([(f"{place}[{number}]", one) for number, one in enumerate(value)])


def _plain(path: Path) -> Iterator[TrainingText]:
    try:
        with cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
            lines = enumerate(io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace"), start=1)
            for blank, paragraph in groupby(lines, key=lambda line: not line[1].strip()):
                if not blank:
                    yield from _paragraph(str(path), paragraph)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; see what is there: ls {path.parent}") from None
    except (EOFError, OSError) as fault:
        raise TableError(f"{path}: cannot be read any further: {fault}") from fault


def _paragraph(file: str, lines: Iterator[tuple[int, str]]) -> Iterator[TrainingText]:
    """Its lines, and what they say together: a text may be a line, or be broken into lines."""
    together: list[str] = []
    first = 0
    for number, line in lines:
        yield TrainingText(file, number, "", line)
        first = first if together else number
        together.append(line)
        if len(together) == MOST_LINES:
            yield TrainingText(file, first, "", "".join(together))
            together = []
    if len(together) > 1:
        yield TrainingText(file, first, "", "".join(together))
