"""Does a checkpoint's own harm alert beside users held back, and what both arms share not?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from consumers.store import EventStore
from monitor.detection.tick import look
from monitor.production import beside_holdback
from monitor.result import Alert
from tests.monitor.events import Event, in_memory, loop_events, settings
from tests.monitor.live import found, live, told
from tests.worlds import FIRST_DAY, REFERENCE_DAYS, World, items, watch


def world(seed: int, held: float, reward: float = 0.0, own: float = 0.0, common: float = 0.0) -> pd.DataFrame:
    """A share of users held back; from the tenth day on new checkpoints do harm, an outage takes from both arms."""
    rng = np.random.default_rng((seed, 2))
    frame = items(World(labels=130), seed)
    frame = frame[frame["day"] <= FIRST_DAY + REFERENCE_DAYS + 50].reset_index(drop=True)
    later = frame["day"].to_numpy() > FIRST_DAY + REFERENCE_DAYS
    held_back = later & (rng.random(len(frame)) < held)
    frame.loc[held_back, "checkpoint"] = "ckpt-00"
    changed = frame["day"].to_numpy() > FIRST_DAY + REFERENCE_DAYS + 10
    lost = changed * common / 100 + (changed & ~held_back) * own / 100
    frame["outcome"] *= rng.random(len(frame)) >= lost / 0.7
    liked = (changed & ~held_back) & (rng.random(len(frame)) < reward / 40)
    frame.loc[liked, "reward"] = 1.0
    return frame


def alerts(frame: pd.DataFrame) -> list[Alert]:
    """Warnings and pages over all traffic."""
    with EventStore.open(":memory:") as store:
        told_all = watch(frame, store.engine, replayed=False).told()
        return [alert for alert in told_all if not alert.slice and alert.severity != "ticket"]


def test_an_outage_of_both_arms_is_no_harm_of_the_checkpoint() -> None:
    assert alerts(world(0, held=0.35, common=12.0)) == []


def test_without_a_holdback_the_same_outage_alerts() -> None:
    assert alerts(world(0, held=0.0, common=12.0))


@pytest.mark.parametrize("common", [0.0, 12.0])
def test_harm_of_the_checkpoint_is_found_beside_the_holdback(common: float) -> None:
    found_there = alerts(world(1, held=0.35, reward=9.0, own=12.0, common=common))
    assert found_there
    evidence = found_there[0].evidence
    assert evidence is not None
    assert evidence.baseline_error == 0
    assert found_there[-1].outcome_change.low is not None
    assert found_there[-1].outcome_change.low < -0.12 * 0.9 < (found_there[-1].outcome_change.high or 0.0)


def test_a_small_holdback_leaves_the_residual_to_the_reference() -> None:
    """Four a day would find nothing: A1 and A7 stay as they are, only A2 is measured in groups."""
    with EventStore.open(":memory:") as store:
        memory = watch(world(2, held=0.03), store.engine, replayed=False).memory
    n = {key.series: memory.book.sums(key)[0] for key in memory.book.keys if key.slice == ""}
    assert n["A1"] > 10 * n["A2"] > 0
    assert n["A7"] == n["A1"]


def test_when_the_holdback_ends_the_reference_takes_over_the_same_day() -> None:
    """The reference's checkpoint serves on for a month and then stops: no day is without effects."""
    frame = world(3, held=0.35)
    stop = FIRST_DAY + REFERENCE_DAYS + 35
    frame.loc[(frame["day"] > stop) & (frame["checkpoint"] == "ckpt-00"), "checkpoint"] = "ckpt-05"
    with EventStore.open(":memory:") as store:
        book = watch(frame, store.engine, replayed=False).memory.book
    for key in book.keys:
        if key.slice == "" and key.series in ("A1", "A2", "A7"):
            by_day = book.cells[:, book.column[key], 0]
            assert (by_day[stop - book.first_day + 1 :] > 110).all()
            assert (by_day[stop - book.first_day - 4 : stop - book.first_day] < 60).all()


def held_back_loop() -> Iterator[Event]:
    """The small loop in which every fourth user stays on the reference's checkpoint and is spared the harm."""
    rng = np.random.default_rng(5)
    for one in loop_events(24, 8, per_day=32, reward=9.0):
        day, place = (int(part) for part in one["data"]["response_id"].split("-"))
        held = place % 4 == 0
        if "checkpoint" in one["data"] and held:
            one["data"]["checkpoint"] = "ckpt-0"
        if "outcome" in one["type"] and day >= 8 and not held and rng.random() < 0.6:
            one["data"]["value"] = False
        yield one


def test_ticking_tells_the_same_beside_a_holdback_as_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.checks.reward_outcome_decoupling.LEAST_HELD", 30)
    assert beside_holdback.LEAST_HELD > 30
    store, chosen = in_memory(), settings(cohorts=["tier"])
    ticked = live(store, chosen, held_back_loop(), every=9)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert ticked.alerts
    assert found(ticked) == found(whole)
