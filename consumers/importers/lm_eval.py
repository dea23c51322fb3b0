"""What do results of lm-evaluation-harness say? One number for each task and metric, and what each item came to.

`results_*.json` holds the numbers, `samples_TASK_*.jsonl` (`--log_samples`) the items; given together they become one
evaluation a task and metric, with the items as samples. Samples alone are told by their mean. The suite is `lm_eval`; a
group that has a number of its own stands there in place of its parts, which are of the suite `lm_eval/GROUP`: the two
are the same items, and a gate that counted both would count them twice.
Source: Gao et al., The Language Model Evaluation Harness; releases 0.3 (metric without filter) to 0.4.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consumers.importers.directions import higher_is_better
from consumers.importers.documents import object_of
from consumers.importers.foreign import Given, Told
from consumers.importers.harness import Found, Harness, Report
from consumers.importers.lm_eval_run import Run, count_of, groups_above, metrics, read_run
from consumers.importers.lm_eval_samples import Items, by_filter, read_items
from consumers.importers.rows import RowFault
from consumers.importers.samples import Values, mean_of, number_in, samples_of, told_samples
from consumers.importers.table import RowProblem

SUITE = "lm_eval"
SAMPLES = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+))?\.jsonl(?:\.gz)?")
RESULTS = re.compile(r".*?(?P<date>\d{4}-\d\d-\d\dT[\d.:-]*\d)\.json(?:\.gz)?")


def read_lm_eval(paths: Sequence[Path], given: Given, report: Report) -> Iterator[Found]:
    """Yield one evaluation for each task and metric of the results files, and of samples without results."""
    items = {path: SAMPLES.fullmatch(path.name) for path in paths}
    runs = [run for path in paths if not items[path] and (run := read_run(path, given, report))]
    owned: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path, named in items.items():
        if named is None:
            continue
        try:
            owner = None if all(items.values()) else _owner(path, named["task"], named["date"], runs)
        except RowFault as fault:
            report(RowProblem(path, None, None, str(fault)))
            continue
        if owner:
            owned[owner.path][named["task"]] = path
        else:
            yield from _samples_alone(path, named["task"], given, report)
    for run in runs:
        yield from _results(run, owned[run.path], given, report)


LM_EVAL = Harness("lm_eval", read_lm_eval)


def _owner(path: Path, task: str, date: str | None, runs: Sequence[Run]) -> Run:
    """The results that a samples file belongs to: those written at the same moment, else the only ones.

    Raises RowFault where it belongs to none, or to several.
    """
    having = [run for run in runs if task in run.rows]
    dated = [run for run in having if (named := RESULTS.fullmatch(run.path.name)) and named["date"] == date]
    beside = [run for run in dated if run.path.parent == path.parent]
    for some in (beside, dated, having):
        if len(some) == 1:
            return some[0]
    found = f"{len(having)} of the results files given have" if having else "no results file given has"
    raise RowFault(f"{found} the task {task!r} and this date; import it with its own results_*.json")


def _results(run: Run, items: Mapping[str, Path], given: Given, report: Report) -> Iterator[Found]:
    """The evaluations of one results file. Items: the samples file of each task that has one."""
    above = groups_above(run)
    for task, row in run.rows.items():
        logged: Items | None = None
        for key, metric, filtered in metrics(object_of(row)):
            place = f"results.{task}.{key}"
            try:
                if task in items and logged is None:
                    logged = read_items(items[task], report)
                data = _evaluation(run, task, object_of(row), key, metric, filtered, given)
                data["suite"] = f"{SUITE}/{above[task]}" if task in above else SUITE
            except RowFault as fault:
                report(RowProblem(run.path, None, place, str(fault)))
                continue
            try:
                if logged is not None and (values := by_filter(logged, metric, filtered)):
                    data["samples"] = samples_of(values, data["value"], data.get("n"))
                    data["n"] = len(values)
            except RowFault as fault:
                report(RowProblem(items[task], None, f"{task}.{key}", str(fault)))
            yield Found(run.path, place, Told("evaluation", data, run.time))


def _evaluation(
    run: Run, task: str, row: Mapping[str, Any], key: str, metric: str, filtered: str, given: Given
) -> dict[str, Any]:
    value = number_in(row[key])
    if value is None:
        raise RowFault("no finite number: the task came to nothing")
    error = row.get(f"{metric}_stderr,{filtered}" if "," in key else f"{metric}_stderr")
    name = metric if filtered == "none" else key
    of_group = object_of(row.get("sample_count")).get(key)
    return {
        "checkpoint": run.checkpoint,
        "category": task,
        "metric": name,
        "value": value,
        "n": of_group if isinstance(of_group, int) else count_of(run, task),
        "stderr": None if error == "N/A" else number_in(error),
        "higher_is_better": higher_is_better(name, given, object_of(run.part("higher_is_better", task)).get(metric)),
    }


def _samples_alone(path: Path, task: str, given: Given, report: Report) -> Iterator[Found]:
    """Evaluations whose value is the mean of the samples, where no results stand beside them."""
    if given.checkpoint is None or given.time is None:
        reason = "samples name neither model nor time; give their results_*.json too, or --checkpoint NAME and --time"
        report(RowProblem(path, None, None, reason))
        return
    for (metric, filtered), values in sorted(read_items(path, report).items()):
        name = metric if filtered in ("none", "") else f"{metric},{filtered}"
        try:
            yield Found(path, name, Told("evaluation", _by_mean(task, name, values, given)))
        except RowFault as fault:
            report(RowProblem(path, None, name, str(fault)))


def _by_mean(task: str, metric: str, values: Values, given: Given) -> dict[str, Any]:
    if (value := mean_of(values.values())) is None:
        raise RowFault("no sample has a number")
    return {
        "checkpoint": given.checkpoint,
        "suite": SUITE,
        "category": task,
        "metric": metric,
        "value": value,
        "n": len(values),
        "higher_is_better": higher_is_better(metric, given),
        "samples": told_samples(values),
    }
