"""What does a terminal show? The state in a sentence, five lines per alert, then the tables behind them."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.check import Finding
from monitor.report import page, wording
from monitor.report.wording import count, name, percent, percent_interval, points_interval, slice_name
from monitor.result import CheckpointSummary, Report
from monitor.statistics.verdicts import SHARED

STYLES = {
    "page": "bold red",
    "warning": "bold yellow",
    "ticket": "bold cyan",
    "alert": "bold red",
    "quiet": "bold green",
}


def render_text(report: Report, *, console_width: int = 120) -> str:
    """The report as plain text without colour, lines about `console_width` characters long: a number is never cut."""
    buffer = io.StringIO()
    _console(buffer, console_width, no_color=True).print(text_report(report), crop=False)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def print_text(report: Report, file: IO[str], *, console_width: int | None = None) -> None:
    """Print the report to `file`; colour only on a terminal and only where NO_COLOR is not set.

    console_width: characters; default the terminal's own width, or 120 where there is none.
    """
    width = console_width or (None if file.isatty() else 120)
    _console(file, width).print(text_report(report), crop=False)


def text_report(report: Report) -> RenderableType:
    """The report as one rich renderable; strangers' text is never read as markup."""
    return Group(*_parts(report))


def _console(file: IO[str], width: int | None, no_color: bool | None = None) -> Console:
    return Console(file=file, width=width, no_color=no_color, highlight=False, markup=False, emoji=False)


def _parts(report: Report) -> Iterator[RenderableType]:
    yield Text(page.headline(report), style=STYLES.get(page.state_of(report), "bold"))
    yield Text(_frame_line(report), style="dim")
    for incident in page.incidents(report):
        yield Text()
        yield from _page(report, incident)
    if any(incident.alert.examples for incident in page.incidents(report)):
        yield Text("The examples stand in the page that -o report.html writes.", style="dim")
    yield from _section("By checkpoint", _checkpoint_table(page.global_rows(report)), "no unit has matured")
    yield from _section("By cohort, latest checkpoint", _cohort_table(page.cohort_rows(report)), _no_cohort(report))
    yield from _section("Feedback", _feedback_table(report), "no feedback was received")
    yield from _section("Events", _event_table(report), "none were read")
    if page.harmful(report):
        yield from _section("Shown harmful", _finding_table(page.harmful(report)), "")
    if page.risen(report):
        yield from _section("More often than before, no harm by itself", _finding_table(page.risen(report)), "")
    yield from _section("Not settled", _finding_table(page.unsettled(report)), page.settled(report))
    yield from _section("Notes", _notes(report.notes), "none")
    if page.words(report):
        yield from _section("Words", _notes(page.words(report)), "")


def _no_cohort(report: Report) -> str:
    return page.no_cohorts(report) or "no cohort has enough units"


def _frame_line(report: Report) -> str:
    reference = report.reference
    against = (
        f"{name(reference.name)}, n={count(reference.units)}"
        + (" (chosen by default)" if reference.chosen_by_default else "")
        if reference
        else "none yet"
    )
    return (
        f"{name(report.loop)} as of {wording.moment(report.as_of)}   reward {name(report.reward)}   "
        f"outcome {name(report.outcome)}   unit {name(report.unit)}   reference {against}"
    )


def _page(report: Report, incident: page.Incident) -> Iterator[RenderableType]:
    """Five lines: what and where, how much and how sure, who is hurt, what to do, why."""
    alert, evidence = incident.alert, incident.alert.evidence
    blamed = "" if alert.attribution == SHARED else name(alert.checkpoint)
    where = f"{name(report.loop)} {blamed}".rstrip() + f", {slice_name(alert.slice)}"
    state = "" if alert.state == "firing" else f" [{name(alert.state)}]"
    yield Text.assemble(
        (f"[{name(alert.severity).upper()}]{state} ", STYLES.get(alert.severity, "bold")),
        (f"{wording.title_of(alert.attribution)}: {where}", "bold"),
        f"   {page.history_line(report, incident)}",
    )
    if evidence is None:
        yield _indented(name(alert.message, 1000))
        return
    confirmed = f"{name(str(alert.confirmed), 100)}." if alert.confirmed else ""
    lines = [
        f"reward {points_interval(alert.reward_change)}   "
        f"{name(page.outcome_of(report, alert))} {points_interval(alert.outcome_change)}   "
        f"n={count(alert.n)} {name(page.unit_of(report, alert))}s against {count(evidence.reference_units)}, "
        f"missing {percent(evidence.missing_share)}   {page.evidence_line(alert)}",
        page.worst_line(report, alert),
        "DO: " + "  ".join(f"{i} {action}" for i, action in enumerate(page.actions(report, alert), 1)),
        f"why: {page.likely_cause(alert)} {page.shares_line(alert) or name(alert.message, 1000)} {confirmed}".rstrip(),
    ]
    yield from (_indented(line) for line in lines)


def _checkpoint_table(rows: Sequence[CheckpointSummary]) -> Table | None:
    return _table(
        [
            "checkpoint",
            ">outcomes\nsince",
            ">n",
            ">missing",
            ">reward",
            ">outcome",
            ">reward\nchange, pt",
            ">outcome\nchange, pt",
        ],
        (
            [
                name(row.checkpoint, 30) + ("" if row.role == "monitored" else f"\n({name(row.role)})"),
                f"{row.first:%d %b}",
                count(row.labelled),
                percent(row.missing_share),
                percent_interval(row.reward),
                percent_interval(row.outcome),
                points_interval(row.reward_change).replace(" pt", ""),
                points_interval(row.outcome_change).replace(" pt", ""),
            ]
            for row in rows
        ),
    )


def _cohort_table(rows: Sequence[CheckpointSummary]) -> Table | None:
    return _table(
        ["cohort", "checkpoint", ">n", ">reward change", ">outcome change"],
        (
            [
                slice_name(row.slice),
                name(row.checkpoint, 30),
                count(row.labelled),
                points_interval(row.reward_change),
                points_interval(row.outcome_change),
            ]
            for row in rows
        ),
    )


def _feedback_table(report: Report) -> Table | None:
    split = report.feedback
    if not split.curation + split.reward + split.debugging:
        return None
    purposes = {"curation": split.curation, "reward": split.reward, "debugging": split.debugging}
    return _count_table("feedback, by purpose and by the rule that decided", purposes, split.by_rule, "rule: ")


def _event_table(report: Report) -> Table | None:
    events = report.events
    totals = {
        "accepted": events.accepted,
        "duplicate": events.duplicate,
        "conflict": events.conflict,
        "rejected": events.rejected,
    }
    return _count_table("events", totals, events.rejected_by_reason, "rejected: ") if any(totals.values()) else None


def _count_table(title: str, totals: Mapping[str, int], parts: Mapping[str, int], prefix: str) -> Table | None:
    ranked = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
    rows = [*totals.items(), *((prefix + name(key), number) for key, number in ranked)]
    return _table([title, ">count"], ([key, count(number)] for key, number in rows))


def _finding_table(findings: Sequence[Finding]) -> Table | None:
    return _table(
        ["verdict", "check", "slice", ">n", "because"],
        ([f.verdict.value, name(f.check), slice_name(f.slice), count(f.n), name(f.message, 1000)] for f in findings),
    )


def _notes(notes: Sequence[str]) -> RenderableType | None:
    return Group(*(_indented(f"- {name(note, 600)}") for note in notes)) if notes else None


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table | None:
    """A table, or None without rows; a column whose title begins with ">" is aligned right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    rows = list(rows)
    for place, column in enumerate(columns):
        right, title = column.startswith(">"), column.lstrip(">")
        justify: JustifyMethod = "right" if right else "left"
        words = (word for cell in (title, *(row[place] for row in rows)) for word in cell.split())
        longest = max(map(cell_len, words), default=0)  # a narrow column breaks between figures, never within one
        table.add_column(Text(title), justify=justify, min_width=longest if right else 10)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table if table.row_count else None


def _section(title: str, body: RenderableType | None, absent: str) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    yield body if body is not None else _indented(f"{absent}.")


def _indented(line: str) -> Padding:
    return Padding(Text(line), (0, 0, 0, 2))
