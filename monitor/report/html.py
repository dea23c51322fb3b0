"""What does a browser show? One self-contained page: no script, no request, every stranger's text inert."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.check import Interval
from monitor.report import bars, page, wording
from monitor.report.evidence_chart import evidence_chart, peak
from monitor.report.filters import FILTERS
from monitor.report.quadrant_chart import quadrant_chart, quarter
from monitor.report.story_chart import story_chart
from monitor.result import EvidencePath, Report

WIDE, HALF, NARROW = 1000.0, 470.0, 340.0  # pixels; the style sheet shows the drawing that fits the window
FOLD = 280  # characters; a longer example is folded


def render_html(report: Report) -> str:
    """The report as one HTML document.

    It carries its style and drawings, runs no script and loads nothing; a policy in its head forbids both.
    Strangers' text appears only as escaped text, never in an attribute.
    """
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            incidents=page.incidents(report),
            rows=page.global_rows(report),
            cohorts=page.cohort_rows(report),
            cohort_reach=bars.common_reach([i for row in page.cohort_rows(report) for i in _changes(row)]),
            latest=_latest(report),
            paths=ranked_paths(report),
            charts=_charts(report),
        )
    )


def ranked_paths(report: Report) -> list[EvidencePath]:
    """All traffic first, then slices that alert, then the others by their highest evidence."""
    alerting = [dict(alert.slice) for alert in report.alerts]
    return sorted(report.paths, key=lambda p: (bool(p.slice), dict(p.slice) not in alerting, -(peak(p) or 0.0)))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(page=page, bars=bars, quarter=quarter, FOLD=FOLD, severities=wording.SEVERITIES)
    environment.filters.update(FILTERS, peak=peak, ranked=_ranked)
    return environment


def _ranked(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _charts(report: Report) -> dict[str, dict[str, Markup | None]]:
    """Each chart in the widths the page shows it in; None where there is nothing to draw."""
    rows, found = page.global_rows(report), page.inferred_incidents(report)
    names = (report.reward, report.outcome)
    monitored = [row for row in rows if row.role == "monitored"]
    blamed = [incident.alert.checkpoint for incident in found if not incident.alert.slice]
    paths = ranked_paths(report)
    return {
        "story": {size: story_chart(f"story-{size}", rows, found, names, width) for size, width in _sizes(WIDE)},
        "quadrant": {
            size: quadrant_chart(f"quadrant-{size}", monitored, blamed, width, 420.0 if size == "wide" else 360.0)
            for size, width in _sizes(HALF)
        },
        "evidence": {
            size: evidence_chart(f"evidence-{size}", paths, report.thresholds, width) for size, width in _sizes(WIDE)
        },
    }


def _sizes(wide: float) -> Sequence[tuple[str, float]]:
    return [("wide", wide), ("narrow", NARROW)]


def _latest(report: Report) -> Any:
    """The latest monitored checkpoint over all traffic, or None."""
    monitored = [row for row in page.global_rows(report) if row.role == "monitored"]
    return monitored[-1] if monitored else None


def _changes(row: Any) -> tuple[Interval, Interval]:
    return row.reward_change, row.outcome_change
