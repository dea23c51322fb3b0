"""When was it? Month names under a drawing, or the two end days of a short one."""

import datetime as dt
from collections.abc import Iterator

from markupsafe import Markup

from monitor.report import wording
from monitor.report.svg import Scale, label, line

ROOM = 74.0  # pixels from one name to the next


def time_axis(x: Scale, y: float) -> Iterator[Markup]:
    """Ticks at y, names below it. The scale counts proleptic days (`date.toordinal`)."""
    first, last = int(x.low), int(x.high)
    months = [date for k in range(first, last + 1) if (date := dt.date.fromordinal(k)).day == 1]
    by_month = len(months) >= 2
    free = float("-inf")
    for date in months if by_month else [dt.date.fromordinal(first), dt.date.fromordinal(last)]:
        at = x(date.toordinal())
        yield line(at, y, at, y + 4, "axis")
        if at >= free:
            anchor = "end" if at > x.end - 30 else "start" if at < x.start + 30 else "middle"
            yield label(f"{date:%b %Y}" if by_month else wording.day(date), at, y + 17, "label quiet", anchor)
            free = at + ROOM
