"""What does a pull request show of a gate? Markdown that answers: what blocks, how sure, what now.

Strangers' words never act: whatever is more than plain words stands in a code span, where no link, mention, reference,
image, tag or table cell can begin.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from monitor.gate.result import GateFinding, GateReport
from monitor.report import gate_page, gate_story, gate_words
from monitor.report.gate_page import NAME
from monitor.report.wording import count, name

MARKER = "<!-- reward-drift gate -->"  # by which a bot finds its one comment again
LIMIT = 60_000  # characters; a comment may have 65,536
MOST = 10  # entries of a list; the table and the other formats hold all
MOST_IDLE = 30  # names of findings that had no data
LONG = 1_500  # characters of a sentence of the house
_NOT_TESTED = "Not tested:"
_PLAIN = re.compile(r"[^\W_]+(?:[-+=/.,'’−…%:][^\W_]+)*")  # a word, a number, key=value
_NUMBER = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)*%?")
_EDGES = re.compile(r"^([(\"'+]*)(.*?)([.,;:!?)\"'%]*)$", re.DOTALL)
_LINKED = re.compile(r"www\.|gh-[0-9]|:[^\W_]+:", re.IGNORECASE)  # plain words that GitHub turns into something else


def gate_markdown(report: GateReport) -> str:
    """The report as GitHub-flavoured Markdown of at most 60,000 characters, a marker for one sticky comment last."""
    head = "\n".join(_head(report))
    tail = "\n".join([*_folds(report), "", MARKER, ""])
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
    if not core or core == "-" or ((_PLAIN.fullmatch(core) or _NUMBER.fullmatch(core)) and not _LINKED.search(word)):
        return word
    return f"{before}{code(core, len(core))}{after}"


def _head(report: GateReport) -> Iterator[str]:
    blocking = gate_page.blockers(report)
    yield f"## {gate_story.headline(report, code)}"
    yield from ["", "**What happened.** " + " ".join(prose(one, LONG) for one in gate_story.story(report))]
    yield from ["", f"**How sure.** {prose(gate_story.how_sure(report), LONG)}"]
    yield from ["", f"{prose(gate_story.definitions(report), LONG)}"]
    if idle := gate_page.not_tested_told(report):
        yield from ["", f"**{_NOT_TESTED}**{prose(idle, LONG).removeprefix(_NOT_TESTED)}"]
    if blocking:
        yield from _titled("What blocks it", _listed((_blocker(one) for one in blocking), len(blocking)))
    steps = gate_page.next_steps(report)
    yield from _titled("What to do next", [f"{at}. {_opening(prose(step))}" for at, step in enumerate(steps[:MOST], 1)])
    reported, others = gate_page.reported(report), gate_page.left_open(report)
    if reported:
        yield from _titled("Failed, and only informs", _listed((_item(f) for f in reported), len(reported)))
    if others:
        yield from _titled("Looked at, and not decided", _listed((_item(f) for f in others), len(others)))
    yield from _titled("What blocks, as a rule", [prose(gate_story.RULE, LONG)])
    yield from ["", ", ".join(f"{title} {prose(value)}" for title, value in gate_page.frame(report)) + ".", "", ""]


def _blocker(blocker: gate_page.Blocker) -> str:
    if not blocker.checks:
        return _told(blocker.verdict, code(blocker.names[0]), blocker.told, blocker.finding)
    told = _told(blocker.verdict, prose(blocker.title), blocker.told, blocker.finding)
    return f"{told}\n  - Checks: {', '.join(code(one) for one in blocker.checks)}"


def _item(finding: GateFinding) -> str:
    return _told(finding.verdict, code(finding.name), gate_words.told(finding), finding)


def _told(verdict: str, title: str, told: str, finding: GateFinding | None) -> str:
    lines = [f"- **{verdict}** {title}: {prose(told, LONG)}."]
    lines += [f"  - {title}: {prose(words)}" for title, words in gate_page.details(finding)] if finding else []
    return "\n".join(lines)


def _listed(entries: Iterable[str], number: int) -> Iterator[str]:
    """The first entries, and how many more there are."""
    for _, entry in zip(range(MOST), entries, strict=False):
        yield entry
    if number > MOST:
        yield f"- and {count(number - MOST)} more; the table below and the other formats hold them."


def _titled(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from ["", f"### {title}", "", *body]


def _table(report: GateReport, room: int) -> Iterator[str]:
    """Every finding with data, folded, as many rows as there is room for."""
    findings = gate_page.tested(report)
    if not findings:
        return
    opening = [
        "<details>",
        f"<summary>All {count(len(findings))} findings with data</summary>",
        "",
        gate_page.KEY,
        "",
        "| verdict | finding | required | blocks | change | between | allowed | units | smallest seen | needed |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    yield from opening
    left = room - sum(map(len, opening)) - 300
    for at, finding in enumerate(findings):
        row = _row(report, finding)
        left -= len(row) + 1
        if left < 0:
            yield from ["", f"{count(len(findings) - at)} more did not fit here; JSON and HTML hold them all."]
            break
        yield row
    yield from ["", "</details>", ""]


def _row(report: GateReport, finding: GateFinding) -> str:
    cells: Sequence[str] = (
        str(finding.verdict),
        code(finding.name).replace("|", "\\|"),
        gate_page.is_required(finding),
        gate_page.is_blocking(report, finding),
        gate_words.change(finding),
        gate_words.limits(finding),
        gate_words.allowed(finding),
        count(finding.n),
        gate_words.smallest_seen(finding),
        gate_words.units_needed(finding),
    )
    return f"| {' | '.join(cells)} |"


def _folds(report: GateReport) -> Iterator[str]:
    """What few need: names of what was not tested, and how everything was inferred."""
    idle = [f"- {_opening(prose(title))}: {prose(needs)}" for title, needs in gate_page.not_tested_by_name(report)]
    if idle:
        title = f"{gate_page.BY_NAME} ({gate_page.not_tested_counted(report)})"
        yield from _folded(title, idle[:MOST_IDLE], len(idle) - MOST_IDLE)
    answers = [f"- {code(id_)}: {prose(why)}" for id_, why in gate_page.read_first(report)]
    if answers:
        yield from _folded("Why these answers are to be read first", answers[:MOST], len(answers) - MOST)
    notes = [f"- {_opening(prose(one))}" for one in gate_page.for_statisticians(report)]
    yield from _folded("For statisticians", notes[:MOST], len(notes) - MOST)


def _folded(title: str, body: Sequence[str], left: int) -> Iterator[str]:
    yield from ["", "<details>", f"<summary>{title}</summary>", "", *body]
    if left > 0:
        yield f"- and {count(left)} more; JSON and HTML hold them."
    yield from ["", "</details>"]


def _opening(text: str) -> str:
    """The beginning of a list entry, where a bare mark or number would begin a list of its own.

    >>> _opening("1. wait"), _opening("- wait"), _opening("wait")
    ('1\\\\. wait', '\\\\- wait', 'wait')
    """
    return re.sub(r"^(\d*)([-+.):])(?=\s|$)", r"\1\\\2", text)
