"""Does a YAML file say what a section of settings asks for? Every problem at once, with line, key and nearest key."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from consumers.mendable import Mendable
from monitor.section import Section

S = TypeVar("S", bound=Section)


def load_section(path: Path, section: type[S], fault: type[Mendable], otherwise: str) -> S:
    """Read and check a file. otherwise: the command that writes one. Raises `fault` with every problem at once."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise fault(f"{path}: no such file; {otherwise}") from None
    except (OSError, UnicodeDecodeError) as unread:
        raise fault(f"{path}: cannot be read: {unread}") from None
    return parse_section(text, str(path), section, fault, otherwise)


def parse_section(text: str, name: str, section: type[S], fault: type[Mendable], otherwise: str) -> S:
    """Check the text of a file; `name` stands in the messages. Raises `fault` with every problem at once."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as problem:
        raise fault(f"{name}: not YAML: {' '.join(str(problem).split())}") from None
    if not isinstance(values, dict):
        raise fault(f"{name}: must be a mapping; {otherwise}")
    if twice := [f"{name}:{line}: {key}: written twice" for line, key in _written_twice(tree)]:
        raise fault("\n".join(twice))
    try:
        return section.model_validate(values)
    except ValidationError as problems:
        raise fault("\n".join(_problems(problems, tree, name, section))) from None


def _problems(fault: ValidationError, tree: yaml.Node | None, name: str, section: type[BaseModel]) -> Iterator[str]:
    for error in fault.errors():
        path = tuple(str(part) for part in error["loc"])
        line = _line_of(tree, path)
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = f"unknown key{_nearest(path, section)}"
        yield f"{name}:{line}: {'.'.join(path) or 'settings'}: {message}"


def _written_twice(node: yaml.Node | None, path: str = "") -> Iterator[tuple[int, str]]:
    """Line and key of every key that its mapping already has: YAML would silently take the last one."""
    if isinstance(node, yaml.MappingNode):
        seen: set[object] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, f"{path}{key.value}"
            seen.add(key.value)
            if value.start_mark.index > node.start_mark.index:  # an alias may lead back up
                yield from _written_twice(value, f"{path}{key.value}.")
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            if value.start_mark.index > node.start_mark.index:
                yield from _written_twice(value, f"{path}{place}.")


def _line_of(node: yaml.Node | None, path: tuple[str, ...]) -> int:
    line = node.start_mark.line + 1 if node else 1
    for part in path:
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        if not found:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _nearest(path: tuple[str, ...], section: type[BaseModel]) -> str:
    for part in path[:-1]:
        if part.isdigit():  # a place in a list
            continue
        found = section.model_fields[part].annotation if part in section.model_fields else None
        kinds = [kind for kind in (found, *get_args(found)) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not kinds:
            return ""
        section = kinds[0]
    known = [field.alias or key for key, field in section.model_fields.items()]
    close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; known keys: {', '.join(known)}"
