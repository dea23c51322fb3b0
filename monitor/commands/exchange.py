"""Commands that trade with other formats: tables become events, curated feedback becomes training labels."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.export import export_labels, manifest_path
from consumers.importers.table import RowProblem, import_table
from monitor.commands.common import DEFAULT_STORE, JsonOption, StoreOption, existing_store, say


class Shape(StrEnum):
    """Rows that trainers read."""

    unpaired = "unpaired"
    sft = "sft"
    preference = "preference"


def import_(
    table: Annotated[Path, typer.Argument(help="A CSV, TSV, JSONL (also .gz) or Parquet file.")],
    mapping: Annotated[Path, typer.Option("--mapping", "-m", help="YAML: which columns make which event.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .jsonl file to write, or -")] = Path("-"),
) -> None:
    """Turn a table into events by a column mapping. Rows that cannot be converted are told, with line and reason."""
    problems: list[RowProblem] = []

    def note(problem: RowProblem) -> None:
        problems.append(problem)
        say(str(problem))

    written = 0
    stream = sys.stdout.buffer if str(output) == "-" else output.open("wb")
    try:
        for event in import_table(table, mapping, note):
            stream.write(event + b"\n")
            written += 1
    finally:
        if stream is not sys.stdout.buffer:
            stream.close()
    say(f"{written:,} events written, {len(problems):,} rows or events not converted")
    if problems:
        raise typer.Exit(1)


def export(
    output: Annotated[Path, typer.Argument(help="The file to write: .jsonl or .parquet.")],
    shape: Annotated[Shape, typer.Option("--shape", help="Rows as the trainer reads them.")] = Shape.unpaired,
    store: StoreOption = DEFAULT_STORE,
    rating_threshold: Annotated[
        float | None, typer.Option("--rating-threshold", help="Share of the scale from which a rating counts as good.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json_: JsonOption = False,
) -> None:
    """Write training labels: curated feedback only, with a manifest of what was withheld and by which rule."""
    with existing_store(store) as opened:
        made = export_labels(opened, output, shape.value, rating_threshold=rating_threshold, force=force)
    if json_:
        sys.stdout.write(manifest_path(output).read_text(encoding="utf-8"))
        return
    typer.echo(f"{made.rows:,} labels written to {output}; manifest {manifest_path(output)}")
    for name, counts in (("withheld", made.withheld_by_rule), ("not usable", made.unused)):
        for rule, count in counts.items():
            typer.echo(f"  {name}: {count:,} by {rule}")
