"""Did records go missing, or did reading stop, between the producers and the store?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="intake", on={"production", "gate"}, severity="warning")
def intake_gap(snapshot: Snapshot, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of the sources that were ever read.

    Effects: shape (sources,), 1 where an incident is open (records expired, a topic recreated, a file truncated, too
    many events rejected), else 0. Exact: no interval. Tolerance: share of sources.
    Raises nothing: a store that no source was read into is INCONCLUSIVE.
    Source: PostHog/posthog#20283 and apache/pinot#19359 (an offset that resets by itself hides the loss).
    """
    sources = snapshot.open_incidents()
    gaps = np.array([1.0 if incidents else 0.0 for incidents in sources.values()])
    yield Measurement({}, gaps, tolerance, exact=True, needs="a source that was read (a file or a topic)")
