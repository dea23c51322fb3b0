"""How did the evidence grow? The daily statistic of each slice on a log axis, against the three thresholds."""

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from monitor.report import wording
from monitor.report.svg import Scale, label, line, path, picture, spread
from monitor.report.time_axis import time_axis
from monitor.result import EvidencePath

LEFT, TOP, BOTTOM, HEIGHT = 62.0, 14.0, 34.0, 340.0
FLOOR, CEILING = 0.1, 1e6  # days; what lies beyond is held at the edge
MOST_LINES = 5


def evidence_chart(
    id_: str, paths: Sequence[EvidencePath], thresholds: Mapping[str, float], width: float
) -> Markup | None:
    """Statistic in days of mean time to a false alert. None when no path has a finite value.

    paths: in order of importance; the first five with data are drawn. thresholds: severity -> days.
    """
    drawn = [path for path in paths if any(map(math.isfinite, path.statistic))][:MOST_LINES]
    if not drawn:
        return None
    right = 14.0 if width < 500 else 150.0
    values = [v for path in drawn for v in path.statistic if math.isfinite(v)]
    top = min(max([10 * v for v in thresholds.values()] + [2 * v for v in values]), CEILING)
    y = Scale(math.log10(FLOOR), math.log10(top), HEIGHT - BOTTOM, TOP)
    days = [day.toordinal() for path in drawn for day in path.days]
    x = Scale(min(days), max(days) + 1, LEFT, width - right)
    body = [
        *_decades(y, x),
        *time_axis(x, HEIGHT - BOTTOM),
        *_thresholds(thresholds, x, y),
        *(mark for k, path_ in enumerate(drawn) for mark in _line(path_, k, x, y)),
        *_line_names(drawn, x, y, beside=width >= 500),
    ]
    return picture(id_, "Evidence path", _description(drawn, thresholds), width, HEIGHT, body)


def peak(path: EvidencePath) -> float | None:
    """The highest finite value, or None."""
    return max((v for v in path.statistic if math.isfinite(v)), default=None)


def _description(paths: Sequence[EvidencePath], thresholds: Mapping[str, float]) -> str:
    peaks = "; ".join(
        f"{wording.slice_name(p.slice)} reached {wording.statistic(peak(p) or 0.0, 'restarting')}" for p in paths
    )
    lines = ", ".join(f"{severity} at {days:,.0f} days" for severity, days in thresholds.items())
    return f"Daily evidence on a logarithmic axis: {peaks}. Thresholds: {lines}."


def _decades(y: Scale, x: Scale) -> Iterator[Markup]:
    for power in range(math.ceil(y.low), math.floor(y.high) + 1):
        yield line(x.start, y(power), x.end, y(power), "grid")
        yield label(f"{10.0**power:,.10g} d", x.start - 6, y(power) + 4, "label quiet", "end")


def _thresholds(thresholds: Mapping[str, float], x: Scale, y: Scale) -> Iterator[Markup]:
    for severity, days in thresholds.items():
        if days > 0:
            known = severity if severity in wording.SEVERITIES else "ticket"
            at = y(math.log10(days))
            yield line(x.start, at, x.end, at, f"threshold {known}-line")
            yield label(f"{wording.name(severity, 12)} {days:,.0f} d", x.start + 6, at - 5, f"label {known}-text")


def _line(path_: EvidencePath, k: int, x: Scale, y: Scale) -> Iterator[Markup]:
    """The path in unbroken runs: a day without a value is a gap, never a zero."""
    run: list[tuple[float, float]] = []
    for day, value in zip(path_.days, path_.statistic, strict=True):
        if math.isfinite(value):
            run.append((x(day.toordinal()), y(math.log10(max(value, FLOOR)))))
        elif run:
            yield path(run, f"evidence-line e{k}")
            run = []
    yield path(run, f"evidence-line e{k}")


def _line_names(paths: Sequence[EvidencePath], x: Scale, y: Scale, beside: bool) -> Iterator[Markup]:
    """Names beside the lines' ends, or above them where there is no room beside; pushed apart where they touch."""
    ends = [_end(path_, x, y) for path_ in paths]
    wanted = [at if beside else at - 10 for _, at in ends]
    places = spread(wanted, 16, TOP + 4, y.start)
    for k, (end, at, path_) in enumerate(zip(ends, places, paths, strict=True)):
        text = wording.name(wording.slice_name(path_.slice), 20)
        if beside:
            yield path([end, (x.end + 12, at)], "leader")
        yield label(text, x.end + 16 if beside else x.end, at + 4, f"label e{k}-text", "start" if beside else "end")


def _end(path_: EvidencePath, x: Scale, y: Scale) -> tuple[float, float]:
    """Where the path's last finite value is drawn."""
    finite = [(d, v) for d, v in zip(path_.days, path_.statistic, strict=True) if math.isfinite(v)]
    day, value = finite[-1]
    return x(day.toordinal()), y(math.log10(max(value, FLOOR)))
