"""Does a judge agree with people less often than it did?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.judging.judge_effects import conceded, disagreements, measured, no_judge
from monitor.snapshot import Snapshot


@check(family="judges", on={"production"}, severity="warning")
def judge_human_agreement(snapshot: Snapshot, *, tolerance: float = 0.1) -> Iterator[Measurement]:
    """Yield B2 of each watched judge.

    Effects: shape (pairs,), agreement in the reference of its revision, by how hard the pair is, minus 1 for the
    person's verdict, 0 for the opposite, a half where one of both ties. In [-1, 1]. Tolerance: share of agreement.
    Raises nothing: before 200 pairs of reference there are no effects.
    Source: Zheng et al. 2023, arXiv:2306.05685 (agreement of judges with people).
    """
    records = snapshot.judge_records
    if not records.judges:
        yield from no_judge(tolerance)
    for judge in records.judges:
        rulers = records.rulers.get(judge, [])
        yield measured({"judge": judge}, "B2", rulers, disagreements, tolerance, conceded(snapshot.settings))
