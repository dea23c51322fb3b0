"""Commands that move events: validate, ingest, import a table, export labels."""

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.events import EVENT_BYTES, EventRejected, parse_event
from consumers.export import export_labels, manifest_path
from consumers.importers.table import RowProblem, import_table
from consumers.ingest import ingest as ingest_source
from consumers.paths import expand
from consumers.sources import JsonlSource, SourceError
from monitor.commands.common import (
    DEFAULT_STORE,
    Files,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    StoreOption,
    existing_store,
    one_line,
    open_store,
    print_json,
    reading,
    say,
    settings_of,
    stop_on_signal,
)
from monitor.commands.store_url import shown

SHOWN = 20


class Shape(StrEnum):
    """Rows that trainers read."""

    unpaired = "unpaired"
    sft = "sft"
    preference = "preference"


def validate(
    files: Files,
    settings: Annotated[Path | None, typer.Option("--settings", "-s", "--config", help="Check these too.")] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check event files, and a settings file, without storing anything. Exit 1 if any event would be rejected."""
    chosen = settings_of(settings) if settings else None
    limit = chosen.limits.event_bytes if chosen else EVENT_BYTES
    types: Counter[str] = Counter()
    problems: list[dict[str, str]] = []
    with reading(files, quiet) as (read, _):
        for batch in JsonlSource(files, limit=limit, progress=read).batches(lambda _: None):
            for record in batch.records:
                try:
                    types[parse_event(record.raw, limit=limit, size=record.size).type] += 1
                except EventRejected as fault:
                    where = {"source": batch.source, "position": record.position}
                    problems.append({**where, "reason": fault.reason, "detail": fault.detail})
    result = {"events": dict(sorted(types.items())), "rejected": problems}
    if json_ or format_ is Format.json:
        print_json(result)
    else:
        typer.echo("\n".join(f"{count:>10,}  {name}" for name, count in sorted(types.items())) or "no event")
        for row in problems[:SHOWN]:
            typer.echo(f"rejected  {row['source']} {row['position']}: {row['reason']}: {row['detail']}")
        if len(problems) > SHOWN:
            typer.echo(f"... and {len(problems) - SHOWN:,} more; --json lists all")
    if problems:
        raise typer.Exit(1)


def ingest(
    files: Files,
    store: StoreOption = DEFAULT_STORE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep reading what is appended, until stopped.")
    ] = False,
    settings: Annotated[Path | None, typer.Option("--settings", "-s", "--config", help="For limits.")] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read events into a store, from where each file was left. Reading twice adds nothing.

    Bad events are kept aside (`reward-drift rejected list`) and never stop the others. With --follow, SIGTERM or Ctrl-C
    ends it after the batch in hand.
    """
    limit = settings_of(settings).limits.event_bytes if settings else EVENT_BYTES
    stopped = stop_on_signal() if follow else (lambda: False)
    if problems := expand(files)[1]:
        raise SourceError("\n".join(problems))  # before a store is made for nothing
    with open_store(store) as opened, one_line(store), reading(files, quiet) as (read, _):
        source = JsonlSource(files, follow=follow, limit=limit, stop=stopped, progress=read)
        done = ingest_source(source, opened, event_bytes=limit).appended
    counts = {name: getattr(done, name) for name in ("accepted", "duplicate", "conflict", "rejected")}
    feedback = {purpose: done.purposes.get(purpose, 0) for purpose in ("curation", "reward", "debugging")}
    if json_ or format_ is Format.json:
        print_json({"events": counts, "feedback": feedback, "rejected": dict(done.rejected_by_reason)})
        return
    typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    typer.echo("feedback: " + ", ".join(f"{count:,} {name}" for name, count in feedback.items()))
    if done.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in done.rejected_by_reason.items())
        say(f"rejected: {reasons}; `reward-drift rejected list --store {shown(store)}` tells where and why")


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
