"""The demo: two loops of one bot, one that games its reward and one that earns it, watched from raw events on."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.common import QuietOption, UsageFault, reading, say
from monitor.demo.light import LightWorkshop
from monitor.demo.loop import Kind, Workshop, generate, settings_yaml
from monitor.demo.wire import END
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
    """Simulate a loop that games its learned reward and one that does not; print the page and where the report lies.

    With torch and transformers (the extra `models`) the policies are small language models, tuned against a small
    reward model, kept as sealed checkpoints in OUTPUT/models and scored there on held-out questions.
    """
    if output.exists() and not output.is_dir():
        raise UsageFault(f"{output}: is a file; choose another folder")
    output.mkdir(parents=True, exist_ok=True)
    workshop = _workshop(seed, output / "models")
    kinds: tuple[Kind, Kind] = ("healthy", "gamed")
    for kind in kinds:
        events = output / f"{kind}.jsonl"
        settings = settings_yaml(kind)
        (output / f"{kind}.yaml").write_text(settings, encoding="utf-8")
        say(f"{kind}: the loop runs (12 checkpoints, each tuned further against the reward it learned)")
        with events.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in generate(kind, seed, workshop))
            file.writelines(json.dumps(event) + "\n" for event in workshop.score_kept(kind))
        say(f"{kind}: the monitor reads {events}")
        with reading([str(events)], quiet) as (read, stage):
            report = replay([str(events)], parse_settings(settings), now=END, read=read, stage=stage)
        (output / f"{kind}.html").write_text(render_html(report), encoding="utf-8")
        if kind == "healthy":
            typer.echo(f"healthy loop: {headline(report)}  report: {output / 'healthy.html'}\n")
    print_text(report, sys.stdout)
    typer.echo(f"\nreport: {(output / 'gamed.html').resolve()}")
    typer.echo(f"events: {(output / 'gamed.jsonl').resolve()}")
    typer.echo(f"again:  reward-drift replay {output}/gamed.jsonl --settings {output}/gamed.yaml -o report.html")


def _workshop(seed: int, folder: Path) -> Workshop:
    if find_spec("torch") is None or find_spec("transformers") is None:
        say(
            "without torch: hashed words and best of n; for language models: pip install 'reward-drift-monitor[models]'"
        )
        return LightWorkshop()
    say("language models of 100,000 weights are trained and tuned, for two to three minutes on one core")
    from monitor.demo.real import RealWorkshop

    return RealWorkshop(seed, folder)
