"""Commands about events that were not accepted."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.rejected import RejectedEvent
from monitor.commands.common import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    JsonOption,
    StoreOption,
    UsageFault,
    existing_store,
    print_json,
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
        events = opened.rejected(limit=limit, reason=reason, status=None if replayed else "open")
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
    number: Number,
    store: StoreOption = DEFAULT_STORE,
    file: Annotated[Path | None, typer.Option("--file", help="Corrected bytes instead of the kept ones.")] = None,
) -> None:
    """Try a rejected event again, as it was or corrected; it is added at most once."""
    corrected = file.read_bytes().rstrip(b"\r\n") if file else None
    with existing_store(store) as opened:
        done = _known(lambda: opened.replay_rejected(number, corrected), number)
        now = opened.rejected_one(number)
    if done.rejected:
        raise UsageFault(f"still rejected: {now.reason}: {now.detail}")
    said = "accepted" if done.accepted else "known already" if done.duplicate or done.conflict else "replayed before"
    typer.echo(f"rejected event {number}: {said}")


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
