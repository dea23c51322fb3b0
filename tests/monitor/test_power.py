"""Does planning say what the detector then does?"""

import numpy as np
import pytest

from monitor.power import loop_of_numbers
from monitor.sight import Harm, Loop
from monitor.statistics.detector import BETS, COMPANION_FLOOR, DetectorState, advance, log_factors, mixture
from tests.monitor.events import settings

SUCCESS, SLOPE, RUNS = 0.7, 0.29, 400
ONE_DAY = settings(outcome={"horizon": "1d"})


def a_loop(labels: float, reference: int) -> Loop:
    loop, _ = loop_of_numbers(labels, SUCCESS, SLOPE, reference, ONE_DAY)
    return loop


def simulated_delays(loop: Loop, harm: Harm, days: int, seed: int) -> dict[str, np.ndarray]:
    """Days from the first day of the harm until each severity, horizon included, in runs of the detector itself.

    Units are drawn from a loop of thumbs and successes whose success falls for either thumb while more thumbs are up.
    """
    rng = np.random.default_rng(seed)
    liked, reward = 0.5 + harm.gain, np.array([0, 0, 1, 1])
    expected = SUCCESS - harm.drop + SLOPE * (reward - liked)
    outcome = np.array([0, 1, 0, 1])
    chances = np.where(reward, liked, 1 - liked) * np.where(outcome, expected, 1 - expected)
    counts = rng.multinomial(round(loop.labels_a_day), chances, size=(RUNS, days))
    factors = [log_factors(one.effects, np.array([loop.material_harm + one.conceded])) for one in loop.stakes]
    sums = np.stack([counts @ each for each in factors], axis=2)
    state, series = DetectorState.start(RUNS * len(factors)), len(factors)
    log_mass = np.tile(np.log([one.weight for one in loop.stakes]), RUNS)
    statistic, companion = np.empty((2, RUNS, days))
    for day in range(days):
        state = advance(state, sums[:, day].reshape(-1, BETS.size), log_mass)
        statistic[:, day] = np.logaddexp.reduce(mixture(state.restarting).reshape(RUNS, series), axis=1)
        companion[:, day] = mixture(state.companion).reshape(RUNS, series).max(axis=1)
    backed = companion >= np.log(COMPANION_FLOOR)
    crossed = {name: (statistic >= np.log(days)) & backed for name, days in loop.thresholds.items()}
    assert all(hit.any(axis=1).all() for hit in crossed.values())
    return {name: hit.argmax(axis=1) + 1 + loop.horizon_days for name, hit in crossed.items()}


@pytest.mark.parametrize(
    ("labels", "reference", "harm", "days"),
    [
        (100, 6000, Harm(0.04), 200),
        (100, 6000, Harm(0.04, 0.09), 80),
        (100, 6000, Harm(0.10), 40),
        (20, 2000, Harm(0.10), 150),
        (20, 2000, Harm(0.04, 0.09), 400),
        (500, 20_000, Harm(0.02), 300),
        (500, 20_000, Harm(0.10), 10),
        (2, 300, Harm(0.20, 0.40), 150),
    ],
)
def test_expected_delays_are_those_of_the_detector(labels: int, reference: int, harm: Harm, days: int) -> None:
    """Within a tenth (warning, page) or a sixth (ticket) or half a day, beside 3 errors of 1 to 3 % each."""
    loop = a_loop(labels, reference)
    simulated = simulated_delays(loop, harm, days, seed=7)
    for severity, delay in loop.delays(harm).items():
        mean, error = simulated[severity].mean(), simulated[severity].std() / np.sqrt(RUNS)
        off = max(mean * (1 / 6 if severity == "ticket" else 0.1), 0.5)
        assert abs(delay - mean) <= off + 3 * error, (severity, delay, mean, error)
