"""Was every watched judge compared with people lately, so that a decision may rest on it?"""

from collections.abc import Iterator

import numpy as np

from judges.preference import are_judged, read_preferences
from monitor.check import Measurement, check
from monitor.judging.judge_card import calibrations
from monitor.production.items import DAY_US, day_of
from monitor.snapshot import Snapshot


@check(family="rulers", on={"gate"}, severity="warning")
def judge_calibration(snapshot: Snapshot, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield one census a watched judge: nothing to look at unless its last revision is calibrated.

    Effect: 0 for a calibrated judge. Tolerance: 0. Raises nothing: a judge without people beside it, with too few or
    only old ones, has no effects, which is INCONCLUSIVE: it is not shown bad, it is not shown at all.
    Source: Zheng et al. 2023, arXiv:2306.05685 (a judge is worth its agreement with people).
    """
    today = day_of(snapshot.as_of)
    if not snapshot.settings.judges.watched or not are_judged(snapshot.engine, today * DAY_US):
        return
    said = read_preferences(snapshot.engine, snapshot.settings.judges, today * DAY_US)
    for judge, found in calibrations(said, today).items():
        usable = found.gate == "usable"
        yield Measurement({"judge": judge}, np.zeros(int(usable)), tolerance, exact=True, needs=found.reason or "")
