"""Is what an audit asks, and of how many, told apart from what people answer? From the events on."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from monitor.check import Verdict
from monitor.detection.tick import look
from monitor.production.audit import evenly_asked, share_asked
from monitor.result import Report
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, settings
from tests.monitor.live import found, live, told

Chance = Callable[[int, float], float]
DAYS, REFERENCE_DAYS = 56, 16
WORLD = {"days": DAYS, "reference_days": REFERENCE_DAYS, "per_day": 48}
AS_OF = START + (DAYS + 3) * DAY


def audited(chance: Chance, say: bool = True, **world: float) -> Iterator[Event]:
    """The small loop in which an outcome is asked for with a chance of its day and its thumb; say: with that chance."""
    rng, liked = np.random.default_rng(1), {}
    for one in loop_events(**{**WORLD, **world}):
        name, data = one["data"]["response_id"], one["data"]
        if "feedback" in one["type"]:
            liked[name] = data["value"]
        if "outcome" in one["type"]:
            asked = chance(int(name.partition("-")[0]), liked[name])
            if rng.random() >= asked:
                continue
            one["data"] = {**data, "propensity": asked} if say else data
        yield one


def turning_to_complaints(day: int, thumb: float) -> float:
    """Everybody is asked in the reference; later all who complained and every fifth who did not."""
    return 1.0 if day < REFERENCE_DAYS or thumb == 0 else 0.2


def asking_fewer(day: int, thumb: float) -> float:
    return 0.8 if day < REFERENCE_DAYS else 0.4


def seen(events: Iterator[Event]) -> Report:
    return look(in_memory(events), settings(), AS_OF).report


def outcome_changes(report: Report) -> tuple[float, float]:
    changes = [row.outcome_change for row in report.checkpoints if row.role == "monitored" and not row.slice]
    return changes[0].low or 0.0, changes[0].high or 0.0


def test_an_audit_that_turns_to_complaints_is_no_loss_of_outcome() -> None:
    """Outcomes of complaints are 30 points worse; their share among the labels rises from 40% to 77%."""
    report = seen(audited(turning_to_complaints))
    assert {alert.severity for alert in report.alerts} <= {"ticket"}
    low, high = outcome_changes(report)
    assert low < 0 < high


def test_without_its_chances_the_same_audit_looks_like_harm() -> None:
    report = seen(audited(turning_to_complaints, say=False))
    assert "A2" in {series for alert in report.alerts if alert.evidence for series in alert.evidence.scores}
    assert outcome_changes(report)[1] < -0.05


def test_harm_is_found_in_an_unequal_sample() -> None:
    report = seen(audited(turning_to_complaints, outcome_change=-30.0))
    assert {alert.severity for alert in report.alerts} >= {"page"}
    low, high = outcome_changes(report)
    assert low < -0.3 < high


@pytest.mark.parametrize(("say", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL)])
def test_asking_fewer_is_no_fall_of_the_response_rate(say: bool, verdict: Verdict) -> None:
    report = seen(audited(asking_fewer, say))
    rates = {f.slice["stream"]: f for f in report.findings if f.check == "feedback_response_rate"}
    escapes = {f.slice["escapes"]: f for f in report.findings if f.check == "reward_evasion"}
    assert rates["outcome"].verdict is verdict
    assert (escapes["outcome"].verdict is Verdict.FAIL) is (not say)


def test_people_who_stop_answering_an_audit_are_seen() -> None:
    """Half of those asked with a chance of .8 no longer answer."""
    rng = np.random.default_rng(2)
    events = audited(lambda day, thumb: 0.8)
    quieter = (e for e in events if "outcome" not in e["type"] or of_reference(e) or rng.random() < 0.5)
    rates = {f.slice["stream"]: f for f in seen(quieter).findings if f.check == "feedback_response_rate"}
    assert rates["outcome"].verdict is Verdict.FAIL
    assert rates["outcome"].effect.value == pytest.approx(0.4, abs=0.06)  # half of .8 of all answers


def of_reference(one: Event) -> bool:
    return int(one["data"]["response_id"].partition("-")[0]) < REFERENCE_DAYS


@pytest.mark.parametrize("chance", [turning_to_complaints, asking_fewer])
def test_ticking_tells_the_same_of_an_audit_as_one_look(chance: Chance) -> None:
    store, chosen = in_memory(), settings(cohorts=["tier"])
    ticked = live(store, chosen, audited(chance, days=24, outcome_change=-40.0), every=10)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert found(ticked) == found(whole)


def sampled(n: int, days: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Items of two arms asked with .1 or with .5, whatever comes of them."""
    rng = np.random.default_rng(seed)
    chance = rng.choice([0.1, 0.5], n)
    asked = rng.random(n) < chance
    frame = pd.DataFrame(
        {
            "response_id": [f"r{number}" for number in range(n)],
            "day": np.sort(rng.integers(0, days, n)),
            "outcome": np.where(asked, 1.0, np.nan),
            "propensity": np.where(asked, chance, np.nan),
        }
    )
    return frame, np.where(rng.random(n) < 0.2, "holdback", "monitored")


def test_what_stays_of_an_unequal_sample_is_an_equal_one() -> None:
    frame, role = sampled(60_000, 90)
    stays = evenly_asked(frame, role) & frame["outcome"].notna()
    rare = frame["propensity"] == 0.1
    assert (stays & rare).sum() == rare.sum()
    assert (stays & (frame["propensity"] == 0.5)).sum() == pytest.approx(rare.sum(), rel=0.05)  # error .02


def test_an_arm_that_is_asked_more_keeps_all_its_answers() -> None:
    frame, role = sampled(4000, 30)
    known = frame["outcome"].notna()
    frame.loc[known, "propensity"] = np.where(role[known] == "holdback", 0.5, 0.1)
    assert evenly_asked(frame, role)[known].all()
    assert set(share_asked(frame, role, 1.0)) == {0.1}  # whose answers are counted, both arms are asked alike


def test_outcomes_without_a_chance_all_stay() -> None:
    frame, role = sampled(500, 5)
    assert evenly_asked(frame.assign(propensity=np.nan), role).all()
