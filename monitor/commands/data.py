"""Commands that check event files and read them into a store."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from consumers.events import EVENT_BYTES, EventRejected, parse_event
from consumers.ingest import ingest as ingest_source
from consumers.paths import expand
from consumers.sources import JsonlSource, SourceError
from monitor.commands.common import (
    DEFAULT_STORE,
    Files,
    Format,
    FormatOption,
    JsonOption,
    QuietOption,
    StoreOption,
    one_line,
    open_store,
    print_json,
    reading,
    say,
    stop_on_signal,
)
from monitor.commands.store_url import shown
from monitor.settings import load_settings

SHOWN = 20


def validate(
    files: Files,
    settings: Annotated[Path | None, typer.Option("--settings", "-s", "--config", help="Check these too.")] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check event files, and a settings file, without storing anything. Exit 1 if any event would be rejected."""
    limit = _limit(settings)
    types: Counter[str] = Counter()
    problems: list[dict[str, str]] = []
    with reading(files, quiet) as (read, _):
        for batch in JsonlSource(files, limit=limit, progress=read).batches(lambda _: None):
            for record in batch.records:
                try:
                    types[parse_event(record.raw, limit=limit, size=record.size).type] += 1
                except EventRejected as fault:
                    where = {"source": batch.source, "position": record.position}
                    problems.append({**where, "reason": fault.reason, "detail": fault.detail})
    result = {"events": dict(sorted(types.items())), "rejected": problems}
    if json_ or format_ is Format.json:
        print_json(result)
    else:
        typer.echo("\n".join(f"{count:>10,}  {name}" for name, count in sorted(types.items())) or "no event")
        alike: dict[tuple[str, str], list[dict[str, str]]] = {}
        for row in problems:
            alike.setdefault((row["reason"], row["detail"]), []).append(row)
        ranked = sorted(alike.items(), key=lambda one: -len(one[1]))
        for (reason, detail), rows in ranked[:SHOWN]:
            typer.echo(f"rejected  {len(rows):>10,}  {reason}: {detail}")
            typer.echo(f"          {'first:':>10}  {rows[0]['source']} {rows[0]['position']}")
        if len(ranked) > SHOWN:
            typer.echo(f"... and {len(ranked) - SHOWN:,} more kinds of fault; --json lists all")
    if problems:
        raise typer.Exit(1)


def ingest(
    files: Files,
    store: StoreOption = DEFAULT_STORE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep reading what is appended, until stopped.")
    ] = False,
    settings: Annotated[Path | None, typer.Option("--settings", "-s", "--config", help="For limits.")] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read events into a store, from where each file was left. Reading twice adds nothing.

    Bad events are kept aside (`reward-drift rejected list`), never stop the others and leave the exit status 0;
    `reward-drift validate` before exits 1. With --follow, SIGTERM or Ctrl-C
    ends it after the batch in hand.
    """
    limit = _limit(settings)
    stopped = stop_on_signal() if follow else (lambda: False)
    if problems := expand(files)[1]:
        raise SourceError("\n".join(problems))  # before a store is made for nothing
    with open_store(store) as opened, one_line(store), reading(files, quiet) as (read, _):
        source = JsonlSource(files, follow=follow, limit=limit, stop=stopped, progress=read)
        done = ingest_source(source, opened, event_bytes=limit).appended
    counts = {name: getattr(done, name) for name in ("accepted", "duplicate", "conflict", "rejected")}
    feedback = {purpose: done.purposes.get(purpose, 0) for purpose in ("curation", "reward", "debugging")}
    if json_ or format_ is Format.json:
        print_json({"events": counts, "feedback": feedback, "rejected": dict(done.rejected_by_reason)})
        return
    if not any(counts.values()):
        typer.echo("nothing new: what these files hold was read before, or they hold no event")
        return
    typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    typer.echo("feedback: " + ", ".join(f"{count:,} {name}" for name, count in feedback.items()))
    if done.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in done.rejected_by_reason.items())
        share = f"{done.rejected:,} of {sum(counts.values()):,} events were NOT stored"
        say(f"WARNING: {share}: {reasons}; where and why: reward-drift rejected list --store {shown(store)}")


def _limit(settings: Path | None) -> int:
    return load_settings(settings).limits.event_bytes if settings else EVENT_BYTES
