"""The commands of the weekly go/no-go: decide, and look at what was decided."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from consumers.store import EventStore, utc_now
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    message_of,
    print_json,
    reading,
    say,
    settings_of,
)
from monitor.commands.gate_aa import aa
from monitor.commands.gate_options import ArtifactOption, EventsOption, MoreFiles, artifacts_of
from monitor.commands.gate_outputs import GateFormat, refuse_unknown, tell
from monitor.commands.gate_verify import verify
from monitor.gate.binding import bind
from monitor.gate.contract import load_contract
from monitor.gate.freeze import freeze_file, read_freeze
from monitor.gate.records import look_number, read_records, record_told, write_record
from monitor.gate.result import GateReport
from monitor.gate.run import run_gate
from monitor.replay import after_last_event, ingested
from monitor.settings import Settings


class DecideFirst(TyperGroup):
    """`gate --candidate ...` decides; what else there is to do has a name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the usual command before arguments that name none; `--aa` is one of another."""
        if args and args[0] in self.commands:
            return super().parse_args(ctx, args)
        others = [one for one in args if one != "--aa"]
        return super().parse_args(ctx, ["decide" if len(others) == len(args) else "aa", *others])


class Stage(StrEnum):
    """How far the candidate is rolled out."""

    offline = "offline"
    canary = "canary"
    ramp = "ramp"
    full = "full"


app = typer.Typer(cls=DecideFirst)
app.command()(aa)
app.command()(verify)


@app.command()
def decide(
    candidate: Annotated[str, typer.Option("--candidate", help="The checkpoint that asks to ship.")],
    reference: Annotated[str, typer.Option("--reference", help="The checkpoint it would replace.")],
    more: MoreFiles = None,
    events: EventsOption = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Where the candidate serves by now.")] = Stage.offline,
    artifact: ArtifactOption = None,
    training: Annotated[
        list[Path] | None,
        typer.Option("--training", help="A file the candidate was trained on: is a held-out item in it? Repeatable."),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The model both began with, as evaluations name it.")
    ] = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: Annotated[GateFormat, typer.Option("--format", help="What is printed.")] = GateFormat.text,
    json_: JsonOption = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Also write it: .html, .md, .json, .xml (JUnit), .txt; repeatable."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Decide GO, NO-GO or INCONCLUSIVE: what blocks, how sure, and what would settle it.

    Exit 0 GO, 1 NO-GO, 2 wrong usage or settings, 3 INCONCLUSIVE or stale, 4 a fault of the tool. All but 0 mean: do
    not promote. Of a store the decision is recorded; see also `gate records`, `gate verify RECORD` and
    `gate --aa`.
    """
    chosen, wanted = settings_of(settings), output or []
    refuse_unknown(wanted)
    if more and not events:
        raise UsageFault(f"{more[0]}: event files come after --events: reward-drift gate ... --events {more[0]}")
    decided = partial(
        run_gate,
        settings=chosen,
        candidate=candidate,
        reference=reference,
        stage=stage.value,
        frozen=_frozen(settings),
        bound=partial(bind, settings=chosen),
        base=base,
        files=artifacts_of(artifact),
        training=tuple(training or ()),
        contract=_contract(chosen, settings),
    )
    if events:
        files = [*events, *(more or [])]
        with reading(files, quiet) as (read, begin), ingested(files, chosen, read) as (opened, _):
            begin("comparing candidate and reference")
            report = decided(opened, as_of=after_last_event(opened, utc_now()))
    else:
        with existing_store(store) as opened:
            look = look_number(opened.engine, chosen.loop, candidate, reference)
            report = _recorded(opened, decided(opened, as_of=utc_now(), look=look))
    tell(report, GateFormat.json if json_ else format_, wanted)
    raise typer.Exit(report.decision.exit_code)


@app.command()
def records(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List what was decided about this loop, newest last."""
    chosen = settings_of(settings)
    with existing_store(store) as opened:
        rows = [record_told(one) for one in read_records(opened.engine, chosen.loop)]
    if json_ or format_ is Format.json:
        print_json({"records": rows})
    else:
        typer.echo("\n".join(_line(row) for row in rows) or "nothing was decided yet")


def _frozen(settings: Path) -> str:
    freeze = read_freeze(freeze_file(settings))
    return freeze.told() if freeze.frozen else ""


def _contract(chosen: Settings, settings: Path) -> Any:
    """The contract that the settings name, beside them."""
    return load_contract(settings.parent / chosen.gate.contract) if chosen.gate.contract else None


def _recorded(store: EventStore, report: GateReport) -> GateReport:
    """The report with the number of its record; a database that takes none is told, and changes no decision."""
    try:
        return report.recorded(write_record(store.engine, report))
    except SQLAlchemyError as fault:
        say(f"not recorded, the database does not take it: {message_of(fault)}")
        return report


def _line(row: dict[str, Any]) -> str:
    if not row["as_written"]:
        return f"{row['record']:>4}  {row['recorded_at'][:16]}  edited since it was written, so it decides nothing"
    blocking = f"  {', '.join(row['blocking'])}" if row["blocking"] else ""
    return (
        f"{row['record']:>4}  {row['recorded_at'][:16]}  {row['decision']:<12}"
        f"  {row['candidate']} over {row['reference']}{blocking}"
    )
