"""The command `reward-drift`: one verb a job, thin over the functions that do it.

Exit codes: 0 it worked, 1 what was asked to fail on was found, 2 wrong usage, settings or file, 4 a fault of the tool.
"""

import json
import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from monitor.commands import alerts, data, demo, privacy, rejected, route, setup, stream, watch
from monitor.commands.common import EXPECTED_FAULTS, exit_code_of, message_of

app = typer.Typer(
    name="reward-drift",
    help="Watches a loop that learns from feedback: does the reward still mean better outcomes?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(alerts.app, name="alerts", help="List, show and resolve alerts.")
app.add_typer(stream.incidents, name="incidents", help="Gaps in what was read, and floods: list, close.")
app.add_typer(rejected.app, name="rejected", help="Events that were not accepted: list, show, replay.")
for command in (
    setup.init,
    setup.schema,
    setup.doctor,
    data.validate,
    data.ingest,
    data.export,
    stream.consume,
    route.route,
    watch.replay,
    watch.tick,
    watch.status,
    privacy.erase,
    privacy.retention,
    demo.demo,
):
    app.command()(command)
app.command("import")(data.import_)


@app.callback(invoke_without_command=True)
def root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, on standard error.")] = False,
) -> None:
    """Options of every command."""
    if show_version:
        typer.echo(f"reward-drift {version('reward-drift-monitor')}")
        raise typer.Exit
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s")


def main() -> NoReturn:
    """Run the command line; expected faults become one message and an exit code, never a traceback."""
    try:
        app()
    except EXPECTED_FAULTS as fault:
        _complain(fault)
        sys.exit(exit_code_of(fault))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _complain(fault: Exception) -> None:
    code = exit_code_of(fault)
    if "--json" in sys.argv or "json" in sys.argv:
        kind = "usage" if code == 2 else "fault"
        error = {"kind": kind, "exception": type(fault).__name__, "message": message_of(fault), "status": code}
        print(json.dumps({"error": error}))  # noqa: T201
    Console(stderr=True, soft_wrap=True).print(
        f"error: {message_of(fault)}", style="red", markup=False, highlight=False
    )
