"""Commands that trade with other formats: tables become events, curated feedback becomes training labels."""

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.export import export_labels, manifest_path
from consumers.importers.alpaca_eval import ALPACA_EVAL
from consumers.importers.foreign import Format, Given, import_foreign
from consumers.importers.mt_bench import MT_BENCH
from consumers.importers.reward_bench import REWARD_BENCH
from consumers.importers.table import RowProblem, import_table
from consumers.importers.trl import TRL
from monitor.commands.common import DEFAULT_STORE, JsonOption, StoreOption, UsageFault, existing_store, say

FORMATS: dict[str, Format] = {form.name: form for form in (ALPACA_EVAL, REWARD_BENCH, MT_BENCH, TRL)}


class Origin(StrEnum):
    """Whose files are read as they are."""

    alpaca_eval = "alpaca_eval"
    reward_bench = "reward_bench"
    mt_bench = "mt_bench"
    trl = "trl"


class Shape(StrEnum):
    """Rows that trainers read."""

    unpaired = "unpaired"
    sft = "sft"
    preference = "preference"


class Kind(StrEnum):
    """Who a judge is."""

    human = "human"
    exact = "exact"
    model = "model"
    reward_model = "reward_model"
    teacher = "teacher"


def import_(
    file: Annotated[Path, typer.Argument(help="A CSV, TSV, JSONL (also .gz), JSON or Parquet file.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", help="YAML: which columns of a table make which event.")
    ] = None,
    from_: Annotated[
        Origin | None, typer.Option("--from", help="Whose file it is, where no mapping is needed.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", help="With --from: who judged, if not as the file says.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="With --from: who that is; never assumed human.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="With --from: when, for files without times, as 2026-01-05T00:00:00Z.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .jsonl file to write, or -")] = Path("-"),
) -> None:
    """Turn a table into events by a --mapping, or another project's file as it is by --from.

    Rows that cannot be converted are told, with line and reason. Importing a file again adds nothing to a store.
    """
    convert = _converter(file, mapping, from_, judge, kind, time)
    problems: list[RowProblem] = []

    def note(problem: RowProblem) -> None:
        problems.append(problem)
        say(str(problem))

    written = 0
    with nullcontext(sys.stdout.buffer) if str(output) == "-" else output.open("wb") as stream:
        for event in convert(note):
            stream.write(event + b"\n")
            written += 1
    say(f"{written:,} events written, {len(problems):,} rows or events not converted")
    if problems:
        raise typer.Exit(1)


def _converter(
    file: Path, mapping: Path | None, from_: Origin | None, judge: str | None, kind: Kind | None, time: str | None
) -> Callable[[Callable[[RowProblem], None]], Iterator[bytes]]:
    """What reads the file, by mapping or by format. Raises UsageFault for neither, both, or a time that is none."""
    if (mapping is None) == (from_ is None):
        raise UsageFault(f"give --mapping FILE for a table, or --from {'|'.join(FORMATS)} for another project's file")
    if from_ is not None:
        given = Given(judge, kind.value if kind else None, _moment(time))
        return lambda note: import_foreign(file, FORMATS[from_.value], given, note)
    if judge or kind or time:
        raise UsageFault("--judge, --kind and --time go with --from; a mapping says all of that itself")
    chosen = mapping or Path()
    return lambda note: import_table(file, chosen, note)


def _moment(given: str | None) -> dt.datetime | None:
    if given is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(given)
    except ValueError:
        raise UsageFault(f"--time {given}: no time; write it as 2026-01-05T00:00:00Z") from None
    if moment.tzinfo is None:
        raise UsageFault(f"--time {given}: no offset; write Z for UTC, as 2026-01-05T00:00:00Z")
    return moment


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
