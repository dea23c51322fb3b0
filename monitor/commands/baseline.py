"""Commands about what a loop is compared with."""

import datetime as dt
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    UsageFault,
    existing_store,
    print_json,
    settings_of,
)
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.production.baseline import ReferenceMissing
from monitor.production.items import EPOCH, date_of
from monitor.production.reference import decide
from monitor.production.versions import FIRST_NOTE, Version
from monitor.result import plain_json
from monitor.settings import ReferenceSettings

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List every baseline of the loop, the first one in front; the last one holds."""
    chosen = settings_of(settings)
    with existing_store(store) as opened:
        state = MonitorState(opened.engine)
        versions = state.versions(chosen.loop) or _from_settings(state.load(chosen.loop))
    rows = [_plain(version) for version in versions]
    if json_ or format_ is Format.json:
        print_json({"baselines": rows})
    else:
        typer.echo("\n".join(_line(row) for row in rows) or "no baseline yet")


@app.command("set")
def set_(
    note: Annotated[str, typer.Option("--note", help="Why; kept with the decision.")],
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="What this checkpoint served so far.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="All answers from this date on (with --until).")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to, not with, this date.")] = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Decide for another baseline, from the next undecided day on.

    Evidence of every slice starts anew, open alerts end as resolved by this decision. The first baseline stays on
    record and the guard goes on comparing with it. Later traffic of a named checkpoint is a holdback.
    """
    if not note.strip():
        raise UsageFault("--note: say why another baseline is right")
    chosen, wanted = settings_of(settings), _wanted(checkpoint, from_, until)
    with existing_store(store) as opened:
        state = MonitorState(opened.engine)
        memory = state.load(chosen.loop)
        if not isinstance(memory, Memory) or not memory.baseline.window.ended:
            raise UsageFault("the first baseline is not complete yet: `reward-drift tick` tells what it waits for")
        try:
            baseline = decide(opened.engine, chosen, EPOCH + dt.timedelta(days=memory.closed), wanted)
        except ReferenceMissing as missing:
            raise UsageFault(f"no such baseline: {missing}") from None
        made, ended = state.rebaseline(chosen.loop, baseline.window, note, dt.datetime.now(dt.UTC))
    typer.echo(_line(_plain(made)))
    typer.echo(f"{baseline.labelled:,} units with an outcome; alerts resolved by this: {ended}")


def _wanted(checkpoint: str | None, from_: str | None, until: str | None) -> ReferenceSettings:
    given = {"checkpoint": checkpoint, "from": _date("--from", from_), "until": _date("--until", until)}
    if not any(given.values()):
        raise UsageFault("name --checkpoint, or --from and --until")
    try:
        return ReferenceSettings.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as fault:
        raise UsageFault(fault.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _date(option: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise UsageFault(f"{option} {text}: not a date such as 2026-03-02") from None


def _from_settings(memory: object) -> list[Version]:
    """The one baseline while nobody decided for another."""
    if not isinstance(memory, Memory):
        return []
    began = memory.book.first_day
    return [Version(0, memory.baseline.window, began, FIRST_NOTE, EPOCH + dt.timedelta(days=began))]


def _plain(version: Version) -> dict[str, Any]:
    window = version.window
    row: dict[str, Any] = plain_json(
        {
            "number": version.number,
            "checkpoint": window.checkpoint,
            "from": EPOCH + dt.timedelta(microseconds=window.start_us),
            "until": EPOCH + dt.timedelta(microseconds=window.end_us),
            "since": date_of(version.day),
            "decided_at": version.decided_at,
            "note": version.note,
        }
    )
    return row


def _line(row: dict[str, Any]) -> str:
    span = f"{row['from'][:10]} to {row['until'][:10]}"
    named = f"{row['checkpoint']}, {span}" if row["checkpoint"] else span
    return f"{row['number']:>4}  since {row['since']}  {named}: {row['note']}"
