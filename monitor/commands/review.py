"""Look back at a month on call, and enter what no alert told of."""

import datetime as dt
from typing import Annotated

import typer

from consumers.database import reading, writing
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
    say,
    settings_of,
)
from monitor.detection.state import MonitorState
from monitor.oncall.review import add_missed, month_of, review_month, review_text
from monitor.report.wording import passage


def review(
    month: Annotated[str | None, typer.Option("--month", help="As 2026-11; else this one, so far.")] = None,
    missed: Annotated[str | None, typer.Option("--missed", help="Enter a harm that no alert told of.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="When it began (RFC 3339), with --missed.")] = None,
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Review a month on call: pages, precision, time to ack, silenced hours, false alerts, what was missed."""
    chosen, now = settings_of(settings), dt.datetime.now(dt.UTC)
    if (missed is None) != (at is None):
        raise UsageFault("--missed and --at come together: what happened, and when it began")
    begins, ends = month_of(month, now)
    with existing_store(store) as opened:
        MonitorState(opened.engine)
        if missed is not None and at is not None:
            with writing(opened.engine) as connection:
                add_missed(connection, chosen.loop, missed, _moment(at), now)
            say("entered")
        with reading(opened.engine) as connection:
            found = review_month(connection, chosen, begins, ends)
    if json_ or format_ is Format.json:
        print_json(found.to_dict())
    else:
        typer.echo(passage(review_text(found)))


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageFault(f"--at {text}: not an RFC 3339 time such as 2026-03-02T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
