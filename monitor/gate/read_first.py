"""Which answers of the candidate should a person read first, when a gate says NO-GO?"""

from collections.abc import Sequence

import numpy as np

from monitor.check import Verdict
from monitor.gate.causes import OF_OUTCOMES
from monitor.gate.result import GateFinding
from monitor.gate.trial import Trial
from monitor.production.baseline import cohort_values
from monitor.result import Example
from monitor.telling.examples import examples_of


def read_first(trial: Trial, findings: Sequence[GateFinding], blocking: Sequence[str]) -> list[Example]:
    """Five answers of the slice whose outcome is worst off among what blocks, by the fixed rule of `examples_of`.

    blocking: names of findings, worst first. Nothing where no loss of outcome blocks.
    """
    named = {one.name: one for one in findings}
    harmed = [
        named[one]
        for one in blocking
        if one in named and named[one].verdict is Verdict.FAIL and named[one].check in OF_OUTCOMES
    ]
    if not harmed:
        return []
    mine = trial.roles == "monitored"
    frame = trial.items.frame
    for key, value in harmed[0].slice.items():
        mine = mine & (cohort_values(frame, (key,))[key] == value)
    return examples_of(trial, frame[np.asarray(mine, bool)])
