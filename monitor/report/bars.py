"""How large is a share, and where does an interval lie? Small drawings that stand beside their numbers in a table."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from monitor.check import Interval
from monitor.report.svg import Scale, line, marker, tag


def share_bar(share: float, class_: str = "bar") -> Markup:
    """A bar for a share in [0, 1]; the number stands beside it, so the drawing is hidden from screen readers."""
    width = 100 * min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    body = tag("rect", x=0, y=0, width=100, height=8, class_="bar-ground") + tag(
        "rect", x=0, y=0, width=width, height=8, class_=class_
    )
    return _stretched(body, "0 0 100 8", "share-bar")


def split_bar(counts: Sequence[tuple[str, int]]) -> Markup | None:
    """One bar of several parts, in proportion; parts are named in the table beside it. None when all are zero.

    counts: (style class, number).
    """
    total = sum(number for _, number in counts)
    if not total:
        return None
    left, parts = 0.0, []
    for class_, number in counts:
        width = 1000 * number / total
        parts.append(tag("rect", x=left, y=0, width=max(width - 3, 0.0) if number else 0.0, height=20, class_=class_))
        left += width
    return _stretched(Markup("").join(parts), "0 0 1000 20", "split-bar")


def interval_bar(interval: Interval, reach: float, kind: str) -> Markup | None:
    """A change on a scale from -reach to +reach with a mark at zero. None without data.

    kind: `reward` or `outcome`. An interval that leaves the scale ends at its edge.
    """
    if interval.value is None:
        return None
    scale = Scale(-reach, reach, 5, 155)
    body = line(80, 0, 80, 16, "axis")
    if interval.low is not None and interval.high is not None:
        body += line(scale(interval.low), 8, scale(interval.high), 8, f"{kind}-bar")
    body += marker(scale(interval.value), 8, f"{kind}-dot", square=kind == "reward", size=3.5)
    return tag("svg", body, viewBox="0 0 160 16", class_="interval-bar", aria_hidden="true")


def common_reach(intervals: Sequence[Interval]) -> float:
    """The scale that shows all these changes with their intervals; at least one point."""
    ends = [abs(end) for i in intervals for end in (i.low, i.value, i.high) if end is not None and math.isfinite(end)]
    return max([*ends, 0.01])


def _stretched(body: Markup, box: str, class_: str) -> Markup:
    return tag("svg", body, viewBox=box, class_=class_, aria_hidden="true", preserveAspectRatio="none")
