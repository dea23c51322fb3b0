"""How is a drawing written? Escaped SVG elements, scales with round ticks, labels that keep clear of each other."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

CHARACTER = 6.4  # mean width in pixels of a character at the 12 pixel label size
LINE = 15.0


def tag(element: str, *children: str, **attributes: str | float) -> Markup:
    """One element; children and attribute values are escaped unless they are Markup already.

    `class_` is written as class, other underscores as hyphens; numbers are rounded to a tenth of a pixel.

    >>> print(tag("text", "<b>", x=1.0, class_="label", text_anchor="end"))
    <text x="1" class="label" text-anchor="end">&lt;b&gt;</text>
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _attribute(value))
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(element, written, Markup("").join(children))


def picture(id_: str, title: str, description: str, width: float, height: float, body: Iterable[str]) -> Markup:
    """A drawing that names and describes itself to readers who do not see it. `id_` is unique in the document."""
    return tag(
        "svg",
        tag("title", title, id=f"{id_}-title"),
        tag("desc", description, id=f"{id_}-desc"),
        *body,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{id_}-title {id_}-desc",
        width=width,
    )


def label(text: str, x: float, y: float, class_: str = "label", anchor: str = "start") -> Markup:
    return tag("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return tag("path", d=f"M{steps}", class_=class_) if points else Markup("")


def marker(x: float, y: float, class_: str, square: bool = False, size: float = 4.0) -> Markup:
    if square:
        return tag("rect", x=x - size, y=y - size, width=2 * size, height=2 * size, class_=class_)
    return tag("circle", cx=x, cy=y, r=size, class_=class_)


@dataclass(frozen=True)
class Scale:
    """Maps values in [low, high] to pixels in [start, end], linearly; values outside are held at the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within [low, high], at most about `most` of them.

    >>> round_ticks(-4.2, 10.3)
    [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    >>> round_ticks(0.0, 1.0, 4)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * k for k in (1, 2, 5, 10) if (high - low) / (power * k) <= most + 2)
    return [round(k * step, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


@dataclass
class Labels:
    """Places labels one after another and refuses those that would touch an earlier one or leave the frame."""

    left: float
    top: float
    right: float
    bottom: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def block(self, left: float, top: float, right: float, bottom: float) -> None:
        self.taken.append((left, top, right, bottom))

    def place(self, text: str, x: float, y: float, class_: str = "label", reach: float = 60.0) -> Markup:
        """The label near the point (x, y), with a thin leader when it stands off; nothing when there is no room."""
        width = (1.15 if "strong" in class_ else 1.05) * CHARACTER * len(text)
        for distance in (10.0, 22.0, 38.0, reach):
            for dx, dy in ((1, 0), (0, -1), (0, 1), (-1, 0), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7)):
                left = x + dx * distance - (width if dx < 0 else width / 2 if dx == 0 else 0)
                middle = y + dy * distance
                box = (left, middle - LINE / 2, left + width, middle + LINE / 2)
                if self._is_free(box):
                    self.block(*box)
                    drawn = label(text, left, middle + 4, class_)
                    reached = x + dx * (distance - 2), y + dy * (distance - 4)
                    return line(x, y, *reached, "leader") + drawn if distance > 10 else drawn
        return Markup("")

    def _is_free(self, box: tuple[float, float, float, float]) -> bool:
        left, top, right, bottom = box
        if left < self.left or right > self.right or top < self.top or bottom > self.bottom:
            return False
        return not any(left < r and right > x and top < b and bottom > y for x, y, r, b in self.taken)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near as simple shifting allows to the wanted ones, in their order, `gap` apart, within [low, high].

    >>> spread([10.0, 12.0, 50.0], 15, 0, 60)
    [10.0, 25.0, 50.0]
    >>> spread([58.0, 59.0], 15.0, 0.0, 60.0)
    [45.0, 60.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [max(low, min(high, wanted[i])) for i in order]
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + gap)
    ceiling = high
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - gap
    result = [0.0] * len(wanted)
    for k, i in enumerate(order):
        result[i] = placed[k]
    return result


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
