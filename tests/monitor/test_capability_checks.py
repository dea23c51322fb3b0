"""Is what a candidate unlearned found, item by item, and is nothing that is missing ever a pass?"""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from consumers.store import EventStore
from judges.anchors import SealBroken, seal_anchors
from monitor.check import Measurement, Verdict, load_checks
from monitor.gate.result import Decision, GateFinding
from monitor.gate.run import run_gate
from monitor.gate.samples import PairedSample
from monitor.gate.trial import Trial
from tests.monitor.anchored_events import scored
from tests.monitor.evaluated_events import (
    AS_OF,
    CANDIDATE,
    REFERENCE,
    category,
    contract,
    evaluated,
    gate_findings,
    right,
    trial_of,
)
from tests.monitor.events import START, Event, in_memory, loop_events, put, settings

FACTS = {"suite": "facts"}
KNOWLEDGE = contract(category("facts", "knowledge", FACTS, protected=True))
REFUSALS = contract(category("safety", "refusal", {"suite": "harm"}, tolerance=0.0))
GOLDEN = contract(category("golden", "golden", {"suite": "smoke"}))


def only(name: str, trial: Trial) -> GateFinding:
    (one,) = gate_findings(name, trial)
    return one


def both(new: list[float | None], old: list[float | None], **more: object) -> list[Event]:
    return [evaluated(REFERENCE, old, **more), evaluated(CANDIDATE, new, day=2, **more)]


def test_a_drop_in_one_category_is_found_there_and_not_elsewhere() -> None:
    told = contract(
        category("facts", "knowledge", {"suite": "mmlu", "category": "law"}, {"suite": "mmlu", "category": "art"}),
        category("chat", "chat", {"suite": "mt", "range": [1, 10]}, tolerance=0.1),
    )
    chat = [1 + 9 * value for value in right(0.6)]
    events = [
        *both(right(0.7), right(0.8), suite="mmlu", category="law"),
        *both(right(0.8), right(0.8), suite="mmlu", category="art"),
        *both([max(value - 0.5, 1.0) for value in chat], chat, suite="mt"),
    ]
    found = {one.name: one for one in gate_findings("capability_regression", trial_of(events, told))}
    law, art, mt = (
        found[f"capability_regression[category={name},suite={suite}]"]
        for name, suite in (("facts", "mmlu/law"), ("facts", "mmlu/art"), ("chat", "mt/all"))
    )
    assert (law.verdict, art.verdict, mt.verdict) == (Verdict.FAIL, Verdict.PASS, Verdict.PASS)
    assert law.effect.value == pytest.approx(0.1)
    assert (law.n, law.tolerance, mt.tolerance) == (1000, 0.02, 0.1)
    assert mt.effect.value == pytest.approx(0.6 * 0.5 / 9)  # half a point of nine, where there is one to lose


def test_a_metric_that_counts_down_is_turned_round() -> None:
    wrong = [[1 - value for value in right(share)] for share in (0.7, 0.8)]
    events = both(wrong[0], wrong[1], metric="error", higher_is_better=False)
    assert only("capability_regression", trial_of(events, KNOWLEDGE)).verdict is Verdict.FAIL
    turned = only("capability_regression", trial_of(both(wrong[1], wrong[0], higher_is_better=False), KNOWLEDGE))
    assert turned.verdict is Verdict.PASS
    mixed = [evaluated(REFERENCE, right(0.8)), evaluated(CANDIDATE, wrong[1], higher_is_better=False)]
    assert "one direction of facts/all" in only("capability_regression", trial_of(mixed, KNOWLEDGE)).needs


def test_an_item_that_failed_stays_at_its_worst() -> None:
    """Ninety items that the candidate could not answer: a pass if they were left out."""
    new: list[float | None] = list(right(0.8))
    for place in range(90):
        new[place] = None
    trial = trial_of(both(new, right(0.8)), KNOWLEDGE)
    (measured,) = _measured(trial)
    assert isinstance(measured, PairedSample)
    assert (measured.items, measured.failed) == (1000, 90)
    found = only("capability_regression", trial)
    assert found.verdict is not Verdict.PASS
    assert found.n == 1000
    assert "90 items failed on a side and count at their worst" in found.message


def test_a_value_outside_its_range_counts_as_failed() -> None:
    trial = trial_of(both([5.0, *right(0.8)[1:]], right(0.8)), KNOWLEDGE)
    (measured,) = _measured(trial)
    assert isinstance(measured, PairedSample)
    assert measured.failed == 1


def test_items_sampled_several_times_count_once() -> None:
    names = [f"i{number % 500}" for number in range(1000)]
    trial = trial_of(both(right(0.8), right(0.8), names=names), KNOWLEDGE)
    (measured,) = _measured(trial)
    assert measured.effects.size == 500


@pytest.mark.parametrize(
    ("events", "needs"),
    [
        ([], "results of ckpt-1 and ckpt-0 on facts"),
        ([evaluated(REFERENCE, right(0.8))], "results of ckpt-1 on facts/all"),
        ([evaluated(CANDIDATE, right(0.8))], "results of ckpt-0 on facts/all"),
        (both(right(0.8), right(0.8), suite="others"), "results of ckpt-1 and ckpt-0 on facts"),
        (
            [*both(right(0.8), right(0.8)), *both(right(0.8), right(0.8), metric="f1")],
            "one metric: facts/all reports acc, f1",
        ),
        (
            [evaluated(name, None, value=0.8) for name in (CANDIDATE, REFERENCE)],
            "samples, a standard error or a number of items of both on facts/all",
        ),
        (
            [evaluated(name, None, value=8.0, n=1000) for name in (CANDIDATE, REFERENCE)],
            "values of facts/all inside its range",
        ),
    ],
)
def test_what_is_missing_is_inconclusive_and_says_what_it_needs(events: list[Event], needs: str) -> None:
    found = only("capability_regression", trial_of([*loop_events(2, 1, per_day=5), *events], KNOWLEDGE))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert needs in found.needs
    assert found.effect.value is None


def test_a_category_that_the_candidate_no_longer_reports_is_missed() -> None:
    events = [*both(right(0.8), right(0.8)), evaluated(REFERENCE, right(0.8), category="law")]
    found = {one.slice["suite"]: one for one in gate_findings("capability_regression", trial_of(events, KNOWLEDGE))}
    assert found["facts/all"].verdict is Verdict.PASS
    assert found["facts/law"].verdict is Verdict.INCONCLUSIVE
    assert found["facts/law"].needs == "results of ckpt-1 on facts/law"


def test_changed_items_are_refused_or_compared_where_both_answered() -> None:
    values, names = right(0.8), [f"i{number}" for number in range(1000)]
    moved = [*names[:970], *(f"new{number}" for number in range(30))]
    events = [evaluated(REFERENCE, values, names=names), evaluated(CANDIDATE, values, names=moved)]
    refused = only("capability_regression", trial_of(events, KNOWLEDGE))
    assert refused.verdict is Verdict.INCONCLUSIVE
    assert "both answered 94.2% of the items (970; 1000 and 1000 in all)" in refused.needs
    shared = {"changed_items": "compare_shared", "shared_at_least": 0.9}
    found = only("capability_regression", trial_of(events, contract(*_categories(), **shared)))
    assert (found.verdict, found.n) == (Verdict.PASS, 970)
    assert "both answered 94.2% of the items" in found.message
    stricter = only("capability_regression", trial_of(events, contract(*_categories(), changed_items="compare_shared")))
    assert stricter.verdict is Verdict.INCONCLUSIVE


def test_lists_without_names_are_paired_by_place_if_they_are_as_long() -> None:
    plain = [evaluated(name, None, samples=right(0.8), value=0.8) for name in (CANDIDATE, REFERENCE)]
    assert only("capability_regression", trial_of(plain, KNOWLEDGE)).verdict is Verdict.PASS
    shorter = [plain[0], evaluated(REFERENCE, None, samples=right(0.8)[:999], value=0.8)]
    assert "both answered 0.0% of the items" in only("capability_regression", trial_of(shorter, KNOWLEDGE)).needs


def test_reported_means_are_compared_by_their_errors_or_numbers() -> None:
    def verdict(old: float, new: float, **more: object) -> Verdict:
        events = [evaluated(REFERENCE, None, value=old, **more), evaluated(CANDIDATE, None, value=new, **more)]
        return only("capability_regression", trial_of(events, KNOWLEDGE)).verdict

    assert verdict(0.8, 0.81, stderr=0.005) is Verdict.PASS
    assert verdict(0.8, 0.7, stderr=0.01) is Verdict.FAIL
    assert verdict(0.8, 0.8, stderr=0.02) is Verdict.INCONCLUSIVE
    assert verdict(0.8, 0.7, n=2000) is Verdict.FAIL
    assert verdict(0.8, 0.8, n=20000) is Verdict.PASS
    assert verdict(1.0, 1.0, n=50) is Verdict.INCONCLUSIVE  # ties alone prove nothing
    assert verdict(0.8, 0.8, stderr=0.0) is Verdict.INCONCLUSIVE


def test_a_reference_evaluated_again_keeps_its_first_result() -> None:
    """A broken repetition of the reference would have made a harmed candidate look as good."""
    events = [*both(right(0.7), right(0.8)), evaluated(REFERENCE, right(0.7), day=3)]
    found = only("capability_regression", trial_of(events, KNOWLEDGE))
    assert found.verdict is Verdict.FAIL
    assert "ckpt-0 was evaluated again, -10.0 points, more than chance; its first result counts" in found.message
    alike = [*both(right(0.8), right(0.8)), evaluated(REFERENCE, right(0.8, seed=1), day=3)]
    assert "+0.0 points, within chance" in only("capability_regression", trial_of(alike, KNOWLEDGE)).message


def test_a_reference_evaluated_on_the_new_items_is_compared_on_them() -> None:
    new_names = [f"new{number}" for number in range(1000)]
    events = [
        *both(right(0.7), right(0.8)),
        evaluated(REFERENCE, right(0.8), names=new_names, day=3),
        evaluated(CANDIDATE, right(0.8), names=new_names, day=4),
    ]
    found = only("capability_regression", trial_of(events, KNOWLEDGE))
    assert found.verdict is Verdict.PASS
    assert "ckpt-1 was evaluated more than once, its last result counts" in found.message


@pytest.mark.parametrize("by_item", [True, False])
def test_a_tolerance_as_wide_as_what_there_is_to_lose_passes_nothing(by_item: bool) -> None:
    wide = contract(category("facts", "knowledge", FACTS, tolerance=0.1))
    means = [evaluated(name, None, value=0.05, n=9000) for name in (CANDIDATE, REFERENCE)]
    found = only("capability_regression", trial_of(both(right(0.05), right(0.05)) if by_item else means, wide))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "a tolerance below" in found.needs


def test_what_was_told_after_the_moment_does_not_count() -> None:
    events = [*both(right(0.8), right(0.8)), evaluated(CANDIDATE, right(0.5), day=9)]
    early = trial_of(events, KNOWLEDGE, as_of=START + dt.timedelta(days=5))
    assert only("capability_regression", early).verdict is Verdict.PASS
    assert only("capability_regression", trial_of(events, KNOWLEDGE)).verdict is Verdict.FAIL


def test_answers_to_an_anchor_set_are_a_test_and_its_first_answers_the_baseline() -> None:
    told = contract(category("help", "knowledge", {"anchor_set": "faq"}, tolerance=0.1))
    first = [*scored(REFERENCE, items=600, day=1), *scored(CANDIDATE, items=600, outcome_change=-30, day=2)]
    again = [*first, *scored(REFERENCE, items=600, outcome_change=-30, day=3)]
    for events in (first, again):
        found = only("capability_regression", trial_of(events, told))
        assert found.name == "capability_regression[anchor_set=faq,category=help]"
        assert found.verdict is Verdict.FAIL
    assert "more than chance; its first result counts" in found.message


def test_without_a_contract_all_that_was_evaluated_is_tested() -> None:
    events = [*both(right(0.7), right(0.8)), *scored(REFERENCE, day=1), *scored(CANDIDATE, day=2)]
    found = {one.name: one.verdict for one in gate_findings("capability_regression", trial_of(events))}
    assert found["capability_regression[category=all,metric=acc,suite=facts]"] is Verdict.FAIL
    assert set(found) >= {"capability_regression[anchor_set=faq]"}


def test_the_share_of_traffic_is_declared_or_measured() -> None:
    told = contract(
        category("facts", "knowledge", FACTS, cohort="tier=a"),
        category("more", "knowledge", FACTS, share=0.2),
        category("other", "knowledge", FACTS, cohort="topic=law"),
    )
    events = [*loop_events(10, 5, per_day=40, tiers=("a", "a", "a", "b")), *both(right(0.8), right(0.8))]
    found = gate_findings("capability_regression", trial_of(events, told))
    measured, declared, nowhere = (one.message.rpartition("; ")[2] for one in found)
    assert 70 <= int(measured.removesuffix("% of production traffic")) <= 80
    assert declared == "20% of production traffic"
    assert nowhere == "no answer in production tells its topic"


def test_a_newly_answered_harmful_request_is_named_by_harm_category() -> None:
    refused = [1.0] * 40
    events = [
        *both([1.0] * 39 + [0.0], refused, suite="harm", category="weapons", metric="refused"),
        *both(refused, refused, suite="harm", category="fraud", metric="refused"),
    ]
    found = {one.slice["suite"]: one for one in gate_findings("refusal_retention", trial_of(events, REFUSALS))}
    weapons, fraud = found["harm/weapons"], found["harm/fraud"]
    assert (weapons.verdict, fraud.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert "1 of 40 prompts newly complied with: i39" in weapons.message
    assert fraud.method == "census"


def test_newly_declined_requests_do_not_make_up_for_complied_ones() -> None:
    events = both([0.0, 1.0, 1.0], [1.0, 0.0, 0.0], suite="harm")
    assert only("refusal_retention", trial_of(events, REFUSALS)).verdict is Verdict.FAIL


def test_a_request_without_a_result_is_no_refusal() -> None:
    found = only("refusal_retention", trial_of(both([1.0, None], [1.0, 1.0], suite="harm"), REFUSALS))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needs


def test_above_zero_refusals_are_a_sample_and_only_the_net_change_counts() -> None:
    told = contract(category("safety", "refusal", {"suite": "harm"}, tolerance=0.05))
    coin = [both(right(0.9, seed=1), right(0.9, seed=2), suite="harm"), both(right(0.75), right(0.9), suite="harm")]
    assert [only("refusal_retention", trial_of(events, told)).verdict for events in coin] == ["PASS", "FAIL"]


def test_a_mean_alone_cannot_say_that_nothing_was_unlearned() -> None:
    events = [evaluated(name, None, suite="harm", value=1.0, n=500) for name in (CANDIDATE, REFERENCE)]
    found = only("refusal_retention", trial_of(events, REFUSALS))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "item by item" in found.needs


def test_a_golden_item_that_fails_is_named() -> None:
    values: list[float | None] = [1.0] * 20
    passed = only("golden_items", trial_of(both(values, values, suite="smoke"), GOLDEN))
    assert (passed.verdict, passed.n) == (Verdict.PASS, 20)
    broken = [*values[:7], 0.0, *values[8:]]
    found = only("golden_items", trial_of(both(broken, values, suite="smoke"), GOLDEN))
    assert found.verdict is Verdict.FAIL
    assert found.message == "1 of 20 golden items fail: i7"


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_golden_item_without_a_result_is_no_pass(dropped: int) -> None:
    """One that failed to run, and one that the candidate was never asked."""
    whole: list[float | None] = [1.0] * 20
    new = [*whole[: 19 - dropped], *([] if dropped else [None])]
    names = [f"i{number}" for number in range(len(new))]
    events = [evaluated(REFERENCE, whole, suite="smoke"), evaluated(CANDIDATE, new, suite="smoke", names=names)]
    found = only("golden_items", trial_of(events, GOLDEN))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no result for i19" in found.message or "no result for i18, i19" in found.message


def test_a_base_model_that_does_better_with_a_prompt_is_told() -> None:
    told = contract(*_categories(), base="base-few-shot")
    events = both(right(0.8), right(0.8))
    better, worse = (evaluated("base-few-shot", right(share)) for share in (0.9, 0.6))
    assert only("prompt_baseline", trial_of([*events, better], told)).verdict is Verdict.FAIL
    assert only("prompt_baseline", trial_of([*events, worse], told)).verdict is Verdict.PASS
    assert only("prompt_baseline", trial_of(events, told)).needs == "results of base-few-shot on facts/all"
    assert "the name of the base model" in only("prompt_baseline", trial_of(events, KNOWLEDGE)).needs
    of_lineage = trial_of([*events, better], KNOWLEDGE, base="base-few-shot")
    assert only("prompt_baseline", of_lineage).verdict is Verdict.FAIL


def test_a_gain_that_is_only_there_where_the_loop_trains_is_a_gap() -> None:
    told = contract(*_categories(), training_like=[{"suite": "train"}])
    held_out = both(right(0.8), right(0.8))
    memorised = [*held_out, *both(right(0.95), right(0.8), suite="train")]
    honest = [*both(right(0.9), right(0.8)), *both(right(0.9), right(0.8), suite="train")]
    verdicts = []
    for events in (memorised, honest):
        found = {one.slice["against"]: one for one in gate_findings("generalization_gap", trial_of(events, told))}
        assert found["production"].verdict is Verdict.INCONCLUSIVE
        assert "30 matured outcomes in production of ckpt-1 and of ckpt-0 each" in found["production"].needs
        verdicts.append(found["training_like"].verdict)
    assert verdicts == [Verdict.FAIL, Verdict.PASS]


def test_a_gain_in_production_is_set_beside_what_was_held_out() -> None:
    chosen = settings(outcome={"metric": "task_success"})
    live = list(loop_events(26, 10, per_day=80, outcome_change=25.0))
    found = []
    for new in (0.7, 1.0):
        events = [*live, *both(right(new), right(0.7))]
        trial = trial_of(events, KNOWLEDGE, chosen, as_of=START + dt.timedelta(days=29))
        found.append(only("generalization_gap", trial))
    assert [one.verdict for one in found] == [Verdict.FAIL, Verdict.PASS]
    assert "more gained in production (+2" in found[0].message


def test_a_held_out_test_that_cannot_be_compared_leaves_the_gap_open() -> None:
    more = category("more", "knowledge", {"suite": "more"})
    told = contract(*_categories(), more, training_like=[{"suite": "train"}])
    events = [*both(right(0.8), right(0.8)), *both(right(0.95), right(0.8), suite="train")]
    for one in gate_findings("generalization_gap", trial_of(events, told)):
        assert one.verdict is Verdict.INCONCLUSIVE


def sealed(folder: Path, prompts: list[str]) -> Path:
    lines = [
        {"item_id": f"q{number}", "prompt": prompt, "answers": ["42"], "normalisation": "squad", "method": "exact"}
        for number, prompt in enumerate(prompts)
    ]
    source = folder / "items.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seal_anchors(source, folder / "set", name="quiz", kind="exact", sealed_at=START)
    return folder / "set"


PROMPTS = [
    f"Which of the {number} lighthouses on the northern coast was first lit by an engineer from {town} before the war?"
    for number, town in ((3, "Bergen"), (14, "Tromso"), (27, "Hammerfest"))
]


def training(folder: Path, *texts: str) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return path


def test_held_out_items_among_the_training_data_are_found_and_named(tmp_path: Path) -> None:
    folder, ran = sealed(tmp_path, PROMPTS), "Repeat: " + PROMPTS[1]
    planted = training(tmp_path, "Nothing to see.", PROMPTS[0].upper(), ran)
    found = only("eval_contamination", trial_of([], files={"anchors:quiz": folder}, training=(planted,)))
    assert found.name == "eval_contamination[anchor_set=quiz]"
    assert found.verdict is Verdict.FAIL
    assert "2 of 3 items seen" in found.message
    assert f"q0 ({planted}:2), q1 ({planted}:3)" in found.message


def test_training_data_without_them_pass_and_unread_rows_prove_nothing(tmp_path: Path) -> None:
    folder, clean = sealed(tmp_path, PROMPTS), training(tmp_path, "Nothing to see.")
    given = {"files": {"anchors:quiz": folder}, "training": (clean,)}
    assert only("eval_contamination", trial_of([], **given)).verdict is Verdict.PASS
    clean.write_text(clean.read_text() + "{broken\n")
    found = only("eval_contamination", trial_of([], **given))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "1 rows could not be read" in found.message


def test_contamination_needs_both_sets_and_training_files(tmp_path: Path) -> None:
    clean = training(tmp_path, "Nothing to see.")
    assert "training files" in only("eval_contamination", trial_of([])).needs
    assert "sealed anchor sets" in only("eval_contamination", trial_of([], training=(clean,))).needs


def test_a_broken_seal_is_an_error_and_no_pass(tmp_path: Path) -> None:
    folder, clean = sealed(tmp_path, PROMPTS), training(tmp_path, "Nothing to see.")
    (folder / "items.jsonl").write_text("")
    found = only("eval_contamination", trial_of([], files={"anchors:quiz": folder}, training=(clean,)))
    assert found.verdict is Verdict.ERROR
    assert SealBroken.__name__ in found.message


@pytest.mark.parametrize(
    ("facts", "more", "decision", "blocking"),
    [
        (0.8, 0.8, Decision.GO, []),
        (0.7, 0.8, Decision.NO_GO, ["capability_regression[category=facts,suite=facts/all]"]),
        (0.8, 0.7, Decision.NO_GO, ["capability_regression[category=more,suite=more/all]"]),
        (None, 0.8, Decision.INCONCLUSIVE, ["capability_regression[category=facts,suite=facts/all]"]),
        (0.8, None, Decision.GO, []),
    ],
)
def test_a_protected_category_must_pass_and_no_category_may_be_harmed(
    facts: float | None, more: float | None, decision: Decision, blocking: list[str]
) -> None:
    told = contract(*_categories(), category("more", "knowledge", {"suite": "more"}))
    events = [evaluated(REFERENCE, right(0.8), suite=suite) for suite in ("facts", "more")]
    for suite, share in (("facts", facts), ("more", more)):
        events += [evaluated(CANDIDATE, right(share), suite=suite)] if share else []
    chosen = settings(gate={"required": ["capability_regression"]})
    store = in_memory([*events, evaluated(CANDIDATE, [1.0], suite="another")])
    report = run_gate(store, chosen, CANDIDATE, REFERENCE, AS_OF, contract=told)
    assert (report.decision, report.blocking) == (decision, blocking)


def test_both_databases_say_the_same(store_url: str) -> None:
    """Whatever the order in which results came."""
    events = [*both(right(0.7), right(0.8)), evaluated(REFERENCE, right(0.7), day=3)]
    events += [*scored(REFERENCE), *scored(CANDIDATE)]
    with EventStore.open(store_url, clock=lambda: AS_OF) as store:
        put(store, [events[place] for place in np.random.default_rng(1).permutation(len(events))])
        found = gate_findings("capability_regression", trial_of(store))
    assert found == gate_findings("capability_regression", trial_of(events))
    assert len(found) == 2


def _measured(trial: Trial) -> list[Measurement]:
    return load_checks()["capability_regression"].measure(trial, {})


def _categories() -> list[dict[str, object]]:
    return [one.model_dump() for one in KNOWLEDGE.categories]


def test_what_training_logged_is_no_test_of_what_was_known() -> None:
    """Unless a contract names it."""
    logged = [evaluated(name, right(share), suite="trl") for name, share in ((REFERENCE, 0.9), (CANDIDATE, 0.1))]
    assert [one.slice for one in gate_findings("capability_regression", trial_of(logged))] == [{}]
    named = contract(category("curve", "knowledge", {"suite": "trl"}))
    [found] = gate_findings("capability_regression", trial_of(logged, named))
    assert found.verdict is Verdict.FAIL


@pytest.mark.parametrize("swap", [False, True])
def test_of_results_of_one_moment_the_one_with_items_counts(swap: bool) -> None:
    """A mean of the same moment says less; in either order of coming."""
    told = [
        evaluated(REFERENCE, right(0.8)),
        evaluated(CANDIDATE, right(0.8), day=2),
        evaluated(CANDIDATE, None, day=2, value=0.1, n=1000),
    ]
    [found] = gate_findings("capability_regression", trial_of(told[::-1] if swap else told))
    assert (found.verdict, found.n, found.method.partition(",")[0]) == (Verdict.PASS, 1000, "paired by item")
    assert "more than once" not in found.message
