"""A small loop that is optimised past its peak, as events."""

from collections.abc import Iterator

import numpy as np

from tests.monitor.events import DAY, HOUR, START, Event, event, outcome, response, thumbs

REFERENCE_DAYS, CHECKPOINT_DAYS, CHECKPOINTS = 10, 2, 8


def peaked_events(reach: float = 2.0, per_day: int = 40, seed: int = 0) -> Iterator[Event]:
    """26 days: a reference at KL 0, then eight checkpoints of two days; the last at `reach` times the peak's D of 2.

    Success rises from .2 to .9 at the peak and falls as it rose. Outcomes come a day after the answer.
    """
    rng = np.random.default_rng(seed)
    for day in range(REFERENCE_DAYS + CHECKPOINTS * CHECKPOINT_DAYS):
        number = max(day - REFERENCE_DAYS + CHECKPOINT_DAYS, 0) // CHECKPOINT_DAYS
        distance = 2 * reach * number / CHECKPOINTS
        success = 0.9 - 0.7 * (distance / 2 - 1) ** 2
        if day == 0 or (day >= REFERENCE_DAYS and (day - REFERENCE_DAYS) % CHECKPOINT_DAYS == 0):
            facts = {"checkpoint": f"ckpt-{number}", "order": number, "kl_nats": distance**2}
            yield event("checkpoint", START + day * DAY, facts)
        for place in range(per_day):
            name, time = f"{day}-{place}", START + day * DAY + place * HOUR / 2
            yield response(name, time, f"ckpt-{number}", user=f"u{place}", cohort={"tier": "ab"[place % 2]})
            yield thumbs(name, time + HOUR, float(rng.random() < 0.6))
            yield outcome(time + DAY, bool(rng.random() < success), response_id=name)
