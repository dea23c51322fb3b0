"""Does the candidate pass every golden item?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, Slice, check
from monitor.detection.fixed_sample import no_sample
from monitor.gate.compared import benches_of, slice_of
from monitor.gate.samples import named, open_census
from monitor.gate.suites import Bench
from monitor.gate.trial import Trial

NEEDS = "a category of kind golden in the capability contract (gate.contract)"
WHOLE = 1 - 1e-9  # the value of an item that passes


@check(family="capability", on={"gate"}, severity="page")
def golden_items(snapshot: Trial, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of each golden suite or anchor set.

    Harm of an item, in its interval: 1 if its value is below 1, open if the result failed or the candidate did not
    answer what the reference did. Those that fail are named. Exact: no chance in it. Tolerance: share of items.
    Raises nothing: a set without a result of the candidate is INCONCLUSIVE.
    Source: Ribeiro et al. 2020, arXiv:2005.04118 (minimum functionality tests, each of which must pass).
    """
    declared = snapshot.contract.of("golden") if snapshot.contract else ()
    found = [
        _census(snapshot, slice_of(category, bench), bench, tolerance)
        for category in declared
        for bench in benches_of(snapshot, category)
    ]
    yield from found or [no_sample({}, tolerance, NEEDS)]


def _census(trial: Trial, part: Slice, bench: Bench, tolerance: float) -> Measurement:
    mine = trial.suites.results(trial.candidate, bench)
    if bench.needs or not mine:
        return no_sample(part, tolerance, bench.needs or f"results of {trial.candidate} on {bench.name}")
    new = mine[-1]
    if not new.item.size:
        return no_sample(part, tolerance, f"samples of {bench.name}, item by item")
    values = dict(zip(new.item.tolist(), new.value.tolist(), strict=True))
    for other in trial.suites.results(trial.reference, bench):
        values = {**dict.fromkeys(other.item.tolist(), np.nan), **values}
    failed = sorted(name for name, value in values.items() if value < WHOLE)
    unknown = sorted(name for name, value in values.items() if np.isnan(value))
    harm = np.array([(value < WHOLE, not value >= WHOLE) for value in values.values()], np.float64)
    told = f"{len(failed)} of {len(values)} golden items fail" + (f": {named(failed)}" if failed else "")
    told += f"; no result for {named(unknown)}" if unknown else ""
    return open_census(part, harm[:, 0], harm[:, 1], tolerance, told)
