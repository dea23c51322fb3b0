"""Does a judge side with the teacher, where teacher and people differ, more often than it did?"""

from collections.abc import Iterator
from functools import partial

from monitor.check import Measurement, check
from monitor.judging.judge_effects import captures, conceded, disagreements, measured, no_judge
from monitor.snapshot import Snapshot


@check(family="judges", on={"production"}, severity="warning")
def teacher_preference_drift(snapshot: Snapshot, *, tolerance: float = 0.1) -> Iterator[Measurement]:
    """Yield B1 of each watched judge; T, its agreement where person and teacher agree, which only attributes.

    Effects: shape (pairs,), of pairs on which person and teacher differ and the judge does not tie, 1 where it took the
    teacher's side, else 0, minus the share in the reference of its revision. In [-1, 1]; silent when a judge gets
    better. Tolerance: share of such pairs, 0 to 1.
    Raises nothing: without `judges.teacher`, or before 200 pairs of reference, there are no effects.
    Source: McNemar 1947, Psychometrika 12:153 (only the discordant pairs tell).
    """
    records = snapshot.judge_records
    if not records.judges:
        yield from no_judge(tolerance)
    for judge in records.judges:
        rulers, part = records.rulers.get(judge, []), {"judge": judge}
        needs = "" if snapshot.settings.judges.teacher else "judges.teacher in the settings"
        beyond = conceded(snapshot.settings)
        yield measured(part, "B1", rulers, captures, tolerance, beyond, needs)
        yield measured(part, "T", rulers, partial(disagreements, alike_only=True), tolerance, beyond, needs)
