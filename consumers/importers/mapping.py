"""Which column becomes which field? The mapping of a table, read whole, with every problem reported at once."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
import yaml

from consumers.events import TYPES, Payload
from consumers.importers.fields import (
    SHORT_TYPES,
    choices,
    entry_type,
    fields_of,
    nested_payload,
    required_fields,
)
from consumers.importers.rows import TableError

TOP = ("source", "time", "delimiter", "events")
EVENT = ("type", "id", "when", "item", "time", "fields")
TIME = ("column", "format", "zone")
COLUMN = ("column", "map", "scale")
EVALUATION = "rewarddrift.evaluation.v1"

Place = tuple[str, ...]


@dataclass(frozen=True)
class Const:
    """The same value for every row."""

    value: Any


@dataclass(frozen=True)
class Column:
    """A column's cell, translated by `map` (cell text to value) or placed on `scale` (low to 0, high to 1)."""

    name: str
    map: Mapping[str, Any] | None = None
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Nested:
    """An object made of further values."""

    fields: Mapping[str, "Value"]


Value = Const | Column | Nested


@dataclass(frozen=True)
class Time:
    """A column of times. format: of strptime, or unix | unix_ms; None: ISO 8601. zone: of times without an offset."""

    column: str
    format: str | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True)
class EventPlan:
    """How one event is made of a row. label: tells apart the events of one row. when: column that must not be empty.

    item: column that names items, where rows of one result are gathered into one evaluation; None for an event a row.
    """

    type: str
    label: str
    id: Sequence[str]
    when: str | None
    time: Time
    fields: Mapping[str, Value]
    item: str | None = None


@dataclass(frozen=True)
class TableMapping:
    """source: of every event. columns: each column that is used, and the places in the mapping that use it."""

    source: str
    delimiter: str | None
    events: Sequence[EventPlan]
    columns: Mapping[str, Sequence[str]]


def load_mapping(mapping: Path | Mapping[str, Any]) -> TableMapping:
    """Check a mapping, a YAML file or its content. Raises TableError with every problem, one a line."""
    if isinstance(mapping, Path):
        reader = _Reader(str(mapping))
        content = reader.parse(mapping)
    else:
        reader = _Reader("mapping")
        content = _with_text_keys(mapping)
    table = reader.table(content)
    if reader.problems or table is None:
        raise TableError("\n".join(reader.problems))
    return table


def nearest(name: str, known: Collection[str]) -> str:
    """Say which known name was probably meant, or which there are.

    >>> nearest("respons_id", ["checkpoint", "response_id"])
    'did you mean response_id?'
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"


def _with_text_keys(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {
            str(key).lower() if isinstance(key, bool) else str(key): _with_text_keys(v) for key, v in content.items()
        }
    if isinstance(content, list | tuple):
        return [_with_text_keys(value) for value in content]
    return content


@dataclass
class _Reader:
    """Walks a mapping once and collects its problems with their places."""

    name: str
    problems: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=dict)

    def parse(self, path: Path) -> Any:
        """Read YAML; keys stay the text they are (`yes` is no true), and every path remembers its line."""
        try:
            loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
            node = loader.get_single_node()
        except FileNotFoundError:
            raise TableError(f"{path}: no such mapping file; see what is there: ls {path.parent}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as fault:
            raise TableError(f"{path}: no YAML: {fault}") from fault
        return self._plain(loader, node, ()) if node else None

    def table(self, content: Any) -> TableMapping | None:
        if not self._is_object(content, (), TOP, needs=("source", "events")):
            return None
        delimiter = content.get("delimiter")
        if delimiter is not None and not (isinstance(delimiter, str) and len(delimiter) == 1):
            self._tell(("delimiter",), "must be one character, e.g. ';'")
        events = content["events"]
        if not isinstance(events, list) or not events:
            self._tell(("events",), "must be a list of events, each with a type and fields")
            return None
        plans: list[EventPlan] = []
        for number, event in enumerate(events):
            plan = self._event(event, ("events", str(number)), content.get("time"), [plan.type for plan in plans])
            plans += [plan] if plan else []
        return TableMapping(str(content["source"]), delimiter, plans, self.columns)

    def _event(self, event: Any, place: Place, table_time: Any, before: Sequence[str]) -> EventPlan | None:
        if not self._is_object(event, place, EVENT, needs=("type", "fields")):
            return None
        type_name = SHORT_TYPES.get(str(event["type"]), str(event["type"]))
        if type_name not in TYPES:
            self._tell((*place, "type"), f"unknown type {event['type']!r}; {nearest(str(event['type']), SHORT_TYPES)}")
            return None
        time = self._time(event["time"], (*place, "time")) if "time" in event else self._time(table_time, ("time",))
        fields = self._fields(event["fields"], (*place, "fields"), TYPES[type_name])
        names = event.get("id", [])
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list):
            self._tell((*place, "id"), "write the column, or a list of columns, that identify a row")
            return None
        id_columns = [self._column(name, (*place, "id")) for name in names]
        when = self._column(event["when"], (*place, "when")) if "when" in event else None
        item = self._column(event["item"], (*place, "item")) if "item" in event else None
        if item and type_name != EVALUATION:
            self._tell((*place, "item"), "only the rows of an evaluation are gathered; leave it out")
        if time is None:
            return None
        short = type_name.split(".")[1]
        label = f"{short}.{before.count(type_name) + 1}" if type_name in before else short
        return EventPlan(type_name, label, id_columns, when, time, fields, item)

    def _time(self, spec: Any, place: Place) -> Time | None:
        if isinstance(spec, str):
            return Time(self._column(spec, place))
        if spec is None:
            self._tell(place, "is missing; name the column of the event time: {column: ..., format: ..., zone: ...}")
            return None
        if not self._is_object(spec, place, TIME, needs=("column",)):
            return None
        try:
            zone = ZoneInfo(str(spec["zone"])) if "zone" in spec else None
        except (ZoneInfoNotFoundError, ValueError):
            known = available_timezones()
            self._tell((*place, "zone"), f"unknown time zone {spec['zone']!r}; {nearest(str(spec['zone']), known)}")
            return None
        form = spec.get("format")
        if form is not None and not isinstance(form, str):
            self._tell((*place, "format"), "write it as text, e.g. '%d.%m.%Y %H:%M', unix or unix_ms")
            return None
        return Time(self._column(spec["column"], place), form, zone)

    def _fields(self, spec: Any, place: Place, payload: type[Payload]) -> dict[str, Value]:
        """Read the fields of a payload; what it does not know is a problem, and so is what it needs and lacks."""
        known = fields_of(payload)
        needs = tuple(name for name in known if name in required_fields(payload))
        self._is_object(spec, place, tuple(known), needs=needs)
        entries = spec.items() if isinstance(spec, Mapping) else ()
        return {name: self._value(value, (*place, name), known[name]) for name, value in entries if name in known}

    def _value(self, spec: Any, place: Place, kind: Any) -> Value:
        if isinstance(spec, str):
            return Column(self._column(spec, place))
        if not isinstance(spec, Mapping):
            self._tell(place, f"write a column's name, or {{const: {spec}}} for the same value in every row")
            return Const(None)
        if "const" in spec:
            self._is_object(spec, place, ("const",))
            return Const(self._fitting(spec["const"], place, kind))
        if "column" in spec:
            return self._column_value(spec, place, kind)
        if payload := nested_payload(kind):
            return Nested(self._fields(spec, place, payload))
        if entry := entry_type(kind):
            return Nested({name: self._value(value, (*place, name), entry) for name, value in spec.items()})
        self._tell(place, "holds no object; write a column's name, {const: ...} or {column: ..., map: {...}}")
        return Const(None)

    def _column_value(self, spec: Mapping[str, Any], place: Place, kind: Any) -> Value:
        self._is_object(spec, place, COLUMN)
        translation, scale = spec.get("map"), spec.get("scale")
        if translation is not None and not isinstance(translation, Mapping):
            self._tell((*place, "map"), "write what each cell becomes: {cell: value, ...}")
            translation = None
        for cell, value in (translation or {}).items():
            if value is not None:
                self._fitting(value, (*place, "map", cell), kind)
        if scale is not None and not _is_range(scale):
            self._tell((*place, "scale"), "write [low, high], the cells that become 0 and 1")
            scale = None
        return Column(self._column(spec["column"], place), translation, tuple(scale) if scale else None)

    def _fitting(self, value: Any, place: Place, kind: Any) -> Any:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as fault:
            words = choices(kind)
            self._tell(place, f"{fault}; {nearest(str(value), words)}" if words else str(fault))
        return value

    def _column(self, name: Any, place: Place) -> str:
        self.columns.setdefault(str(name), []).append(self._at(place))
        return str(name)

    def _is_object(self, spec: Any, place: Place, known: Sequence[str], needs: Sequence[str] = ()) -> bool:
        """Tell of every unknown and every missing key; True if all that is needed is there."""
        if not isinstance(spec, Mapping):
            self._tell(place, f"must be an object with {', '.join(known)}")
            return False
        for key in spec:
            if key not in known:
                self._tell((*place, key), f"unknown key; {nearest(key, known)}")
        missing = [key for key in needs if key not in spec]
        for key in missing:
            self._tell(place, f"{key} is missing")
        return not missing

    def _tell(self, place: Place, problem: str) -> None:
        self.problems.append(f"{self._at(place)}: {problem}")

    def _at(self, place: Place) -> str:
        line = self.lines.get(place)
        where = f"{self.name}:{line}" if line else self.name
        return f"{where}: {'.'.join(place)}" if place else where

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, place: Place) -> Any:
        self.lines[place] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(loader, item, (*place, str(number))) for number, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        content: dict[str, Any] = {}
        for key, value in node.value:
            inner = (*place, str(key.value))
            if key.value in content:
                self.problems.append(f"{self.name}:{key.start_mark.line + 1}: {'.'.join(inner)}: stands here twice")
            content[str(key.value)] = self._plain(loader, value, inner)
            self.lines[inner] = key.start_mark.line + 1
        return content


def _is_range(scale: Any) -> bool:
    return (
        isinstance(scale, list)
        and len(scale) == 2
        and all(isinstance(end, int | float) for end in scale)
        and scale[0] != scale[1]
    )
