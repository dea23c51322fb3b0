"""What did single series add up to, day by day? Read as they are asked for, without the rest of what a look left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from monitor.check import Slice
from monitor.detection.book import FIELDS, SeriesInfo, SeriesKey
from monitor.detection.memory import FORMAT

BYTES = 8
SERIES = "SELECT series, first_day FROM monitor_memory WHERE loop = :loop AND format = :format"
CELLS = """
    SELECT day, substr(cells, :start, :length) AS sums FROM series_day
    WHERE loop = :loop AND day >= :first ORDER BY day
"""


@dataclass(frozen=True)
class DailySums:
    """The series of a loop's last look. first_day: the first that has sums. slices: of each series, in stored order."""

    loop: str
    first_day: int
    slices: Mapping[SeriesKey, Slice]

    @classmethod
    def of(cls, connection: Connection, loop: str) -> "DailySums | None":
        """None before the first look, and where another release left it in a format of its own."""
        row = connection.execute(text(SERIES), {"loop": loop, "format": FORMAT}).first()
        if row is None:
            return None
        series = msgspec.json.decode(row.series, type=list[tuple[SeriesKey, SeriesInfo]])
        return cls(loop, row.first_day, {key: info.slice for key, info in series})

    def read(self, connection: Connection, keys: Sequence[SeriesKey], since: int | None = None) -> NDArray[np.float64]:
        """Shape (days, keys, 3): n, total and squares from day `since` on (the first, if None); zeros if unknown."""
        first = max(self.first_day, since or self.first_day)
        at = {key: place for place, key in enumerate(self.slices)}
        known = [number for number, key in enumerate(keys) if key in at]
        if not known:
            return np.zeros((0, len(keys), 3))
        places = np.array([at[keys[number]] for number in known])
        low, high = int(places.min()), int(places.max())
        width = FIELDS * BYTES
        part = {"loop": self.loop, "first": first, "start": low * width + 1, "length": (high + 1 - low) * width}
        rows = connection.execute(text(CELLS), part).all()
        found = np.zeros((rows[-1].day - first + 1 if rows else 0, len(keys), 3))
        for day, sums in rows:
            cells = np.frombuffer(sums, np.float64).reshape(-1, FIELDS)
            there = places - low < len(cells)  # a day is stored with the series known then
            found[day - first, np.array(known)[there]] = cells[(places - low)[there], :3]
        return found
