"""The command that asks how often this gate would be wrong on this loop."""

import datetime as dt
from collections.abc import Callable
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
    existing_store,
    print_json,
    reading,
    say,
    settings_of,
)
from monitor.commands.gate_options import EventsOption, MoreFiles
from monitor.gate.aa import AaReport, run_aa
from monitor.gate.result import Decision
from monitor.replay import after_last_event, ingested


def aa(
    reference: Annotated[str, typer.Option("--reference", help="The checkpoint to split into random halves.")],
    more: MoreFiles = None,
    events: EventsOption = None,
    repeats: Annotated[int, typer.Option("--repeats", min=20, help="How many random splits.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of the lot; the same seed draws the same halves.")] = 0,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Try the reference against itself, split at random: how often is a NO-GO, or a GO, wrong on this loop's own data?

    Also with the candidate's outcomes made worse by just the tolerance, where a GO is wrong. Exit 0 if neither rate
    lies above the gate's alpha by more than chance, 1 if one does. Each tenth of the splits is told on standard error.
    """
    chosen = settings_of(settings)

    def tried(opened: EventStore, as_of: dt.datetime) -> AaReport:
        return run_aa(opened.engine, chosen, reference, as_of, repeats, seed, _telling(repeats, quiet))

    if events:
        files = [*events, *(more or [])]
        with reading(files, quiet) as (read, begin), ingested(files, chosen, read) as (opened, _):
            begin(f"deciding {repeats} times between random halves")
            report = tried(opened, after_last_event(opened, utc_now()))
    else:
        with existing_store(store) as opened:
            report = tried(opened, utc_now())
    if json_ or format_ is Format.json:
        print_json(report.to_dict())
    else:
        typer.echo(_text(report))
    raise typer.Exit(0 if report.keeps_its_word else 1)


def _telling(repeats: int, quiet: bool) -> Callable[[int], None]:
    """Whom to tell how many splits were tried: a line for each tenth of them, unless quiet."""

    def done(number: int) -> None:
        if not quiet and 10 * number // repeats > 10 * (number - 1) // repeats:
            say(f"{number} of {repeats} random halves tried")

    return done


def _text(report: AaReport) -> str:
    level = f"stated: at most {report.alpha:.1%}"
    lines = [
        f"{report.reference} against itself: {report.units:,} units with an outcome, {report.repeats} random halves",
        f"  NO-GO although nothing differs     {_rate(report.false_no_go)}  {level}",
    ]
    harm = f"GO although it is {100 * report.tolerance:g} points worse"
    if report.false_go is None:
        lines.append(f"  {harm}: cannot be, the outcome is too rare to fall so far; choose a smaller tolerance")
    else:
        lines.append(f"  {harm:<34} {_rate(report.false_go)}  {level}")
    decided = report.repeats - report.same[Decision.INCONCLUSIVE]
    lines.append(f"  decided at all where nothing differs: {decided} of {report.repeats}")
    if decided < report.repeats / 2:
        lines.append(
            f"  so seldom, half the units are too few for a GO at {100 * report.tolerance:g} points:"
            " `reward-drift power` tells how many pairs it takes"
        )
    return "\n".join(lines)


def _rate(rate: tuple[float, float, float]) -> str:
    value, low, high = rate
    return f"{value:6.1%} ({low:.1%} to {high:.1%})"
