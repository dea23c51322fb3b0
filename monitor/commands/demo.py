"""The demo: two loops of one bot, one that games its reward and one that earns it, watched from raw events on."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.common import QuietOption, UsageFault, reading, say
from monitor.demo.loop import Kind, generate, settings_yaml
from monitor.replay import replay
from monitor.report.html import render_html
from monitor.report.page import headline
from monitor.report.text import print_text
from monitor.settings import parse_settings


def demo(
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another world.", min=0)] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write events and reports to.")] = Path(
        "demo-output"
    ),
    quiet: QuietOption = False,
) -> None:
    """Simulate a loop that games its learned reward and one that does not; print the page and where the report lies."""
    if output.exists() and not output.is_dir():
        raise UsageFault(f"{output}: is a file; choose another folder")
    output.mkdir(parents=True, exist_ok=True)
    kinds: tuple[Kind, Kind] = ("healthy", "gamed")
    for kind in kinds:
        events = output / f"{kind}.jsonl"
        settings = settings_yaml(kind)
        (output / f"{kind}.yaml").write_text(settings, encoding="utf-8")
        say(f"{kind}: the loop runs (12 checkpoints, each chosen harder by the reward it learned)")
        with events.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in generate(kind, seed))
        say(f"{kind}: the monitor reads {events}")
        with reading([str(events)], quiet) as (read, stage):
            report = replay([str(events)], parse_settings(settings), read=read, stage=stage)
        (output / f"{kind}.html").write_text(render_html(report), encoding="utf-8")
        if kind == "healthy":
            typer.echo(f"healthy loop: {headline(report)}  report: {output / 'healthy.html'}\n")
    print_text(report, sys.stdout)
    typer.echo(f"\nreport: {(output / 'gamed.html').resolve()}")
    typer.echo(f"events: {(output / 'gamed.jsonl').resolve()}")
    typer.echo(f"again:  reward-drift replay {output}/gamed.jsonl --settings {output}/gamed.yaml -o report.html")
