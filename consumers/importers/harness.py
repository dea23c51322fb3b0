"""How do the result files of evaluation harnesses become events? All files of one import together.

A harness reads files, not rows: results in one and the items they come from in others. Ids are those of
`consumers.importers.foreign`: they depend on what is said alone, so that importing again adds nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from consumers.events import EventRejected
from consumers.importers.foreign import Given, Told, fitting
from consumers.importers.rows import RowFault, TableError
from consumers.importers.table import RowProblem, warn

Report = Callable[[RowProblem], None]


class Found(NamedTuple):
    """What one place of a file tells. key: the place."""

    path: Path
    key: str
    told: Told


@dataclass(frozen=True)
class Harness:
    """A format. read: yields what the files tell and reports what cannot be used. options: those it understands."""

    name: str
    read: Callable[[Sequence[Path], Given, Report], Iterator[Found]]
    options: Sequence[str] = ("checkpoint", "lower", "higher")


def import_results(paths: Sequence[Path], harness: Harness, given: Given, report: Report = warn) -> Iterator[bytes]:
    """Yield the events of the files of one harness, each as the JSON of a CloudEvent.

    report: gets every result that gives no event, with file, key and reason, and every one that had to leave its
    samples behind; the others are yielded. Raises TableError for a file that cannot be read.
    """
    if missing := next((path for path in paths if not path.is_file()), None):
        raise TableError(f"{missing}: no such file; see what is there: ls {missing.parent}")
    for found in harness.read(paths, given, report):
        try:
            raw, left_behind = fitting(found.told, harness.name, given)
            yield raw
            if left_behind:
                report(RowProblem(found.path, None, found.key, left_behind))
        except (RowFault, EventRejected) as fault:
            report(RowProblem(found.path, None, found.key, str(fault)))
        except UnicodeEncodeError:
            report(RowProblem(found.path, None, found.key, "text that is no Unicode; save the file as UTF-8"))
