"""Did reward and outcome move together? The change of both, checkpoint by checkpoint, in four named quarters."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from markupsafe import Markup

from monitor.check import Interval
from monitor.report import wording
from monitor.report.svg import CHARACTER, LINE, Labels, Scale, label, line, marker, path, picture, round_ticks, tag

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 40.0
NAME_ROOM = 96.0  # pixels that the longest name of a quarter takes
CORNERS = {  # (reward up, outcome up) -> what that is called
    (True, True): "earned",
    (True, False): "gaming",
    (False, False): "plain harm",
    (False, True): "unrewarded gain",
}


class Moved(Protocol):
    """What is drawn of a row: what it is called, and how far both changed."""

    @property
    def checkpoint(self) -> str: ...
    @property
    def reward_change(self) -> Interval: ...
    @property
    def outcome_change(self) -> Interval: ...


def quadrant_chart(
    id_: str,
    rows: Sequence[Moved],
    alerted: Sequence[str],
    width: float,
    height: float,
    of: str = "checkpoint",
) -> Markup | None:
    """Changes in points with their 95% intervals. None when no checkpoint has both.

    rows: over all traffic, in order. alerted: names of checkpoints that an alert blames; drawn larger, named first.
    of: what the rows are: "checkpoint", which follow one another, or another noun.
    """
    drawn = [row for row in rows if row.reward_change.value is not None and row.outcome_change.value is not None]
    if not drawn:
        return None
    x = _scale([row.reward_change for row in drawn], LEFT, width - RIGHT)
    y = _scale([row.outcome_change for row in drawn], height - BOTTOM, TOP)
    points = [(x(row.reward_change.value or 0.0), y(row.outcome_change.value or 0.0)) for row in drawn]
    labels = Labels(LEFT, TOP, width - RIGHT, height - BOTTOM)
    body = [
        *_grounds(x, y),
        *_axes(x, y, width, height),
        *(mark for row in drawn for mark in _error_bars(row, x, y)),
        *_names(x, y, labels),
        *([path(points, "trail")] if of == "checkpoint" else []),
        *_dots(drawn, points, alerted, labels),
    ]
    return picture(id_, "Reward change against outcome change", _description(drawn, of), width, height, body)


def quarter(row: Moved) -> str:
    """The name of the quarter a checkpoint's values fall into; `no data` without both."""
    reward, outcome = row.reward_change.value, row.outcome_change.value
    return wording.NO_DATA if reward is None or outcome is None else CORNERS[(reward >= 0, outcome >= 0)]


def _description(rows: Sequence[Moved], of: str) -> str:
    shown = rows[-1]
    which = "The latest is" if of == "checkpoint" else "The last in the table is"
    return (
        f"{wording.plural(len(rows), of)} against the reference. {which} "
        f"{wording.name(shown.checkpoint)}: reward {wording.points(shown.reward_change.value)} and outcome "
        f"{wording.points(shown.outcome_change.value)}: {quarter(shown)}. The table below holds every number."
    )


def _scale(changes: Sequence[Interval], start: float, end: float) -> Scale:
    """Holds every value and zero, and as much of the intervals as leaves the values readable."""
    values = [abs(change.value) for change in changes if change.value is not None]
    ends = [end for change in changes for end in (change.low, change.high) if end is not None]
    reach = max([*values, 0.01]) * 2.5
    low = max(min([*ends, *(c.value or 0.0 for c in changes), 0.0]), -reach)
    high = min(max([*ends, *(c.value or 0.0 for c in changes), 0.0]), reach)
    room = max((high - low) * 0.06, 0.001)
    share = NAME_ROOM / abs(end - start)  # every quarter stays wide enough to be named
    smallest = share / (1 - share) * max(high + room, room - low)
    return Scale(min(low - room, -smallest), max(high + room, smallest), start, end)


def _grounds(x: Scale, y: Scale) -> Iterator[Markup]:
    for (right, up), text in CORNERS.items():
        left, width = (x(0), x.end - x(0)) if right else (x.start, x(0) - x.start)
        top, height = (y.end, y(0) - y.end) if up else (y(0), y.start - y(0))
        yield tag("rect", x=left, y=top, width=width, height=height, class_=f"quarter {text.replace(' ', '-')}")


def _names(x: Scale, y: Scale, labels: Labels) -> Iterator[Markup]:
    """The quarters' names in the outer corners, one word a line; their places are kept free of other labels."""
    for (right, up), text in CORNERS.items():
        words = text.split()
        length = 1.15 * CHARACTER * max(map(len, words))
        at = x.end - 8 if right else x.start + 8
        first = y.end + 18 if up else y.start - 9 - LINE * (len(words) - 1)
        labels.block(at - length * right, first - 14, at + length * (not right), first + LINE * (len(words) - 1) + 5)
        for k, word in enumerate(words):
            yield label(word, at, first + LINE * k, "quarter-name", "end" if right else "start")


def _axes(x: Scale, y: Scale, width: float, height: float) -> Iterator[Markup]:
    for tick in round_ticks(100 * x.low, 100 * x.high, 5 if width < 500 else 8):
        yield line(x(tick / 100), TOP, x(tick / 100), height - BOTTOM, "axis" if tick == 0 else "grid")
        yield label(_signed(tick), x(tick / 100), height - BOTTOM + 16, "label quiet", "middle")
    for tick in round_ticks(100 * y.low, 100 * y.high, 6):
        yield line(LEFT, y(tick / 100), width - RIGHT, y(tick / 100), "axis" if tick == 0 else "grid")
        yield label(_signed(tick), LEFT - 6, y(tick / 100) + 4, "label quiet", "end")
    yield label("reward change, points →", width - RIGHT, height - 6, "label reward-text", "end")
    yield label("↑ outcome change, points", 4, height - 6, "label outcome-text")


def _error_bars(row: Moved, x: Scale, y: Scale) -> Iterator[Markup]:
    reward, outcome = row.reward_change, row.outcome_change
    at_x, at_y = x(reward.value or 0.0), y(outcome.value or 0.0)
    if reward.low is not None and reward.high is not None:
        yield line(x(reward.low), at_y, x(reward.high), at_y, "error-bar")
    if outcome.low is not None and outcome.high is not None:
        yield line(at_x, y(outcome.low), at_x, y(outcome.high), "error-bar")


def _dots(
    rows: Sequence[Moved], points: Sequence[tuple[float, float]], alerted: Sequence[str], labels: Labels
) -> Iterator[Markup]:
    """All dots first, so that no label hides one; then the labels that matter most while there is room."""
    blamed = [row.checkpoint in alerted for row in rows]
    for row, (x, y), guilty in zip(rows, points, blamed, strict=True):
        size = 6.5 if guilty else 4.5
        labels.block(x - size, y - size, x + size, y + size)
        yield tag("g", tag("title", _moved(row)), marker(x, y, "dot blamed" if guilty else "dot", size=size))
    last = len(rows) - 1
    for i in sorted(range(len(rows)), key=lambda i: (not blamed[i], i not in (last, 0), -i)):
        yield labels.place(wording.name(rows[i].checkpoint, 14), *points[i], "label strong" if blamed[i] else "label")


def _moved(row: Moved) -> str:
    changes = [wording.points_interval(change) for change in (row.reward_change, row.outcome_change)]
    return f"{wording.name(row.checkpoint)}: reward {changes[0]}, outcome {changes[1]}"


def _signed(points: float) -> str:
    return f"{points:+.3g}".replace("-", "−") if points else "0"
