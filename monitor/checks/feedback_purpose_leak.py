"""Did anybody's debugging reach the rewards or the labels?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Measurement, check
from monitor.snapshot import Snapshot


@check(family="feedback_data", on={"production", "gate"}, severity="ticket")
def feedback_purpose_leak(snapshot: Snapshot, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of the feedback that counts as reward or label, one measurement a purpose.

    Effects: shape (feedback events,), 1 where the rest of the store says it was debugging (its actor is an engineer,
    on call or a bot elsewhere; its response came from staging or development), else 0. Exact: no interval.
    Tolerance: share of events. Raises nothing.
    Source: OpenAI 2025, "Expanding on what we missed with sycophancy" (signals mixed into a reward unseen).
    """
    events = snapshot.provenance()
    leaked = ((events["by_staff"] == 1) | (events["off_production"] == 1)).to_numpy(float)
    for purpose in ("curation", "reward"):
        mine = (events["purpose"] == purpose).to_numpy(bool)
        needs = "" if mine.any() else f"feedback with purpose {purpose}"
        yield Measurement({"purpose": purpose}, np.asarray(leaked[mine]), tolerance, exact=True, needs=needs)
