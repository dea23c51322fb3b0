"""Do reward and outcome part? Both changes against the reference in one drawing, with intervals and checkpoints."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.check import Interval
from monitor.report import wording
from monitor.report.svg import CHARACTER, Scale, label, line, path, picture, round_ticks, tag
from monitor.report.time_axis import time_axis
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.web.views.changes import Changes, Mark, Point

TOP, PANEL, BOTTOM, LEFT, RIGHT = 40.0, 230.0, 30.0, 72.0, 12.0
SMALLEST_REACH = 0.02


def change_chart(id_: str, changes: Changes, names: tuple[str, str], width: float) -> Markup | None:
    """names: of the reward and the outcome. width: pixels. None where there is nothing to draw."""
    points = changes.points
    if not points:
        return None
    x = Scale(points[0].first.toordinal(), points[-1].last.toordinal() + 1, LEFT, width - RIGHT)
    y = Scale(*_reach(points), TOP + PANEL, TOP)
    body = [
        *_grid(y, width),
        *_marks(changes.marks, x),
        *_series("reward", names[0], [(one, one.reward, one.reward_units) for one in points], x, y),
        *_series("outcome", names[1], [(one, one.outcome, one.outcome_units) for one in points], x, y),
        *time_axis(x, TOP + PANEL),
    ]
    return picture(
        id_, "Change of reward and outcome against the reference", _told(points), width, TOP + PANEL + BOTTOM, body
    )


def _told(points: Sequence[Point]) -> str:
    last = points[-1]
    return (
        f"In the last days shown the reward stands at {wording.points_interval(last.reward)} and the outcome at"
        f" {wording.points_interval(last.outcome)}. The table below holds every number."
    )


def _reach(points: Sequence[Point]) -> tuple[float, float]:
    """The scale: every value, and the intervals that rest on enough to be narrow; a wider one ends at the edge."""
    both = [(i, n) for one in points for i, n in ((one.reward, one.reward_units), (one.outcome, one.outcome_units))]
    ends = [i.value for i, _ in both] + [end for i, n in both if n >= ENOUGH_UNITS for end in (i.low, i.high)]
    known = [end for end in ends if end is not None]
    low, high = min([-SMALLEST_REACH, *known]), max([SMALLEST_REACH, *known])
    return low - (high - low) / 20, high + (high - low) / 20


def _grid(y: Scale, width: float) -> Iterator[Markup]:
    for tick in round_ticks(y.low, y.high):
        yield line(LEFT, y(tick), width - RIGHT, y(tick), "axis" if tick == 0 else "grid")
        yield label(
            f"{100 * tick:+.3g} pt".replace("-", "−") if tick else "reference",
            LEFT - 6,
            y(tick) + 4,
            "label quiet",
            "end",
        )


def _marks(marks: Sequence[Mark], x: Scale) -> Iterator[Markup]:
    """A line where each checkpoint's answers begin to count; its name where there is room."""
    free = float("-inf")
    for mark in marks:
        day = mark.day.toordinal()
        if x.low <= day <= x.high:
            at, name = x(day), wording.name(mark.checkpoint, 16)
            yield line(at, TOP - 6, at, TOP + PANEL, "checkpoint-mark")
            if at >= free and at + CHARACTER * len(name) < x.end:
                yield label(name, at, TOP - 12, "label quiet")
                free = at + CHARACTER * len(name) + 10


def _series(
    kind: str, name: str, values: Sequence[tuple[Point, Interval, int]], x: Scale, y: Scale
) -> Iterator[Markup]:
    known = [(x(_middle(one)), one, interval, n) for one, interval, n in values if interval.value is not None]
    bounded = [(at, i.low, i.high) for at, _, i, _ in known if i.low is not None and i.high is not None]
    if len(bounded) > 1:
        edge = [(at, y(low)) for at, low, _ in bounded] + [(at, y(high)) for at, _, high in reversed(bounded)]
        yield path(edge, f"{kind}-band")
    yield path([(at, y(i.value or 0.0)) for at, _, i, _ in known], f"{kind}-line")
    for at, one, interval, n in known:
        days = f"{wording.day(one.first)} to {wording.day(one.last)}"
        told = f"{days}: {wording.name(name, 40)} {wording.points_interval(interval)}, n={n:,}"
        yield _dot(at, y(interval.value or 0.0), kind, told)


def _dot(x: float, y: float, kind: str, told: str) -> Markup:
    title, class_ = tag("title", told), f"{kind}-dot"
    if kind == "reward":
        return tag("rect", title, x=x - 4, y=y - 4, width=8, height=8, class_=class_)
    return tag("circle", title, cx=x, cy=y, r=4.5, class_=class_)


def _middle(one: Point) -> float:
    return (one.first.toordinal() + one.last.toordinal() + 1) / 2
