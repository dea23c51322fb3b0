"""Does a judge follow length, kinship or position more than it did, beyond what people prefer?"""

from collections.abc import Iterator
from functools import partial

from monitor.check import Measurement, check
from monitor.judging.judge_effects import (
    CUES,
    ORDER_SCORES,
    conceded,
    lacking,
    leanings,
    measured,
    no_data,
    no_judge,
    order_biases,
)
from monitor.snapshot import Snapshot


@check(family="judges", on={"production"}, severity="ticket")
def judge_bias(snapshot: Snapshot, *, tolerance: float = 0.1) -> Iterator[Measurement]:
    """Yield B4 of each watched judge and cue, and its order bias, each beside the reference of its revision.

    Effects: shape (pairs,), in [-1, 1]. Cues length, same_family (as the judge), own_student (taught by it): 1 for the
    first answer, less the share among pairs of that cue and of that human verdict, times the cue's strength. Cue order:
    whether the choice changed with the order, and whether the answer shown first was chosen. Tolerance: share of pairs.
    Raises nothing: a cue that never differed in the reference has no effects.
    Source: Dubois et al. 2024, arXiv:2404.04475; Panickssery et al. 2024, arXiv:2404.13076; Zheng et al. 2023,
    arXiv:2306.05685.
    """
    records = snapshot.judge_records
    if not records.judges:
        yield from no_judge(tolerance)
    for judge in records.judges:
        rulers, beyond = records.rulers.get(judge, []), conceded(snapshot.settings)
        if not rulers:
            yield from no_data({"judge": judge}, lacking(rulers), tolerance)
        for cue in (name for name in CUES if any(ruler.anchors[name].any() for ruler in rulers)):
            needs = f"pairs that differ in {cue}; {lacking(rulers)}"
            yield measured(
                {"judge": judge, "cue": cue}, "B4", rulers, partial(leanings, cue=cue), tolerance, beyond, needs
            )
        needs = f"pairs judged in both orders; {lacking(rulers)}"
        for series, score in ORDER_SCORES.items() if any(len(ruler.orders) for ruler in rulers) else ():
            part, biases = {"judge": judge, "cue": "order"}, partial(order_biases, score=score)
            yield measured(part, series, rulers, biases, tolerance, beyond, needs)
