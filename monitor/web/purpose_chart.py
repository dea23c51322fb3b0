"""What was the feedback of each day good for? One bar a day, or a few days, in three parts."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.report import wording
from monitor.report.svg import Scale, label, line, picture, round_ticks, tag
from monitor.report.time_axis import time_axis
from monitor.web.views.feedback import PURPOSES, FeedbackDay

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 58.0, 12.0, 28.0, 34.0, 296.0
NARROWEST = 3.0  # pixels of a bar; days are put together until bars are that wide


def purpose_chart(id_: str, days: Sequence[FeedbackDay], width: float) -> Markup | None:
    """Bars from the bottom: curation, reward, debugging. None where no feedback came."""
    most = int(-(-len(days) * NARROWEST // (width - LEFT - RIGHT))) or 1
    bars = [days[start : start + most] for start in range(0, len(days), most)]
    highest = max((sum(_parts(bar)) for bar in bars), default=0)
    if not highest:
        return None
    x = Scale(days[0].day.toordinal(), days[-1].day.toordinal() + 1, LEFT, width - RIGHT)
    y = Scale(0.0, float(highest), HEIGHT - BOTTOM, TOP)
    body = [
        label("events a day" if most == 1 else f"events in {most} days", 4.0, 12.0, "label quiet"),
        *_grid(y, width),
        *(mark for bar in bars for mark in _bar(bar, x, y)),
        line(LEFT, y.start, width - RIGHT, y.start, "axis"),
        *time_axis(x, HEIGHT - BOTTOM),
    ]
    return picture(id_, "Feedback by day and purpose", _told(days), width, HEIGHT, body)


def _parts(days: Sequence[FeedbackDay]) -> list[int]:
    return [sum(getattr(day, purpose) for day in days) for purpose in PURPOSES]


def _told(days: Sequence[FeedbackDay]) -> str:
    counts = ", ".join(f"{wording.count(n)} {what}" for what, n in zip(PURPOSES, _parts(days), strict=True))
    span = f"From {wording.day(days[0].day)} to {wording.day(days[-1].day)}"
    return f"{span}: {counts}. The table below holds every day."


def _grid(y: Scale, width: float) -> Iterator[Markup]:
    for tick in round_ticks(y.low, y.high, 5):
        if tick == int(tick):
            yield line(LEFT, y(tick), width - RIGHT, y(tick), "grid")
            yield label(f"{tick:,.0f}", LEFT - 6, y(tick) + 4, "label quiet", "end")


def _bar(bar: Sequence[FeedbackDay], x: Scale, y: Scale) -> Iterator[Markup]:
    left, right = x(bar[0].day.toordinal()), x(bar[-1].day.toordinal() + 1)
    gap = min(1.0, 0.15 * (right - left))
    parts, below = [], 0
    for purpose, events in zip(PURPOSES, _parts(bar), strict=True):
        top, bottom = y(below + events), y(below)
        below += events
        if events:
            drawn = tag(
                "rect", x=left + gap, y=top, width=right - left - 2 * gap, height=max(bottom - top, 0.5),
                class_=f"part {purpose}",
            )  # fmt: skip
            parts.append(drawn)
    until = f" to {wording.day(bar[-1].day)}" if len(bar) > 1 else ""
    counts = ", ".join(f"{wording.count(n)} {what}" for what, n in zip(PURPOSES, _parts(bar), strict=True))
    told = f"{wording.day(bar[0].day)}{until}: {counts}"
    if parts:
        yield tag("g", tag("title", told), *parts)
