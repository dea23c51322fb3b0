"""What does a pull request show of a gate? Markdown that answers: what blocks, how sure, what now.

Strangers' words never act: whatever is more than plain words stands in a code span, where no link, mention, reference,
image, tag or table cell can begin.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_page, gate_words
from monitor.report.gate_page import NAME
from monitor.report.wording import count, name

MARKER = "<!-- reward-drift gate -->"  # by which a bot finds its one comment again
LIMIT = 60_000  # characters; a comment may have 65,536
MOST = 10  # entries of a list; the table and the other formats hold all
MOST_IDLE = 30  # names of checks that had nothing to look at
_PLAIN = re.compile(r"[^\W_]+(?:[-+=/.,'’−…%:][^\W_]+)*")  # a word, a number, key=value
_EDGES = re.compile(r"^([(\"'+]*)(.*?)([.,;:!?)\"'%]*)$", re.DOTALL)
_LINKED = re.compile(r"www\.|gh-[0-9]|:[^\W_]+:", re.IGNORECASE)  # plain words that GitHub turns into something else


def gate_markdown(report: GateReport) -> str:
    """The report as GitHub-flavoured Markdown of at most 60,000 characters, a marker for one sticky comment last."""
    head = "\n".join(_head(report))
    tail = "\n".join([*_notes(report), MARKER, ""])
    return head + "\n".join(_table(report, LIMIT - len(head) - len(tail))) + tail


def code(text: str, limit: int = NAME) -> str:
    """A stranger's text in a code span.

    >>> code("a`b"), code("ckpt-05"), code("")
    ('`` a`b ``', '`ckpt-05`', '`(empty)`')
    """
    shown = name(text, limit) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if "`" in shown or shown != shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: str, limit: int = 600) -> str:
    """A sentence in which strangers' words may stand: what is not a plain word becomes code, `quoted` words stay so.

    >>> print(prose("ask @ops: <b>tier=free</b>, 12.5% of reward_model; run `reward-drift gate -h`"))
    ask `@ops`: `<b>tier=free</b>`, 12.5% of `reward_model`; run `reward-drift gate -h`
    """
    pieces = name(text.strip(), limit).split("`")
    if len(pieces) % 2 == 0:  # a quote that never ends quotes nothing
        pieces[-2:] = ["`".join(pieces[-2:])]
    written = ""
    for at, piece in enumerate(pieces):
        part = code(piece, limit) if at % 2 else _words(piece)
        apart = " " if written.endswith("`") and part.startswith("`") else ""  # two fences must not become one
        written += apart + part
    return written


def _words(text: str) -> str:
    return " ".join(_word(word) for word in text.split(" "))


def _word(word: str) -> str:
    before, core, after = _EDGES.fullmatch(word).groups()  # type: ignore[union-attr]  # matches any text
    if not core or core == "-" or (_PLAIN.fullmatch(core) and not _LINKED.search(word)):
        return word
    return f"{before}{code(core, len(core))}{after}"


def _head(report: GateReport) -> Iterator[str]:
    blocking = gate_page.blockers(report)
    yield f"## {gate_words.headline(report, [one.name for one in blocking], code)}"
    yield ""
    yield ", ".join(f"{title} {prose(value)}" for title, value in gate_page.frame(report)) + "."
    if blocking:
        yield from _titled("What blocks it", _listed((_blocker(report, one) for one in blocking), len(blocking)))
    yield from _titled("How sure", [prose(gate_page.how_sure(report))])
    yield from _titled("What was not seen", _not_seen(report))
    reported = gate_page.reported(report)
    if reported:
        yield from _titled("Shown harmful, reported only", _listed((_item(report, f) for f in reported), len(reported)))
    steps = gate_page.next_steps(report)
    yield from _titled("What to do next", [f"{at}. {_opening(prose(step))}" for at, step in enumerate(steps[:MOST], 1)])
    yield from ["", ""]


def _blocker(report: GateReport, blocker: gate_page.Blocker) -> str:
    if blocker.finding is None:
        return f"- **{blocker.verdict}** {code(blocker.name)}: {prose(blocker.told(report.alpha))}."
    return _item(report, blocker.finding)


def _item(report: GateReport, finding: GateFinding) -> str:
    lines = [f"- **{finding.verdict}** {code(finding.name)}: {prose(gate_words.told(finding, report.alpha), 1500)}."]
    lines += [f"  - {title}: {prose(words)}" for title, words in gate_page.details(finding)]
    return "\n".join(lines)


def _not_seen(report: GateReport) -> Iterator[str]:
    blind, others, idle = gate_page.unsettled(report), gate_page.left_open(report), gate_page.saw_nothing(report)
    entries = [f"- {code(one.name)} (blocks): {prose(gate_page.unseen(one))}." for one in blind]
    entries += [f"- {code(f.name)}: {prose(gate_words.told(f, report.alpha), 1500)}." for f in others]
    yield from _listed(entries, len(entries))
    if idle:
        more = f" and {count(len(idle) - MOST_IDLE)} more" if len(idle) > MOST_IDLE else ""
        yield f"- {gate_page.SAW_NOTHING}: {', '.join(code(f.name) for f in idle[:MOST_IDLE])}{more}."
    if not entries and not idle:
        yield gate_page.ALL_SETTLED


def _listed(entries: Iterable[str], number: int) -> Iterator[str]:
    """The first entries, and how many more there are."""
    for _, entry in zip(range(MOST), entries, strict=False):
        yield entry
    if number > MOST:
        yield f"- and {count(number - MOST)} more; the table below and the other formats hold them."


def _titled(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from ["", f"### {title}", "", *body]


def _table(report: GateReport, room: int) -> Iterator[str]:
    """Every finding, folded, as many rows as there is room for."""
    opening = [
        "<details>",
        f"<summary>All {count(len(report.findings))} findings</summary>",
        "",
        "In points: change, what is allowed, the smallest harm that would have been seen. Needed: units for a pass.",
        "",
        "| verdict | finding | counts as | change | between | allowed | units | smallest seen | needed |",
        "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    yield from opening
    left = room - sum(map(len, opening)) - 300
    for at, finding in enumerate(gate_page.ranked(report)):
        row = _row(report, finding)
        left -= len(row) + 1
        if left < 0:
            yield from [
                "",
                f"{count(len(report.findings) - at)} more did not fit here; JSON and HTML hold them all.",
            ]
            break
        yield row
    yield from ["", "</details>", ""]


def _row(report: GateReport, finding: GateFinding) -> str:
    cells: Sequence[str] = (
        str(finding.verdict),
        code(finding.name).replace("|", "\\|"),
        gate_page.standing(report, finding),
        gate_words.change(finding),
        gate_words.limits(finding),
        gate_words.allowed(finding),
        count(finding.n),
        gate_words.smallest_seen(finding),
        gate_words.units_needed(finding),
    )
    return f"| {' | '.join(cells)} |"


def _notes(report: GateReport) -> Iterator[str]:
    if report.notes:
        yield from _titled("Notes", _listed((f"- {_opening(prose(note))}" for note in report.notes), len(report.notes)))
    if report.decision is not Decision.GO:
        yield from ["", "A missing answer is never counted as a pass."]
    yield ""


def _opening(text: str) -> str:
    """The beginning of a list entry, where a bare mark or number would begin a list of its own.

    >>> _opening("1. wait"), _opening("- wait"), _opening("wait")
    ('1\\\\. wait', '\\\\- wait', 'wait')
    """
    return re.sub(r"^(\d*)([-+.):])(?=\s|$)", r"\1\\\2", text)
