"""Where do the checkpoints stand on the curve of outcome against optimisation, and where are we?"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.report import wording
from monitor.report.svg import Labels, Scale, label, line, marker, path, picture, round_ticks, tag
from monitor.web.views.compare import CurvePoint, CurveView

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 52.0, 16.0, 30.0, 48.0, 360.0


def curve_chart(id_: str, curve: CurveView, width: float) -> Markup | None:
    """Points with 95% intervals, the law that fits, the range that holds its peak. None where nothing is placed."""
    if not curve.points:
        return None
    x = _along(curve, width)
    y = _up(curve)
    labels = Labels(LEFT, TOP, width - RIGHT, HEIGHT - BOTTOM)
    places = [(x(one.distance), y(one.outcome.value or 0.0)) for one in curve.points]
    for px, py in places:
        labels.block(px - 7, py - 7, px + 7, py + 7)
    body = [
        *_peak(curve, x, y),
        *_axes(curve, x, y, width),
        path([(x(one), y(other)) for one, other in curve.fitted], "law-line"),
        *(mark for one, place in zip(curve.points, places, strict=True) for mark in _point(one, place, curve, y)),
        *_names(curve, places, labels),
    ]
    return picture(id_, f"Outcome against {curve.kind}", _told(curve), width, HEIGHT, body)


def _names(curve: CurveView, places: Sequence[tuple[float, float]], labels: Labels) -> Iterator[Markup]:
    """The newest first, so that where we are is always named."""
    yield labels.place(f"now: {wording.name(curve.points[-1].checkpoint, 20)}", *places[-1], "label strong")
    for one, place in reversed(list(zip(curve.points[:-1], places[:-1], strict=True))):
        yield labels.place(wording.name(one.checkpoint, 14), *place)


def _told(curve: CurveView) -> str:
    said = curve.words or f"{wording.plural(len(curve.points), 'checkpoint')}, no curve: {curve.missing}"
    return f"{said}. The table below holds every number."


def _along(curve: CurveView, width: float) -> Scale:
    furthest = max([one.distance for one in curve.points] + ([curve.peak] if curve.peak else []))
    return Scale(0.0, 1.06 * max(furthest, 0.01), LEFT, width - RIGHT)


def _up(curve: CurveView) -> Scale:
    ends = [end for one in curve.points for end in (one.outcome.low, one.outcome.high) if end is not None]
    ends += [outcome for _, outcome in curve.fitted]
    low, high = min([*ends, -0.01]), max([*ends, 0.01])
    room = 0.06 * (high - low)
    return Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)


def _peak(curve: CurveView, x: Scale, y: Scale) -> Iterator[Markup]:
    """The set of places where the peak may be, and the likeliest one."""
    if curve.peak is None:
        return
    for low, high in curve.peak_within:
        left, right = x(low), x(x.high if high is None else high)
        yield tag("rect", x=left, y=y.end, width=max(right - left, 1.0), height=y.start - y.end, class_="peak-range")
    at = x(curve.peak)
    yield line(at, y.end, at, y.start, "peak-line")
    yield label("peak", min(max(at, x.start + 16), x.end - 16), y.end - 8, "label quiet", "middle")


def _axes(curve: CurveView, x: Scale, y: Scale, width: float) -> Iterator[Markup]:
    for tick in round_ticks(x.low, x.high, 5 if width < 500 else 8):
        yield label(f"{tick:g}", x(tick), HEIGHT - BOTTOM + 16, "label quiet", "middle")
    for tick in round_ticks(100 * y.low, 100 * y.high, 6):
        yield line(LEFT, y(tick / 100), width - RIGHT, y(tick / 100), "axis" if tick == 0 else "grid")
        signed = f"{tick:+.3g}".replace("-", "−") if tick else "0"
        yield label(signed, LEFT - 6, y(tick / 100) + 4, "label quiet", "end")
    yield label(f"{curve.kind} from the start →", width - RIGHT, HEIGHT - 8, "label quiet", "end")
    yield label("↑ outcome change, points", 4, HEIGHT - 8, "label outcome-text")


def _point(one: CurvePoint, place: tuple[float, float], curve: CurveView, y: Scale) -> Iterator[Markup]:
    at, middle = place
    is_now = one is curve.points[-1]
    if one.outcome.low is not None and one.outcome.high is not None:
        yield line(at, y(one.outcome.low), at, y(one.outcome.high), "error-bar")
    told = (
        f"{wording.name(one.checkpoint, 40)} at {curve.kind} {one.distance:.2f}: outcome"
        f" {wording.points_interval(one.outcome)}, n={one.n:,}"
    )
    dot = marker(at, middle, "dot now" if is_now else "dot", square=is_now, size=6.0 if is_now else 4.5)
    yield tag("g", tag("title", told), dot)
