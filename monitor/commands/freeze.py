"""Commands that stop every promotion, and allow it again. They need neither the database nor readable settings."""

import datetime as dt
import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.common import (
    DEFAULT_SETTINGS,
    Format,
    FormatOption,
    JsonOption,
    SettingsOption,
    UsageFault,
    print_json,
)
from monitor.gate import freeze as frozen
from monitor.gate.freeze import PLACE, Freeze, freeze_file, read_freeze

ByOption = Annotated[str | None, typer.Option("--by", help="Who says so; by default the user of this machine.")]


def freeze(
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept, and told by the gate.")] = None,
    by: ByOption = None,
    status: Annotated[bool, typer.Option("--status", help="Only tell whether promotion is frozen.")] = False,
    settings: SettingsOption = DEFAULT_SETTINGS,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Freeze promotion: the gate says NO-GO until `reward-drift unfreeze`. Safe to repeat, needs no database.

    Written to a file beside the settings, or where REWARD_DRIFT_FREEZE_FILE says. One that cannot be read is a freeze.
    """
    file = _file(settings)
    if status:
        _tell(read_freeze(file), json_ or format_ is Format.json)
        return
    held = frozen.freeze(file, _said(reason, "refunds doubled since ckpt-07"), by or _user(), dt.datetime.now(dt.UTC))
    _tell(held, json_ or format_ is Format.json)


def unfreeze(
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is safe again; kept.")] = None,
    by: ByOption = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """End every freeze of promotion; the gate decides again."""
    file, why = _file(settings), _said(reason, "refunds are back to normal under ckpt-06")
    was = read_freeze(file)
    held = frozen.unfreeze(file, why, by or _user(), dt.datetime.now(dt.UTC))
    if json_ or format_ is Format.json:
        print_json(held.to_dict())
    elif was.frozen:
        typer.echo(f"no longer frozen, by {held.history[-1].by}: {held.history[-1].reason}; the gate decides again")
    else:
        typer.echo("it was not frozen: nothing to end, and nothing was written")


def _file(settings: Path) -> Path:
    """Beside settings that are not there nobody would look."""
    if not os.environ.get(PLACE) and not settings.exists():
        raise UsageFault(f"{settings}: no such file; name the loop's with --settings, or set {PLACE}")
    return freeze_file(settings)


def _said(reason: str | None, example: str) -> str:
    if reason is None or not reason.strip():
        raise UsageFault(f'--reason: say why, for whoever meets it: --reason "{example}"')
    return reason.strip().encode("utf-8", "replace").decode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _tell(held: Freeze, as_json: bool) -> None:
    if as_json:
        print_json(held.to_dict())
    else:
        typer.echo(held.told())
