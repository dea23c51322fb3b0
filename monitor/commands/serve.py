"""Commands of the process that stays up: serve, and what it did and will do."""

import logging
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
    StoreUnusable,
    UsageFault,
    existing_store,
    open_store,
    print_json,
    settings_of,
    stop_on_signal,
)
from monitor.commands.listening import DEFAULT_LISTEN, address_of, answering_at
from monitor.logs import log_to
from monitor.serving.plain import schedule_told

log = logging.getLogger(__name__)

LAST_RUNS = 20


def serve(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="Where the dashboard, /metrics, /healthz and /readyz answer. The last three have no login: with"
            " 0.0.0.0:9465 every machine that reaches this one can read them; the dashboard then needs one.",
        ),
    ] = DEFAULT_LISTEN,
) -> None:
    """Keep watch until stopped: look, score, gate, deliver and keep house on schedule, and prove to be alive.

    Several may run beside each other on one store: one works, the others wait to take over. SIGTERM or Ctrl-C ends the
    jobs in hand or leaves them to the next one. Exit 0 stopped as asked, 2 settings, store or address cannot be used, 4
    a thread was stuck and a supervisor should start the process anew.
    """
    from monitor.serving.process import Serving

    chosen, address, stop = settings_of(settings), address_of(listen), stop_on_signal()
    log_to()
    try:
        opened = open_store(store)
    except StoreUnusable as fault:
        raise UsageFault(str(fault)) from None
    with opened:
        serving = Serving(opened, chosen, settings)
        with answering_at(
            address, settings, chosen, opened.engine, serving, lambda: serving.pulses.beat("web")
        ) as bound:
            log.info("serving", extra={"loop": chosen.loop, "listening": str(bound)})
            serving.run(stop)


def schedule(
    settings: SettingsOption = DEFAULT_SETTINGS,
    store: StoreOption = DEFAULT_STORE,
    runs: Annotated[int, typer.Option("--runs", help="Also show so many of the last runs.", min=0)] = 0,
    format_: FormatOption = Format.text,
    json_: JsonOption = False,
) -> None:
    """Show the jobs of `reward-drift serve`: when each is due next, how it last went, what was late or missed."""
    chosen = settings_of(settings)
    with existing_store(store) as opened:
        told = schedule_told(opened.engine, chosen, runs)
    if json_ or format_ is Format.json:
        print_json(told)
    else:
        typer.echo("\n".join([*map(_job_line, told["jobs"]), *map(_run_line, told["runs"])]))


def _job_line(job: dict[str, Any]) -> str:
    last = "never ran" if job["last"] is None else _run_line(job["last"])
    return f"{job['job']:<10} {job['when']:<22} next {job['next']}  last: {last}"


def _run_line(run: dict[str, Any]) -> str:
    missed = f", {run['missed']} missed: {', '.join(run['missed_slots'])}" if run["missed"] else ""
    late = f" late{missed}" if run["late"] else ""
    return f"{run['job']} {run['slot']} {run['state']}{late}  {run['note']}".rstrip()
