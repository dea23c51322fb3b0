"""What does a CI system's test view show of a gate? JUnit XML whose suite fails if, and only if, it is not GO."""

import datetime as dt
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from monitor.check import Verdict
from monitor.gate.result import Decision, GateFinding, GateReport
from monitor.report import gate_page, gate_story, gate_words
from monitor.report.gate_page import NAME
from monitor.report.wording import name

SUITE = "reward-drift gate"
Element = ElementTree.Element


def gate_junit(report: GateReport) -> str:
    """The report as one test suite: the decision is a test of its own, each finding another.

    What blocks is an `error` if the check broke, else a `failure`, typed "fail" or "inconclusive". What does not pass
    and does not block is `skipped`, with its message: a view of CI never contradicts the decision. To be written as
    UTF-8, which its first line declares.
    """
    cases = list(_cases(report))
    suites = Element("testsuites", {"name": SUITE, **_counts(cases)})
    suite = ElementTree.SubElement(suites, "testsuite", {**_named(report), **_counts(cases)})
    suite.append(_properties(report))
    suite.extend(cases)
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written.decode() + "\n"


def _cases(report: GateReport) -> Iterator[Element]:
    yield _decision(report)
    for blocker in gate_page.blockers(report):
        if blocker.finding is None:
            case = _case(blocker.names[0], f"gate.{blocker.names[0]}")
            _outcome(case, "failure", "inconclusive", blocker.told)
            yield case
    for finding in gate_page.ranked(report):
        yield _finding(report, finding)


def _decision(report: GateReport) -> Element:
    case = _case("decision", "gate")
    if report.decision is not Decision.GO:
        kind = "fail" if report.decision is Decision.NO_GO else "inconclusive"
        message = " ".join([gate_story.headline(report), *gate_story.story(report)])
        _outcome(case, "failure", kind, message, "\n".join(_why(report)))
    return case


def _why(report: GateReport) -> Iterator[str]:
    """The rest of it, for whoever sees no other report."""
    yield gate_story.how_sure(report)
    yield gate_story.definitions(report)
    yield from filter(None, [gate_page.not_tested_told(report)])
    yield from gate_page.next_steps(report)
    yield from (f"read {name(id_)}: {why}" for id_, why in gate_page.read_first(report))
    yield gate_story.RULE


def _finding(report: GateReport, finding: GateFinding) -> Element:
    case = _case(finding.name, f"gate.{finding.check}")
    message = gate_words.told(finding)
    more = "\n".join(f"{title}: {words}" for title, words in gate_page.details(finding))
    if gate_page.blocks(report, finding):
        _outcome(case, "error" if finding.verdict is Verdict.ERROR else "failure", _kind(finding), message, more)
    elif finding.verdict is not Verdict.PASS:
        ElementTree.SubElement(case, "skipped", message=f"does not block, {_kind(finding)}: {message}")
    return case


def _kind(finding: GateFinding) -> str:
    return finding.verdict.value.lower()


def _case(title: str, of: str) -> Element:
    return Element("testcase", name=name(title, NAME), classname=name(of), time="0")


def _outcome(case: Element, outcome: str, kind: str, message: str, more: str = "") -> None:
    ElementTree.SubElement(case, outcome, message=message, type=kind).text = f"{message}\n{more}".rstrip()


def _named(report: GateReport) -> dict[str, str]:
    at = report.as_of.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"name": f"{SUITE}: {name(report.loop, NAME)}", "time": "0", "timestamp": at, "hostname": ""}


def _properties(report: GateReport) -> Element:
    told = {
        "decision": report.decision.value,
        "candidate": name(report.candidate, NAME),
        "reference": name(report.reference, NAME),
        **dict(gate_page.frame(report)),
    }
    properties = Element("properties")
    for key, value in told.items():
        ElementTree.SubElement(properties, "property", name=key, value=value)
    return properties


def _counts(cases: list[Element]) -> dict[str, str]:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    numbers = {key: sum(case.find(kind) is not None for case in cases) for key, kind in kinds.items()}
    return {key: str(number) for key, number in {"tests": len(cases), **numbers}.items()}
