"""Which rows does a table hold, whatever its format?"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow.parquet  # type: ignore[import-untyped]

from consumers.mendable import Mendable

CELL_CHARACTERS = 1 << 24
FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


class TableError(Mendable):
    """A table or its mapping cannot be used; one problem a line, each with its place and what to change."""


class RowFault(Exception):  # noqa: N818 - a noun of the domain, not a fault of the program
    """A row, or a place of a file, that says nothing we understand; the message says why."""


@dataclass(frozen=True)
class Row:
    """One row. line: where it ends in a text file, its number in Parquet. fault: why it cannot be read, else None."""

    line: int
    cells: Mapping[str, Any]
    fault: str | None = None


def read_rows(path: Path, delimiter: str | None = None) -> Iterator[Row]:
    """Yield the rows of a CSV, TSV, JSONL (each also .gz) or Parquet file. Raises TableError if it cannot be read."""
    try:
        yield from _rows(path, delimiter)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; see what is there: ls {path.parent}") from None
    except (EOFError, OSError, csv.Error, pyarrow.ArrowException) as fault:
        raise TableError(f"{path}: cannot be read any further: {fault}") from fault


def _rows(path: Path, delimiter: str | None) -> Iterator[Row]:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    if suffix not in FORMATS:
        raise TableError(f"{path}: unknown kind of table; end the name with {', '.join(FORMATS)} (text also .gz)")
    with cast(BinaryIO, gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
        # A byte that is no UTF-8 spoils its own row, not the file: it becomes a surrogate, which no event may hold.
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        if suffix == ".jsonl":
            yield from _json_rows(text)
        else:
            yield from _csv_rows(text, delimiter or ("\t" if suffix == ".tsv" else ","))


def _csv_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(CELL_CHARACTERS)
    reader = csv.reader(text, delimiter=delimiter)
    header = next(reader, [])
    if len(set(header)) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise TableError(f"{text.name}: columns that stand twice: {', '.join(twice)}; rename them in the first line")
    for values in reader:
        if not values:
            continue
        fault = None if len(values) == len(header) else f"{len(values)} cells under {len(header)} columns"
        yield Row(reader.line_num, dict(zip(header, values, strict=False)), fault)


def _json_rows(text: io.TextIOWrapper) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as fault:
            yield Row(number, {}, f"no JSON: {fault}")
            continue
        yield Row(number, cells) if isinstance(cells, dict) else Row(number, {}, "no JSON object")


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            for cells in batch.to_pylist():
                number += 1
                yield Row(number, cells)
