"""Answers of checkpoints to held-out items, with scores of a reward model and exact outcomes, as events."""

from collections.abc import Iterator

import numpy as np

from tests.monitor.events import DAY, START, Event, outcome, response, score


def scored(
    checkpoint: str,
    *,
    reward: float = 0.0,
    outcome_change: float = 0.0,
    items: int = 300,
    day: int = 12,
    name: str = "faq",
    revision: str = "rm-1",
    seed: int = 0,
) -> Iterator[Event]:
    """A checkpoint's answers to a set, raw scores and successes moved by about so many points."""
    difficulty = np.random.default_rng((7, len(name))).random(items)
    rng = np.random.default_rng((seed, sum(checkpoint.encode()), day))
    for number in range(items):
        at, answer = START + day * DAY, f"{name}-{checkpoint}-{number}-{day}"
        worked = bool(rng.random() < 0.5 + 0.4 * difficulty[number] + outcome_change / 100)
        raw = 10 * (difficulty[number] + reward / 100) + 0.3 * float(rng.standard_normal()) + 0.5 * worked
        asked = {"prompt_id": f"{name}/{number}", "cohort": {"anchor_set": name}}
        yield response(answer, at, checkpoint, environment="evaluation", **asked)
        yield score(answer, at, raw, revision)
        yield outcome(at, worked, "correct", response_id=answer, method="exact", anchor_set=name)
