"""What does a terminal show of a gate? The decision, what blocks it, how sure, what now; then every finding."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from rich import box
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.check import Verdict
from monitor.gate.result import Decision, GateReport
from monitor.report import gate_page, gate_story, gate_words
from monitor.report.wording import count, name

WIDTH = 100
STYLES = {
    Decision.GO: "bold green",
    Decision.NO_GO: "bold red",
    Decision.INCONCLUSIVE: "bold yellow",
    Verdict.FAIL: "red",
    Verdict.ERROR: "magenta",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.PASS: "green",
}
_COMMAND = re.compile("::|##\\[")  # where a CI runner that reads this log would see a command of its own


def render_gate_text(report: GateReport) -> str:
    """The report as plain text without colour, lines at most 100 characters long."""
    buffer = io.StringIO()
    _console(buffer, WIDTH, no_color=True).print(gate_text(report))
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def print_gate_text(report: GateReport, file: IO[str]) -> None:
    """Print the report to `file`, at most 100 columns wide; colour only on a terminal and only without NO_COLOR."""
    console = _console(file, None if file.isatty() else WIDTH)
    console.width = min(console.width, WIDTH)
    console.print(gate_text(report))


def gate_text(report: GateReport) -> RenderableType:
    """The report as one rich renderable; no text of a stranger is read as markup or as a command of the CI runner."""
    return Group(*_parts(report))


def _console(file: IO[str], width: int | None, no_color: bool | None = None) -> Console:
    return Console(file=file, width=width, no_color=no_color, highlight=False, markup=False, emoji=False)


def _parts(report: GateReport) -> Iterator[RenderableType]:
    yield _text(gate_story.headline(report), STYLES[report.decision])
    yield _text(" ".join(gate_story.story(report)))
    yield from _section("How sure", [_indented(gate_story.how_sure(report))])
    yield from _section("Words", [_indented(gate_story.definitions(report))])
    if idle := gate_page.not_tested_told(report):
        yield from _section("Not tested", [_indented(idle.removeprefix("Not tested: "))])
    blocking = gate_page.blockers(report)
    if blocking:
        yield from _section("What blocks it", (part for one in blocking for part in _blocker(one)))
    yield from _section(
        "What to do next", (_indented(f"{at}. {step}") for at, step in enumerate(gate_page.next_steps(report), 1))
    )
    if answers := gate_page.read_first(report):
        yield from _section("Answers to read first", (_indented(f"- {name(id_)}: {why}") for id_, why in answers))
    yield from _others(report)
    yield from _section("What blocks, as a rule", [_indented(gate_story.RULE)])
    if gate_page.tested(report):
        yield from _section("Every finding with data", [_indented(gate_page.KEY), _table(report)])
    yield from _section("For statisticians", (_indented(f"- {one}") for one in gate_page.for_statisticians(report)))
    yield Text()
    yield _text("   ".join(f"{title} {value}" for title, value in gate_page.frame(report)), "dim")


def _blocker(blocker: gate_page.Blocker) -> Iterator[RenderableType]:
    yield _indented(f"{blocker.verdict} {blocker.title}", STYLES[blocker.verdict])
    yield _indented(gate_words.sentence(blocker.told), by=4)
    for title, words in gate_page.details(blocker.finding) if blocker.finding else []:
        yield _indented(f"{title}: {words}", by=4)
    if blocker.checks:
        yield _indented(f"Checks: {', '.join(name(one, gate_page.NAME) for one in blocker.checks)}", by=4)


def _others(report: GateReport) -> Iterator[RenderableType]:
    """What failed or was not decided, without blocking."""
    lists = (
        ("Failed, and only informs", gate_page.reported(report)),
        ("Looked at, and not decided", gate_page.left_open(report)),
    )
    for title, findings in lists:
        lines = (_indented(f"- {name(f.name, gate_page.NAME)}: {gate_words.told(f)}.") for f in findings)
        if findings:
            yield from _section(title, lines)


def _table(report: GateReport) -> Table:
    """Each column's own words stay whole; the finding's name takes what room is left."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, header_style="bold", show_edge=False)
    for title, justify in _columns():
        narrow = {"finding": None, "between": 8}
        table.add_column(
            _text(title), justify=justify, no_wrap=title not in narrow, overflow="fold", max_width=narrow.get(title)
        )
    for finding in gate_page.tested(report):
        cells: Sequence[str] = (
            name(finding.name, gate_page.NAME).replace("[", "\n[", 1),
            gate_page.is_required(finding),
            gate_page.is_blocking(report, finding),
            gate_words.change(finding),
            gate_words.limits(finding),
            gate_words.allowed(finding),
            count(finding.n),
            gate_words.smallest_seen(finding),
            gate_words.units_needed(finding),
        )
        table.add_row(_text(finding.verdict, STYLES[finding.verdict]), *(_text(cell) for cell in cells))
    return table


def _columns() -> list[tuple[str, JustifyMethod]]:
    left = ("verdict", "finding", "required", "blocks")
    right = ("change", "between", "allowed", "units", "seen", "needed")
    return [*((title, "left") for title in left), *((title, "right") for title in right)]


def _section(title: str, body: Iterable[RenderableType]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    yield from body


def _indented(line: str, style: str = "", by: int = 2) -> Padding:
    return Padding(_text(line, style), (0, 0, 0, by))


def _text(line: str, style: str = "") -> Text:
    """
    >>> _text("::stop-commands::x ##[add-path]y").plain
    ':\\\\u003astop-commands:\\\\u003ax #\\\\u0023[add-path]y'
    """
    return Text(_COMMAND.sub(lambda match: f"{match[0][0]}\\u{ord(match[0][1]):04x}{match[0][2:]}", line), style=style)
