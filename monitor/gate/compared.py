"""How does the candidate stand beside a baseline on what it must keep doing, and may the two be compared at all?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.check import FloatArray, Interval, Measurement, Slice
from monitor.detection.fixed_sample import NOTHING, no_sample, points, sample
from monitor.gate.contract import Category, Contract, Kind
from monitor.gate.samples import paired_sample
from monitor.gate.suites import Bench, Result, Suites, baseline_of, shared_share
from monitor.gate.trial import Trial
from monitor.production.baseline import cohort_values
from monitor.statistics.paired import difference, open_interval
from monitor.statistics.reported_means import Reported, reported_gap


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints on one bench, by its name. tolerance: as the contract has it; None: the check's own.

    item: names of the items that both answered, shape (items,); least, most: same shape, baseline minus candidate.
    gap: the same of two reported means, with its 95% interval, where no items are told. n: items behind it. day: of the
    candidate's result. level: where the baseline stands, of which no more can be lost; None: of no concern. needs: why
    the two cannot be compared. note: what a reader must know. weight: of its category in production traffic, shared by
    the category's benches; None where nobody said.
    """

    bench: str
    slice: Slice = field(default_factory=dict)
    tolerance: float | None = None
    needs: str = ""
    item: Sequence[str] = ()
    least: FloatArray = field(default_factory=lambda: np.zeros(0))
    most: FloatArray = field(default_factory=lambda: np.zeros(0))
    gap: Interval = NOTHING
    n: int = 0
    day: int = 0
    level: float | None = None
    note: str = ""
    weight: float | None = None

    def bar(self, otherwise: float) -> float:
        """The tolerance of the contract, else another."""
        return otherwise if self.tolerance is None else self.tolerance

    def measured(self, tolerance: float) -> Measurement:
        """As a measurement: paired items, an interval of reported means, or nothing and what it takes."""
        if self.needs:
            return no_sample(self.slice, tolerance, self.needs)
        if self.least.size:
            paired = paired_sample(self.slice, self.least, self.most, tolerance, self.day, self.note)
            return replace(paired, baseline_level=self.level)
        told = f"reported means lie {points(self.gap)} apart, no items were told"
        told = f"{told}; {self.note}" if self.note else told
        hollow = self.level is not None and self.level <= tolerance
        undecided = f"a tolerance below the {100 * (self.level or 0):.2g} points that can be lost" if hollow else ""
        found = sample(self.slice, tolerance, self.gap, self.n, told, undecided)
        return replace(found, days=np.array([self.day]))


def comparisons(trial: Trial, *kinds: Kind, beside: str | None = None) -> Iterator[Comparison]:
    """The candidate beside a baseline (the reference, if none is named) on each bench of each category of these kinds.

    Without a contract everything that either checkpoint was evaluated on is knowledge.
    """
    sides = (trial.candidate, trial.reference)
    if trial.contract is None:
        for bench in trial.suites.all_benches(sides) if "knowledge" in kinds else ():
            yield replace(_of_bench(trial, bench, beside), slice=_plain_slice(bench))
        return
    for category in trial.contract.of(*kinds):
        benches = benches_of(trial, category)
        share, told = traffic_share(trial, category)
        for bench in benches:
            found = _of_bench(trial, bench, beside)
            note = "; ".join(filter(None, (found.note, told)))
            weight = None if share is None else share / len(benches)
            part = slice_of(category, bench)
            yield replace(found, slice=part, tolerance=category.tolerance, note=note, weight=weight)


def benches_of(trial: Trial, category: Category) -> list[Bench]:
    """What a category is tested on: all that candidate or reference reported of it."""
    sides = (trial.candidate, trial.reference)
    return [bench for probe in category.tests for bench in trial.suites.benches(probe, sides)]


def slice_of(category: Category, bench: Bench) -> Slice:
    """`category=NAME` and what tests it."""
    return {"category": category.name, "anchor_set" if bench.anchor_set else "suite": bench.name}


def compare(suites: Suites, bench: Bench, candidate: str, baseline: str, contract: Contract | None) -> Comparison:
    """The candidate's latest result beside the baseline's first on those items."""
    mine, others = suites.results(candidate, bench), suites.results(baseline, bench)
    if bench.needs or not mine or not others:
        lacking = " and ".join(name for name, told in ((candidate, mine), (baseline, others)) if not told)
        return Comparison(bench.name, needs=bench.needs or f"results of {lacking} on {bench.name}")
    new = mine[-1]
    old, again = baseline_of(others, new)
    if new.higher != old.higher:
        return Comparison(bench.name, needs=f"one direction of {bench.name}: one result counts up, the other down")
    notes = [f"{candidate} was evaluated more than once, its last result counts"] if len(mine) > 1 else []
    notes += [_retold(baseline, old, again)] if again else []
    found = _by_item(bench, new, old, contract) if new.item.size and old.item.size else _by_mean(bench, new, old)
    return replace(found, day=new.day, note="; ".join([*notes, found.note] if found.note else notes))


def traffic_share(trial: Trial, category: Category) -> tuple[float | None, str]:
    """Share of production traffic of a category, declared or measured, and that in words; None where nobody said."""
    share = category.share
    if category.cohort is not None:
        key, _, value = category.cohort.partition("=")
        values = cohort_values(trial.items.frame, (key,))[key]
        if all(one is None for one in values):
            return None, f"no answer in production tells its {key}"
        share = float(np.mean(values == value))
    return share, "" if share is None else f"{share:.0%} of production traffic"


def _of_bench(trial: Trial, bench: Bench, beside: str | None) -> Comparison:
    return compare(trial.suites, bench, trial.candidate, beside or trial.reference, trial.contract)


def _plain_slice(bench: Bench) -> Slice:
    if bench.anchor_set:
        return {"anchor_set": bench.anchor_set}
    return {"suite": bench.suite, "category": bench.category, "metric": bench.metric}


def _by_item(bench: Bench, new: Result, old: Result, contract: Contract | None) -> Comparison:
    share = shared_share(new, old)
    item, here, there = np.intersect1d(new.item.astype(str), old.item.astype(str), return_indices=True)
    changed = f"both answered {share:.1%} of the items ({item.size}; {new.item.size} and {old.item.size} in all)"
    if share < _least_share(contract) or not item.size:
        return Comparison(bench.name, needs=f"the same items of {bench.name} on both sides: {changed}")
    least, most = difference(old.value[there], new.value[here])
    failed = int(np.sum(least < most))
    notes = [changed] if share < 1 else []
    notes += [f"{failed} items failed on a side and count at their worst"] if failed else []
    level = float(np.nanmean(old.value)) if not np.isnan(old.value).all() else None
    told = "; ".join(notes)
    return Comparison(bench.name, item=item.tolist(), least=least, most=most, n=item.size, level=level, note=told)


def _least_share(contract: Contract | None) -> float:
    """Share of items that both must have answered; without a contract, items that changed are not compared."""
    return contract.shared_at_least if contract and contract.changed_items == "compare_shared" else 1.0


def _by_mean(bench: Bench, new: Result, old: Result) -> Comparison:
    if np.isnan([new.mean, old.mean]).any():
        return Comparison(bench.name, needs=f"values of {bench.name} inside its range {list(bench.range)}")
    gap = reported_gap(_reported(old), _reported(new))
    if gap is None:
        return Comparison(bench.name, needs=f"samples, a standard error or a number of items of both on {bench.name}")
    return Comparison(bench.name, gap=Interval(*gap), n=min(new.n or 1, old.n or 1), level=old.mean)


def _reported(one: Result) -> Reported:
    return Reported(one.mean, one.error, one.n)


def _retold(baseline: str, kept: Result, again: Result) -> str:
    """What a repetition of a baseline says otherwise; it never replaces what was told first."""
    if kept.item.size:
        value, low, high = open_interval(*difference(again.value, kept.value))
    else:
        gap = reported_gap(_reported(again), _reported(kept))
        value, low, high = gap or (again.mean - kept.mean, -1.0, 1.0)
    chance = "within chance" if low <= 0 <= high else "more than chance"
    return f"{baseline} was evaluated again, {100 * value:+.1f} points, {chance}; its first result counts"
