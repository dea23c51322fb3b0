"""Is a drift toward the teacher's voice seen, and a change of topic that the cohorts know not taken for one?"""

import numpy as np
import pytest

from monitor.statistics.cell_means import fit_cell_means
from monitor.statistics.detector import DetectorState, advance, daily_log_sums, mixture
from monitor.statistics.reference_error import QUANTILE
from monitor.statistics.voice import voice_gain, voice_shift

DAYS, TEXTS, MATERIAL = 112, 20, 0.02


def crossed(drift: float, mix: float, seed: int) -> bool:
    """Whether the detector (A = 365, all mass) warns within 112 days of so many points of drift.

    Two topics, of which one sounds more like the teacher by itself; `mix` is its share of the later texts.
    """
    rng = np.random.default_rng(seed)

    def scores(topic: np.ndarray, by: float) -> np.ndarray:
        return np.clip(rng.beta(2, np.where(topic == 1, 4, 8)) + by, 0, 1)

    before = (rng.random(2_000) < 0.3).astype(np.int64)
    means = fit_cell_means(scores(before, 0.0), before)
    topic, day = (rng.random(DAYS * TEXTS) < mix).astype(np.int64), np.repeat(np.arange(DAYS), TEXTS)
    effects = voice_gain(scores(topic, drift), means.expected(topic))
    _, logs = daily_log_sums(effects, day, np.array([MATERIAL + QUANTILE * means.error(topic)]))
    state, over = DetectorState.start(1), False
    for one in logs:
        state = advance(state, one[None], np.zeros(1))
        over = over or bool(mixture(state.restarting)[0] >= np.log(365) and mixture(state.companion)[0] >= np.log(10))
    return over


def test_a_voice_that_drifts_is_found_and_a_change_of_topic_is_not() -> None:
    assert sum(crossed(0.08, 0.3, seed) for seed in range(30)) >= 28
    assert sum(crossed(0.0, 0.3, seed) for seed in range(30)) <= 1
    assert sum(crossed(0.0, 0.7, seed) for seed in range(30)) <= 1


def test_answers_to_one_prompt_are_compared_with_each_other() -> None:
    assert voice_shift(np.array([0.5, 0.1]), np.array([0.5, 0.4])).round(3).tolist() == [0.0, -0.3]


@pytest.mark.parametrize("values", [np.array([1.2]), np.array([np.nan]), np.array([0.1, 0.2])])
def test_what_is_no_probability_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]|equal shapes"):
        voice_gain(values, np.array([0.4]))
