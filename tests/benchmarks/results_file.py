"""Where do the figures of a benchmark go? One JSON and one Markdown table a benchmark, printed as well."""

import json
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
MACHINE = (
    f"2-core x86-64 virtual machine, Python {platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]},"
    f" SQLite {sqlite3.sqlite_version}"
)


def save(
    name: str,
    title: str,
    target: str,
    rows: Sequence[Mapping[str, Any]],
    details: Mapping[str, Any],
    machine: str = MACHINE,
) -> None:
    """Write `results/NAME.json` and `results/NAME.md`, and print the table. All rows have the same columns."""
    RESULTS.mkdir(exist_ok=True)
    found = {"machine": machine, "target": target, **details, "rows": list(rows)}
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    lines = [f"# {title}", "", f"Target: {target}.", f"Machine: {machine}.", "", *_table(rows)]
    lines += [""] * bool(details) + [f"- {key.replace('_', ' ')}: {value}" for key, value in details.items()]
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = list(rows[0])
    cells = [[_told(row[column]) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    return [_line(heads), _line(["---"] * len(columns)), *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _told(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
