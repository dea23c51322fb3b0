"""Does a higher reward still go with a better outcome, answer by answer?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="feedback_loop", on={"production"}, severity="ticket")
def reward_outcome_association(snapshot: Snapshot, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield A3 a slice: the reference's concordance minus each pair's.

    Effects: shape (pairs,), disjoint pairs of a success and a failure of one cohort and day, in [-1, 1]. Tolerance:
    share of pairs. Alone it raises at most a ticket: selection lowers association while outcomes improve.
    Raises nothing: a day without both a success and a failure has no pair.
    Source: Harrell et al. 1982 (concordance as the probability of a right ranking).
    """
    for part in snapshot.parts():
        yield part.measure_pairs("A3", tolerance)
