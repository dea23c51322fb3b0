"""Does the change point name the checkpoint with which a series became worse?"""

import numpy as np
import pytest

from monitor.statistics.change_point import change_shares

RUNS, CHECKPOINTS, GUILTY, VARIANCE = 400, 80, 50, 0.2


def blamed(rise: float, units: int, before: float = 0.0) -> np.ndarray:
    """The checkpoint with the largest share in each of many loops; before: an error of the baseline."""
    rng = np.random.default_rng(7)
    mean = before + np.where(np.arange(CHECKPOINTS) >= GUILTY, rise, 0.0)
    totals = units * mean + rng.normal(0, np.sqrt(VARIANCE * units), (RUNS, CHECKPOINTS))
    counts = np.full(CHECKPOINTS, float(units))
    return np.array([np.argmax(change_shares(counts, row, VARIANCE, 6000.0)) for row in totals])


@pytest.mark.parametrize("before", [0.0, 0.01, -0.01])
def test_the_right_checkpoint_or_its_neighbours_are_named(before: float) -> None:
    """208 units a checkpoint and 6.6 points: 2.3 nats a checkpoint. Share within 2: .95, error .011; exact: .5."""
    off = np.abs(blamed(0.066, 208, before) - GUILTY)
    assert np.mean(off <= 2) >= 0.9
    assert np.mean(off == 0) >= 0.4


def test_shares_tell_how_sure_the_blame_is() -> None:
    """The checkpoints that together hold .9 of the likelihood hold the guilty one about as often (error .02)."""
    rng = np.random.default_rng(11)
    mean, units = np.where(np.arange(CHECKPOINTS) >= GUILTY, 0.066, 0.0), np.full(CHECKPOINTS, 100.0)
    held = 0
    for totals in 100 * mean + rng.normal(0, np.sqrt(VARIANCE * 100), (RUNS, CHECKPOINTS)):
        shares = change_shares(units, totals, VARIANCE, 6000.0)
        order = np.argsort(-shares)
        held += GUILTY in order[: np.searchsorted(np.cumsum(shares[order]), 0.9) + 1]
    assert 0.85 <= held / RUNS <= 1.0


def test_a_checkpoint_that_served_nobody_changes_nothing() -> None:
    shares = change_shares(np.array([50.0, 0.0, 50.0]), np.array([1.0, 0.0, 11.0]), 0.2, 400.0)
    assert shares[1] == pytest.approx(shares[2])


def test_no_rise_blames_nobody() -> None:
    assert change_shares(np.ones(4), -np.ones(4), 0.2, 10.0) == pytest.approx(np.full(4, 0.25))


@pytest.mark.parametrize(
    ("units", "totals", "variance", "reference"),
    [([], [], 0.2, 1.0), ([1.0], [1.0, 2.0], 0.2, 1.0), ([-1.0], [0.0], 0.2, 1.0), ([1.0], [0.0], 0.0, 1.0),
     ([1.0], [0.0], 0.2, np.nan), ([np.nan], [0.0], 0.2, 1.0)],
)  # fmt: skip
def test_nonsense_is_refused(units: list[float], totals: list[float], variance: float, reference: float) -> None:
    with pytest.raises(ValueError, match=r"shapes|counts"):
        change_shares(np.array(units), np.array(totals), variance, reference)
