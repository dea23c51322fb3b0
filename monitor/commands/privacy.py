"""Commands about people's words: erase a person, keep words no longer than the settings say."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
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
    UsageFault,
    existing_store,
    print_json,
    say,
    settings_of,
)
from monitor.detection.state import MonitorState
from monitor.keeping import Forgotten, erase_requested, expire_words, wipe_words
from monitor.keeping import erase as erase_one
from monitor.production.items import EPOCH
from monitor.result import plain_json

WEIGHTS = "Weights cannot be un-trained: a model trained on these words keeps what it learnt until it is retired."
LATER = "Events of this user that come from now on are new data; late copies of old events change nothing."
NOBODY = "  nothing here was this user's, or it went before: compare the name with `user` in the events"
STILL_READ = "the store was being read all the while and its log still holds the words: run this command again"


def erase(
    user: Annotated[str | None, typer.Option("--user", help="The user to erase, as events name it.")] = None,
    requested: Annotated[
        bool, typer.Option("--requested", help="Everybody whose erasure an event asked for and who is still there.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Remove every word of a user, in events, rejected events and alerts; counts stay. Running it again is harmless.

    Prints the ledger's entry: what went, which exported files hold the words, which checkpoints were trained on them.
    """
    if (user is None) != requested:
        raise UsageFault("name a --user, or all that asked for it with --requested")
    with existing_store(store) as opened:
        MonitorState(opened.engine)  # its tables are there from here on
        done = [_plain(one) for one in (erase_requested(opened) if user is None else [erase_one(opened, user)])]
        is_wiped = wipe_words(opened)
    if json_ or format_ is Format.json:
        print_json({"erased": done, "wiped": is_wiped, "note": f"{WEIGHTS} {LATER}"})
    else:
        typer.echo("\n".join(line for entry in done for line in _lines(entry)) or "nobody is waiting to be erased")
    if not is_wiped:
        say(STILL_READ)
        raise typer.Exit(1)


def retention(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Remove texts, and the bytes of rejected and conflicting events, that are older than the settings allow.

    Rows and counts stay. It works beside a running ingest, and may be stopped and run again.
    """
    kept = settings_of(settings).retention
    now = dt.datetime.now(dt.UTC)
    with existing_store(store) as opened:
        gone, quotes = expire_words(opened, kept, now, dry_run=dry_run)
    result = {**asdict(gone), "quotes": quotes}
    if json_ or format_ is Format.json:
        print_json({"removed": result, "dry_run": dry_run})
        return
    verb = "would be removed" if dry_run else "removed"
    typer.echo(
        f"texts of {gone.texts:,} events from before {_day(now - kept.texts)} {verb}, {quotes:,} quotes in alerts"
    )
    typer.echo(
        f"bytes of {gone.rejected:,} rejected and {gone.conflicts:,} conflicting events received before"
        f" {_day(now - kept.rejected)} {verb}"
    )


def _plain(one: Forgotten) -> dict[str, Any]:
    plain: dict[str, Any] = plain_json(asdict(one.entry))
    moment = EPOCH + dt.timedelta(microseconds=plain.pop("erased_at_us"))
    told = {"quotes": one.quotes.quotes, "receivers": sorted(one.quotes.receivers)}
    return {"subject": plain.pop("subject"), "erased_at": plain_json(moment), **plain, **told}


def _lines(entry: dict[str, Any]) -> Sequence[str]:
    held = [f"  holds the words: {export['path']} (sha256 {export['sha256']})" for export in entry["exports"]]
    if entry["receivers"]:
        held.append(f"  was sent alerts that quote the user: {', '.join(entry['receivers'])}")
    if entry["checkpoints"]:
        held.append(f"  trained on such a file, or descended from one that was: {', '.join(entry['checkpoints'])}")
    return [
        f"erased {entry['erased_at']}, ledger entry {entry['subject']} (SHA-256 of the user's name)",
        f"  words of {entry['texts']:,} events, {entry['rejected']:,} rejected and {entry['conflicts']:,} conflicting"
        f" events, {entry['quotes']:,} quotes in alerts",
        *([] if _had_words(entry) else [NOBODY]),
        *(held or ["  no export, and so no checkpoint on record, holds the words"]),
        f"  {WEIGHTS}",
        f"  {LATER}",
    ]


def _had_words(entry: dict[str, Any]) -> bool:
    return any(entry[kind] for kind in ("texts", "rejected", "conflicts", "quotes"))


def _day(moment: dt.datetime) -> str:
    return moment.date().isoformat()
