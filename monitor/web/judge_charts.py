"""With whom does a judge side as time goes on, and which habits has it beside people? Two small drawings a judge."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.judging.judge_figures import Estimate
from monitor.report import wording
from monitor.report.judges_words import apart, level
from monitor.report.svg import Scale, label, line, marker, path, picture, tag
from monitor.report.time_axis import time_axis
from monitor.web.views.judges import Bias, Week

LEFT, RIGHT = 46.0, 14.0
TOP, PANEL, BOTTOM = 14.0, 170.0, 34.0
NAMES, ROW, FIRST = 150.0, 46.0, 22.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def capture_chart(id_: str, judge: str, weeks: Sequence[Week], whole: Estimate | None, width: float) -> Markup | None:
    """Share of pairs in which a judge took the teacher's side where people differ, week by week. None without one.

    whole: the share over all weeks, drawn as a broken line.
    """
    known = [(week, week.capture) for week in weeks if week.capture is not None]
    if not known:
        return None
    days = [week.monday.toordinal() for week, _ in known]
    x = Scale(min(days), max(days) + 7, LEFT, width - RIGHT)
    y = Scale(0.0, 1.0, TOP + PANEL, TOP)
    points = [(x(week.monday.toordinal() + 3.5), y(capture.value)) for week, capture in known]
    body = [
        *_shares(y, width),
        *([line(x.start, y(whole.value), x.end, y(whole.value), "reference-line")] if whole else []),
        path(points, "capture-line"),
        *(_week(week, capture, at, y) for (week, capture), (at, _) in zip(known, points, strict=True)),
        *time_axis(x, TOP + PANEL),
    ]
    last = known[-1]
    told = (
        f"{wording.name(judge)} took the teacher's side in {level(last[1])} of such pairs in the week of"
        f" {wording.day(last[0].monday)}. The table below holds every week."
    )
    return picture(id_, "Siding with the teacher, by week", told, width, TOP + PANEL + BOTTOM, body)


def bias_chart(id_: str, biases: Sequence[Bias], width: float) -> Markup | None:
    """How often judge (square) and people (circle) take a side of a kind, on the same pairs. None without any."""
    if not biases:
        return None
    x = Scale(0.0, 1.0, NAMES if width > 400 else LEFT - 24, width - RIGHT - 8)
    bottom = FIRST + ROW * len(biases)
    body = [
        *_across(x, bottom),
        *(mark for place, one in enumerate(biases) for mark in _bias(one, FIRST + ROW * place, x, width > 400)),
    ]
    told = "; ".join(f"{one.cue}: {_beside(one)}" for one in biases)
    return picture(id_, "Habits of the judge beside people", f"{told}.", width, bottom + 26, body)


def _shares(y: Scale, width: float) -> Iterator[Markup]:
    for tick in TICKS:
        yield line(LEFT, y(tick), width - RIGHT, y(tick), "axis" if tick == 0 else "grid")
        yield label(f"{100 * tick:.0f}%", LEFT - 6, y(tick) + 4, "label quiet", "end")


def _across(x: Scale, bottom: float) -> Iterator[Markup]:
    for tick in TICKS:
        yield line(x(tick), FIRST - 8, x(tick), bottom, "axis" if tick == 0.5 else "grid")
        yield label(f"{100 * tick:.0f}%", x(tick), bottom + 16, "label quiet", "middle")


def _week(week: Week, capture: Estimate, at: float, y: Scale) -> Markup:
    told = f"week of {wording.day(week.monday)}: {level(capture)} with the teacher, n={capture.n:,}"
    return tag(
        "g",
        tag("title", told),
        line(at, y(capture.low), at, y(capture.high), "error-bar"),
        marker(at, y(capture.value), "dot"),
    )


def _bias(one: Bias, top: float, x: Scale, beside: bool) -> Iterator[Markup]:
    middle = top + ROW / 2
    yield label(one.cue, 0.0, middle + 4 if beside else top + 2, "label strong")
    yield _share("reward", "judge", one.cue, one.judge, middle - (6 if one.people else 0), x)
    if one.people:
        yield _share("outcome", "people", one.cue, one.people, middle + 8, x)


def _share(kind: str, who: str, cue: str, found: Estimate, y: float, x: Scale) -> Markup:
    told = f"{cue}: {who} {level(found)}, n={found.n:,}"
    return tag(
        "g",
        tag("title", told),
        line(x(found.low), y, x(found.high), y, f"{kind}-bar"),
        marker(x(found.value), y, f"{kind}-dot", square=kind == "reward", size=5.0),
    )


def _beside(one: Bias) -> str:
    people = f", people {level(one.people)}" if one.people else ""
    differ = f", {apart(one.difference)} apart" if one.difference else ""
    return f"judge {level(one.judge)}{people}{differ}"
