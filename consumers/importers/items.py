"""How do rows of one item each become results? Those of one result together: their mean, with the items as samples."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumers.canonical import canonical_json
from consumers.importers.rows import RowFault
from consumers.importers.samples import item_id, mean_of, told_samples


@dataclass
class Items:
    """What was read of one result. result: its fields but `value`. time: the latest of its rows."""

    result: Mapping[str, Any]
    values: dict[str, float | None] = field(default_factory=dict)
    time: dt.datetime | None = None


@dataclass
class Gathered:
    """The results of one table."""

    results: dict[str, Items] = field(default_factory=dict)

    def add(self, result: Mapping[str, Any], item: str, value: float | None, time: dt.datetime | None) -> None:
        """Take one item in. value: None if it was not scored. Raises RowFault for an item that is there already."""
        items = self.results.setdefault(canonical_json(result), Items(result))
        if (name := item_id(item)) in items.values:
            where = ", ".join(str(result.get(part)) for part in ("checkpoint", "category", "metric"))
            raise RowFault(f"item {item[:60]!r} stands twice in {where}; the first row counts")
        items.values[name] = value
        items.time = max(filter(None, (items.time, time)), default=None)

    def told(self) -> Iterator[tuple[dict[str, Any], dt.datetime | None]]:
        """The data of each evaluation and its time; nothing of a result of which no item was scored."""
        for _, items in sorted(self.results.items()):
            if (value := mean_of(items.values.values())) is not None:
                more = {"value": value, "n": len(items.values), "samples": told_samples(items.values)}
                yield {**items.result, **more}, items.time
