"""Do bounds from reported means, and of gains in two places, hold what they promise?

Simulated; the Monte-Carlo error of a coverage of .95 in 4,000 runs is .0034.
"""

import functools

import numpy as np
import pytest

from monitor.statistics.gain_gap import Gain, gain_gap, mean_gain, paired_gain
from monitor.statistics.reported_means import Reported, chernoff_interval, reported_gap

RUNS = 4000


@pytest.mark.parametrize(("n", "chance"), [(10, 0.5), (50, 0.95), (400, 0.99)])
@pytest.mark.parametrize("spread", [1.0, 0.2])
def test_chernoff_covers_at_any_number_of_items_of_any_spread(n: int, chance: float, spread: float) -> None:
    """Items at 0 or 1, and items a fifth as far from their expectation."""
    rng = np.random.default_rng(n)
    means = np.round(chance + spread * (rng.binomial(n, chance, RUNS) / n - chance), 12)
    ends = {mean: chernoff_interval(mean, n) for mean in set(means.tolist())}
    missed = np.array([[low > chance, high < chance] for low, high in (ends[mean] for mean in means.tolist())])
    assert (missed.mean(axis=0) <= 0.025).all()


@pytest.mark.parametrize(("told", "n"), [("error", 200), ("number", 400), ("few", 20)])
def test_the_gap_of_two_reported_means_covers(told: str, n: int) -> None:
    rng = np.random.default_rng(n)
    new, old = (rng.binomial(n, chance, RUNS) for chance in (0.8, 0.85))
    found = [_covers(told, int(one), int(other), n) for one, other in zip(new, old, strict=True)]
    assert np.mean(found) >= 0.95 - 3 * 0.0034
    assert told == "few" or np.mean(found) <= 0.97


@pytest.mark.parametrize(
    "pair",
    [
        (Reported(0.8), Reported(0.8, n=100)),
        (Reported(0.8, 0.0), Reported(0.8, 0.0)),
        (Reported(0.8), Reported(0.7, 0.1)),
    ],
)
def test_what_is_not_told_gives_no_interval(pair: tuple[Reported, Reported]) -> None:
    assert reported_gap(*pair) is None


@pytest.mark.parametrize("wrong", [Reported(1.2), Reported(0.5, -0.1), Reported(0.5, n=0), Reported(float("nan"))])
def test_a_mean_that_cannot_be_is_refused(wrong: Reported) -> None:
    with pytest.raises(ValueError, match="need a mean"):
        reported_gap(wrong, Reported(0.5, 0.1))


def test_the_gap_of_two_gains_covers_whatever_failed_items_would_have_said() -> None:
    """A gain of 10 points in one place and of 4 in another; of the second every twentieth item fails, a loss each."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(RUNS // 4):
        trained, held_out = (_losses(rng, gain, 200) for gain in (0.10, 0.04))
        failed = rng.random(200) < 0.05
        least, most = np.where(failed, -1.0, held_out), np.where(failed, 1.0, held_out)
        _, low, high = gain_gap(paired_gain(trained, trained), paired_gain(least, most))
        held += low <= 0.06 <= high
    assert held / (RUNS // 4) >= 0.95 - 3 * 0.0069


def test_gains_are_weighed() -> None:
    both = [Gain(0.2, 0.03, n=40), Gain(0.0, 0.04, open=0.1, n=60)]
    assert mean_gain(both, [3, 1]).value == pytest.approx(0.15)
    assert mean_gain(both, [0, 1]) == both[1].__class__(0.0, 0.04, 0.1, 100)
    with pytest.raises(ValueError, match="one weight a gain"):
        mean_gain(both, [0, 0])


@functools.cache
def _covers(told: str, new: int, old: int, n: int) -> bool:
    """Whether the interval of two shares holds a gap of 5 points."""
    means = (old / n, new / n)
    errors = [float(np.sqrt(mean * (1 - mean) / (n - 1))) for mean in means]
    sides = [Reported(m, e) if told == "error" else Reported(m, n=n) for m, e in zip(means, errors, strict=True)]
    gap = reported_gap(*sides)
    assert gap is not None
    return gap[1] <= 0.05 <= gap[2]


def _losses(rng: np.random.Generator, gain: float, n: int) -> np.ndarray:
    """Losses of -1, 0 or 1, of mean -gain."""
    return rng.choice([-1.0, 0.0, 1.0], n, p=[0.1 + gain / 2, 0.8, 0.1 - gain / 2])
