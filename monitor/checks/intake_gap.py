"""Did records go missing, or did reading stop, between the producers and the store?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="intake", on={"production", "gate"}, severity="warning")
def intake_gap(snapshot: Snapshot, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield one answer for the intake as a whole: however many files or topics brought the events says nothing.

    Effects: shape (1,), 1 if an incident is open at any source (records expired, a topic recreated, a file truncated,
    too many events rejected), else 0. Exact: no interval. Tolerance: below 1 nothing passes while one is open.
    Raises nothing: a store that no source was read into is INCONCLUSIVE.
    Source: PostHog/posthog#20283 and apache/pinot#19359 (an offset that resets by itself hides the loss).
    """
    sources = snapshot.open_incidents()
    answers = [float(any(sources.values()))] if sources else []
    yield Measurement({}, np.array(answers), tolerance, exact=True, needs="a source that was read (a file or a topic)")
