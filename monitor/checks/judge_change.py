"""Does a judge say something else of the same items than it said before?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.judging.judge_effects import conceded, moves, no_judge, of_moves, told_of
from monitor.snapshot import Snapshot


@check(family="judges", on={"production"}, severity="warning")
def judge_change(snapshot: Snapshot, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield how the verdicts, and the scores, of each watched judge moved on items it was asked about again.

    The items are the same, so what moved is the judge, whatever revision it names: no model is to blame for it.
    Effects: shape (items judged again,), in [-1, 1]: toward the teacher where person and teacher differ (B6), away from
    the person (M), down (S-) and up (S+) in tanh of standard deviations of scores. A noisy judge moves both ways alike,
    a better one away from none. Tolerance: share of items, or of a standard deviation.
    Raises nothing: a judge that was never asked again has no effects.
    Source: McNemar 1947, Psychometrika 12:153 (only the flips tell).
    """
    records = snapshot.judge_records
    if not records.judges:
        yield from no_judge(tolerance)
    for judge in records.judges:
        for series, moved in moves(records, judge).items():
            note = told_of(records.rulers.get(judge, []))
            yield of_moves(judge, series, moved, tolerance, conceded(snapshot.settings), note)
