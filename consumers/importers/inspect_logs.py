"""How is a log of Inspect read, be it JSON or `.eval`? Header and samples, without the transcripts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from consumers.importers.documents import decoded, object_of, read_document
from consumers.importers.inspect_zip import open_eval
from consumers.importers.rows import TableError

HEADERS = ("header.json", "_journal/start.json")  # the second is all that a run leaves which was interrupted
SAMPLE = re.compile(r"samples/.+_epoch_\d+(?:\.json|/sample\.json)")  # in one piece, or in chunks around a shell


class Sample(msgspec.Struct):
    """One item in one epoch. scores: by scorer, objects with a `value`."""

    id: Any = None
    epoch: Any = 1
    scores: Any = None
    error: Any = None
    invalidation: Any = None

    @property
    def name(self) -> tuple[str, str]:
        """Item and epoch."""
        return str(self.id), str(self.epoch)

    def value(self, scorer: str, name: str) -> Any:
        """What a scorer gave; `name` chooses among several values of one scorer. None: it gave nothing.

        A sample that a person invalidated was given nothing.
        """
        if self.invalidation is not None:
            return None
        scores = object_of(self.scores)
        value = object_of(scores.get(scorer, scores.get(name))).get("value")
        if isinstance(value, Mapping):
            return value.get(name)
        return value


class Log(msgspec.Struct):
    """A log. eval: what was run. results: None where a run did not get that far."""

    eval: dict[str, Any]
    status: Any = "started"
    results: dict[str, Any] | None = None
    error: Any = None
    invalidated: Any = False
    samples: list[Sample] | None = None


def read_log(path: Path) -> Log:
    """Read a log in either format. Raises TableError for what is none, or is broken."""
    if path.suffix != ".eval":
        return decoded(read_document(path), Log, str(path))
    with open_eval(path) as log:
        header = next((name for name in HEADERS if name in log.members), None)
        if header is None:
            raise TableError(f"{path}: neither {' nor '.join(HEADERS)} in it: no log of Inspect")
        told = decoded(log.read(header), Log, f"{path}: {header}")
        names = [name for name in log.members if SAMPLE.fullmatch(name)]
        told.samples = [decoded(log.read(name), Sample, f"{path}: {name}") for name in names]
    return told
