"""The command that compares judges with people and with the teacher."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from consumers.store import EventStore, utc_now
from judges.preference import read_preferences
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
    say,
    settings_of,
)
from monitor.judging.judge_card import Cards, judge_cards
from monitor.production.items import microseconds
from monitor.replay import after_last_event, ingested
from monitor.report.judges_html import judges_html
from monitor.report.judges_json import cards_json
from monitor.report.judges_text import judges_text
from monitor.settings import Settings

EventsOption = Annotated[
    list[str] | None,
    typer.Option("--events", "-e", help="Event files to look at instead of a store; repeatable.", metavar="FILE..."),
]
MoreFiles = Annotated[list[str] | None, typer.Argument(help="More event files, after --events.", metavar="[FILE...]")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Also write the cards as a page: .html.")]


def judges(
    more: MoreFiles = None,
    events: EventsOption = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compare judges with people and with the teacher, and tell which of them a gate may use.

    Of event files as of the midnight after the last event, or now if sooner; of a store as of now. Exit 0 whenever it
    worked.
    """
    chosen = settings_of(settings)
    _refuse(events, more, output)
    if events:
        files = [*events, *(more or [])]
        with reading(files, quiet) as (read, stage), ingested(files, chosen, read) as (opened, _):
            stage("comparing judges")
            cards = _cards(opened, chosen, after_last_event(opened, utc_now()))
    else:
        with existing_store(store) as opened:
            cards = _cards(opened, chosen, utc_now())
    if output:
        output.write_text(judges_html(cards), encoding="utf-8")
        say(f"wrote {output}")
    if json_ or format_ is Format.json:
        print_json(cards_json(cards))
    else:
        typer.echo(judges_text(cards), nl=False)


def _cards(store: EventStore, settings: Settings, as_of: dt.datetime) -> Cards:
    names = settings.judges
    preferences = read_preferences(store.engine, names, microseconds(as_of))
    return judge_cards(
        preferences, as_of, loop=settings.loop, cohorts=settings.cohorts, teacher=names.teacher, human=names.human
    )


def _refuse(events: list[str] | None, more: list[str] | None, output: Path | None) -> None:
    if more and not events:
        raise UsageFault(f"{more[0]}: event files come after --events: reward-drift judges --events {more[0]}")
    if output and output.suffix != ".html":
        raise UsageFault(f"{output}: unknown suffix; end the name with .html")
    if output and not output.parent.is_dir():
        raise UsageFault(f"{output.parent}: no such folder; make it: mkdir -p {output.parent}")
