"""When was it? Month names under a drawing, or the two end days of a short one."""

import datetime as dt
from collections.abc import Iterator

from markupsafe import Markup

from monitor.report import wording
from monitor.report.svg import CHARACTER, Scale, label, line

GAP = 20.0  # pixels between two names


def time_axis(x: Scale, y: float) -> Iterator[Markup]:
    """Ticks at y, names below it. The scale counts proleptic days (`date.toordinal`)."""
    first, last = int(x.low), int(x.high)
    months = [date for k in range(first, last + 1) if (date := dt.date.fromordinal(k)).day == 1]
    by_month = len(months) >= 2
    free = float("-inf")
    for date in months if by_month else [dt.date.fromordinal(first), dt.date.fromordinal(last)]:
        at = x(date.toordinal())
        yield line(at, y, at, y + 4, "axis")
        text = f"{date:%b %Y}" if by_month else wording.day(date)
        anchor = "end" if at > x.end - 30 else "start" if at < x.start + 30 else "middle"
        width = CHARACTER * len(text)
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        if left >= free:
            yield label(text, at, y + 17, "label quiet", anchor)
            free = left + width + GAP
