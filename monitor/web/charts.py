"""How is a chart shown? Drawn by us, for a desk and a phone, with its numbers as a table and as a file."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from monitor.web.tables import Table

WIDE, NARROW = 1000.0, 340.0  # pixels; the style sheet shows the drawing that fits the window


@dataclass(frozen=True)
class Drawn:
    """A chart of a page. wide, narrow: None if there is nothing to draw. csv: where its numbers are a file."""

    name: str
    wide: Markup | None
    narrow: Markup | None
    table: Table
    csv: str


def drawn(draw: Callable[[str, float], Markup | None], name: str, table: Table, csv: str) -> Drawn:
    """Draw it in both widths. draw: takes an id, unique in the page, and a width in pixels. name: begins the ids
    and names the picture as a file."""
    return Drawn(name, draw(f"{name}-wide", WIDE), draw(f"{name}-narrow", NARROW), table, csv)
