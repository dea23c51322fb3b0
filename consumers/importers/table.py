"""How does any table become events? Row by row, as a mapping says.

A mapping for a product's CSV export, one row per answer (columns answer_id, answered_at, user, plan, question, answer,
thumb, solved):

    source: /export/support-chat
    time: {column: answered_at, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
    events:
      - type: response
        id: answer_id
        fields:
          response_id: answer_id
          checkpoint: {const: ckpt-03}
          user: user
          prompt: question
          response: answer
          cohort: {tier: plan}
      - type: feedback
        id: answer_id
        when: thumb                       # rows without a thumb give no feedback
        fields:
          response_id: answer_id
          signal: {const: thumbs}
          value: {column: thumb, map: {up: 1, down: 0}}
          actor: {id: user, role: {const: end_user}}
          surface: {name: {const: chat}, environment: {const: production}, purpose: {const: product}}
      - type: outcome
        id: answer_id
        when: solved
        fields:
          response_id: answer_id
          metric: {const: task_success}
          value: {column: solved, map: {yes: true, no: false}}
          method: {const: system}

A field is a column's name, `{const: value}`, `{column: name, map: {cell: value}}` (null leaves the field out),
`{column: name, scale: [low, high]}` (linear to 0..1), or an object of fields. An empty cell leaves the field out. A
time column needs a `zone` if its cells have no offset; its `format` is that of strptime, `unix` or `unix_ms`, else ISO
8601. With `item: COLUMN` the rows of an evaluation are one item each: those that agree in all fields but `value` become
one event, their mean, with the items as samples; an empty value is an item that was not scored. An event is named by
its `id` columns, or without them by a hash of the whole row: importing twice is harmless,
but equal rows are one event then.
"""

import datetime as dt
import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import msgspec

from consumers.canonical import canonical_json
from consumers.events import TYPES, EventRejected, Payload, parse_event
from consumers.importers.cells import CellError, cell_text, convert_cell, convert_time, is_empty
from consumers.importers.fields import entry_type, fields_of, nested_payload, required_fields
from consumers.importers.items import Gathered
from consumers.importers.mapping import Column, Const, EventPlan, TableMapping, Value, load_mapping, nearest
from consumers.importers.rows import Row, RowFault, TableError, read_rows
from consumers.importers.samples import number_in, without_samples

log = logging.getLogger(__name__)

PREVIEW_ROWS = 1000


@dataclass(frozen=True)
class RowProblem:
    """A row, or one event of it, that could not be converted. label: which event; None for the whole row.

    line: None where a file has no lines to speak of; the label is then the key within the file.
    """

    path: Path
    line: int | None
    label: str | None
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line is not None else str(self.path)
        return f"{place}: {self.label + ': ' if self.label else ''}{self.reason}"


def warn(problem: RowProblem) -> None:
    """Tell a problem through logging."""
    log.warning("%s", problem)


def import_table(
    path: Path, mapping: Path | Mapping[str, Any], report: Callable[[RowProblem], None] = warn
) -> Iterator[bytes]:
    """Yield the events of a CSV, TSV, JSONL (also .gz) or Parquet file, each as the JSON of a CloudEvent.

    report: gets every row that gives no event, and every event of a row that would be rejected; the others are yielded.
    Raises TableError, at the first step and with all problems together, for a mapping that is wrong or does not fit the
    table, and later for a file that breaks off.
    """
    table = load_mapping(mapping)
    gathered = {plan.label: Gathered() for plan in table.events if plan.item is not None}
    rows = read_rows(path, table.delimiter)
    preview = list(itertools.islice(rows, PREVIEW_ROWS))
    _refuse_unknown_columns(path, table, preview)
    for row in itertools.chain(preview, rows):
        if row.fault:
            report(RowProblem(path, row.line, None, row.fault))
            continue
        for plan in table.events:
            if plan.when is not None and is_empty(row.cells.get(plan.when)):
                continue
            try:
                if plan.item is None:
                    yield _event(table.source, plan, row)
                else:
                    _gather(gathered[plan.label], plan, row)
            except (CellError, EventRejected, RowFault) as problem:
                report(RowProblem(path, row.line, plan.label, str(problem)))
            except UnicodeEncodeError:
                report(RowProblem(path, row.line, plan.label, "bytes that are no UTF-8; save the table as UTF-8"))
    for plan in table.events:
        if plan.label in gathered:
            yield from _results(path, table.source, plan, gathered[plan.label], report)


def _refuse_unknown_columns(path: Path, table: TableMapping, preview: list[Row]) -> None:
    present = list(dict.fromkeys(name for row in preview for name in row.cells))
    problems = [
        f"{place}: {path} has no column {name!r}; {nearest(name, present)}"
        for name, places in table.columns.items()
        if present and name not in present
        for place in places
    ]
    if problems:
        raise TableError("\n".join(problems))


def _gather(gathered: Gathered, plan: EventPlan, row: Row) -> None:
    """Take a row in as one item of its result."""
    cell = row.cells.get(plan.item or "")
    if is_empty(cell):
        raise CellError(f"column {plan.item}: empty, but it names the item; fill it, or leave such rows out by `when`")
    result = _payload({**plan.fields, "value": Const(0.0)}, row.cells, TYPES[plan.type])
    del result["value"]
    time = convert_time(row.cells.get(plan.time.column), plan.time)
    gathered.add(result, cell_text(cell), number_in(_convert(plan.fields["value"], row.cells, float)), time)


def _results(
    path: Path, source: str, plan: EventPlan, gathered: Gathered, report: Callable[[RowProblem], None]
) -> Iterator[bytes]:
    """The results that were told item by item."""
    for data, time in gathered.told():
        try:
            name = hashlib.blake2b(canonical_json(data).encode(), digest_size=16).hexdigest()
            yield _sealed(source, plan, name, time, data)
        except EventRejected as problem:
            if problem.reason != "too_large":
                report(RowProblem(path, None, plan.label, str(problem)))
                continue
            kept, left_behind = without_samples(data)
            yield _sealed(source, plan, name, time, kept)
            report(RowProblem(path, None, plan.label, left_behind))
        except UnicodeEncodeError:
            report(RowProblem(path, None, plan.label, "bytes that are no UTF-8; save the table as UTF-8"))


def _event(source: str, plan: EventPlan, row: Row) -> bytes:
    time = convert_time(row.cells.get(plan.time.column), plan.time)
    return _sealed(source, plan, _row_id(plan, row), time, _payload(plan.fields, row.cells, TYPES[plan.type]))


def _sealed(source: str, plan: EventPlan, name: str, time: dt.datetime | None, data: dict[str, Any]) -> bytes:
    """Build one event and check it like any other: what would be rejected later is told here, with its line."""
    raw = msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{plan.label}:{name}",
            "source": source,
            "type": plan.type,
            "time": time,
            "data": data,
        }
    )
    parse_event(raw)
    return raw


def _row_id(plan: EventPlan, row: Row) -> str:
    if not plan.id:
        content = json.dumps(row.cells, sort_keys=True, default=str)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    parts = [row.cells.get(name) for name in plan.id]
    for name, part in zip(plan.id, parts, strict=True):
        if is_empty(part):
            raise CellError(f"column {name}: empty, but it identifies the row; fill it or choose other id columns")
    return ":".join(quote(cell_text(part), safe="/ ") for part in parts)


def _payload(values: Mapping[str, Value], cells: Mapping[str, Any], payload: type[Payload]) -> dict[str, Any]:
    """Convert the fields of a payload; empty ones are left out unless null is what the field has to say."""
    converted: dict[str, Any] = {}
    for name, kind in fields_of(payload).items():
        value = _convert(values[name], cells, kind) if name in values else None
        if value is not None:
            converted[name] = value
        elif name in required_fields(payload):
            _refuse_empty(name, values[name], kind)
            converted[name] = None
    return converted


def _refuse_empty(name: str, value: Value, kind: Any) -> None:
    if type(None) not in get_args(kind):
        where = f"column {value.name}" if isinstance(value, Column) else name
        raise CellError(f"{where}: empty, but {name} is needed; fill it, or leave such rows out by `when`")


def _convert(value: Value, cells: Mapping[str, Any], kind: Any) -> Any:
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Column):
        return convert_cell(value, cells.get(value.name), kind)
    if payload := nested_payload(kind):
        return _payload(value.fields, cells, payload) or None
    entries = {name: _convert(entry, cells, entry_type(kind)) for name, entry in value.fields.items()}
    return {name: entry for name, entry in entries.items() if entry is not None} or None
