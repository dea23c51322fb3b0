"""How far from what is allowed does each finding lie? One row a finding: its change, both bounds, the tolerance."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from monitor.check import Interval
from monitor.gate.result import GateFinding
from monitor.report import gate_words, wording
from monitor.report.gate_subjects import subject_of
from monitor.report.svg import CHARACTER, Scale, label, line, marker, path, picture, round_ticks

ROW, TOP, BOTTOM = 40.0, 26.0, 44.0
EDGE = 14.0
BESIDE = 370.0  # pixels for names, where they stand beside the drawing
NUMBERS = 240.0  # pixels for numbers, where they stand beside it
WIDE = 600.0  # pixels from which on names and numbers stand beside it
LARGEST = 4.0  # bounds beyond so many times the largest effect or tolerance are cut, with an arrow


def gate_forest(id_: str, findings: Sequence[GateFinding], width: float) -> Markup | None:
    """Changes in points, worse to the left, with their one-sided bounds. None when no finding has an effect.

    findings: in the order of the rows. width: pixels; names stand above their rows where it is narrow.
    """
    drawn = [finding for finding in findings if can_be_drawn(finding)]
    if not drawn:
        return None
    beside = width >= WIDE
    x = _scale(drawn, *(BESIDE, width - NUMBERS) if beside else (EDGE, width - EDGE))
    bottom = TOP + ROW * len(drawn)
    body = [*_axis(x, bottom), *(mark for at, one in enumerate(drawn) for mark in _row(one, TOP + ROW * at, x, beside))]
    return picture(id_, "Changes against what is allowed", _description(drawn), width, bottom + BOTTOM, body)


def can_be_drawn(finding: GateFinding) -> bool:
    """Shares of what was counted are no changes and have no bounds."""
    return gate_words.known(finding.effect).value is not None and not subject_of(finding).counted


def _description(drawn: Sequence[GateFinding]) -> str:
    told = "; ".join(f"{f.verdict} {wording.name(f.name)} {gate_words.change(f)}" for f in drawn[:10])
    return f"Changes in points, minus is worse: {told}. The table of findings holds every number."


def _scale(drawn: Sequence[GateFinding], start: float, end: float) -> Scale:
    """Holds zero, every effect and tolerance, and bounds as far as the rest stays readable."""
    effects = [_change(finding) for finding in drawn]
    anchors = [effect.value or 0.0 for effect in effects] + [-finding.tolerance for finding in drawn]
    reach = LARGEST * max([*map(abs, anchors), 0.01])
    bounds = [bound for effect in effects for bound in (effect.low, effect.high) if bound is not None]
    low, high = max(min([*bounds, *anchors, 0.0]), -reach), min(max([*bounds, *anchors, 0.0]), reach)
    room = max(0.06 * (high - low), 0.002)
    return Scale(low - room, high + room, start, end)


def _axis(x: Scale, bottom: float) -> Iterator[Markup]:
    for tick in round_ticks(100 * x.low, 100 * x.high, 5):
        at = x(tick / 100)
        yield line(at, TOP - 8, at, bottom, "axis" if tick == 0 else "grid")
        yield label(f"{tick:+.3g}" if tick else "0", at, bottom + 16, "label quiet", "middle")
    yield label("← points worse", x.start, bottom + 36, "label quiet")
    yield label("better →", x.end, bottom + 36, "label quiet", "end")
    yield label("no change", min(max(x(0), x.start + 32), x.end - 32), TOP - 14, "label quiet", "middle")


def _row(finding: GateFinding, top: float, x: Scale, beside: bool) -> Iterator[Markup]:
    middle = top + (ROW / 2 if beside else ROW - 12)
    characters = int((BESIDE - 30 if beside else x.end - x.start) / (1.12 * CHARACTER)) - len(finding.verdict) - 1
    named = f"{finding.verdict} {wording.name(finding.name, characters)}"
    yield label(
        named, 0 if beside else x.start, middle + 4 if beside else top + 12, f"label {finding.verdict.lower()}-name"
    )
    if beside:
        numbers = f"{gate_words.change(finding)} ({gate_words.limits(finding)})"
        if CHARACTER * len(numbers) > NUMBERS - 12:
            numbers = gate_words.change(finding)
        yield label(numbers, x.end + 12, middle + 4, "label quiet")
    yield from _effect(finding, middle, x)


def _effect(finding: GateFinding, y: float, x: Scale) -> Iterator[Markup]:
    effect, shape = _change(finding), finding.verdict.lower()
    limit = x(-finding.tolerance)
    yield line(limit, y - 9, limit, y + 9, "allowed-mark")
    if effect.low is not None and effect.high is not None:
        yield line(x(effect.low), y, x(effect.high), y, f"bound {shape}-bound")
        yield from _ends(effect, y, x, shape)
    yield marker(x(effect.value or 0.0), y, f"{shape}-mark", square=shape == "fail", size=5.0)


def _change(finding: GateFinding) -> Interval:
    return gate_words.turned(gate_words.known(finding.effect))


def _ends(effect: Interval, y: float, x: Scale, shape: str) -> Iterator[Markup]:
    """A bar at each bound, an arrow at one that lies beyond the drawing."""
    for bound, way in ((effect.low or 0.0, -1), (effect.high or 0.0, 1)):
        at = x(bound)
        if x.low <= bound <= x.high:
            yield line(at, y - 5, at, y + 5, f"bound {shape}-bound")
        else:
            yield path([(at - 6 * way, y - 5), (at, y), (at - 6 * way, y + 5)], f"bound {shape}-bound")
