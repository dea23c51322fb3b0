"""Show what is to be done about an alert."""

from typing import Annotated

import typer

from monitor.commands.common import JsonOption, UsageFault, print_json
from monitor.oncall.runbook import question_of, read_runbook, runbook_names


def runbook(
    name: Annotated[str, typer.Argument(help="The check or rule that the alert names.", show_default=False)] = "",
    list_: Annotated[bool, typer.Option("--list", help="Name every runbook, with what its alert means.")] = False,
    json_: JsonOption = False,
) -> None:
    """Print the runbook of a rule: meaning, causes, data faults, what to decide, commands, recovery, whom to wake."""
    if list_:
        rows = [{"name": one, "meaning": question_of(read_runbook(one))} for one in runbook_names()]
        text = "\n".join(f"{row['name']:<26} {row['meaning']}" for row in rows)
    elif name:
        text = read_runbook(name)
        rows = [{"name": name, "meaning": question_of(text), "text": text}]
    else:
        raise UsageFault("which one? `reward-drift runbook NAME`, or --list for all")
    if json_:
        print_json({"runbooks": rows})
    else:
        typer.echo(text.rstrip())
