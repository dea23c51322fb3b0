"""Commands about alerts that a store keeps."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any

import typer

from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    existing_store,
    print_json,
    settings_of,
)
from monitor.detection.state import MonitorState
from monitor.oncall.alerts import OPEN
from monitor.oncall.episodes import StoredEpisode
from monitor.production.items import date_of
from monitor.result import plain_json

app = typer.Typer(no_args_is_help=True)


class Decision(StrEnum):
    """What was done about an alert."""

    rollback = "rollback"
    retire = "retire"
    false_alert = "false-alert"


@app.command("list")
def list_(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List every alert of the loop, newest last."""
    chosen = settings_of(settings)
    with existing_store(store) as opened:
        rows = [_plain(stored) for stored in MonitorState(opened.engine).episodes(chosen.loop)]
    if json_ or format_ is Format.json:
        print_json({"alerts": rows})
    else:
        typer.echo("\n".join(_line(row) for row in rows) or "no alert")


@app.command()
def resolve(
    number: Annotated[int, typer.Argument(help="The alert's id, from `alerts list`.")],
    decision: Annotated[Decision, typer.Option("--decision", help="What was done.")],
    note: Annotated[str, typer.Option("--note", help="Why; kept with the alert.")],
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Record a decision: the alert ends and the slice's evidence starts anew from the next undecided day."""
    chosen = settings_of(settings)
    with existing_store(store) as opened:
        state = MonitorState(opened.engine)
        before = [one for one in state.episodes(chosen.loop) if one.episode.state in OPEN]
        stored = state.resolve(chosen.loop, number, decision.value, note, dt.datetime.now(dt.UTC))
    where = stored.episode.slice_name or "all traffic"
    typer.echo(f"alert {number} ({stored.episode.check}, {where}) resolved: {decision.value}")
    alike = [one for one in before if one.episode.slice_name == stored.episode.slice_name and one.id != number]
    if alike:
        others = ", ".join(f"{one.id} ({one.episode.severity}, {one.episode.check})" for one in alike)
        typer.echo(f"resolved with it, since the evidence of {where} starts anew: {others}")


def _plain(stored: StoredEpisode) -> dict[str, Any]:
    episode = stored.episode
    row: dict[str, Any] = plain_json(
        {
            "id": stored.id,
            "check": episode.check,
            "slice": episode.slice,
            "state": episode.state,
            "severity": episode.severity,
            "since": date_of(episode.since),
            "decision": stored.decision,
            "note": stored.note,
        }
    )
    return row


def _line(row: dict[str, Any]) -> str:
    where = ",".join(f"{k}={v}" for k, v in row["slice"].items()) or "all traffic"
    ended = f"  {row['decision']}: {row['note']}" if row["decision"] else ""
    return (
        f"{row['id']:>4}  {row['severity']:<8} {row['state']:<10} since {row['since']}  {row['check']} ({where}){ended}"
    )
