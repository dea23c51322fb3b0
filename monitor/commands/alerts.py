"""Commands about alerts that a store keeps: what is open and why, who has it, what is muted, what was decided."""

import datetime as dt
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from consumers.database import reading, writing
from consumers.store import EventStore
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    UsageFault,
    duration_of,
    existing_store,
    print_json,
    say,
    settings_of,
)
from monitor.detection.state import MonitorState
from monitor.oncall import acks, silences
from monitor.oncall.deliver import deliver
from monitor.oncall.detail import detail_of, detail_text
from monitor.oncall.drill import test_fire
from monitor.oncall.episodes import StoredEpisode, read_episodes, slice_text
from monitor.oncall.overlays import overlays_of
from monitor.oncall.page import known
from monitor.oncall.plain import alert_row, silence_row
from monitor.oncall.receivers.configured import ReceiverUnusable, configured_receivers
from monitor.oncall.silences import Silence
from monitor.oncall.tell import tell
from monitor.report.wording import name as safe
from monitor.report.wording import passage
from monitor.result import plain_json
from monitor.settings import Settings

app = typer.Typer(no_args_is_help=True)

ByOption = Annotated[str, typer.Option("--by", help="Who says so.", default_factory=getpass.getuser)]
NumberArgument = Annotated[int, typer.Argument(help="The alert's id, from `alerts list`.")]
ForOption = Annotated[str | None, typer.Option("--for", help="How long, as 30m, 4h or 2d; a week at most.")]


class Decision(StrEnum):
    """What was done about an alert."""

    rollback = "rollback"
    retire = "retire"
    false_alert = "false-alert"


@app.command("list")
def list_(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are pending, firing or acked.")] = False,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List every alert of the loop, newest last, with who has it and what keeps it from being told."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        with reading(opened.engine) as connection:
            overlays = overlays_of(connection, chosen.loop, now)
            stored = read_episodes(connection, chosen.loop)
    rows = [alert_row(one, overlays[one.id]) for one in stored if not open_only or one.ended is None]
    _print({"alerts": rows}, "\n".join(_line(row) for row in rows) or "no alert", json_, format_)


@app.command()
def show(
    number: NumberArgument,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Show the page of an alert and what stands behind it: evidence, slices, checkpoints, answers to read, history."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        with reading(opened.engine) as connection:
            episodes = read_episodes(connection, chosen.loop)
            stored = _found(episodes, number, chosen)
            facts = known(connection, chosen, episodes, now)
            told = detail_of(connection, stored, episodes, facts, chosen.loop).to_dict()
            told["overlays"] = overlays_of(connection, chosen.loop, now)[number]
    _print(told, passage(detail_text(told)), json_, format_)


@app.command()
def ack(
    number: NumberArgument,
    by: ByOption,
    note: Annotated[str, typer.Option("--note", help="What is being done; forwarded to receivers.")] = "",
    for_: ForOption = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Take an alert: reminders stop until it lapses (4 h for a page, else 24 h), gets severer, or ends."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with _changing(store, chosen, now) as connection:
        until = acks.ack(connection, chosen.loop, number, by, note, now, _length(for_))
    told = {"id": number, "state": "acked", "owner": by, "until": until}
    _print(plain_json(told), f"alert {number} is {safe(by)}'s until {until:%Y-%m-%d %H:%M} UTC", json_)


@app.command()
def unack(
    number: NumberArgument,
    by: ByOption,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Give an alert back: it fires again, and reminders go on."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with _changing(store, chosen, now) as connection:
        acks.unack(connection, chosen.loop, number, by, now)
    _print({"id": number, "state": "firing"}, f"alert {number} fires again: nobody has it", json_)


@app.command()
def silence(
    matcher: Annotated[list[str], typer.Argument(help="KEY=VALUE: check, family, severity, or a key of the slice.")],
    by: ByOption,
    for_: Annotated[str, typer.Option("--for", help="How long, as 12h or 3d; a week at most.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept, and told at its end.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would match now.")] = False,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Mute notifications of alerts that match every KEY=VALUE; never the gate, the dead-man or safety rules.

    What it matches now is shown. Evaluation goes on; at its end one digest tells what still fires.
    """
    chosen, now, length = settings_of(settings), dt.datetime.now(dt.UTC), _length(for_)
    wanted = silences.parse_matcher(matcher)
    assert length is not None
    with _changing(store, chosen, now) as connection:
        trial = Silence(0, wanted, by, reason, now, now + length)
        matched = [one for one in read_episodes(connection, chosen.loop) if one.is_open and trial.mutes(one)]
        made = trial if dry_run else silences.add_silence(connection, chosen.loop, wanted, by, reason, now, length)
    told = {**silence_row(made, now), "id": made.id or None, "matches_now": [one.id for one in matched]}
    names = ", ".join(f"{one.id} ({one.episode.check}, {safe(slice_text(one.episode.slice))})" for one in matched)
    begun = "would hold" if dry_run else f"silence {made.id} holds"
    _print(told, f"{begun} until {made.ends:%Y-%m-%d %H:%M} UTC; it matches now: {names or 'no open alert'}", json_)


@app.command("silences")
def list_silences(
    all_: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """List silences that hold: what they mute, who made them, why, until when."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        with reading(opened.engine) as connection:
            found = silences.read_silences(connection, chosen.loop)
    rows = [silence_row(one, now) for one in found if all_ or one.is_on(now)]
    lines = [
        f"{row['id']:>4}  {'holds' if row['holds'] else 'over':<6} until {row['ends']}"
        f"  {safe(slice_text(row['matcher']))}  {safe(row['author'])}: {safe(row['reason'], 200)}"
        for row in rows
    ]
    _print({"silences": rows}, "\n".join(lines) or "no silence holds", json_)


@app.command()
def unsilence(
    number: Annotated[int, typer.Argument(help="The silence's id, from `alerts silences`.")],
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """End a silence now; the next tick tells in one digest what still fires."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    with _changing(store, chosen, now) as connection:
        silences.end_silence(connection, chosen.loop, number, now)
    _print({"id": number, "ends": plain_json(now)}, f"silence {number} is over", json_)


@app.command()
def dismiss(
    number: NumberArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why it leads to nothing; kept, and counted in `review`.")],
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """End an alert that leads to no action; it counts against precision, and the slice's evidence starts anew."""
    _decide(number, "dismissed", reason, settings_of(settings), store, json_)


@app.command()
def resolve(
    number: NumberArgument,
    decision: Annotated[Decision, typer.Option("--decision", help="What was done.")],
    note: Annotated[str, typer.Option("--note", help="Why; kept with the alert.")],
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Record a decision: the alert ends and the slice's evidence starts anew from the next undecided day."""
    _decide(number, decision.value, note, settings_of(settings), store, json_)


@app.command("test")
def fire_test(
    receiver: Annotated[str, typer.Option("--receiver", help="The receiver's name, or all.")] = "all",
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Send a message marked TEST all the way to a receiver, and tell how long it took; exit 1 if one did not arrive."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    routes = configured_receivers(chosen.receivers)
    names = sorted(routes) if receiver == "all" else [receiver]
    if not names or any(name not in routes for name in names):
        raise UsageFault(f"no receiver {receiver!r}; there are: {', '.join(sorted(routes)) or 'none'}")
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        fired = test_fire(opened.engine, routes, names, chosen.loop, now, say)
    rows = [{"receiver": one.receiver, "seconds": one.seconds, "fault": one.fault} for one in fired]
    lines = [f"{one.receiver}: {one.fault or f'took it in {one.seconds:.2f} s'}" for one in fired]
    _print({"tests": rows}, "\n".join(lines), json_)
    if any(one.fault for one in fired):
        raise typer.Exit(1)


def _decide(number: int, decision: str, note: str, chosen: Settings, store: str, json_: bool) -> None:
    now = dt.datetime.now(dt.UTC)
    with existing_store(store) as opened:
        state = MonitorState(opened.engine)
        before = [one for one in state.episodes(chosen.loop) if one.is_open]
        stored = state.resolve(chosen.loop, number, decision, note, now)
        _send(opened, chosen, now)
    where = stored.episode.slice_name or "all traffic"
    alike = [one for one in before if one.episode.slice_name == stored.episode.slice_name and one.id != number]
    text = f"alert {number} ({stored.episode.check}, {safe(where)}) resolved: {decision}"
    if alike:
        others = ", ".join(f"{one.id} ({one.episode.severity}, {one.episode.check})" for one in alike)
        text += f"\nresolved with it, since the evidence of {safe(where)} starts anew: {others}"
    _print({"id": number, "decision": decision, "note": note, "with_it": [one.id for one in alike]}, text, json_)


@contextmanager
def _changing(store: str, chosen: Settings, now: dt.datetime) -> Iterator[Connection]:
    """One write transaction on the store's alerts; what is to be told of it is sent after it, or by the next tick."""
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        with writing(opened.engine) as connection:
            yield connection
        _send(opened, chosen, now)


def _send(opened: EventStore, chosen: Settings, now: dt.datetime) -> None:
    """Tell and send what is due; a machine without the receivers' secrets leaves that to the next tick."""
    try:
        routes = configured_receivers(chosen.receivers)
    except ReceiverUnusable as fault:
        say(f"{fault}; kept, and told by the next tick")
        return
    with writing(opened.engine) as connection:
        tell(connection, chosen, now, tuple(routes))
    deliver(opened.engine, routes, now, say)


def _found(episodes: list[StoredEpisode], number: int, chosen: Settings) -> StoredEpisode:
    stored = next((one for one in episodes if one.id == number), None)
    if stored is None:
        raise UsageFault(f"no alert {number} in loop {chosen.loop!r}; `reward-drift alerts list` names them")
    return stored


def _length(text: str | None) -> dt.timedelta | None:
    return None if text is None else duration_of(text)


def _print(told: Any, text: str, json_: bool, format_: Format = Format.text) -> None:
    if json_ or format_ is Format.json:
        print_json(told)
    else:
        typer.echo(text)


def _line(row: dict[str, Any]) -> str:
    ended = f"  {row['decision']}: {safe(row['note'] or '', 200)}" if row["decision"] else ""
    held = f"  {safe(row['ack']['owner'])} has it until {row['ack']['until']}" if row["ack"] else ""
    over = f"  [{', '.join(row['overlays'])}]" if row["overlays"] else ""
    return (
        f"{row['id']:>4}  {row['severity']:<8} {row['state']:<10} since {row['since']}  {row['check']}"
        f" ({safe(slice_text(row['slice']), 200)}){over}{held}{ended}"
    )
