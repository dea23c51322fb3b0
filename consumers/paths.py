"""Which files does the user mean, and where did a rotated file go?"""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from consumers.files import EventFile, Position, Progress

STANDARD_INPUT = Path("-")


def expand(names: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Turn names and patterns into absolute paths, each once and in order; `-` stays as it is.

    Returns the readable paths, and for every other name one line that says what to do next.
    """
    paths: dict[Path, None] = {}
    problems = []
    for name in map(str, names):
        for path in _matches(name):
            if problem := _problem(path):
                problems.append(problem)
            else:
                paths[path] = None
    return list(paths), problems


def former_files(path: Path, position: Position, progress: Progress | None) -> list[EventFile]:
    """Open what stood under `path` when the position was saved, and what was rotated away after it, oldest first.

    The moved file is known by its first line and either its inode or a name that begins like the path (a compressed
    or copied file has a new inode). Empty if it is gone; at its start if it was cut before it was moved.
    """
    candidates = list(_rotated(path, position, progress))
    same = [file for file in candidates if file.head == position["head"]]
    former = sorted(same, key=lambda file: (not file.contains(position), file.inode != position["inode"]))[:1]
    for file in former:
        if file.contains(position):
            file.resume(position)
        later = [other for other in candidates if other not in same and other.changed_ns >= file.changed_ns]
        former = [file, *sorted(later, key=lambda other: other.changed_ns)]
    for file in candidates:
        if file not in former:
            file.close()
    return former


def _rotated(path: Path, position: Position, progress: Progress | None) -> Iterator[EventFile]:
    for other in path.parent.iterdir():
        with suppress(OSError):  # vanished or unreadable: not a file to go on with
            if other == path or not other.is_file():
                continue
            if other.name.startswith(path.name) or other.stat().st_ino == position["inode"]:
                yield EventFile(other, progress)


def _matches(name: str) -> list[Path]:
    if name == "-":
        return [STANDARD_INPUT]
    path = Path(os.path.abspath(name))
    if path.exists() or not glob.has_magic(name):
        return [path]
    return [Path(os.path.abspath(match)) for match in sorted(glob.glob(name, recursive=True))] or [path]


def _problem(path: Path) -> str | None:
    if path == STANDARD_INPUT:
        return None
    if glob.has_magic(str(path)) and not path.exists():
        return f"{path}: no file matches this pattern; see what is there: ls {path.parent}"
    if not path.exists():
        return f"{path}: no such file; see what is there: ls {path.parent}"
    if path.is_dir():
        return f"{path}: is a directory; name the files in it: '{path}/*.jsonl'"
    if not os.access(path, os.R_OK):
        return f"{path}: may not be read by this user; see who may: ls -l {path}"
    return None
