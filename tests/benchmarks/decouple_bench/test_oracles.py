"""Others' implementations agree with ours where they claim the same. Each is skipped where it is not installed."""

import numpy as np
import pytest

from monitor.statistics.prediction_powered import estimate_mean

WHY = "an oracle outside every extra: its wheel brings a package `tests` that hides ours (see the benchmarks' README)"


@pytest.mark.parametrize("labels", [100, 400])
def test_prediction_powered_estimate_is_that_of_ppi_python(labels: int) -> None:
    """A judge that errs in a seventh, of a weight under 1, where theirs stops; they fit it on all labels, we fold.

    The estimates differ by a tenth of their error (.03 at 100 labels) at most, the errors by less than 3%.
    """
    ppi = pytest.importorskip("ppi_py", reason=WHY)
    chance = np.random.default_rng(5)
    truth = (chance.random(labels + 5000) < 0.7).astype(float)
    judged = np.where(chance.random(truth.size) < 0.15, 1 - truth, truth)
    known, scored, unlabelled = truth[:labels], judged[:labels], judged[labels:]
    ours = estimate_mean(known, scored[:, None], unlabelled[:, None])
    theirs = float(np.squeeze(ppi.ppi_mean_pointestimate(known, scored, unlabelled)))
    low, high = (float(np.squeeze(end)) for end in ppi.ppi_mean_ci(known, scored, unlabelled, alpha=0.05))
    assert ours.value == pytest.approx(theirs, abs=0.003)
    assert np.sqrt(ours.variance) == pytest.approx((high - low) / 2 / 1.96, rel=0.03)
