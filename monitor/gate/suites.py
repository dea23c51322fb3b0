"""What did each checkpoint bring on each suite and anchor set, item by item where that was told?

Of the candidate the latest result counts. A baseline's result is kept once told: the first on those items, so that a
noisy repetition cannot move the bar; what a repetition said otherwise is a note.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine, bindparam, text

from consumers.importers.trl_log import SUITE as TRAINING_CURVE
from monitor.anchored.anchored_items import AnchorSet
from monitor.gate.contract import Probe
from monitor.production.items import DAY_US
from monitor.section import Range

Array = NDArray[np.float64]

EVALUATIONS = """
    SELECT time_us, checkpoint, suite, category, metric, value, n, stderr, higher_is_better, samples FROM evaluation
    WHERE time_us < :until AND checkpoint IN :checkpoints
"""
KEYS = ["suite", "category", "metric"]


@dataclass(frozen=True)
class Bench:
    """One thing that is measured: a category of a suite by one metric, or an anchor set. needs: why it is not clear."""

    suite: str = ""
    category: str = ""
    metric: str = ""
    anchor_set: str = ""
    range: Range = (0.0, 1.0)
    needs: str = ""

    @property
    def name(self) -> str:
        """SUITE, SUITE/CATEGORY or the anchor set's name."""
        return self.anchor_set or (f"{self.suite}/{self.category}" if self.category else self.suite)


@dataclass(frozen=True)
class Result:
    """What one checkpoint brought on one bench, in 0..1, plus is better.

    item: names of items, ascending, shape (items,); empty where only a mean was told. value: same shape, NaN where a
    result failed or lies out of range. mean, error, n: as told of the whole; NaN and None where that was not. day: of
    the newest of it, since 1970-01-01. higher: the direction in which the harness counts.
    """

    item: NDArray[np.object_]
    value: Array
    mean: float
    error: float | None
    n: int | None
    day: int = 0
    higher: bool = True


@dataclass(frozen=True)
class Suites:
    """Every result as of a moment. told: one row an evaluation, in order of time."""

    told: pd.DataFrame
    anchor_sets: Sequence[AnchorSet]
    until_us: int

    def benches(self, probe: Probe, checkpoints: Sequence[str]) -> list[Bench]:
        """What a probe means: each category of its suite that any of the checkpoints reported, or its anchor set."""
        if probe.anchor_set is not None:
            return [Bench(anchor_set=probe.anchor_set)]
        mine = self.told[(self.told["suite"] == probe.suite) & self.told["checkpoint"].isin(checkpoints)]
        for key in ("category", "metric"):
            if (wanted := getattr(probe, key)) is not None:
                mine = mine[mine[key] == wanted]
        if mine.empty:
            return [Bench(str(probe.suite), probe.category or "", probe.metric or "", range=probe.range)]
        return [
            _bench(str(probe.suite), str(category), sorted(rows["metric"].unique()), probe.range)
            for category, rows in mine.groupby("category", sort=True)
        ]

    def all_benches(self, checkpoints: Sequence[str]) -> list[Bench]:
        """Everything that any of the checkpoints reported or answered, by name; what training logged is no test."""
        mine = self.told[self.told["checkpoint"].isin(checkpoints) & (self.told["suite"] != TRAINING_CURVE)]
        of_suites = [Bench(*key) for key in sorted(set(mine[KEYS].itertuples(index=False, name=None)))]
        answered = [one.name for one in self.anchor_sets if set(one.checkpoints) & set(checkpoints)]
        return of_suites + [Bench(anchor_set=name) for name in answered]

    def results(self, checkpoint: str, bench: Bench) -> list[Result]:
        """What a checkpoint brought, in order of time; of an anchor set its first answers and its last."""
        if bench.anchor_set:
            return list(self._answered(checkpoint, bench.anchor_set))
        mine = self.told[self.told["checkpoint"] == checkpoint]
        for key in KEYS:
            mine = mine[mine[key] == getattr(bench, key)]
        return [_result(row, bench.range) for row in mine.to_dict("records")]

    def _answered(self, checkpoint: str, name: str) -> Iterator[Result]:
        anchors = next((one for one in self.anchor_sets if one.name == name), None)
        if anchors is None:
            return
        answers = anchors.answers[(anchors.answers["checkpoint"] == checkpoint)]
        answers = answers[answers["time_us"] < self.until_us]
        told = anchors.outcomes[anchors.outcomes["time_us"] < self.until_us]
        last = told.drop_duplicates("response_id", keep="last").set_index("response_id")["value"]
        answers = answers.assign(value=answers["response_id"].map(last).astype(float))
        if answers.empty:
            return
        known_first = answers.sort_values("value", key=lambda value: value.isna(), kind="stable")
        yield _of_items(known_first.drop_duplicates("prompt_id", keep="first"))
        if answers["prompt_id"].duplicated().any():
            yield _of_items(answers.drop_duplicates("prompt_id", keep="last"))


def read_suites(
    engine: Engine, checkpoints: Sequence[str], anchor_sets: Sequence[AnchorSet], as_of: dt.datetime
) -> Suites:
    """Every evaluation of these checkpoints told before a moment, beside their answers to anchor sets."""
    until = round(as_of.timestamp() * 1e6)
    statement = text(EVALUATIONS).bindparams(bindparam("checkpoints", expanding=True))
    with engine.connect() as connection:
        told = pd.read_sql_query(statement, connection, params={"until": until, "checkpoints": list(checkpoints)})
    order = ["time_us", "checkpoint", *KEYS, "value", "n", "stderr", "samples"]
    told = _with_items(told).sort_values(order, ignore_index=True, kind="stable")
    return Suites(told, anchor_sets, until)


def _with_items(told: pd.DataFrame) -> pd.DataFrame:
    """Of results of one moment that a harness told both as a mean and item by item, only those by item."""
    itemised = told.groupby(["time_us", "checkpoint", *KEYS], dropna=False)["samples"].transform("count")
    return told[told["samples"].notna() | (itemised == 0)]


def baseline_of(results: Sequence[Result], like: Result) -> tuple[Result, Result | None]:
    """The first result on those items that come nearest to another's, and the last on the same items if not that one.

    results: at least one, in order of time. Told of other items it is another measurement, which replaces nothing.
    """
    chosen = max(results, key=lambda one: shared_share(one, like))  # the first of the nearest
    again = [one for one in results if np.array_equal(one.item, chosen.item)]
    return chosen, again[-1] if len(again) > 1 else None


def shared_share(one: Result, other: Result) -> float:
    """Share of all items of two results that both have; 1 where neither tells of items.

    >>> one, other = (Result(np.array(list(names), object), np.zeros(3), 0.0, None, 3) for names in ("abc", "bcd"))
    >>> shared_share(one, other)
    0.5
    """
    both = len(np.intersect1d(one.item.astype(str), other.item.astype(str)))
    either = len(one.item) + len(other.item) - both
    return both / either if either else 1.0


def _bench(suite: str, category: str, metrics: list[str], range_: Range) -> Bench:
    if len(metrics) == 1:
        return Bench(suite, category, metrics[0], range=range_)
    needs = f"one metric: {suite}/{category} reports {', '.join(metrics)}; name one of them in the contract"
    return Bench(suite, category, range=range_, needs=needs)


def _of_items(answers: pd.DataFrame) -> Result:
    answers = answers.sort_values("prompt_id", kind="stable")
    values = answers["value"].to_numpy(float)
    day = int(answers["time_us"].max()) // DAY_US
    return Result(answers["prompt_id"].to_numpy(object), values, float(values.mean()), None, len(values), day)


def _result(row: Mapping[Any, Any], range_: Range) -> Result:
    low, high = range_
    higher = bool(row["higher_is_better"])
    given = _samples(row["samples"])
    told = np.array([*given.values(), row["value"]], np.float64)
    share = (told - low) / (high - low)
    share = np.where((share >= 0) & (share <= 1), share if higher else 1 - share, np.nan)
    error = None if pd.isna(row["stderr"]) else float(row["stderr"]) / (high - low)
    n = len(given) if pd.isna(row["n"]) else int(row["n"])
    day = int(row["time_us"]) // DAY_US
    return Result(np.array(list(given), object), share[:-1], float(share[-1]), error, n or None, day, higher)


def _samples(told: str | None) -> dict[str, float]:
    """Values by item, in order of their names; an item sampled several times counts by its mean.

    A sample without a name is known by its place among so many: another number of samples is another list of items.
    """
    samples = json.loads(told) if isinstance(told, str) else []
    values: dict[str, list[float]] = {}
    for place, sample in enumerate(samples):
        named = isinstance(sample, dict)
        name = sample.get("id") if named else None
        name = f"{place + 1} of {len(samples)}" if name in (None, "") else str(name)
        value = sample.get("value") if named else sample
        values.setdefault(name, []).append(np.nan if value is None else float(value))
    return {name: float(np.mean(values[name])) for name in sorted(values)}
