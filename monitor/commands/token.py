"""Commands about tokens of the dashboard and its API."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any

import typer

from monitor.commands.common import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    duration_of,
    existing_store,
    print_json,
    say,
)
from monitor.report.wording import name as safe
from monitor.result import plain_json
from monitor.web.security import tokens
from monitor.web.security.tokens import Token
from monitor.web.settings import Scope

app = typer.Typer(no_args_is_help=True)


class Scopes(StrEnum):
    """What a token may do; each includes those before it."""

    read = "read"
    ack = "ack"
    admin = "admin"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for; it stands beside what is done with it.")],
    scope: Annotated[
        Scopes, typer.Option("--scope", help="read: look. ack: also take, mute and dismiss alerts. admin: everything.")
    ] = Scopes.read,
    for_: Annotated[str | None, typer.Option("--for", help="How long it lives, as 30d; for ever if left out.")] = None,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """Make a token and print it, once: the store keeps its hash alone."""
    length = None if for_ is None else duration_of(for_)
    chosen: Scope = scope.value
    with existing_store(store) as opened:
        made, secret = tokens.create_token(opened.engine, name, chosen, dt.datetime.now(dt.UTC), length)
    if json_:
        print_json({**_plain(made), "token": secret})
        return
    say(f"token {made.id} of {safe(name)} may {scope}; it is shown this once:")
    typer.echo(secret)


@app.command("list")
def list_(store: StoreOption = DEFAULT_STORE, json_: JsonOption = False) -> None:
    """List tokens: whose, what they may do, until when. The tokens themselves are kept nowhere."""
    with existing_store(store) as opened:
        rows = [_plain(one) for one in tokens.read_tokens(opened.engine)]
    if json_:
        print_json({"tokens": rows})
    else:
        typer.echo("\n".join(map(_line, rows)) or "no token; `reward-drift token create NAME` makes one")


@app.command()
def revoke(
    number: Annotated[int, typer.Argument(help="The token's id, from `token list`.")],
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """End a token, and every session that began with it, now."""
    with existing_store(store) as opened:
        tokens.revoke_token(opened.engine, number, dt.datetime.now(dt.UTC))
    if json_:
        print_json({"id": number, "revoked": True})
    else:
        typer.echo(f"token {number} opens nothing any more")


def _plain(token: Token) -> dict[str, Any]:
    row: dict[str, Any] = plain_json(vars(token) | {"live": token.is_live(dt.datetime.now(dt.UTC))})
    return row


def _line(row: dict[str, Any]) -> str:
    until = f"revoked {row['revoked']}" if row["revoked"] else f"until {row['expires']}" if row["expires"] else "no end"
    return f"{row['id']:>4}  {'live' if row['live'] else 'over':<5} {row['scope']:<6} {until}  {safe(row['name'])}"
