"""How often is an outcome wrong, judged from items that two sources labelled?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="feedback_data", on={"production"}, severity="ticket")
def label_noise(snapshot: Snapshot, *, tolerance: float = 0.1) -> Iterator[Measurement]:
    """Yield whether the two labels of each item differ; the finding says what flip rate that means.

    Effects: shape (items,), of items whose outcome came from two sources of events, 1 where one says success (above
    the reference's mean outcome) and the other does not, else 0. Tolerance: share of labels that are wrong, 0 to 0.5;
    at .1 a change takes 1.6 times the labels. It raises no alert: noise hides harm and is none.
    Raises nothing: below fifty such items in 28 days it is INCONCLUSIVE.
    Source: Dawid and Skene 1979, Appl. Stat. 28:20.
    """
    last, other, days = snapshot.told_twice()
    split = snapshot.baseline.split
    effects = ((last > split) != (other > split)).astype(float)
    needs = "items whose outcome two sources of events told"
    yield Measurement({}, effects, tolerance, "noise", days, baseline_allowance=np.zeros(days.size), needs=needs)
