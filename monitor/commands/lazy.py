"""Commands are imported only when one is called: a reader of a topic needs no pandas, and help needs nothing at all."""

import importlib
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Entry(NamedTuple):
    """Where a command is. target: "module:name" of a function, or of a Typer with commands of its own. told: its line
    in the list of commands."""

    target: str
    told: str


class LazyGroup(TyperGroup):
    """A group that lists its commands from `entries` and imports the one that is called."""

    entries: ClassVar[dict[str, Entry]]

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {name: TyperCommand(name, help=entry.told) for name, entry in self.entries.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that runs, imported now."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name, self.entries[name]) if name is not None and listed else None, rest


def load(name: str, entry: Entry) -> Any:
    """Import a command."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)
