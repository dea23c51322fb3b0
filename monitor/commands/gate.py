"""The command of the weekly go/no-go."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

import typer

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
    print_json,
    reading,
    settings_of,
)
from monitor.gate.result import GateReport
from monitor.gate.run import run_gate
from monitor.replay import after_last_event, ingested


class Stage(StrEnum):
    """How far the candidate is rolled out."""

    offline = "offline"
    canary = "canary"
    ramp = "ramp"
    full = "full"


EventsOption = Annotated[
    list[str] | None,
    typer.Option("--events", "-e", help="Event files to decide on instead of a store; repeatable.", metavar="FILE..."),
]
MoreFiles = Annotated[list[str] | None, typer.Argument(help="More event files, after --events.", metavar="[FILE...]")]


def gate(
    candidate: Annotated[str, typer.Option("--candidate", help="The checkpoint that asks to ship.")],
    reference: Annotated[str, typer.Option("--reference", help="The checkpoint it would replace.")],
    more: MoreFiles = None,
    events: EventsOption = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Where the candidate serves.")] = Stage.offline,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Decide GO, NO-GO or INCONCLUSIVE: what blocks, how sure, and what would settle it.

    Exit 0 GO, 1 NO-GO, 2 wrong usage or settings, 3 INCONCLUSIVE or stale, 4 a fault of the tool. All but 0 mean: do
    not promote.
    """
    chosen = settings_of(settings)
    if more and not events:
        raise UsageFault(f"{more[0]}: event files come after --events: reward-drift gate ... --events {more[0]}")

    def decided(opened: EventStore, as_of: dt.datetime) -> GateReport:
        return run_gate(opened, chosen, candidate, reference, as_of, stage=stage.value)

    if events:
        files = [*events, *(more or [])]
        with reading(files, quiet) as (read, tell), ingested(files, chosen, read) as (opened, _):
            tell("comparing candidate and reference")
            report = decided(opened, after_last_event(opened))
    else:
        with existing_store(store) as opened:
            report = decided(opened, utc_now())
    print_json(report.to_dict())
    raise typer.Exit(report.decision.exit_code)
