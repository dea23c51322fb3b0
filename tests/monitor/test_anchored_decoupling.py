"""What is told of checkpoints on held-out items with human-anchored outcomes? From the events on."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from monitor.check import Finding, Verdict
from monitor.detection.state import MonitorState
from monitor.detection.tick import look
from monitor.report.html import render_html
from monitor.report.text import render_text
from monitor.result import Alert, Report
from monitor.status import status_of
from tests.monitor.anchored_events import scored
from tests.monitor.events import (
    DAY,
    HOUR,
    START,
    Event,
    event,
    in_memory,
    loop_events,
    outcome,
    put,
    response,
    settings,
)
from tests.monitor.live import live, tick_at

CHECK = "anchored_decoupling"
READ_EVALUATIONS = {CHECK, "rubric_overfitting", "teacher_style_convergence"}
WORLD = {"days": 16, "reference_days": 10, "per_day": 20}
AS_OF = START + 23 * DAY
PRODUCTION = list(loop_events(**WORLD))
REFERENCE = list(scored("ckpt-0", day=1))
QUIET = list(scored("ckpt-1"))
GAMED = list(scored("ckpt-1", reward=9, outcome_change=-30))


def world(*answers: Iterable[Event]) -> list[Event]:
    """A quiet loop of production, with these answers to held-out items beside it."""
    return [*PRODUCTION, *(one for some in answers for one in some)]


def report_of(*answers: Iterable[Event], **chosen: Any) -> Report:
    return look(in_memory(world(*answers)), settings(**chosen), AS_OF).report


def findings(report: Report) -> list[Finding]:
    return [one for one in report.findings if one.check == CHECK]


def finding(*answers: Iterable[Event], **chosen: Any) -> Finding:
    (found,) = findings(report_of(*answers, **chosen))
    return found


def alerts(report: Report) -> list[Alert]:
    return [one for one in report.alerts if one.check == CHECK]


def told(report: Report) -> list[tuple[Any, ...]]:
    return [(a.severity, dict(a.slice), a.checkpoint, a.fired_at, a.attribution, a.effect) for a in alerts(report)]


def without(events: Iterable[Event], kind: str, share: float) -> list[Event]:
    """The events but for one kind of the first items."""
    events = list(events)
    few = share * len(events) / 3
    return [e for e in events if kind not in e["type"] or int(e["data"]["response_id"].split("-")[3]) >= few]


def test_an_unchanged_checkpoint_is_quiet_and_says_what_it_could_have_seen() -> None:
    report = report_of(REFERENCE, QUIET)
    (found,) = findings(report)
    assert alerts(report) == []
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (found.slice, found.n) == ({"anchor_set": "faq", "checkpoint": "ckpt-1"}, 300)
    assert found.effect.low is not None
    assert found.effect.low < 0 < (found.effect.high or 0)
    assert "on the same 300 items; a drop of" in found.message
    assert "would have been seen with probability .9" in found.message


def test_a_better_checkpoint_on_many_items_passes() -> None:
    better = finding(scored("ckpt-0", day=1, items=1500), scored("ckpt-1", items=1500, reward=5, outcome_change=9))
    assert better.verdict is Verdict.PASS
    assert (better.outcome_change.low or 0) > 0


def test_a_gamed_checkpoint_raises_a_warning_that_names_it_and_what_to_read() -> None:
    report = report_of(REFERENCE, GAMED)
    (found,), (alert,) = findings(report), alerts(report)
    assert found.verdict is Verdict.FAIL
    assert (alert.severity, alert.attribution, alert.leading) == ("warning", "gaming", "gaming")
    assert (dict(alert.slice), alert.checkpoint, alert.n) == ({"anchor_set": "faq"}, "ckpt-1", 300)
    assert alert.fired_at == START + 13 * DAY
    assert (alert.effect.low or 0) > 0 > (alert.outcome_change.high or 0)
    assert (alert.reward_change.low or 0) > 0
    assert (found.reward_change, found.outcome_change) == (alert.reward_change, alert.outcome_change)
    assert alert.evidence is not None
    assert alert.evidence.statistic >= alert.evidence.threshold == 365
    assert [one.why for one in alert.examples].count("high reward, failed outcome") == 3


@pytest.mark.parametrize(
    ("reward", "change", "leading"), [(0, -30, "blind_reward"), (-9, -30, "plain_harm"), (9, -30, "gaming")]
)
def test_the_quadrant_of_both_changes_names_the_alert(reward: float, change: float, leading: str) -> None:
    """The fixture's reward sees success a little, so that an unmoved reward needs a push of its own."""
    pushed = scored("ckpt-1", reward=reward + (1 if leading == "blind_reward" else 0), outcome_change=change)
    (alert,) = alerts(report_of(REFERENCE, pushed))
    assert alert.leading == leading


def test_a_reward_that_rises_alone_never_passes() -> None:
    """+9 over an outcome that stays: harm of .9 points is under the tolerance, and no pass for all that."""
    many = {"items": 3000}
    found = finding(scored("ckpt-0", day=1, **many), scored("ckpt-1", reward=9, outcome_change=0, seed=3, **many))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the reward rose and the outcome is not shown to follow" in found.message


def test_without_answers_to_held_out_items_it_is_inconclusive() -> None:
    for answers in ([], REFERENCE):
        found = finding(answers)
        assert (found.verdict, found.effect.value, found.n) == (Verdict.INCONCLUSIVE, None, 0)
        assert "needs evaluation answers of the reference and of another checkpoint" in found.message


def test_without_the_reference_it_says_so() -> None:
    found = finding(QUIET)
    assert (found.verdict, found.n) == (Verdict.INCONCLUSIVE, 0)
    assert "needs answers of the reference checkpoint 'ckpt-0' to the items of faq" in found.message


def test_scores_of_two_rulers_form_no_difference_and_the_outcome_is_still_compared() -> None:
    report = report_of(REFERENCE, scored("ckpt-1", reward=9, outcome_change=-30, revision="rm-2"))
    (found,) = findings(report)
    assert alerts(report) == []
    assert (found.verdict, found.effect.value, found.reward_change.value) == (Verdict.INCONCLUSIVE, None, None)
    assert "the reference was scored by revision rm-1, the candidate by rm-2" in found.message
    assert (found.outcome_change.high or 0) < 0


def test_scoring_the_reference_again_with_the_new_ruler_settles_it() -> None:
    again = [e for e in scored("ckpt-0", day=1, revision="rm-2") if "score" in e["type"]]
    later = [{**e, "id": e["id"] + "-again", "time": (START + 14 * DAY).isoformat()} for e in again]
    candidate = scored("ckpt-1", reward=9, outcome_change=-30, revision="rm-2")
    (alert,) = alerts(report_of(REFERENCE, later, candidate))
    assert alert.fired_at == START + 15 * DAY


@pytest.mark.parametrize("kind", ["score", "outcome", "response"])
def test_failed_items_stay_in_the_denominator_at_their_worst(kind: str) -> None:
    whole, some = finding(REFERENCE, QUIET), finding(REFERENCE, without(QUIET, kind, 0.05))
    assert some.n == whole.n == 300
    assert "15 of them failed and counted at their worst" in some.message
    assert (some.effect.high or 0) - (some.effect.low or 0) > (whole.effect.high or 0) - (whole.effect.low or 0)


@pytest.mark.parametrize("kind", ["score", "outcome", "response"])
def test_with_too_many_failed_items_nothing_is_tested(kind: str) -> None:
    report = report_of(REFERENCE, without(GAMED, kind, 0.2))
    assert alerts(report) == []
    assert findings(report)[0].verdict is Verdict.INCONCLUSIVE
    assert "too many items lack something" in findings(report)[0].message


def test_unscoreable_answers_and_outcomes_out_of_range_count_as_failed() -> None:
    spoilt = [dict(e, data=dict(e["data"])) for e in QUIET]
    scores, outcomes = ([e for e in spoilt if kind in e["type"]] for kind in ("score", "outcome"))
    for one in scores[:7]:
        one["data"] |= {"value": None, "status": "unscoreable"}
    for one in outcomes[7:12]:
        one["data"]["value"] = 7.0
    assert "12 of them failed" in finding(REFERENCE, spoilt).message


def test_an_outcome_by_a_model_anchors_nothing() -> None:
    judged = [dict(e, data={**e["data"], "method": "model"}) if "outcome" in e["type"] else e for e in QUIET]
    assert "too many items lack something" in finding(REFERENCE, judged).message


def test_late_results_replace() -> None:
    fixed = [e for e in QUIET if "outcome" in e["type"]]
    later = [{**e, "id": e["id"] + "-fix", "time": (START + 15 * DAY).isoformat()} for e in fixed]
    assert findings(report_of(REFERENCE, GAMED, later))[0].outcome_change == finding(REFERENCE, QUIET).outcome_change


def test_the_order_of_events_says_nothing() -> None:
    events = world(REFERENCE, GAMED)
    shuffled = random.Random(1).sample(events, len(events))
    first, again = (look(in_memory(some), settings(), AS_OF).report for some in (events, shuffled))
    assert told(first) == told(again)
    assert findings(first) == findings(again)


def test_checkpoints_stand_in_their_own_order() -> None:
    facts = {"ckpt-1": 3, "ckpt-0": 1, "early": 2}
    orders = [event("checkpoint", START, {"checkpoint": name, "order": n}) for name, n in facts.items()]
    report = report_of(REFERENCE, scored("ckpt-1", day=11), scored("early", day=13), orders)
    assert [dict(f.slice)["checkpoint"] for f in findings(report)] == ["ckpt-1"]


def test_answers_of_the_teacher_and_of_the_set_itself_are_no_checkpoints() -> None:
    others = [*scored("gpt", day=13, outcome_change=-40), *scored("anchors:faq", day=13, outcome_change=-40)]
    (found,) = findings(report_of(REFERENCE, QUIET, others, judges={"teacher": "gpt"}))
    assert found == finding(REFERENCE, QUIET)


def test_the_reference_of_the_settings_is_compared_with() -> None:
    chosen = {"reference": {"checkpoint": "ckpt-1"}}
    (found,) = findings(report_of(REFERENCE, QUIET, **chosen))
    assert found.slice["checkpoint"] == "ckpt-0"
    assert "against ckpt-1 on the same" in found.message


def test_sets_and_checkpoints_share_one_purse() -> None:
    """Ten checkpoints scored in one day show less than one: each draws on its share."""
    crowd = [e for n in range(9) for e in scored(f"other-{n}", items=100)]
    small = [list(scored(name, day=day, items=100, outcome_change=change, name="s"))
             for name, day, change in (("ckpt-0", 1, 0), ("ckpt-1", 12, -12))]  # fmt: skip
    alone = report_of(*small)
    beside = report_of(*small, scored("ckpt-0", day=1, items=100), crowd)
    levels = [next(f for f in findings(r) if f.slice["anchor_set"] == "s").message for r in (alone, beside)]
    drops = [float(text.partition("a drop of ")[2].partition(" ")[0]) for text in levels]
    assert drops[1] > drops[0] + 1


def test_evaluation_answers_never_enter_the_statistics_of_production() -> None:
    """The same metric, the same scorer, more of them than production has: every other finding stays as it was."""
    own = [dict(e, data={**e["data"], "metric": "task_success"}) if "outcome" in e["type"] else e for e in GAMED]
    with_conversations = list(loop_events(**WORLD, keyed_by="conversation_id"))
    chosen = settings(reward={"scorer": "rm"})
    scores = [
        {**e, "type": "rewarddrift.score.v1", "data": {
            "response_id": e["data"]["response_id"], "value": e["data"]["value"],
            "scorer": {"name": "rm", "kind": "reward_model", "revision": "live"}}}
        for e in with_conversations if "feedback" in e["type"]
    ]  # fmt: skip
    plain = look(in_memory([*with_conversations, *scores]), chosen, AS_OF).report
    beside = look(in_memory([*with_conversations, *scores, *REFERENCE, *own]), chosen, AS_OF).report
    of_production = [[f for f in report.findings if f.check not in READ_EVALUATIONS] for report in (beside, plain)]
    assert of_production[0] == of_production[1] != []
    assert beside.checkpoints == plain.checkpoints
    assert beside.notes == plain.notes
    assert [a for a in beside.alerts if a.check != CHECK] == list(plain.alerts)


def test_ticking_ends_where_one_look_does() -> None:
    store, chosen = in_memory(), settings()
    ticked = live(store, chosen, world(REFERENCE, GAMED), every=5)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked) == told(whole) != []
    assert findings(ticked) == findings(whole)


def test_a_result_that_comes_after_its_day_was_decided_is_looked_at_then() -> None:
    store, chosen = in_memory(world(REFERENCE)), settings()
    tick_at(store, chosen, START + 16 * DAY)
    assert alerts(tick_at(store, chosen, START + 17 * DAY)) == []
    put(store, GAMED)
    assert alerts(tick_at(store, chosen, START + 17 * DAY + HOUR)) == []
    (alert,) = alerts(tick_at(store, chosen, START + 18 * DAY, ["r"]))
    assert alert.fired_at == START + 18 * DAY
    assert told(tick_at(store, chosen, START + 19 * DAY)) == told(tick_at(store, chosen, START + 20 * DAY))


def test_what_comes_during_a_day_is_decided_at_its_close_though_nothing_else_comes() -> None:
    store, chosen = in_memory(world(REFERENCE, GAMED)), settings()
    assert alerts(tick_at(store, chosen, START + 12 * DAY + HOUR)) == []
    assert len(alerts(tick_at(store, chosen, START + 13 * DAY))) == 1


def test_a_decision_silences_the_checkpoint_and_not_the_next_one() -> None:
    store, chosen = in_memory(world(REFERENCE, GAMED)), settings()
    tick_at(store, chosen, START + 16 * DAY, ["r"])
    state = MonitorState(store.engine)
    (number,) = (s.id for s in state.episodes("loop") if s.episode.check == CHECK)
    assert status_of(store, chosen, START + 16 * DAY)["alerts"][0]["check"] == CHECK
    state.resolve("loop", number, "accepted", "we know", START + 16 * DAY)
    fixes = [outcome(START + 17 * DAY, False, "correct", response_id="faq-ckpt-1-1-12", method="exact",
                     anchor_set="faq")]  # fmt: skip
    put(store, fixes)
    assert alerts(tick_at(store, chosen, START + 18 * DAY)) == []
    put(store, scored("ckpt-2", day=19, outcome_change=-25, reward=9))
    assert [a.checkpoint for a in alerts(tick_at(store, chosen, START + 20 * DAY))] == ["ckpt-2"]


def test_an_alert_that_grew_severer_began_no_later_than_it_was_first_told() -> None:
    mild, harsh = scored("ckpt-1", outcome_change=-6, reward=2), scored("ckpt-2", day=14, outcome_change=-40, reward=2)
    told_of = alerts(report_of(REFERENCE, mild, harsh))
    assert [(a.severity, a.checkpoint) for a in told_of] == [("ticket", "ckpt-1"), ("warning", "ckpt-2")]
    assert all(a.evidence and a.evidence.likely_start <= told_of[0].fired_at.date() for a in told_of)


def test_a_checkpoint_of_the_very_same_figures_names_its_twin() -> None:
    events = world(REFERENCE, GAMED)
    twin = [json.loads(json.dumps(one).replace("ckpt-1", "ckpt-2")) for one in GAMED]
    twin = [{**one, "id": f"twin-{number}"} for number, one in enumerate(twin)]
    found = findings(look(in_memory([*events, *twin]), settings(), AS_OF).report)
    messages = {one.slice["checkpoint"]: one.message for one in found}
    assert "the same figures as ckpt-1" in messages["ckpt-2"]
    assert "the same figures" not in messages["ckpt-1"]


def test_corrected_labels_supersede_the_alert() -> None:
    store, chosen = in_memory(world(REFERENCE, GAMED)), settings()
    assert len(alerts(tick_at(store, chosen, START + 15 * DAY))) == 1
    fixed = [e for e in QUIET if "outcome" in e["type"]]
    put(store, [{**e, "id": e["id"] + "-fix", "time": (START + 15 * DAY).isoformat()} for e in fixed])
    assert [a.state for a in alerts(tick_at(store, chosen, START + 16 * DAY))] == ["superseded"]


def test_a_tick_without_news_reads_no_old_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    store, chosen = in_memory(world(REFERENCE, GAMED)), settings()
    first = tick_at(store, chosen, START + 16 * DAY)
    monkeypatch.setattr("monitor.snapshot.read_anchor_sets", lambda *_: pytest.fail("old answers were read"))
    put(store, [response("new", START + 14 * DAY, "ckpt-1"), outcome(START + 15 * DAY, True, response_id="new")])
    again = tick_at(store, chosen, START + 17 * DAY)
    assert findings(again) == findings(first)
    assert told(again) == told(first)


def test_reports_show_it() -> None:
    report = report_of(REFERENCE, GAMED)
    text, page = render_text(report), render_html(report)
    assert "n=300 items against 300" in text
    assert "anchored outcome -" in text
    assert "anchor_set=faq" in text
    assert "anchored_decoupling" in page
    plain = next(f for f in report.to_dict()["findings"] if f["check"] == CHECK)
    assert plain["reward_change"]["low"] > 0 > plain["outcome_change"]["high"]
