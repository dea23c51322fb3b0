"""Is the right checkpoint named, also where five of them begin to serve within a day?"""

import numpy as np
import pandas as pd
import pytest

from consumers.store import EventStore
from monitor.production.items import DAY_US
from tests.worlds import FIRST_DAY, REFERENCE_DAYS, World, items, watch

HOURS = 5
QUIET_DAYS, LEFT_DAYS = 20, 15


def fast(seed: int) -> tuple[pd.DataFrame, int]:
    """A checkpoint every five hours after the reference; from one on, .12 of the answers fail beyond what failed.

    Returns the items and the number of that checkpoint.
    """
    frame = items(World(labels=400), seed)
    day = (frame["time_us"] // DAY_US - FIRST_DAY).to_numpy()
    kept = day < REFERENCE_DAYS + QUIET_DAYS + LEFT_DAYS
    frame, day = frame[kept].reset_index(drop=True), day[kept]
    rng = np.random.default_rng([seed, 1])
    time_us = (FIRST_DAY + day) * DAY_US + np.sort(rng.integers(0, DAY_US, day.size).reshape(-1, 400), axis=1).ravel()
    number = (time_us - (FIRST_DAY + REFERENCE_DAYS) * DAY_US) // (HOURS * 3_600_000_000)
    guilty = QUIET_DAYS * 24 // HOURS + int(rng.integers(1, 6))
    harmed = (number >= guilty) & (rng.random(day.size) < 0.12)
    names = np.where(number < 0, "ckpt-00", np.char.add("fast-", np.char.zfill(np.maximum(number, 0).astype(str), 4)))
    outcome = np.where(harmed, 0.0, frame["outcome"])
    return frame.assign(time_us=time_us, checkpoint=names, outcome=outcome), guilty


@pytest.mark.parametrize("seed", range(4))
def test_of_five_checkpoints_a_day_the_guilty_one_is_named_within_two(seed: int) -> None:
    frame, guilty = fast(seed)
    with EventStore.open(":memory:") as store:
        told = watch(frame, store.engine).told()
    warned = [alert for alert in told if not alert.slice and alert.severity != "ticket"]
    assert warned
    assert abs(int(warned[0].checkpoint.removeprefix("fast-")) - guilty) <= 2
