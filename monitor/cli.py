"""The command `reward-drift`: one verb a job, thin over the functions that do it.

Exit codes: 0 it worked, 1 what was asked to fail on was found, 2 wrong usage, settings or file, 4 a fault of the tool.
"""

import json
import logging
import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, ClassVar, NoReturn

import typer
from rich.console import Console

from monitor.commands.common import EXPECTED_FAULTS, exit_code_of, message_of
from monitor.commands.lazy import Entry, LazyGroup


class Commands(LazyGroup):
    """Every command, in the order in which one meets them."""

    entries: ClassVar = {
        "init": Entry("monitor.commands.setup:init", "Write a commented settings file."),
        "schema": Entry("monitor.commands.setup:schema", "Print the JSON Schema of the events."),
        "doctor": Entry("monitor.commands.setup:doctor", "Check this machine, the settings and the store."),
        "validate": Entry("monitor.commands.data:validate", "Check event files without storing anything."),
        "ingest": Entry("monitor.commands.data:ingest", "Read event files into a store."),
        "consume": Entry("monitor.commands.stream:consume", "Read events from Kafka into a store, until stopped."),
        "import": Entry("monitor.commands.exchange:import_", "Turn a table, or another project's file, into events."),
        "rejected": Entry("monitor.commands.rejected:app", "Events that were not accepted: list, show, replay."),
        "incidents": Entry("monitor.commands.stream:incidents", "Gaps in what was read, and floods: list, close."),
        "replay": Entry("monitor.commands.watch:replay", "What the monitor would have said of event files."),
        "backtest": Entry("monitor.commands.plan:backtest", "What would have alerted on your own history."),
        "power": Entry("monitor.commands.plan:power", "What drop can be seen with your labels, and by when."),
        "tick": Entry("monitor.commands.watch:tick", "Look at a store once, and send what is due."),
        "serve": Entry("monitor.commands.serve:serve", "Keep watch until stopped: look, score, gate, deliver."),
        "schedule": Entry("monitor.commands.serve:schedule", "What `serve` did and will do, and what was late."),
        "dashboard": Entry("monitor.commands.dashboard:dashboard", "Show a store's dashboard, without keeping watch."),
        "token": Entry("monitor.commands.token:app", "Who may see the dashboard: make, list, revoke tokens."),
        "status": Entry("monitor.commands.watch:status", "Open alerts, freshness, what was rejected."),
        "alerts": Entry("monitor.commands.alerts:app", "List, show, take, mute and resolve alerts."),
        "runbook": Entry("monitor.commands.runbook:runbook", "What to do about an alert, offline."),
        "review": Entry("monitor.commands.review:review", "A month on call: pages, precision, what was missed."),
        "score": Entry(
            "monitor.commands.score:score", "Score a checkpoint on held-out items, on a GPU if there is one."
        ),
        "baseline": Entry("monitor.commands.baseline:app", "What the loop is compared with: list, set."),
        "gate": Entry("monitor.commands.gate:app", "May a checkpoint ship: GO, NO-GO or INCONCLUSIVE, and why."),
        "judge": Entry("monitor.commands.judge:judge", "Ask a judge which of two answers is better, in both orders."),
        "freeze": Entry("monitor.commands.freeze:freeze", "Stop every promotion: the gate says NO-GO."),
        "unfreeze": Entry("monitor.commands.freeze:unfreeze", "End a freeze: the gate decides again."),
        "judges": Entry("monitor.commands.judges:judges", "Compare judges with people and with the teacher."),
        "label-queue": Entry("monitor.commands.label_queue:label_queue", "What to label next, as a file to fill in."),
        "export": Entry("monitor.commands.exchange:export", "Write training labels, from curated feedback only."),
        "route": Entry("monitor.commands.route:route", "Publish feedback to a Kafka topic for each purpose."),
        "checkpoint": Entry("monitor.commands.checkpoint:app", "Models as files: seal a folder, verify a sealed one."),
        "anchors": Entry(
            "monitor.commands.anchors:app", "Held-out items: seal a set, verify it, find it in training data."
        ),
        "erase": Entry("monitor.commands.privacy:erase", "Forget every word of a user."),
        "retention": Entry("monitor.commands.privacy:retention", "Remove words older than the settings allow."),
        "demo": Entry("monitor.commands.demo:demo", "Simulate a loop that games its reward, and one that does not."),
    }


app = typer.Typer(
    name="reward-drift",
    cls=Commands,
    help="Watches a loop that learns from feedback: does the reward still mean better outcomes?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    except Exception:  # Python's own exit code would be 1, which says that what was looked for was found
        traceback.print_exc()
        sys.exit(4)
    sys.exit(0)


def _complain(fault: Exception) -> None:
    code = exit_code_of(fault)
    if "--json" in sys.argv or "json" in sys.argv:
        kind = "usage" if code == 2 else "fault"
        error = {"kind": kind, "exception": type(fault).__name__, "message": message_of(fault), "status": code}
        print(json.dumps({"error": error}))  # noqa: T201
    Console(stderr=True, soft_wrap=True).print(
        f"error: {message_of(fault)}", style="red", markup=False, highlight=False, emoji=False
    )
