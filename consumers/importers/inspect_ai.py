"""What does a log of Inspect say? For each scorer and metric of a task one evaluation, with what each item came to.

A log counts if its status is `success` and nobody invalidated it. One that failed or was cancelled counts only if every
item of every epoch was scored by every scorer all the same (its last step failed, not the run); then each scorer is
told by the mean of its items. Half a run is refused: the items that are missing are rarely like the others.
Grades are C 1, P .5, I and N 0, as Inspect counts them. An item without a score, for an error, say, is a null among
the samples, never left out. Metrics are named `SCORER/METRIC`; reducers of epochs other than the mean stand behind it.
Source: the documentation of Inspect (UK AI Security Institute), Log Files; log versions 2 and later.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consumers.importers.directions import higher_is_better
from consumers.importers.documents import object_of, objects_of
from consumers.importers.foreign import Given, Told
from consumers.importers.harness import Found, Harness, Report
from consumers.importers.inspect_logs import Log, read_log
from consumers.importers.rows import RowFault
from consumers.importers.samples import Values, item_id, mean_of, number_in, samples_of, told_samples
from consumers.importers.table import RowProblem

SUITE = "inspect"
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "no": 0.0}
MEANS = ("accuracy", "mean")
SPREADS = ("stderr", "bootstrap_stderr", "std", "bootstrap_std", "var")
WHOLE = ("", "mean", "mean_score")  # reducers of epochs that keep a result the mean of its items


def read_inspect(paths: Sequence[Path], given: Given, report: Report) -> Iterator[Found]:
    """Yield one evaluation for each scorer and metric of each log."""
    for path in paths:
        log = read_log(path)
        try:
            facts, time = _facts(log, given), _time(log, given)
            broke_at_the_end = _broke_at_the_end(log)
        except RowFault as fault:
            report(RowProblem(path, None, None, str(fault)))
            continue
        for key, data, problem in _by_mean(log, given) if broke_at_the_end else _results(log, given):
            if problem:
                report(RowProblem(path, None, key, problem))
            if data:
                yield Found(path, key, Told("evaluation", {**facts, **data}, time))


INSPECT = Harness("inspect", read_inspect)


def _facts(log: Log, given: Given) -> dict[str, str]:
    model, task = log.eval.get("model"), log.eval.get("task")
    if not isinstance(task, str) or not task:
        raise RowFault("eval.task: no name of a task")
    named = model if isinstance(model, str) and model not in ("", "none/none") else None
    if not (given.checkpoint or named):
        raise RowFault("eval.model: names no model; give --checkpoint NAME")
    return {"checkpoint": given.checkpoint or str(named), "suite": SUITE, "category": task}


def _broke_at_the_end(log: Log) -> bool:
    """False for a run that succeeded, True for one that failed after its last item. Raises RowFault for any other."""
    if log.invalidated:
        raise RowFault("invalidated: a person marked the log as not to be used; run it again")
    if log.status == "success":
        return False
    why = object_of(log.error).get("message") or "no error is told"
    expected = _expected(log)
    scored = {one.name for one in log.samples or () if one.error is None and one.scores}
    scorers = _scorers(log)
    gaps = any(one.scores is None or scorers - set(object_of(one.scores)) for one in log.samples or ())
    if expected is None or len(scored) < expected or gaps:
        of = "an unknown number" if expected is None else f"{expected:,}"
        raise RowFault(
            f"status is {str(log.status)[:40]!r}, not 'success' ({str(why)[:120]}), and {len(scored):,} of {of} samples"
            " were scored; finish it by `inspect eval-retry` and import that log"
        )
    return True


def _expected(log: Log) -> int | None:
    """How many samples, epochs counted each, the run was to have."""
    total = object_of(log.results).get("total_samples")
    if isinstance(total, int) and total > 0:
        return total
    names = object_of(log.eval.get("dataset")).get("sample_ids")
    epochs = object_of(log.eval.get("config")).get("epochs") or 1
    return len(names) * epochs if isinstance(names, list) and names and isinstance(epochs, int) else None


def _scorers(log: Log) -> set[str]:
    return {name for one in log.samples or () for name in object_of(one.scores)}


def _time(log: Log, given: Given) -> dt.datetime | None:
    created = log.eval.get("created")
    try:
        moment = dt.datetime.fromisoformat(str(created))
    except ValueError:
        moment = None
    if moment and moment.tzinfo:
        return moment
    if given.time is None:
        raise RowFault(f"eval.created: {str(created)[:40]!r} is no time with an offset; give --time")
    return None


Said = tuple[str, dict[str, Any] | None, str | None]
"""A place, the evaluation it tells, and what is wrong there."""


def _results(log: Log, given: Given) -> Iterator[Said]:
    """The metrics of each scorer, as the log has computed them."""
    scores = list(objects_of(object_of(log.results).get("scores")))
    if not scores:
        yield "results.scores", None, "nothing was scored; `inspect score` scores a log"
    for score in scores:
        name, scorer = (str(score.get(key) or "") for key in ("name", "scorer"))
        metrics = object_of(score.get("metrics"))
        for key, cell in metrics.items():
            if key in SPREADS:
                continue
            place = f"results.scores.{name}.{key}"
            try:
                data = _metric(log, score, key, object_of(cell).get("value"), given)
            except RowFault as fault:
                yield place, None, str(fault)
                continue
            try:
                values, _ = _items(log, scorer or name, name)
                if values and key in MEANS and str(score.get("reducer") or "") in WHOLE:
                    data.update(samples=samples_of(values, data["value"]), n=len(values))
            except RowFault as fault:
                yield place, data, str(fault)
            else:
                yield place, data, None


def _metric(log: Log, score: Mapping[str, Any], key: str, cell: Any, given: Given) -> dict[str, Any]:
    if (value := number_in(cell)) is None:
        raise RowFault("no finite number")
    name, scorer, reducer = (str(score.get(part) or "") for part in ("name", "scorer", "reducer"))
    metric = f"{name}/{key}" + (f"/{reducer}" if reducer not in WHOLE else "")
    errors = (object_of(object_of(score.get("metrics")).get(spread)).get("value") for spread in SPREADS[:2])
    graded = key in MEANS and _items(log, scorer or name, name)[1]
    return {
        "metric": metric,
        "value": value,
        "n": _scored(log, score),
        "stderr": next((error for cell in errors if (error := number_in(cell)) is not None), None)
        if key in MEANS
        else None,
        "higher_is_better": higher_is_better(f"{name}/{key}", given, True if graded else None),
    }


def _scored(log: Log, score: Mapping[str, Any]) -> int | None:
    """Items with a score: epochs of one item are no further items."""
    total = object_of(log.results).get("completed_samples")
    epochs = object_of(log.eval.get("config")).get("epochs") or 1
    if not isinstance(total, int) or not isinstance(epochs, int) or epochs < 1:
        return None
    return total // epochs


def _items(log: Log, scorer: str, name: str) -> tuple[Values, bool]:
    """What each item came to, the mean of its epochs, and whether that was a grade. Raises RowFault."""
    told: dict[str, list[float | None]] = defaultdict(list)
    graded = False
    for sample in log.samples or ():
        value = sample.value(scorer, name)
        graded = graded or (isinstance(value, str) and value in GRADES)
        told[item_id(sample.id)].append(number_in(GRADES.get(value, value) if isinstance(value, str) else value))
    return {item: mean_of(values) for item, values in told.items()}, graded


def _by_mean(log: Log, given: Given) -> Iterator[Said]:
    """Each scorer by the mean of its items, for a run that failed after the last of them."""
    for scorer in sorted(_scorers(log)):
        try:
            values, graded = _items(log, scorer, scorer)
            if (value := mean_of(values.values())) is None:
                raise RowFault("no item has a score")
            metric = f"{scorer}/{'accuracy' if graded else 'mean'}"
            better = higher_is_better(metric, given, True if graded else None)
        except RowFault as fault:
            yield f"samples.scores.{scorer}", None, str(fault)
            continue
        data = {"metric": metric, "value": value, "n": len(values), "higher_is_better": better}
        yield f"samples.scores.{scorer}", {**data, "samples": told_samples(values)}, None
