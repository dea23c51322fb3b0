"""How often do comparisons on anchor sets alert in vain, and what do they see?

    python -m tests.benchmarks.anchored_table [RUNS]

Sets of items of beta-distributed difficulty, mean success .7; a reward that sees success and difficulty. The null is
that of 60 checkpoints on 3 sets, one in 14 days, each beside the one reference of its set. Prints tests over the
threshold by run and power by items, with their Monte-Carlo errors.
"""

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.family import ANCHORED_WEIGHT
from monitor.statistics.paired import difference, p_no_harm, purse
from monitor.statistics.scores import unearned_reward

Array = NDArray[np.float64]

CHECKPOINTS, SETS, EVERY_DAYS, FULL_DAYS = 60, 3, 14, 28.0
MATERIAL_HARM, WORTH = 0.005, 0.1
THRESHOLDS = {"ticket": 30.0, "warning": 365.0}
STORIES = {"+9/-4": (0.09, -0.04), "+9/0": (0.09, 0.0), "0/-8": (0.0, -0.08), "-3/-8": (-0.03, -0.08)}


def effects(rng: np.random.Generator, items: int, checkpoints: int, reward: float, outcome: float) -> Iterator[Array]:
    """A7 of each item for each of so many checkpoints, all beside one reference."""
    chance = rng.beta(2.1, 0.9, items)

    def answered(more_reward: float, more_outcome: float) -> tuple[Array, Array]:
        worked = (rng.random(items) < np.clip(chance + more_outcome, 0, 1)).astype(float)
        return np.clip(0.35 * worked + 0.3 * chance + 0.35 * rng.random(items) + more_reward, 0, 1), worked

    (old_reward, old_outcome), still = answered(0.0, 0.0), np.zeros(items)
    for _ in range(checkpoints):
        new_reward, new_outcome = answered(reward, outcome)
        gains = difference(new_reward, old_reward)[0], difference(new_outcome, old_outcome)[0]
        yield unearned_reward(gains[0], still, gains[1], still, WORTH)


def false_alerts(items: int, runs: int, harm: float) -> Iterator[str]:
    """Tests over each threshold in a run of quiet checkpoints, against the bound."""
    rng, days = np.random.default_rng(5), [EVERY_DAYS * number for number in range(CHECKPOINTS)]
    shares = np.array(list(purse(dict.fromkeys(days, SETS), FULL_DAYS).values()))
    p = np.array(
        [
            [[p_no_harm(e, MATERIAL_HARM) for e in effects(rng, items, CHECKPOINTS, 0.0, -harm)] for _ in range(SETS)]
            for _ in range(runs)
        ]
    )
    for name, threshold in THRESHOLDS.items():
        over = (p <= ANCHORED_WEIGHT * shares / threshold).sum(axis=(1, 2))
        bound = ANCHORED_WEIGHT * (days[-1] + 1 + FULL_DAYS) / threshold
        yield f"{items:>6} {harm:>6.3f} {name:>8} {over.mean():>7.3f} ({over.std() / runs**0.5:.3f})  bound {bound:.3f}"


def power(items: int, runs: int) -> Iterator[str]:
    """Share of single tests over each threshold, of one in 14 days and set."""
    rng = np.random.default_rng(1)
    for story, (reward, outcome) in STORIES.items():
        p = np.array([p_no_harm(next(effects(rng, items, 1, reward, outcome)), MATERIAL_HARM) for _ in range(runs)])
        for name, threshold in THRESHOLDS.items():
            seen = float((p <= ANCHORED_WEIGHT * EVERY_DAYS / SETS / threshold).mean())
            yield f"{items:>6} {story:>6} {name:>8} {seen:>7.3f} ({(seen * (1 - seen) / runs) ** 0.5:.3f})"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for told in (false_alerts(300, count, 0.005), false_alerts(1000, count, 0.005), false_alerts(1000, count, 0.0)):
        print("\n".join(told), flush=True)
    for size in (300, 1000, 3000):
        print("\n".join(power(size, 2 * count)), flush=True)
