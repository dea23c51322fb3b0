"""Where a gate's report goes: the terminal, files by their suffix, and what a CI runner reads."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from monitor.commands.common import UsageFault, say
from monitor.gate.result import GateReport
from monitor.report.gate_annotations import gate_annotations, gate_output
from monitor.report.gate_html import gate_html
from monitor.report.gate_json import gate_json
from monitor.report.gate_junit import gate_junit
from monitor.report.gate_markdown import gate_markdown
from monitor.report.gate_text import print_gate_text, render_gate_text

WRITERS: Mapping[str, Callable[[GateReport], str]] = {
    ".html": gate_html,
    ".json": gate_json,
    ".md": gate_markdown,
    ".xml": gate_junit,
    ".txt": render_gate_text,
}


class GateFormat(StrEnum):
    """What is printed on standard output."""

    text = "text"
    json = "json"
    markdown = "markdown"
    junit = "junit"
    github = "github"


PRINTED: Mapping[GateFormat, Callable[[GateReport], str]] = {
    GateFormat.json: gate_json,
    GateFormat.markdown: gate_markdown,
    GateFormat.junit: gate_junit,
    GateFormat.github: gate_annotations,
}


def refuse_unknown(output: Sequence[Path]) -> None:
    """Raise UsageFault for a file that could not be written, before anything is decided."""
    for path in output:
        if path.suffix not in WRITERS:
            raise UsageFault(f"{path}: unknown suffix; end the name with {', '.join(WRITERS)}")
        if not path.parent.is_dir():
            raise UsageFault(f"{path.parent}: no such folder; make it: mkdir -p {path.parent}")


def tell(report: GateReport, how: GateFormat, output: Sequence[Path]) -> None:
    """Write the files, print the report, and append to what a GitHub runner reads, where it says there is one."""
    for path in output:
        path.write_text(WRITERS[path.suffix](report), encoding="utf-8")
        say(f"wrote {path}")
    for name, write in (("GITHUB_STEP_SUMMARY", gate_markdown), ("GITHUB_OUTPUT", gate_output)):
        if place := os.environ.get(name):
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(write(report))
    if how is GateFormat.text:
        print_gate_text(report, sys.stdout)
    else:
        sys.stdout.write(PRINTED[how](report).rstrip("\n") + "\n")
