"""Does restart mass that waits for a deployment find its harm sooner, within the same budget in days?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis.extra import numpy as arrays

from monitor.check import Measurement
from monitor.detection.book import SeriesBook
from monitor.detection.evidence import deployed, run
from monitor.detection.memory import Memory
from monitor.detection.state import MonitorState
from monitor.production.curve import CHECK as CURVE
from monitor.statistics.detector import deployment_masses, log_factors
from tests.monitor.events import in_memory, loop_events, put, settings
from tests.monitor.live import found, live, tick_at, told

CHANCE, PER_DAY, CADENCE = 0.75, 40, 14


@budget(max_examples=60, deadline=None, derandomize=True)
@given(arrays.arrays(np.bool_, arrays.array_shapes(max_dims=1, min_side=0, max_side=60)))
def test_mass_added_so_far_never_leads_the_calendar(days: np.ndarray) -> None:
    masses = deployment_masses(days)
    calendar = np.arange(1, days.size + 1)
    assert (masses >= 0.5).all()
    assert (np.cumsum(masses) <= calendar).all()
    assert (np.cumsum(masses)[days] == calendar[days]).all()  # nothing is lost at a deployment


def statistic(rng: np.random.Generator, runs: int, chances: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Statistic at the close of each day, shape (days, runs); the outcome is expected to succeed with chance .75."""
    succeeded = rng.binomial(PER_DAY, np.broadcast_to(chances[:, None], (chances.size, runs)))[..., None]
    failure, success = log_factors(np.array([CHANCE, CHANCE - 1]), np.zeros(1))
    logs = succeeded * success + (PER_DAY - succeeded) * failure
    return np.exp(run(logs, np.broadcast_to(np.log(masses)[:, None], logs.shape[:2]), {})[0])


def every_fortnight(days: int) -> np.ndarray:
    return np.arange(days) % CADENCE == 0


def test_false_alerts_at_the_boundary_are_as_rare_as_with_a_mass_a_day() -> None:
    """The days until a crossing of 50 are 50 on average at least, as the mass added by then is."""
    crossed = (
        statistic(np.random.default_rng(1), 500, np.full(600, CHANCE), deployment_masses(every_fortnight(600))) >= 50
    )
    assert crossed.any(axis=0).all()
    days = crossed.argmax(axis=0) + 1
    error = days.std() / np.sqrt(days.size)  # 3 days
    assert days.mean() + 3 * error >= 50
    assert days.mean() - 3 * error <= 110


def delay(masses: np.ndarray, change: int) -> tuple[float, float]:
    """Mean days from a loss of ten points to a crossing of 365, and its error; the same draws for all masses."""
    chances = np.where(np.arange(120) >= change, CHANCE - 0.1, CHANCE)
    crossed = statistic(np.random.default_rng(2), 400, chances, masses)[change:] >= 365
    assert crossed.any(axis=0).all()
    found_after = crossed.argmax(axis=0) + 1
    return float(found_after.mean()), float(found_after.std() / np.sqrt(found_after.size))


def test_what_a_deployment_broke_is_found_sooner_and_what_breaks_in_between_later() -> None:
    masses = deployment_masses(every_fortnight(120))
    for change, sooner in ((4 * CADENCE, True), (4 * CADENCE + 7, False)):
        waited, error = delay(masses, change)
        daily, _ = delay(np.ones(120), change)
        assert error < 0.3
        assert (waited < daily - 0.3) if sooner else (daily < waited < daily + 1.5)


def test_a_deployment_is_the_day_on_which_a_checkpoint_s_first_units_matured() -> None:
    book = SeriesBook(100)
    days = {"a": [100, 101, 104], "b": [104, 105], "c": []}
    measured = [
        (CURVE, Measurement({"checkpoint": name}, np.zeros(len(of)), 0.0, "A5", np.array(of, np.int64),
                            baseline_allowance=np.zeros(len(of))))
        for name, of in days.items()
    ]  # fmt: skip
    book.write(measured, 0.0, 100, 107)
    assert np.flatnonzero(deployed(book)).tolist() == [0, 4]
    assert not deployed(SeriesBook(100)).any()


def test_ticks_and_one_look_agree_on_when_mass_is_added() -> None:
    """Three checkpoints; ticked now and then, or looked at as a whole."""
    chosen = settings(alerts={"restart": "deployment"})
    events = list(loop_events(days=16, reference_days=7, per_day=36, reward=9.0, outcome_change=-30.0))
    for event in events:
        if event["data"].get("checkpoint") == "ckpt-1" and int(event["data"]["response_id"].partition("-")[0]) >= 11:
            event["data"]["checkpoint"] = "ckpt-2"
    store, whole = in_memory(), in_memory()
    ticked = live(store, chosen, events, every=5)
    put(whole, events)
    looked = tick_at(whole, chosen, ticked.as_of)
    assert told(ticked.alerts) == told(looked.alerts)
    assert found(ticked) == found(looked)
    assert ticked.paths[0].statistic == pytest.approx(looked.paths[0].statistic)
    memory = MonitorState(store.engine).load("loop")
    assert isinstance(memory, Memory)
    assert np.flatnonzero(deployed(memory.book)).tolist() == [0, 4]
