"""Do answers escape being judged more often than they used to, or than the frozen checkpoint's do today?"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.check import Measurement, check
from monitor.production.beside_holdback import measure_beside_holdback
from monitor.production.escapes import KINDS
from monitor.snapshot import Snapshot


@check(family="feedback_loop", on={"production"}, severity="warning")
def reward_evasion(snapshot: Snapshot, *, tolerance: float = 0.02) -> Iterator[Measurement]:
    """Yield A8 for each way to escape: without a reward, without an outcome.

    Effects: shape (units,), 1 for an answer that was asked for and gave none, 0 for one that did, minus its cohort's
    share in the reference. While users are held back on the reference's checkpoint: shape (groups,), the share that
    escaped among new users minus among those held back, so that users who answer less are no evasion.
    Tolerance: share of those asked, 0 to 1. Raises nothing: where nobody was asked, or only a sample of unknown
    members and no holdback, there are no effects. A scorer that is gone for everybody is such a case.
    Source: Manski 1990, Am. Econ. Rev. 80:319 (what missing outcomes can hide).
    """
    for kind in KINDS:
        part, told_by_reference = snapshot.escaping(kind)
        needs = f"a holdback, or {kind}s of at least half of the reference; and {kind}s on each day"
        measured = measure_beside_holdback(part, "A8", tolerance * snapshot.asking(kind), without=told_by_reference)
        yield replace(measured, needs=measured.needs or needs)
