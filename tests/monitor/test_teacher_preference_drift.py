"""Is a judge that is captured step by step told in time, and one that got better left alone?

Simulated with fixed seeds; `python -m tests.benchmarks.judge_table` has the same with more runs.
"""

import numpy as np
import pytest

from consumers.store import EventStore
from tests.monitor.events import in_memory
from tests.monitor.judge_worlds import World, watch

CAPTURED = World(capture=(0.27, 0.67), sound=(0.81, 0.87))


@pytest.fixture(scope="module")
def store() -> EventStore:
    return in_memory()


def test_slow_capture_is_told_and_named_and_blamed_on_nobody_who_serves(store: EventStore) -> None:
    """Ten runs, so that a share is known to .16 at worst; 150 runs: tickets by the 8th checkpoint in nearly all."""
    seen = [watch(CAPTURED, store, seed) for seed in range(10)]
    assert np.mean([one.day_of("ticket") <= 8 * 14 for one in seen]) >= 0.8
    alerts = [alert for one in seen for alert in one.told()]
    assert {alert.check for alert in alerts} <= {"teacher_preference_drift", "judge_human_agreement"}
    assert np.mean([alert.attribution == "judge_capture" for alert in alerts]) >= 0.9
    assert {alert.checkpoint for alert in alerts} == {""}
    assert {alert.severity for alert in alerts} <= {"ticket", "warning"}


@pytest.mark.parametrize(
    "world",
    [World(), World(capture=(0.27, 0.10), sound=(0.81, 0.95)), World(alike=(0.65, 0.85))],
    ids=["no change", "a better judge", "easier anchors"],
)
def test_what_is_no_drift_is_not_told(world: World, store: EventStore) -> None:
    """Six runs each; of no change .4 tickets in 168 days are allowed."""
    assert sum(len(watch(world, store, seed).told()) for seed in range(6)) <= 1


def test_noise_is_not_called_capture(store: EventStore) -> None:
    noisier = World(capture=(0.27, 0.5), sound=(0.81, 0.5), steps=1)
    (first, *_) = watch(noisier, store, 1).told()
    assert first.attribution == "judge_noise"


def test_an_alert_says_how_it_was_and_how_it_is_and_what_to_do(store: EventStore) -> None:
    alert = watch(CAPTURED, store, 0).told()[0]
    for said in (
        "judge j takes the teacher's side",
        "in its reference",
        "likely since",
        "Freeze promotions",
        "pin its",
    ):
        assert said in alert.message
    assert alert.evidence is not None
    assert alert.evidence.statistic >= alert.evidence.threshold == 30
    assert (alert.effect.low or 0) > 0
