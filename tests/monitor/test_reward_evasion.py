"""Does the monitor see answers that escape being judged, and only those?"""

import numpy as np
import pandas as pd
import pytest

from consumers.store import EventStore
from monitor.check import Finding, Verdict
from monitor.detection.tick import look
from monitor.result import Alert
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, score, settings
from tests.monitor.live import live, told
from tests.worlds import FIRST_DAY, REFERENCE_DAYS, World, items, watch

BEFORE = 0.05  # share that escapes in the reference


def world(seed: int, column: str, rise: float, held: float = 0.0, everywhere: float = 0.0) -> pd.DataFrame:
    """Nothing changes but who answers. rise: share more that escapes new checkpoints; everywhere: in both arms."""
    rng = np.random.default_rng((seed, 1))  # not the stream that made the world
    frame = items(World(), seed)
    later = frame["day"].to_numpy() > FIRST_DAY + REFERENCE_DAYS
    held_back = later & (rng.random(len(frame)) < held)
    frame.loc[held_back, "checkpoint"] = "ckpt-00"
    escapes = BEFORE + later * everywhere + (later & ~held_back) * rise
    frame.loc[rng.random(len(frame)) < escapes, column] = np.nan
    return frame


def evasions(frame: pd.DataFrame) -> list[Alert]:
    with EventStore.open(":memory:") as store:
        return [alert for alert in watch(frame, store.engine).told() if alert.check == "reward_evasion"]


@pytest.mark.parametrize("column", ["reward", "outcome"])
def test_three_points_more_that_escape_are_found_and_named(column: str) -> None:
    alerts = evasions(world(0, column, 0.03))
    assert {(a.attribution, tuple(a.slice.items())) for a in alerts} == {("evasion", (("escapes", column),))}
    assert alerts[-1].severity == "warning"  # it is never a page
    worst = alerts[-1]
    assert worst.effect.low is not None
    assert worst.effect.low < 0.03 < (worst.effect.high or 0.0)
    assert worst.n > 1000
    assert all(example.why in (f"gave no {column}", "drawn at random") for example in worst.examples)


def test_the_message_bounds_what_missing_outcomes_can_hide() -> None:
    """About 8% are missing, of a success of about 73%: the truth lies between 67% and 75%."""
    message = evasions(world(0, "outcome", 0.03))[-1].message
    assert "whatever hides behind them, task_success of all lies between 6" in message
    assert "users may have changed as well" in message
    assert "(95%: " in message


def test_users_who_answer_less_are_no_evasion_where_a_holdback_tells() -> None:
    assert evasions(world(1, "reward", 0.0, held=0.1, everywhere=0.1)) == []
    assert evasions(world(1, "reward", 0.0, everywhere=0.1))


def test_a_model_that_evades_is_found_beside_users_held_back() -> None:
    alerts = evasions(world(2, "reward", 0.06, held=0.1, everywhere=0.1))
    assert "beside users held back at the same time" in alerts[-1].message
    evidence = alerts[-1].evidence
    assert evidence is not None
    assert evidence.baseline_error == 0  # assignment is random: no baseline can be off


def test_a_rate_that_stays_is_quiet() -> None:
    """By their share of the budget at most .28 tickets a world are expected, and .026 warnings."""
    alerts = [alert for seed in range(4) for alert in evasions(world(seed, "reward", 0.0))]
    assert len(alerts) <= 1


def test_a_rate_that_falls_is_quiet() -> None:
    assert evasions(world(3, "outcome", -0.04)) == []


SCORED = settings(cohorts=["tier"], reward={"scorer": "rm"})


def scored(days: int, until: int, unscoreable: float = 0.0) -> list[Event]:
    """The small loop with scores for thumbs, up to a day; from day 10 on a share is unscoreable."""
    rng = np.random.default_rng(0)
    events = []
    for one in loop_events(days, 10):
        if not one["type"].startswith("rewarddrift.feedback"):
            events.append(one)
            continue
        name, value = one["data"]["response_id"], one["data"]["value"]
        day = int(name.partition("-")[0])
        lost = day >= 10 and rng.random() < unscoreable
        if day < until:
            events.append(
                score(name, START + (day + 0.9) * DAY, None if lost else value, status="refused" if lost else "ok")
            )
    return events


def findings_of(events: list[Event], way: str = "reward") -> tuple[Finding, list[str]]:
    report = look(in_memory(events), SCORED, START + 29 * DAY).report
    found = [f for f in report.findings if f.check == "reward_evasion" and f.slice.get("escapes", way) == way]
    return found[0], [alert.check for alert in report.alerts]


@pytest.mark.parametrize("until", [0, 10])
def test_a_scorer_that_is_gone_for_all_answers_is_inconclusive(until: int) -> None:
    """It never scored, or it stopped after the reference."""
    finding, alerts = findings_of(scored(26, until))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.n == 0
    assert "needs" in finding.message
    assert "reward_evasion" not in alerts


def test_answers_that_a_scorer_refuses_escape() -> None:
    finding, alerts = findings_of(scored(26, 26, unscoreable=0.3))
    assert finding.verdict is Verdict.FAIL
    assert "reward_evasion" in alerts


def test_a_sample_without_a_holdback_tells_nothing_of_who_escaped() -> None:
    """Every fifth answer has an outcome: nobody knows which of the others were asked."""
    events = [e for e in loop_events(26, 10) if "outcome" not in e["type"] or e["data"]["response_id"][-1] in "05"]
    report = look(in_memory(events), settings(), START + 29 * DAY).report
    found = {f.slice["escapes"]: f for f in report.findings if f.check == "reward_evasion"}
    assert (found["outcome"].verdict, found["outcome"].n) == (Verdict.INCONCLUSIVE, 0)
    assert found["reward"].n > 0


def test_an_outcome_that_is_sent_only_when_it_happens_never_escapes() -> None:
    chosen = settings(outcome={"missing": False})
    report = look(in_memory(loop_events(26, 10)), chosen, START + 29 * DAY).report
    assert {
        f.n for f in report.findings if f.slice.get("escapes") == "outcome" or f.slice.get("stream") == "outcome"
    } == {0}


def test_ticking_now_and_then_tells_the_same_evasion_as_one_look() -> None:
    store, chosen = in_memory(), SCORED
    ticked = live(store, chosen, scored(26, 26, unscoreable=0.3), every=4)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert {a.check for a in ticked.alerts} >= {"reward_evasion"}
    assert [f for f in ticked.findings if f.check == "reward_evasion"] == [
        f for f in whole.findings if f.check == "reward_evasion"
    ]


def test_the_response_rate_is_told_and_never_alerts() -> None:
    """Users answer less in both arms: no evasion, but a reader must know."""
    events = [e for e in loop_events(26, 10) if "feedback" not in e["type"] or kept(e)]
    report = look(in_memory(events), settings(), START + 29 * DAY).report
    found = {f.slice["stream"]: f for f in report.findings if f.check == "feedback_response_rate"}
    assert found["reward"].verdict is Verdict.FAIL
    assert found["reward"].effect.value == pytest.approx(0.5, abs=0.08)
    assert found["outcome"].verdict is Verdict.PASS
    assert "feedback_response_rate" not in {alert.check for alert in report.alerts}


def kept(one: Event) -> bool:
    """All thumbs of the first ten days, every other one later."""
    day, place = one["data"]["response_id"].split("-")
    return int(day) < 10 or int(place) % 2 == 0
