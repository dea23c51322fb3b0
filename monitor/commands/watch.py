"""Commands that look at a loop: replay files, tick a store, tell its state."""

import datetime as dt
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Files,
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
from monitor.detection.state import MonitorState
from monitor.gate.freeze import freeze_file, read_freeze
from monitor.oncall.alerts import SEVERITIES
from monitor.oncall.deliver import deliver
from monitor.oncall.lifecycle import keep_alerts, machinery_alerts
from monitor.oncall.receivers.configured import configured_receivers
from monitor.replay import replay as replay_files
from monitor.report.html import render_html
from monitor.report.json import render_json
from monitor.report.text import print_text, render_text
from monitor.result import Report
from monitor.service import tick_store
from monitor.status import status_of, status_text
from monitor.telling.purpose_days import keep_purpose_days

WRITERS = {".html": render_html, ".json": render_json, ".txt": render_text}


class Severity(StrEnum):
    """Statistical level of an alert."""

    ticket = "ticket"
    warning = "warning"
    page = "page"


OutputOption = Annotated[
    list[Path] | None, typer.Option("--output", "-o", help="Also write the report: .html, .json or .txt. Repeatable.")
]
FailOption = Annotated[Severity | None, typer.Option("--fail-on", help="Exit 1 if an alert is at least this severe.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="Look as of this moment (RFC 3339) instead of now.", show_default=False)
]


def replay(
    files: Files,
    settings: SettingsOption = DEFAULT_SETTINGS,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    output: OutputOption = None,
    fail_on: FailOption = None,
    quiet: QuietOption = False,
) -> None:
    """Replay event files in event time: what would the monitor have said?

    The same code as production, on a store of its own that leaves nothing behind. Exit 0 whenever the replay worked,
    alerts or not (see --fail-on).
    """
    chosen = settings_of(settings)
    _refuse_unknown_outputs(output or [])
    with reading(files, quiet) as (read, stage):
        report = replay_files(files, chosen, now=dt.datetime.now(dt.UTC), read=read, stage=stage)
    _tell(report, Format.json if json_ else format_, output or [])
    _fail(report, fail_on)


def tick(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    as_of: AsOfOption = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    output: OutputOption = None,
    fail_on: FailOption = None,
) -> None:
    """Look at a store once: decide the days that closed, keep alerts, send what is due.

    Run it daily. Receivers: those of the settings; standard output; the webhook in REWARD_DRIFT_WEBHOOK_URL (signed
    with REWARD_DRIFT_WEBHOOK_SECRET).
    """
    chosen = settings_of(settings)
    _refuse_unknown_outputs(output or [])
    now = dt.datetime.now(dt.UTC)
    receivers = configured_receivers(chosen.receivers)
    with existing_store(store) as opened:
        moment, names = _moment(as_of) or now, tuple(receivers)
        MonitorState(opened.engine)
        keep_alerts(opened.engine, chosen, moment, now, names)  # first: bad data withhold what is built on them
        report = tick_store(opened, chosen, moment, now, names)
        keep_purpose_days(opened.engine)
        report = replace(report, alerts=[*report.alerts, *machinery_alerts(opened.engine, chosen.loop)])
        _tell(report, Format.json if json_ else format_, output or [])
        done = deliver(opened.engine, receivers, now, say)
    if done.sent or done.failed:
        say(f"alerts: {done.sent} sent, {done.failed} waiting to be tried again")
    _fail(report, fail_on)


def status(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Tell the state of a store: open alerts, how fresh each kind of event is, what was rejected, any freeze."""
    chosen, freeze = settings_of(settings), read_freeze(freeze_file(settings))
    with existing_store(store) as opened:
        state = status_of(opened, chosen, dt.datetime.now(dt.UTC))
    if json_ or format_ is Format.json:
        print_json({**state, "freeze": freeze.to_dict()})
    else:
        typer.echo(f"{status_text(state)}\n  promotion: {freeze.told()}")


def _tell(report: Report, how: Format, output: list[Path]) -> None:
    for path in output:
        path.write_text(WRITERS[path.suffix](report), encoding="utf-8")
        say(f"wrote {path}")
    if how is Format.json:
        sys.stdout.write(render_json(report) + "\n")
    else:
        print_text(report, sys.stdout)


def _refuse_unknown_outputs(output: list[Path]) -> None:
    for path in output:
        if path.suffix not in WRITERS:
            raise UsageFault(f"{path}: unknown suffix; end the name with {', '.join(WRITERS)}")
        if not path.parent.is_dir():
            raise UsageFault(f"{path.parent}: no such folder; make it: mkdir -p {path.parent}")


def _fail(report: Report, fail_on: Severity | None) -> None:
    if fail_on and any(SEVERITIES.index(a.severity) >= SEVERITIES.index(fail_on.value) for a in report.alerts):
        raise typer.Exit(1)


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageFault(f"--as-of {text}: not an RFC 3339 time such as 2026-03-02T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
