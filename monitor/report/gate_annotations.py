"""What does GitHub Actions show beside the run? Workflow commands, and the decision as an output of the step.

Source: GitHub's toolkit, packages/core/src/command.ts (escaping of data and of properties).
"""

from collections.abc import Iterator, Sequence

from monitor.check import Verdict
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_page, gate_story, gate_words
from monitor.report.gate_page import NAME
from monitor.report.wording import count, name

MOST = 9  # GitHub shows ten annotations of a kind for each step; the first is the decision


def gate_annotations(report: GateReport) -> str:
    """One command a line: errors are what blocks, warnings harm that does not, notices what was left open."""
    return "".join(f"{line}\n" for line in _commands(report))


def gate_output(report: GateReport) -> str:
    """The line to append to the file that GITHUB_OUTPUT names."""
    return f"verdict={report.decision.value}\n"


def _commands(report: GateReport) -> Iterator[str]:
    level = "notice" if report.decision is Decision.GO else "error"
    why = " ".join([gate_story.headline(report), *gate_story.story(report)])
    yield _command(level, f"reward-drift gate: {report.decision.value}", why)
    yield from _most("error", [_blocker(one) for one in gate_page.blockers(report)])
    others = [*gate_page.reported(report), *gate_page.left_open(report)]
    for kind, verdicts in (("warning", (Verdict.FAIL, Verdict.ERROR)), ("notice", (Verdict.INCONCLUSIVE,))):
        told = [(_beside(f), gate_words.told(f)) for f in others if f.verdict in verdicts]
        yield from _most(kind, told)


def _blocker(blocker: gate_page.Blocker) -> tuple[str, str]:
    checks = f" (checks: {', '.join(name(one, NAME) for one in blocker.checks)})" if blocker.checks else ""
    return f"{blocker.verdict} {blocker.title}", f"{blocker.told}{checks}"


def _beside(finding: GateFinding) -> str:
    return f"{finding.verdict} {name(finding.name, NAME)} (does not block)"


def _most(level: str, told: Sequence[tuple[str, str]]) -> Iterator[str]:
    """As many as GitHub shows, the last of them saying how many it does not."""
    shown = told if len(told) <= MOST else told[: MOST - 1]
    yield from (_command(level, title, message) for title, message in shown)
    if len(told) > len(shown):
        more = f"{count(len(told) - len(shown))} more"
        yield _command(level, more, f"{more}; the step summary holds them.")


def _command(level: str, title: str, message: str) -> str:
    """
    >>> _command("error", "a: b, c", "100%\\nof it")
    '::error title=a%3A b%2C c::100%25%0Aof it'
    """
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
