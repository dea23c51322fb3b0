"""What does a browser show of a gate? One self-contained page: no script, no request, every stranger's text inert."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from monitor.gate.result import Decision, GateReport
from monitor.report import gate_page, gate_story, gate_words, wording
from monitor.report.filters import quoted
from monitor.report.gate_forest import can_be_drawn, gate_forest
from monitor.report.gate_page import NAME

WIDE, NARROW = 1000.0, 340.0  # pixels; the style sheet shows the drawing that fits the window
MOST_DRAWN = 40
LOOKS = {Decision.GO: "quiet", Decision.NO_GO: "alert", Decision.INCONCLUSIVE: "open"}


def gate_html(report: GateReport) -> str:
    """The report as one HTML document in the manner of the monitor's own.

    It carries its style and drawing, runs no script and loads nothing; a policy in its head forbids both. Strangers'
    text appears only as escaped text, never in an attribute.
    """
    return _environment().get_template("gate.html").render(_told(report))


def gate_body(report: GateReport, files: Markup) -> Markup:
    """What that document says, for a page that has a head, and the style in gate.css, already.

    files: what stands under the drawing, to have it as a file.
    """
    body = _environment().get_template("gate_body.html").render({**_told(report), "files": files})
    return Markup(body)  # noqa: S704 - escaped there


def _told(report: GateReport) -> dict[str, object]:
    findings = gate_page.tested(report)
    drawn = [finding for finding in findings if can_be_drawn(finding)]
    return {
        "report": report,
        "files": "",
        "look": LOOKS[report.decision],
        "blockers": gate_page.blockers(report),
        "findings": findings,
        "not_drawn": max(0, len(drawn) - MOST_DRAWN),
        "forest": {
            size: gate_forest(f"forest-{size}", drawn[:MOST_DRAWN], width)
            for size, width in (("wide", WIDE), ("narrow", NARROW))
        },
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(page=gate_page, story=gate_story, words=gate_words, NAME=NAME)
    environment.filters.update(
        name=wording.name,
        count=wording.count,
        quoted=quoted,
        titled=_titled,
        plural=wording.plural,
        passage=wording.passage,
    )
    return environment


def _titled(text: str) -> Markup:
    """A finding's name, which may break before its slice.

    >>> print(_titled("cohort_regression[tier=<b>]"))
    cohort_regression<wbr>[tier=&lt;b&gt;]
    """
    check, bracket, slice_ = wording.name(text, NAME).partition("[")
    return Markup("{}<wbr>{}{}").format(check, bracket, slice_) if bracket else escape(check)
