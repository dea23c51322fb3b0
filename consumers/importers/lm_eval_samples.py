"""What did each item come to, in the samples that lm-evaluation-harness logs?

A line is one item under one filter. Metrics are named in `metrics`; releases without it leave their numbers among the
known fields. A metric whose cells are no numbers (what a corpus metric is computed from) has no samples.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumers.importers.harness import Report
from consumers.importers.json_rows import read_any_rows
from consumers.importers.rows import RowFault
from consumers.importers.samples import Values, item_id, number_in
from consumers.importers.table import RowProblem

FIELDS = frozenset(
    {
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"),
        *("prompt_hash", "target_hash", "task_name", "sample_id", "repeats"),
    }
)
UNNAMED = ""  # the filter of lines that name none

Items = dict[tuple[str, str], dict[str, float | None]]
"""Of each metric and filter, what each item came to."""


def read_items(path: Path, report: Report) -> Items:
    """The items of a samples file; a line that is none is reported. Raises TableError."""
    items: Items = defaultdict(dict)
    broken: set[tuple[str, str]] = set()
    for row in read_any_rows(path):
        try:
            if row.fault:
                raise RowFault(row.fault)
            _add(items, broken, row.cells)
        except RowFault as fault:
            report(RowProblem(path, row.line, None, str(fault)))
    return {key: values for key, values in items.items() if key not in broken}


def by_filter(items: Items, metric: str, filtered: str) -> Values | None:
    """What items came to under a filter; None where they were not logged as numbers, or not under its name."""
    return items.get((metric, filtered)) or items.get((metric, UNNAMED))


def _add(items: Items, broken: set[tuple[str, str]], cells: Mapping[str, Any]) -> None:
    if (doc := cells.get("doc_id")) is None or isinstance(doc, list | dict):
        raise RowFault("no 'doc_id', by which items are told apart")
    filtered = str(cells.get("filter", UNNAMED))
    named = cells.get("metrics")
    metrics = named if isinstance(named, list) else [name for name in cells if name not in FIELDS]
    for metric in map(str, metrics):
        key = (metric, filtered)
        values = items[key]
        try:
            value = number_in(cells.get(metric))
        except RowFault:
            broken.add(key)
            continue
        if item_id(doc) in values:
            # Several filters were logged under one name: whose number this is cannot be known.
            broken.add(key)
        values[item_id(doc)] = value
