"""Commands about events that were not accepted."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.intake import Appended
from consumers.rejected import RejectedEvent, ReplayRefused
from consumers.store import EventStore
from monitor.commands.common import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    StoreOption,
    UsageFault,
    existing_store,
    print_json,
    say,
)

app = typer.Typer(no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The rejected event's id, from `rejected list`.")]


@app.command("list")
def list_(
    store: StoreOption = DEFAULT_STORE,
    reason: Annotated[str | None, typer.Option("--reason", help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 100,
    replayed: Annotated[bool, typer.Option("--all", help="Replayed ones too.")] = False,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """List rejected events: id, reason, where each stood and what was expected."""
    with existing_store(store) as opened:
        events = opened.rejected(limit=limit + 1, reason=reason, status=None if replayed else "open")
    if len(events) > limit:
        events = events[:limit]
        say(f"only the {limit:,} oldest are listed; --limit N lists more")
    if json_ or format_ is Format.json:
        print_json({"rejected": [_plain(event) for event in events]})
    else:
        lines = [f"{e.id:>5}  {e.reason:<20} {e.source} {e.position}: {e.detail}" for e in events]
        typer.echo("\n".join(lines) or "nothing rejected")


@app.command()
def show(
    number: Number,
    store: StoreOption = DEFAULT_STORE,
    raw: Annotated[bool, typer.Option("--raw", help="Only its bytes, as kept.")] = False,
) -> None:
    """Show one rejected event with the bytes that were kept."""
    with existing_store(store) as opened:
        event = _known(lambda: opened.rejected_one(number), number)
    if raw:
        sys.stdout.buffer.write(event.raw)
    else:
        print_json(_plain(event))


@app.command()
def replay(
    number: Annotated[int | None, typer.Argument(help="The rejected event's id, from `rejected list`.")] = None,
    store: StoreOption = DEFAULT_STORE,
    reason: Annotated[str | None, typer.Option("--reason", help="All that wait under this reason, as kept.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Corrected bytes instead of the kept ones.")] = None,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Try a rejected event again, as it was or corrected, or all of one reason; each is added at most once.

    Exit 2 if the one event named is still rejected.
    """
    if (number is None) == (reason is None) or (reason is not None and file is not None):
        raise UsageFault("name one event by its id, with --file if you corrected it, or all of one --reason")
    with existing_store(store) as opened:
        if number is not None:
            told = {_replay_one(opened, number, file): 1}
        else:
            told = dict(Counter(_replay_kept(opened, waiting) for waiting in opened.rejected_numbers(str(reason))))
    if json_ or format_ is Format.json:
        print_json({"replayed": told})
    elif number is not None:
        typer.echo(f"rejected event {number}: {next(iter(told))}")
    else:
        typer.echo("\n".join(f"{count:,} {what}" for what, count in told.items()) or f"none waits under {reason}")


def _replay_one(store: EventStore, number: int, file: Path | None) -> str:
    corrected = file.read_bytes().rstrip(b"\r\n") if file else None
    done = _known(lambda: store.replay_rejected(number, corrected), number)
    if done.rejected:
        now = store.rejected_one(number)
        raise UsageFault(f"still rejected: {now.reason}: {now.detail}")
    return _became(done)


def _replay_kept(store: EventStore, number: int) -> str:
    try:
        done = store.replay_rejected(number)
    except ReplayRefused:
        return "not kept whole or erased"
    return "still rejected" if done.rejected else _became(done)


def _became(done: Appended) -> str:
    return "accepted" if done.accepted else "known already" if done.duplicate or done.conflict else "replayed before"


def _known(action: Any, number: int) -> Any:
    try:
        return action()
    except KeyError:
        raise UsageFault(f"no rejected event {number}; `reward-drift rejected list` names them") from None


def _plain(event: RejectedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "reason": event.reason,
        "detail": event.detail,
        "source": event.source,
        "position": event.position,
        "status": event.status,
        "bytes": event.raw_size,
        "raw": event.raw.decode("utf-8", "backslashreplace"),
    }
