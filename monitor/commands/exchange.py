"""Commands that trade with other formats: tables become events, curated feedback becomes training labels."""

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumers.export import export_labels, manifest_path
from consumers.importers.alpaca_eval import ALPACA_EVAL
from consumers.importers.foreign import Format, Given, import_foreign
from consumers.importers.harness import Harness, import_results
from consumers.importers.inspect_ai import INSPECT
from consumers.importers.lm_eval import LM_EVAL
from consumers.importers.mt_bench import MT_BENCH
from consumers.importers.results import RESULTS
from consumers.importers.reward_bench import REWARD_BENCH
from consumers.importers.table import RowProblem, import_table
from consumers.importers.trl import TRL
from consumers.importers.trl_log import TRL_LOG
from monitor.commands.common import DEFAULT_STORE, JsonOption, StoreOption, UsageFault, existing_store, say

FORMATS: dict[str, Format] = {form.name: form for form in (ALPACA_EVAL, REWARD_BENCH, MT_BENCH, TRL, RESULTS)}
HARNESSES: dict[str, Harness] = {form.name: form for form in (LM_EVAL, INSPECT, TRL_LOG)}
OPTIONS = {
    "judge": "--judge",
    "kind": "--kind",
    "checkpoint": "--checkpoint",
    "lower": "--lower-is-better",
    "higher": "--higher-is-better",
    "every": "--every",
}


class Origin(StrEnum):
    """Whose files are read as they are."""

    alpaca_eval = "alpaca_eval"
    reward_bench = "reward_bench"
    mt_bench = "mt_bench"
    trl = "trl"
    lm_eval = "lm_eval"
    inspect = "inspect"
    trl_log = "trl_log"
    results = "results"


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
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, TSV, JSONL (also .gz), JSON or Parquet files, or a harness's own; results and samples."
        ),
    ],
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
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="Whose results, if not as the file says."),
    ] = None,
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="Training logs: steps from one checkpoint to the next.")
    ] = None,
    higher: Annotated[
        list[str] | None, typer.Option("--higher-is-better", help="A metric of which more is better; repeatable.")
    ] = None,
    lower: Annotated[
        list[str] | None, typer.Option("--lower-is-better", help="A metric of which less is better; repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .jsonl file to write, or -")] = Path("-"),
) -> None:
    """Turn tables into events by a --mapping, or other projects' files as they are by --from.

    Rows that cannot be converted are told, with line and reason. Importing a file again adds nothing to a store.
    """
    who = kind.value if kind else None
    given = Given(judge, who, _moment(time), checkpoint, tuple(lower or ()), tuple(higher or ()), every)
    convert = _converter(files, mapping, from_.value if from_ else None, given)
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
    files: Sequence[Path], mapping: Path | None, origin: str | None, given: Given
) -> Callable[[Callable[[RowProblem], None]], Iterator[bytes]]:
    """What reads the files, by mapping or by format. Raises UsageFault for neither, both, or options of others."""
    if (mapping is None) == (origin is None):
        known = "|".join((*FORMATS, *HARNESSES))
        raise UsageFault(f"give --mapping FILE for a table, or --from {known} for another project's file")
    if origin in HARNESSES:
        harness = HARNESSES[origin]
        _refuse_options(given, f"--from {origin}", harness.options)
        return lambda note: import_results(files, harness, given, note)
    if origin is not None:
        form = FORMATS[origin]
        _refuse_options(given, f"--from {origin}", form.options)
        return lambda note: (event for file in files for event in import_foreign(file, form, given, note))
    if given != Given():
        raise UsageFault(f"{', '.join(OPTIONS.values())} and --time go with --from; a mapping says all of that itself")
    chosen = mapping or Path()
    return lambda note: (event for file in files for event in import_table(file, chosen, note))


def _refuse_options(given: Given, asked: str, understood: Sequence[str]) -> None:
    """Raise UsageFault for options that would have no effect."""
    known: dict[str, Format | Harness] = {**FORMATS, **HARNESSES}
    for field, option in OPTIONS.items():
        if getattr(given, field) and field not in understood:
            others = [name for name, form in known.items() if field in form.options]
            raise UsageFault(f"{option} means nothing with {asked}; it goes with --from {'|'.join(others)}")


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
