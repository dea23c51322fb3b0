"""Does the candidate gain more where the loop trains than on what was held out?"""

from collections.abc import Iterator

import numpy as np

from monitor.check import Interval, Measurement, check
from monitor.detection.fixed_sample import no_sample, points, sample
from monitor.gate.generalisation import held_out_gain, trained_gains
from monitor.gate.trial import Trial
from monitor.statistics.gain_gap import gain_gap


@check(family="capability", on={"gate"}, severity="warning")
def generalization_gap(snapshot: Trial, *, tolerance: float = 0.05) -> Iterator[Measurement]:
    """Yield the candidate's gain in production, and on suites drawn from the training, minus that on held-out tests.

    Effect: difference of two gains over the reference, cut to [-1, 1], with its 95% interval; the held-out gain is that
    of all tests of knowledge and chat, weighed by their categories' traffic where all are known. Tolerance: difference
    of gains, 0 to 1. Raises nothing: fewer than 30 items or outcomes on a side, or a held-out test that cannot be
    compared, is INCONCLUSIVE.
    Source: Recht et al. 2019, arXiv:1902.10811 (gains on a set that is trained against, beside a fresh one).
    """
    held_out, needs = held_out_gain(snapshot)
    for one in trained_gains(snapshot):
        part = {"against": one.name}
        if held_out is None or one.gain is None:
            yield no_sample(part, tolerance, one.needs or needs)
            continue
        value, low, high = np.clip(gain_gap(one.gain, held_out), -1.0, 1.0).tolist()
        told = (
            f"{points(Interval(value, low, high))} more gained in {one.name} ({100 * one.gain.value:+.1f}) than on"
            f" what was held out ({100 * held_out.value:+.1f})"
        )
        yield sample(part, tolerance, Interval(value, low, high), one.gain.n + held_out.n, told)
