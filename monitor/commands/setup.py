"""Commands for the first minutes: a settings file, the schema of events, what this machine lacks."""

import datetime as dt
import importlib.util
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from consumers.connections import DatabaseUnsuitable
from consumers.database import DatabaseTooNew
from consumers.schema import event_schema
from monitor.check import load_checks
from monitor.commands.common import (
    DEFAULT_SETTINGS,
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    StoreOption,
    StoreUnusable,
    UsageFault,
    open_store,
    print_json,
    store_exists,
)
from monitor.commands.doctor_kafka import kafka_rows
from monitor.commands.doctor_receivers import receiver_rows
from monitor.commands.store_url import is_url, shown
from monitor.gate.contract import template
from monitor.judging.judge_sight import AnchorPace, anchor_paces
from monitor.production.items import day_of
from monitor.settings import SettingsError, load_settings

TEMPLATE = """\
# What reward-drift watches. Every key but outcome.metric has a default.
loop: {loop}

# The number the loop optimises: a feedback signal (thumbs, rating) or a scorer of score events.
reward: {{signal: thumbs}}            # or {{scorer: my-reward-model}}

# What really happened, established by people or systems, never by the reward.
outcome: {{metric: {metric}, horizon: 14d, higher_is_better: true}}
# outcome.range: [0, 1]             numbers are mapped linearly; values outside are left out and counted
# outcome.missing: exclude          or false, for events such as churn that are sent only when they happen

# The frozen baseline. Default: the first checkpoint.
# reference: {{checkpoint: ckpt-00}}   or {{from: 2026-01-01, until: 2026-03-01}}

cohorts: []                         # keys of a response's cohort that get series of their own, e.g. [tier, locale]
unit: user-day                      # what counts as one independent unit: response, conversation, user-day, user-week

# Mean time to a false alert of each severity, over all series together.
alerts: {{ticket: 30d, warning: 365d, page: 3650d}}
# alerts.material_harm: 0.005       a loss of outcome that nobody would act on, 0 to 1
# alerts.risk: {{tier=paid: 3.0}}     slices where harm weighs more than their traffic says
# alerts.restart: day               or deployment: harm of new checkpoints is found sooner, other harm later
# alerts.quiet_hours: ["20:00", "08:00"]   pages about outcomes that take more than a day wait; of alerts.timezone: UTC

# How old the newest of each kind may be before that is an alert of its own: no data is no sign of health.
# freshness: {{event: 1d, feedback: 3d, score: 3d, outcome: 7d, anchors: 35d, judgments: 35d, evaluation: 2d}}

# Where alerts go. Secrets stand in variables or files (url_env, url_file, secret_env, secret_file), never here.
# receivers:
#   - {{name: pager, kind: pagerduty, secret_env: REWARD_DRIFT_PAGERDUTY_KEY, severities: [page], fallback: chat}}
#   - {{name: chat, kind: slack, url_env: REWARD_DRIFT_SLACK_URL}}
#   - {{name: manager, kind: alertmanager, url: "https://alertmanager.example.org", allow_private: true}}
# kinds: alertmanager, pagerduty, slack, webhook, apprise (e-mail and the long tail), stdout
# fallback: gets what a receiver does not take. allow_private: addresses inside may be dialled. timeout_seconds: 10

# What `reward-drift serve` does by itself, and when: a period, five fields of cron in alerts.timezone, or false.
# serve:
#   tick: 1h                        looks; alerts are kept and sent in between
#   gate: "0 9 * * mon"             tries the newest candidate beside what serves
#   canary: 1m                      an event of our own all the way; where none arrives, the dead-man's ping stops
#   deadman: {{url: "https://watcher.example.com/ping"}}   or REWARD_DRIFT_DEADMAN_URL
#   scoring: {{checkpoints: /srv/checkpoints, reward: /srv/reward-model, anchors: [/srv/anchors/faq]}}
# more: score 1m, cards and retention daily, deliver 15s, lease 30s, patience 15m, reports: reports

# Who may look at the dashboard that `reward-drift serve` and `dashboard` show. On this machine anybody may;
# anywhere else a token is needed (`reward-drift token create NAME`), or a proxy that says who asks.
# web:
#   login: true                     on this machine, too, as where others have accounts or a proxy stands in front
#   hosts: [drift.example.org]      names under which it is reached; another name is refused
#   proxy: {{addresses: [10.0.0.7], header: X-Auth-Request-Email, scopes: [read]}}   it must check who asks
#   dashboard: false                only /metrics, /healthz and /readyz
# more: session 12h, requests_per_minute 600

# What `reward-drift gate` asks before a checkpoint ships; what is named has to pass, each protected slice for itself.
# gate.required: [reward_outcome_decoupling, cohort_regression]
# gate.protected: [tier=paid]       none named: every cohort value with enough answers
# gate.cohort_tolerance: 0.1        the most that one cohort may lose, where all traffic may lose less
# gate.cohort_spread: 0.01          declared: no cohort lies further from the average; they then borrow
# gate.anytime: true                the chance of a wrong decision holds over all decisions about one candidate

# What a fine-tune may not unlearn, asked by `reward-drift gate`; `reward-drift init --contract` writes the file.
# gate.contract: capabilities.yaml
"""
CONTRACT = "capabilities.yaml"


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULT_SETTINGS,
    metric: Annotated[str, typer.Option("--metric", help="The outcome to watch.")] = "task_success",
    loop: Annotated[str, typer.Option("--loop", help="A name for the loop.")] = "my-loop",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    contract: Annotated[
        bool, typer.Option("--contract", help=f"Write {CONTRACT}, the capability contract, beside that file instead.")
    ] = False,
) -> None:
    """Write a commented settings file, or a commented capability contract beside it."""
    told = path.with_name(CONTRACT) if contract else path
    if told.exists() and not force:
        raise UsageFault(f"{told}: exists; choose another name or --force to replace it")
    told.write_text(template() if contract else TEMPLATE.format(loop=loop, metric=metric), encoding="utf-8")
    of_contract = f"name your suites in it, and in {path}: gate: {{contract: {CONTRACT}}}"
    typer.echo(f"wrote {told}; next: {of_contract if contract else f'reward-drift replay EVENTS.jsonl -s {path}'}")


def schema() -> None:
    """Print the JSON Schema (2020-12) of the events, made from the models that check them."""
    print_json(event_schema())


def doctor(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Check this machine, the settings and the store; exit 1 if something needs mending."""
    rows = [_python(), _sqlite(), _checks(), _disk(store), _settings(settings), _store(store), *kafka_rows(settings)]
    rows += _anchors(settings, store)
    rows += [*receiver_rows(settings, store), *_extras()]
    if json_ or format_ is Format.json:
        print_json({"checks": rows})
    else:
        for row in rows:
            typer.echo(f"{row['state']:<5} {row['what']:<10} {row['told']}")
    if any(row["state"] == "MEND" for row in rows):
        raise typer.Exit(1)


def _row(state: str, what: str, told: str) -> dict[str, Any]:
    return {"state": state, "what": what, "told": told}


def _python() -> dict[str, Any]:
    return _row("ok", "python", sys.version.split()[0])


def _sqlite() -> dict[str, Any]:
    good = sqlite3.sqlite_version_info >= (3, 35)
    return _row("ok" if good else "MEND", "sqlite", sqlite3.sqlite_version + ("" if good else "; 3.35 is needed"))


def _checks() -> dict[str, Any]:
    return _row("ok", "checks", ", ".join(load_checks()))


def _disk(store: str) -> dict[str, Any]:
    if is_url(store):
        return _row("none", "disk", "not known: the store is on a server of its own")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return _row("ok" if free > 1 else "MEND", "disk", f"{free:.1f} GiB free here")


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return _row("none", "settings", f"{path}: not there yet; `reward-drift init` writes one")
    try:
        return _row("ok", "settings", f"{path}: loop {load_settings(path).loop!r}")
    except SettingsError as fault:
        return _row("MEND", "settings", str(fault))


def _store(store: str) -> dict[str, Any]:
    try:
        if not store_exists(store):
            makers = "`reward-drift consume` or `reward-drift ingest FILE...`"
            return _row("none", "store", f"{shown(store)}: not there yet; {makers} makes one")
        with open_store(store) as opened:
            counts, kept_by = opened.counts(), _kept_by(opened.engine)
    except (StoreUnusable, UsageFault, DatabaseTooNew, DatabaseUnsuitable) as fault:
        return _row("MEND", "store", str(fault))
    counted = f"{counts.events:,} events, {counts.rejected_open:,} rejected"
    return _row("ok", "store", f"{shown(store)}: {kept_by}{counted}")


def _anchors(path: Path, store: str) -> list[dict[str, Any]]:
    """Whether anchors of the watched judges come fast enough; nothing to say without settings or store."""
    try:
        if not (path.exists() and store_exists(store)):
            return []
        with open_store(store) as opened:
            today = day_of(dt.datetime.now(dt.UTC))
            paces = list(anchor_paces(opened.engine, load_settings(path), today))
    except (SettingsError, StoreUnusable, UsageFault, DatabaseTooNew, DatabaseUnsuitable):
        return []  # told by the rows of settings and store
    return [_row("SLOW" if pace.is_slow else "ok", "anchors", _advice(pace)) for pace in paces]


def _advice(pace: AnchorPace) -> str:
    return f"{pace}; have people label more pairs, or name a longer `reference`" if pace.is_slow else str(pace)


def _kept_by(engine: Engine) -> str:
    """Which server keeps the store, if it is no file."""
    if engine.dialect.name == "sqlite":
        return ""
    with engine.connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return f"PostgreSQL {version}, tables up to date, "


def _extras() -> list[dict[str, Any]]:
    found = importlib.util.find_spec("torch") is not None
    told = "installed" if found else "not installed; pip install 'reward-drift-monitor[models]' to score checkpoints"
    return [_row("ok" if found else "none", "models", told)]
