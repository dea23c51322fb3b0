"""Does a gate say what to do next: when to run again, what to record, what to read, and what else could explain it?"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from monitor.gate.result import Decision, GateReport
from monitor.gate.run import NoSuchCheckpoint, run_gate
from monitor.report import gate_page
from monitor.report.gate_html import gate_html
from monitor.report.gate_junit import gate_junit
from monitor.report.gate_markdown import gate_markdown
from monitor.report.gate_text import render_gate_text
from monitor.statistics.non_inferiority import labels_needed
from monitor.telling.examples import examples_of
from tests.monitor.anchored_events import scored
from tests.monitor.evaluated_events import evaluated, right, trial_of
from tests.monitor.events import DAY, HOUR, START, Event, in_memory, loop_events, outcome, response, settings, thumbs
from tests.sample_gate_reports import blocked_gate, unsettled_gate

LATE = START + 30 * DAY
OF_TEN_POINTS: dict[str, Any] = {"checks": {"reward_outcome_decoupling": {"tolerance": 0.1}}}
ENOUGH = labels_needed(0.1, (2 * 0.7 * 0.3) ** 0.5)  # as `reward-drift power --success 0.7` counts pairs; with power .8


def decided(events: Iterable[Event], as_of: dt.datetime = LATE, stage: str = "offline", **chosen: Any) -> GateReport:
    """What the gate says of ckpt-1 beside ckpt-0."""
    with in_memory(events) as store:
        return run_gate(store, settings(**chosen), "ckpt-1", "ckpt-0", as_of, stage=stage)


def both(answers: int, seed: int = 0, *, same_prompts: bool = False, days: int = 28) -> Iterator[Event]:
    """So many answers of each of two equal checkpoints, day by day beside each other, with thumbs and outcomes."""
    rng = np.random.default_rng(seed)
    for number in range(answers):
        chance = 0.4 + 0.6 * rng.random() if same_prompts else 0.7
        for checkpoint in ("ckpt-0", "ckpt-1"):
            name, at, worked = f"{checkpoint}-{number}", START + (number % days) * DAY, bool(rng.random() < chance)
            asked = {"prompt_id": f"p{number}"} if same_prompts else {}
            yield response(name, at, checkpoint, user=f"u-{name}", **asked)
            yield thumbs(name, at + HOUR, float(rng.random() < 0.4 + 0.4 * worked), actor=f"u-{name}")
            yield outcome(at + DAY, worked, response_id=name)


@pytest.fixture(scope="module")
def plain() -> GateReport:
    """Two equal checkpoints one after the other, too few answers to decide, and nothing else in the loop."""
    return decided(loop_events(8, 4, per_day=50, seed=5))


def needs_of(report: GateReport) -> str:
    """What reward against outcome lacks over all traffic."""
    return next(one.needs for one in report.findings if one.name == "reward_outcome_decoupling")


def written(report: GateReport) -> list[str]:
    """What people read of it, without line breaks and marks."""
    told = [write(report) for write in (render_gate_text, gate_markdown, gate_html, gate_junit)]
    return [re.sub(r"\s+", " ", re.sub(r"</?code>|`|<wbr>", "", one)) for one in told]


@pytest.mark.parametrize("cohorts", [[], ["tier"]])
def test_a_candidate_that_is_too_young_is_told_with_the_day_from_which_on_it_is_not(cohorts: list[str]) -> None:
    events = list(loop_events(8, 4, per_day=30))
    young = decided(events, START + 5 * DAY + 12 * HOUR, cohorts=cohorts)
    assert young.decision is Decision.INCONCLUSIVE
    told = needs_of(young)
    assert re.search(r"ckpt-1 has 0 units matured: \d+ answers wait 2 days each for their outcome", told)
    ready = dt.date.fromisoformat(
        re.findall(r"the first are through on ([-0-9]+), all on .*; run the gate again", told)[0]
    )
    assert sum(told in step for step in young.next_steps) == 1
    assert all(told in one for one in written(young))
    units = []
    for day in (ready - DAY, ready):
        then = decided(events, dt.datetime.combine(day, dt.time(23), dt.UTC), cohorts=cohorts)
        units.append(next(one.n for one in then.findings if one.name == "reward_outcome_decoupling"))
    assert units[0] == 0 < units[1]


def test_a_candidate_part_of_which_is_too_young_is_told_how_much_is_still_to_come() -> None:
    events = list(loop_events(8, 4, per_day=30))
    [wait] = [one for one in decided(events, START + 7 * DAY).next_steps if one.startswith("Wait for")]
    assert re.search(
        r"\d+ units of ckpt-1 have matured; up to \d+ more answers are within the 2 days that their outcome may take,"
        r" and all are through by 2026-01-\d\d$",
        wait,
    )
    assert not any(one.startswith("Wait for") for one in decided(events).next_steps)


def test_a_side_without_answers_or_without_outcomes_is_named() -> None:
    events = list(loop_events(8, 4, per_day=30))
    mute = [one for one in events if one["type"] != "rewarddrift.outcome.v1" or one["data"]["response_id"] < "4"]
    assert "ckpt-1 has 120 matured units, none with an outcome task_success" in needs_of(decided(mute))
    away = [*(one for one in events if one["data"]["response_id"] < "4"), evaluated("ckpt-1", right(0.8))]
    assert needs_of(decided(away)).endswith("; ckpt-1 has no answer in production")
    gone = [one for one in events if not one["data"]["response_id"].startswith("3")]
    assert needs_of(decided(gone, stage="canary")).endswith("ckpt-0 has no answer in production while ckpt-1 served")


def test_answers_that_no_outcome_can_name_are_counted_and_not_denied() -> None:
    for key, answers in (("conversation_id", 240), ("user", 120)):
        events = list(loop_events(8, 4, per_day=30, keyed_by=key))
        nameless = [{**one, "data": {**one["data"]}} for one in events]
        for one in nameless:
            if one["data"].get("checkpoint") == "ckpt-1":
                del one["data"][key]
        for as_of in (LATE, START + 8 * DAY):  # also while they would wait, were they named
            assert needs_of(decided(nameless, as_of)).endswith(
                f"; ckpt-1 has {answers} answers in production, none names the {key} that outcomes name"
            )


def test_an_answer_in_a_conversation_that_another_ended_is_counted_and_not_denied() -> None:
    events = [*loop_events(8, 4, per_day=30, keyed_by="conversation_id")]
    mine = [one for one in events if one["data"].get("checkpoint") == "ckpt-0"]
    first = next(one["data"]["conversation_id"] for one in mine)
    others = [one for one in events if one["data"].get("checkpoint") != "ckpt-1"]
    before = response("before", START - HOUR, "ckpt-1", conversation_id=first)
    assert needs_of(decided([*others, before])).endswith(
        "ckpt-1 has 1 answer in production, none of them stands for a conversation_id that outcomes may name"
    )


def test_samples_of_different_days_carry_a_warning_and_what_would_settle_it() -> None:
    apart = decided(loop_events(8, 4, per_day=50, outcome_change=-30))
    assert apart.decision is Decision.NO_GO
    assert apart.caveats == [
        "Not the same days: ckpt-1 answered from 2026-01-05 to 2026-01-09, ckpt-0 from 2026-01-01 to 2026-01-05, so"
        " that whatever else changed meanwhile (users, season, product) is blamed on the model here; serving both at"
        " once and `--stage canary`, or both answering the same prompts, would settle it."
    ]
    assert all(apart.caveats[0].replace("`", "") in one for one in written(apart))
    assert apart.to_dict()["caveats"] == apart.caveats
    long_before = [*both(200, days=4), *loop_events(60, 60, per_day=20)]
    assert decided(long_before, START + 90 * DAY).caveats
    assert not decided(long_before, START + 90 * DAY, stage="canary").caveats
    assert not decided(both(200)).caveats
    assert not decided(both(200, same_prompts=True)).caveats


def test_nothing_more_is_asked_of_a_candidate_that_was_shown_harmful() -> None:
    harmed = loop_events(8, 4, per_day=100, outcome_change=-60, harmed="b")
    report = decided(harmed, cohorts=["tier"])
    undecided = [one for one in report.findings if one.blocks and one.name == "reward_outcome_decoupling[tier=a]"]
    assert (report.decision, len(undecided)) == (Decision.NO_GO, 1)
    assert not any(re.match("Run (?!the gate)|Collect|Bring|Wait", step) for step in report.next_steps)


def test_a_freeze_rejects_no_candidate_and_what_it_lacks_is_still_asked_for() -> None:
    with in_memory(loop_events(8, 4, per_day=50, seed=5)) as store:
        report = run_gate(store, settings(), "ckpt-1", "ckpt-0", LATE, frozen="by ann")
    assert report.decision is Decision.NO_GO
    assert any(step.startswith("Run ckpt-0 and ckpt-1 on the same prompts") for step in report.next_steps)


def test_who_is_to_run_the_same_prompts_is_told_how_they_are_recorded(plain: GateReport) -> None:
    [step] = [one for one in plain.next_steps if "on the same prompts" in one]
    assert "`response` events of both with the same `prompt_id`, each with its reward and an `outcome` event" in step


def test_a_worst_cohort_is_one_of_several_that_the_settings_name() -> None:
    harmed = list(loop_events(8, 4, per_day=50, outcome_change=-40))
    for cohorts, fourth in (([], ["drawn at random"]), (["tier"], ["worst cohort, failed outcome", "drawn at random"])):
        trial = trial_of(harmed, chosen=settings(cohorts=cohorts))
        frame = trial.items.frame
        told = [one.why for one in examples_of(trial, frame[trial.roles == "monitored"])]
        assert told == ["high reward, failed outcome"] * 3 + fourth
        alone = frame[(frame["cohort"] == frame["cohort"].iloc[0]).to_numpy(bool)]
        assert not any("worst" in one.why for one in examples_of(trial, alone))
    report = decided(harmed)
    assert report.decision is Decision.NO_GO
    assert not any("worst cohort" in one for one in written(report))


def test_the_page_that_a_step_names_holds_the_words_of_the_answers() -> None:
    events = list(loop_events(8, 4, per_day=50, outcome_change=-40))
    for one in events:
        if one["type"] == "rewarddrift.response.v1":
            one["data"]["response"] = f"<b>Words of {one['data']['response_id']}</b>"
    report = decided(events)
    [step] = [one for one in report.next_steps if one.startswith("Read these answers")]
    assert "`-o verdict.html` writes a page with their words" in step
    for example in report.examples:
        assert example.response_id in step
        assert f"&lt;b&gt;Words of {example.response_id}&lt;/b&gt;" in gate_html(report)
        assert f"Words of {example.response_id}" not in gate_markdown(report) + render_gate_text(report)


@pytest.mark.parametrize(
    ("checkpoints", "listed"),
    [(3, "ckpt-00, ckpt-01, ckpt-02$"), (25, "ckpt-00, .*, ckpt-09, 5 more, ckpt-15, .*, ckpt-24$")],
)
def test_an_unknown_checkpoint_is_answered_with_those_that_are_known(checkpoints: int, listed: str) -> None:
    named = [response(f"r{number}", START, f"ckpt-{number:02}") for number in range(checkpoints)]
    told = rf"'ckpt-99'; closest is ckpt-\d\d; {checkpoints} are known: {listed}"
    with in_memory(named) as store, pytest.raises(NoSuchCheckpoint, match=told):
        run_gate(store, settings(), "ckpt-99", "ckpt-00", LATE)


def test_a_canary_of_the_size_that_power_tells_reaches_go() -> None:
    report = decided(both(ENOUGH, seed=3), stage="canary", **OF_TEN_POINTS)
    assert (report.decision, report.blocking) == (Decision.GO, [])


def test_answers_to_the_same_prompts_reach_go_with_as_many_prompts() -> None:
    report = decided(both(ENOUGH, seed=2, same_prompts=True), **OF_TEN_POINTS)
    assert report.decision is Decision.GO
    assert next(one for one in report.findings if one.required).method.startswith("paired")


@pytest.mark.parametrize("has_reward_model", [True, False])
def test_a_candidate_that_never_served_reaches_go_on_held_out_items(has_reward_model: bool) -> None:
    events = list(loop_events(4, 4, per_day=30))
    for checkpoint in ("ckpt-0", "ckpt-1"):
        events += [
            one
            for one in scored(checkpoint, items=ENOUGH)
            if has_reward_model or one["type"] != "rewarddrift.score.v1"
        ]  # fmt: skip
    required: dict[str, Any] = {} if has_reward_model else {"gate": {"required": ["capability_regression"]}}
    reward = {"scorer": "rm"} if has_reward_model else {"signal": "thumbs"}
    limits = {name: {"tolerance": 0.1} for name in ("anchored_decoupling", "capability_regression")}
    report = decided(events, reward=reward, checks=limits, **required)
    assert (report.decision, report.blocking) == (Decision.GO, [])


def test_the_counts_of_what_was_not_tested_agree_and_a_freeze_is_no_check(plain: GateReport) -> None:
    with in_memory(loop_events(8, 4, per_day=50, seed=5)) as store:
        frozen = run_gate(store, settings(), "ckpt-1", "ckpt-0", LATE, frozen="by ann")
    counted = gate_page.not_tested_counted(plain)
    without, asked = map(int, re.findall(r"(\d+) of (\d+) checks", counted)[0])
    assert asked == len({one.check for one in plain.findings})
    assert without == len({one.check for one in plain.findings} - {one.check for one in plain.findings if one.n})
    assert gate_page.not_tested_counted(frozen) == counted
    for report in (plain, frozen):
        text, markdown, page, _ = written(report)
        assert f"Not tested: {counted} had no data." in page
        assert f"{counted} had no data." in text
        assert f"Not tested, by name ({counted})" in markdown
        assert f"Not tested, by name ({counted})" in page


def test_checks_of_data_that_the_loop_never_had_share_one_line_and_stay_apart_in_json(plain: GateReport) -> None:
    *others, (title, kinds) = gate_page.not_tested_by_name(plain)
    assert title == "no such data in this loop"
    for kind in ("judges (judge_churn_divergence)", "held-out items (eval_contamination)", "evaluations ("):
        assert kind in kinds
    assert not {"judge_churn_divergence", "golden_items"} & {name for name, _ in others}
    assert {"judge_churn_divergence", "golden_items"} <= {one["check"] for one in plain.to_dict()["findings"]}
    assert f"no such data in this loop: {kinds}" in written(plain)[1]
    assert kinds in written(plain)[2]


def test_a_kind_of_data_that_is_there_in_part_is_told_by_check() -> None:
    events = [*loop_events(8, 4, per_day=30), *scored("ckpt-0", items=30)]
    entries = dict(gate_page.not_tested_by_name(decided(events)))
    assert "eval_contamination" in entries
    assert "held-out items" not in entries["no such data in this loop"]
    assert "answers" in entries["anchored_decoupling"]


def test_a_check_that_blocks_is_not_among_those_not_tested() -> None:
    for report in (blocked_gate(), unsettled_gate()):
        named = dict(gate_page.not_tested_by_name(report))
        assert not {one.check for one in report.findings if one.blocks} & named.keys()
    assert gate_page.not_tested_by_name(unsettled_gate()) == []
    assert list(dict(gate_page.not_tested_by_name(blocked_gate()))) == [
        "golden_items",
        "rollback_readiness",
    ]
