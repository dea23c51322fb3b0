"""Is a judge that applauds while users leave told, and only that?"""

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from monitor.check import Finding, Verdict
from monitor.detection.tick import look, tick
from monitor.judging.won_pairs import gain_of
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, put, settings
from tests.monitor.ruler_events import findings_of, judged_pairs, users_who_leave

CHECK = "judge_churn_divergence"
AS_OF = START + 24 * DAY
LOOP = list(loop_events(14, 8, per_day=10))
CHOSEN = settings(reference={"checkpoint": "ckpt-0"}, judges={"watched": ["judge"]})
STAYING = [*users_who_leave("ckpt-0", 0.10, day=2), *users_who_leave("ckpt-1", 0.10, day=10)]
LEAVING = [*users_who_leave("ckpt-0", 0.10, day=2), *users_who_leave("ckpt-1", 0.25, day=10)]
LIKED = list(judged_pairs("ckpt-1", "ckpt-0", 0.71))


def only(events: Iterable[Event], as_of: dt.datetime = AS_OF) -> Finding:
    (one,) = findings_of(CHECK, [*LOOP, *events], CHOSEN, as_of)
    return one


def test_a_judge_that_applauds_while_users_leave_is_told_with_both_intervals() -> None:
    finding = only([*LIKED, *LEAVING])
    assert finding.verdict is Verdict.FAIL
    assert finding.slice == {"judge": "judge", "checkpoint": "ckpt-1"}
    assert finding.effect.value == pytest.approx(0.15, abs=0.07)
    assert finding.reward_change.value == pytest.approx(0.21, abs=0.09)
    assert finding.outcome_change.value == pytest.approx(-0.15, abs=0.07)
    assert "head to head" in finding.message
    assert "staying -" in finding.message


@pytest.mark.parametrize("events", [[*LIKED, *STAYING], [*judged_pairs("ckpt-1", "ckpt-0", 0.45), *LEAVING]])
def test_one_of_the_two_alone_is_no_divergence(events: list[Event]) -> None:
    assert only(events).verdict is not Verdict.FAIL


def test_a_checkpoint_that_the_judge_likes_less_passes() -> None:
    assert only([*judged_pairs("ckpt-1", "ckpt-0", 0.4), *LEAVING]).verdict is Verdict.PASS


def test_a_common_opponent_serves_where_the_two_never_met() -> None:
    pairs = [*judged_pairs("ckpt-1", "base", 0.8), *judged_pairs("ckpt-0", "base", 0.5)]
    finding = only([*pairs, *LEAVING])
    assert finding.verdict is Verdict.FAIL
    assert "against base" in finding.message


def test_a_judge_that_fails_on_more_of_its_answers_gives_no_verdict() -> None:
    pairs = [*judged_pairs("ckpt-1", "base", 0.8, failed=25), *judged_pairs("ckpt-0", "base", 0.5)]
    finding = only([*pairs, *LEAVING])
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "no verdict on 10.0% of its pairs, 0.0% of the reference's" in finding.message


def test_failed_judgments_of_shared_pairs_widen_the_interval_to_their_worst() -> None:
    whole, holed = (only([*judged_pairs("ckpt-1", "ckpt-0", 0.71, failed=n), *LEAVING]) for n in (0, 75))
    assert whole.reward_change.low is not None
    assert holed.reward_change.low is not None
    assert holed.reward_change.low < whole.reward_change.low - 0.15


@pytest.mark.parametrize(
    ("events", "needs"),
    [
        (LEAVING, "preferences of a watched judge"),
        (LIKED, "matured outcomes 'churned'"),
        ([*LIKED[:20], *LEAVING], "30 judged pairs with ckpt-0"),
        (LIKED + LEAVING[:840], "outcomes of 30 users"),
    ],
)
def test_what_is_missing_is_said(events: list[Event], needs: str) -> None:
    finding = only(events)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert needs in finding.message


def test_retention_may_be_told_the_other_way_round_and_under_another_name() -> None:
    events = [dict(one, data=dict(one["data"])) for one in [*LOOP, *LIKED, *LEAVING]]
    for one in events:
        if one["data"].get("metric") == "churned":
            one["data"] |= {"metric": "renewed", "value": not one["data"]["value"]}
    renewed = settings(
        reference={"checkpoint": "ckpt-0"},
        judges={"watched": ["judge"]},
        checks={CHECK: {"metric": "renewed", "higher_is_better": True}},
    )
    (finding,) = findings_of(CHECK, events, renewed, AS_OF)
    assert finding.effect == only([*LIKED, *LEAVING]).effect


def test_earlier_checkpoints_stand_in_the_message() -> None:
    more = [*judged_pairs("ckpt-2", "ckpt-0", 0.6, day=14), *users_who_leave("ckpt-2", 0.3, day=15)]
    finding = only([*LIKED, *LEAVING, *more])
    assert finding.slice["checkpoint"] == "ckpt-2"
    assert "; before: ckpt-1 win rate +" in finding.message


def test_a_tick_says_what_a_look_at_everything_says_and_nothing_alerts() -> None:
    store = in_memory([*LOOP, *LEAVING])
    first = look(store, CHOSEN, AS_OF)
    put(store, LIKED)
    assert first.memory is not None
    report = tick(store, CHOSEN, AS_OF + DAY, first.memory).report
    (whole,) = findings_of(CHECK, [*LOOP, *LEAVING, *LIKED], CHOSEN, AS_OF + DAY)
    assert [one for one in report.findings if one.check == CHECK] == [whole]
    assert whole.verdict is Verdict.FAIL
    assert CHECK not in {alert.check for alert in report.alerts}


def test_the_gain_covers_what_is_true() -> None:
    """60 runs of 150 pairs head to head and of 150 with an opponent each, Monte Carlo error .028."""
    rng = np.random.default_rng(3)
    missed = dict.fromkeys(("ref", "base"), 0)
    for _ in range(60):
        for opponent in missed:
            rates = {("new", opponent): 0.6} | ({} if opponent == "ref" else {("ref", opponent): 0.45})
            parts = [
                pd.DataFrame({"a_checkpoint": a, "b_checkpoint": b, "verdict": 2.0 * (rng.random(150) < rate) - 1})
                for (a, b), rate in rates.items()
            ]
            judged = pd.concat(parts, ignore_index=True).assign(prompt_id="")
            judged["pair_id"] = judged.index.astype(str)
            gain = gain_of(judged, "new", "ref")
            assert gain is not None
            assert gain.change.low is not None
            assert gain.change.high is not None
            missed[opponent] += not gain.change.low <= (0.1 if opponent == "ref" else 0.15) <= gain.change.high
    assert all(wrong <= 8 for wrong in missed.values()), missed  # .05 is 3, three errors are 5
