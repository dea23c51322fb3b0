"""Whose results does a file of lm-evaluation-harness hold, of when, of which tasks, and which are parts of a group?"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumers.importers.documents import decoded, object_of, read_document
from consumers.importers.foreign import Given
from consumers.importers.harness import Report
from consumers.importers.rows import TableError
from consumers.importers.table import RowProblem

NAMED_BY = ("peft", "delta", "pretrained", "model", "path", "engine")  # an adapter before its base
NO_METRIC = frozenset({"alias", "samples", "sample_len", "sample_count", "name"})


@dataclass(frozen=True)
class Run:
    """One results file."""

    path: Path
    told: Mapping[str, Any]
    checkpoint: str
    time: dt.datetime | None

    @property
    def rows(self) -> dict[str, Any]:
        """The numbers of each task and group."""
        return {**object_of(self.told.get("groups")), **object_of(self.told.get("results"))}

    def part(self, name: str, task: str) -> Any:
        """What a section such as `n-samples` says of a task."""
        return object_of(self.told.get(name)).get(task)


def read_run(path: Path, given: Given, report: Report) -> Run | None:
    """Read a results file; None, and a report, where model or time cannot be known. Raises TableError."""
    told = decoded(read_document(path), dict[str, Any], str(path))
    if not isinstance(told.get("results"), dict):
        raise TableError(
            f"{path}: no 'results': neither results_*.json nor samples_TASK_DATE.jsonl of lm-evaluation-harness"
        )
    checkpoint = given.checkpoint or _model(told)
    if not checkpoint:
        reason = "neither model_name nor config.model_args names the model; give --checkpoint NAME"
        report(RowProblem(path, None, "model_name", reason))
        return None
    if (time := _date(told)) is None and given.time is None:
        report(RowProblem(path, None, "date", "no time of the run; give --time, e.g. --time 2026-01-05T00:00:00Z"))
        return None
    return Run(path, told, checkpoint, time)


def _model(told: Mapping[str, Any]) -> str | None:
    if isinstance(name := told.get("model_name"), str) and name:
        return name
    said = object_of(told.get("config")).get("model_args")
    if isinstance(said, str):
        said = dict(pair.partition("=")[::2] for pair in said.split(","))
    names = (object_of(said).get(key) for key in NAMED_BY)
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), None)


def _date(told: Mapping[str, Any]) -> dt.datetime | None:
    date = told.get("date")
    try:
        return dt.datetime.fromtimestamp(float(date), dt.UTC) if isinstance(date, int | float) else None
    except (OverflowError, OSError, ValueError):
        return None


def metrics(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(key, metric, filter) of each number; from 0.4 on every metric names its filter, before that none does."""
    filtered = any("," in key for key in row)
    for key, value in row.items():
        metric, _, chosen = key.partition(",")
        if filtered != ("," in key) or metric.endswith("_stderr") or key in NO_METRIC or value in (" ", "", "N/A"):
            continue
        yield key, metric, chosen or "none"


def count_of(run: Run, task: str) -> int | None:
    """Items of a task; of a group those of its parts together, if all are known."""
    total, seen, ahead = 0, set(), [task]
    while ahead:
        if (at := ahead.pop()) in seen:
            continue
        seen.add(at)
        effective = object_of(run.part("n-samples", at)).get("effective")
        if isinstance(effective, int) and not isinstance(effective, bool):
            total += effective
        elif parts := _parts(run, at):
            ahead += parts
        else:
            return None
    return total or None


def groups_above(run: Run) -> dict[str, str]:
    """The nearest group with a number of its own that each task or group is part of."""
    above: dict[str, str] = {}
    parents = {part: group for group in object_of(run.told.get("group_subtasks")) for part in _parts(run, group)}
    for task in run.rows:
        seen, at = {task}, task
        while (at := parents.get(at, task)) not in seen and task not in above:
            seen.add(at)
            if any(metrics(object_of(run.rows.get(at)))):
                above[task] = at
    return above


def _parts(run: Run, group: str) -> list[str]:
    parts = run.part("group_subtasks", group)
    return [part for part in parts if isinstance(part, str) and part != group] if isinstance(parts, list) else []
