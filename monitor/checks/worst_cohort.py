"""Is any group of users hurt, among all that the declared cohort keys and their pairs can tell apart?"""

from collections.abc import Iterator

from monitor.check import Measurement, check
from monitor.gate.search import pairs_by_cohort
from monitor.gate.trial import Trial


@check(family="capability", on={"gate"}, severity="warning")
def worst_cohort(snapshot: Trial, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield one measurement: losses of outcome with the cohort of each; the gate searches it and pays for the search.

    Effects: one a pair of answers, the reference's outcome minus the candidate's, in [-1, 1], on one prompt or in one
    cohort. Tolerance: share of outcome, 0 to 1. Raises nothing: without declared cohort keys there is nothing to yield.
    Source: Chung et al. 2019, arXiv:1807.06068 (slices that an average hides); Holm 1979.
    """
    if snapshot.settings.cohorts:
        yield pairs_by_cohort(snapshot, tolerance)
