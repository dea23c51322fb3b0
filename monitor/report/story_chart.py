"""What happened, when? Reward and outcome by checkpoint with their intervals, and the moment each alert fired."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.check import Interval
from monitor.report import wording
from monitor.report.page import Incident, severity_rank
from monitor.report.svg import CHARACTER, Scale, label, line, marker, path, picture, round_ticks, tag
from monitor.report.time_axis import time_axis
from monitor.result import Alert, CheckpointSummary

PANEL, TOP, GAP, BOTTOM = 150.0, 26.0, 36.0, 50.0
CAPTIONS = (12.0, 27.0)  # heights of the two rows above the panels that name the alerts
LEFT, RIGHT = 46.0, 14.0
TITLE_CHARACTER, BOLD_CHARACTER = 9.0, 7.4  # pixels, generous


def story_chart(
    id_: str, rows: Sequence[CheckpointSummary], incidents: Sequence[Incident], names: tuple[str, str], width: float
) -> Markup | None:
    """Two panels of one time axis and one vertical unit, so that slopes compare. None when there is nothing to draw.

    rows: over all traffic. names: of the reward and the outcome. width: pixels.
    """
    drawn = [row for row in rows if row.reward.value is not None or row.outcome.value is not None]
    if not drawn:
        return None
    rewards, outcomes = [row.reward for row in drawn], [row.outcome for row in drawn]
    span = max(_span(rewards), _span(outcomes))
    time = _time_scale(drawn, incidents, width)
    first = TOP + (CAPTIONS[-1] + 13 if incidents else 0)
    tops = (first, first + PANEL + GAP)
    height = tops[1] + PANEL + BOTTOM
    room = int((width - LEFT) / TITLE_CHARACTER) - len("Outcome: ")
    body = [
        *_checkpoint_marks(drawn, time, tops[0], height - BOTTOM),
        *_suspect_days(incidents, time, tops[0], height - BOTTOM),
        *_alert_marks(incidents, time, height - BOTTOM, width),
        *_panel("reward", f"Reward: {wording.name(names[0], room)}", drawn, rewards, span, time, tops[0], width),
        *_panel("outcome", f"Outcome: {wording.name(names[1], room)}", drawn, outcomes, span, time, tops[1], width),
        *_checkpoint_names(drawn, time, height - BOTTOM + 16),
        *time_axis(time, height - BOTTOM + 26),
    ]
    return picture(id_, "Reward and outcome by checkpoint", _description(drawn, incidents), width, height, body)


def _description(rows: Sequence[CheckpointSummary], incidents: Sequence[Incident]) -> str:
    first, last = rows[0], rows[-1]
    alerts = [alert for incident in incidents for alert in incident.history]
    fired = "; ".join(f"{wording.name(a.severity, 12)} fired {wording.day(a.fired_at)}" for a in alerts)
    return (
        f"From {wording.name(first.checkpoint)} to {wording.name(last.checkpoint)}, reward went from "
        f"{wording.percent(first.reward.value)} to {wording.percent(last.reward.value)} and outcome from "
        f"{wording.percent(first.outcome.value)} to {wording.percent(last.outcome.value)}; "
        f"{fired or 'no alert fired'}. The table below holds every number."
    )


def _time_scale(rows: Sequence[CheckpointSummary], incidents: Sequence[Incident], width: float) -> Scale:
    fired = [alert.fired_at.date().toordinal() for incident in incidents for alert in incident.history]
    low = min([row.first.toordinal() for row in rows] + fired)
    high = max([row.last.toordinal() + 1 for row in rows] + fired)
    return Scale(low, high, LEFT + 4, width - RIGHT)


def _span(levels: Sequence[Interval]) -> float:
    low, high = _extent(levels)
    return max(high - low, 0.02) * 1.15


def _extent(levels: Sequence[Interval]) -> tuple[float, float]:
    ends = [end for level in levels for end in (level.low, level.value, level.high) if end is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _panel(
    kind: str,
    title: str,
    rows: Sequence[CheckpointSummary],
    levels: Sequence[Interval],
    span: float,
    time: Scale,
    top: float,
    width: float,
) -> Iterator[Markup]:
    low, high = _extent(levels)
    bottom = min((low + high - span) / 2, max(1.02 - span, 0.0))  # a level above 1 is never on the axis
    scale = Scale(bottom, bottom + span, top + PANEL, top)
    yield tag("text", title, x=LEFT, y=top - 10, class_=f"panel-title {kind}-text")
    if all(level.value is None for level in levels):
        yield label("no data", (LEFT + width) / 2, top + PANEL / 2, "label quiet", "middle")
        return
    for tick in (tick for tick in round_ticks(scale.low, scale.high, 4) if 0 <= tick <= 1):
        yield line(LEFT, scale(tick), width - RIGHT, scale(tick), "grid")
        yield label(f"{100 * tick:.3g}%", LEFT - 6, scale(tick) + 4, "label quiet", "end")
    yield from _reference_line(rows, levels, scale, width)
    points = [(_middle(row, time), level) for row, level in zip(rows, levels, strict=True)]
    known = [(x, scale(level.value)) for x, level in points if level.value is not None]
    yield path(known, f"{kind}-line")
    for x, level in points:
        yield from _interval_mark(x, level, scale, kind)


def _reference_line(
    rows: Sequence[CheckpointSummary], levels: Sequence[Interval], scale: Scale, width: float
) -> Iterator[Markup]:
    at = next((level.value for row, level in zip(rows, levels, strict=True) if row.role == "reference"), None)
    if at is not None:
        yield line(LEFT, scale(at), width - RIGHT, scale(at), "reference-line")


def _interval_mark(x: float, level: Interval, scale: Scale, kind: str) -> Iterator[Markup]:
    if level.value is None:
        return
    if level.low is not None and level.high is not None:
        yield line(x, scale(level.low), x, scale(level.high), f"{kind}-bar")
    yield marker(x, scale(level.value), f"{kind}-dot", square=kind == "reward")


def _middle(row: CheckpointSummary, time: Scale) -> float:
    return time((row.first.toordinal() + row.last.toordinal() + 1) / 2)


def _checkpoint_marks(rows: Sequence[CheckpointSummary], time: Scale, top: float, bottom: float) -> Iterator[Markup]:
    for row in rows:
        x = time(row.first.toordinal())
        yield line(x, top, x, bottom, "checkpoint-mark")


def _checkpoint_names(rows: Sequence[CheckpointSummary], time: Scale, y: float) -> Iterator[Markup]:
    """Names under their points, the last one first; a name without room is left to the table."""
    free_until = float("inf")
    for row in reversed(rows):
        text = wording.name(row.checkpoint, 14)
        x, half = _middle(row, time), CHARACTER * len(text) / 2
        x = min(max(x, half), time.end + RIGHT - half)
        if x + half + 8 <= free_until:
            yield label(text, x, y, "label", "middle")
            free_until = x - half


def _suspect_days(incidents: Sequence[Incident], time: Scale, top: float, bottom: float) -> Iterator[Markup]:
    """A band from the likely start to the day it first fired, for the worst incident over all traffic."""
    for incident, evidence in [(i, i.alert.evidence) for i in incidents if not i.alert.slice][:1]:
        start = time(evidence.likely_start.toordinal()) if evidence else time.end
        end = time(incident.history[0].fired_at.date().toordinal())
        if start < end:
            yield tag("rect", x=start, y=top, width=end - start, height=bottom - top, class_="suspect")


def _alert_marks(incidents: Sequence[Incident], time: Scale, bottom: float, width: float) -> Iterator[Markup]:
    """A line where each alert over all traffic fired and a tick where a slice's did; captions while there is room."""
    taken: list[tuple[float, float, float]] = []
    captions = []
    alerts = [alert for incident in incidents for alert in incident.history]
    for alert in sorted(alerts, key=lambda a: (bool(a.slice), severity_rank(a))):
        x = time(alert.fired_at.date().toordinal())
        severity = alert.severity if alert.severity in wording.SEVERITIES else "ticket"
        top = CAPTIONS[-1] + 5
        yield line(x, top, x, top + 9 if alert.slice else bottom, f"fired {severity}-line")
        text = _caption(alert, width)
        length = BOLD_CHARACTER * len(text)
        left = min(max(x - length / 2, LEFT), width - RIGHT - length)
        free = (
            y for y in reversed(CAPTIONS) if not any(y == r and left < b and left + length > a for r, a, b in taken)
        )
        y = next(free, None)
        if y is not None:
            taken.append((y, left - 8, left + length + 8))
            captions.append(label(text, left, y, f"label {severity}-text"))
    yield from captions


def _caption(alert: Alert, width: float) -> str:
    where = f", {wording.name(wording.slice_name(alert.slice), 24)}" if alert.slice and width > 500 else ""
    return f"{wording.name(alert.severity, 12)} {alert.fired_at.day} {alert.fired_at:%b}{where}"
