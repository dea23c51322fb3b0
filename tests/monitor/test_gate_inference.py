"""What each measurement of a gate is tested by: users who return, stale evidence, and one error for all together."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from monitor.check import Interval, Verdict, load_checks
from monitor.gate import inference
from monitor.gate.decide import decide, judged_together
from monitor.gate.decoupling import decoupling
from monitor.gate.inference import sample, worst_of
from monitor.gate.result import Decision, GateFinding
from monitor.gate.samples import open_census, paired_sample
from monitor.gate.search import Searched, searched
from monitor.gate.sides import prepare_trial
from monitor.gate.trial import Trial
from monitor.gate.trial_part import Sampled, TrialPart
from tests.monitor.events import DAY, HOUR, START, Event, in_memory, outcome, response, score, settings

CHECK = "reward_outcome_decoupling"


def of(part: dict[str, str], p_harm: float) -> inference.Tested:
    return inference.Tested(
        GateFinding(CHECK, part, Verdict.INCONCLUSIVE, Interval(0.05), 0.02, 100, None, ""), p_harm=p_harm
    )


def test_all_traffic_has_half_of_what_a_wrong_no_go_may_cost() -> None:
    slices = [of({"tier": str(number)}, 0.9) for number in range(5)]
    whole, *others = judged_together([of({}, 0.02), *slices], 0.05)
    assert whole.verdict is Verdict.FAIL
    assert {one.verdict for one in others} == {Verdict.INCONCLUSIVE}
    alone, *_ = judged_together([of({"tier": "a"}, 0.02), *slices], 0.05)
    assert alone.verdict is Verdict.INCONCLUSIVE


def test_users_whose_answers_hang_together_widen_the_bounds_and_those_who_only_return_do_not() -> None:
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.choice([-1.0, 0.0, 1.0], 200), 10)
    users, nobody = np.repeat(np.arange(200), 10), np.arange(2000)
    width = [test.high - test.low for test in (sample(_of(alike, who), 0.05) for who in (nobody, users))]
    assert width[1] > 2.5 * width[0]  # ten answers that are one answer: the root of ten wider
    apart = rng.permutation(alike)
    width = [test.high - test.low for test in (sample(_of(apart, who), 0.05) for who in (nobody, users))]
    assert width[1] < 1.3 * width[0]


def test_stale_evidence_searches_no_cohort() -> None:
    lost, codes = np.tile([1.0, 0.0], 50), np.zeros((100, 1), np.int64)
    one = Searched({}, lost, 0.05, days=np.full(100, 20_000), codes=codes, values=(("tier", ("a",)),))
    fresh, stale = (next(searched("worst_cohort", one, 0.05, oldest)) for oldest in (20_000, 20_001))
    assert fresh.finding.verdict is Verdict.FAIL
    assert (stale.finding.verdict, stale.finding.n) == (Verdict.INCONCLUSIVE, 0)
    assert "stale by gate.max_age" in stale.finding.needs


def test_harm_of_one_of_two_series_pays_for_both_and_safety_needs_both() -> None:
    found = worst_of([replace(of({}, 0.03), p_safe=0.9), replace(of({}, 0.5), p_safe=0.01)])
    assert (found.p_harm, found.p_safe) == (0.06, 0.9)


@pytest.mark.parametrize(("oldest", "undecided"), [(1, ""), (0, "one side lacks more")])
@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_stale_and_undecided_evidence_shows_neither_harm_nor_safety(loss: float, oldest: int, undecided: str) -> None:
    one = _of(np.tile([loss, loss, loss - 1, 0.0], 500), np.arange(2000))
    assert inference.tested(CHECK, {}, one, 0.05, 0).finding.verdict is not Verdict.INCONCLUSIVE
    found = inference.tested(CHECK, {}, replace(one, undecided=undecided), 0.05, oldest)
    assert (found.finding.verdict, found.p_harm, found.p_safe) == (Verdict.INCONCLUSIVE, 1.0, 1.0)
    assert found.finding.needs
    assert found.finding.n_needed is None


def test_as_many_units_as_are_needed_are_told_until_it_passes() -> None:
    few, many = (
        inference.tested(CHECK, {}, _of(np.tile([1.0, -1.0, 0.0, 0.0], n), np.arange(4 * n)), 0.05, 0)
        for n in (20, 9000)
    )
    assert few.finding.n_needed is not None
    assert few.finding.n_needed > few.finding.n
    assert (many.finding.verdict, many.finding.n_needed) == (Verdict.PASS, 0)


def test_items_that_failed_count_at_their_worst_and_too_many_of_them_leave_it_open() -> None:
    for failed, verdict in ((0, Verdict.PASS), (60, Verdict.INCONCLUSIVE), (300, Verdict.INCONCLUSIVE)):
        most = np.repeat([1.0, 0.0], [failed, 1000 - failed])
        one = paired_sample({}, np.zeros(1000), most, 0.03, 0, "")
        found = inference.tested("capability_regression", {}, one, 0.05, 0).finding
        assert found.verdict is verdict
        assert ("lack an outcome or a score" in found.needs) == (failed == 300)


@pytest.mark.parametrize(("least", "most", "verdict"), [(0, 0, "PASS"), (0, 1, "INCONCLUSIVE"), (1, 1, "FAIL")])
def test_a_census_with_an_open_item_neither_passes_nor_fails(least: float, most: float, verdict: str) -> None:
    low, high = (np.repeat([end, 0.0], [1, 49]) for end in (least, most))
    one = open_census({}, low, high, 0.0, "")
    found = inference.tested("golden_items", {}, one, 0.05, 0)
    assert found.finding.verdict == verdict
    assert judged_together([found], 0.05)[0].verdict == verdict


def test_a_required_check_that_yields_nothing_and_a_check_that_broke_keep_from_go() -> None:
    passed = replace(of({}, 1.0).finding, verdict=Verdict.PASS)
    everything = partial(decide, must_pass=lambda part: True)
    assert everything([passed], [CHECK])[0] is Decision.GO
    assert everything([passed], [CHECK, "golden_items"])[0] is Decision.INCONCLUSIVE
    broke = replace(passed, check="golden_items", verdict=Verdict.ERROR)
    assert everything([passed, broke], [CHECK])[0] is Decision.INCONCLUSIVE
    assert everything([passed], [])[0] is Decision.INCONCLUSIVE


def test_harm_that_only_informs_does_not_block_unless_its_check_is_required() -> None:
    passed = replace(of({}, 1.0).finding, verdict=Verdict.PASS)
    told = replace(passed, check="prompt_baseline", verdict=Verdict.FAIL)
    assert load_checks()["prompt_baseline"].severity == "ticket"
    assert decide([passed, told], [CHECK], lambda part: True)[0] is Decision.GO
    assert decide([passed, told], [CHECK, "prompt_baseline"], lambda part: True)[0] is Decision.NO_GO


def test_where_nothing_can_be_lost_beyond_the_tolerance_nothing_passes() -> None:
    one = _of(np.zeros(4000), np.arange(4000))
    verdicts = [
        inference.tested(CHECK, {}, replace(one, baseline_level=level), 0.05, 0).finding.verdict
        for level in (0.5, one.tolerance)
    ]
    assert verdicts == [Verdict.PASS, Verdict.INCONCLUSIVE]


def test_users_of_a_trial_hang_together() -> None:
    loss = _loss(_trial(answers=60, users=6))
    assert loss.effects.size == 60
    assert np.unique(loss.clusters).size == 6


def test_outcomes_that_one_side_lacks_more_often_decide_nothing() -> None:
    assert _loss(_trial(answers=400, users=400)).undecided == ""
    assert "outcomes are there for 50.0% of the candidate's" in _loss(_trial(answers=400, users=400, told=2)).undecided


def test_rewards_that_the_candidate_lacks_leave_the_decoupling_open() -> None:
    for told, lacking in ((1, False), (2, True)):
        part = _part(_trial(answers=400, users=400, scored=told))
        series = {
            name: replace(
                part.measure(name, part.mean_outcome - part.outcome + 0 * reward, part.cohort, 0.3), series=name
            )
            for name, reward in (("A2", np.zeros(part.reward.size)), ("A7", part.reward), ("A4", part.reward))
        }
        found = decoupling({}, series, _trial(40, 40).baseline, 0.1, 0.05, 0, scored=True)
        assert ("there is a reward for" in found.finding.needs) == lacking
        assert (found.p_safe == 1.0) == lacking


def test_a_loop_without_rewards_is_never_safe_and_is_told_what_it_lacks() -> None:
    safe = _of(np.tile([0.1, -0.1], 2000), np.arange(4000))
    assert inference.tested(CHECK, {}, safe, 0.05, 0).p_safe < 0.05
    found = decoupling({}, {"A2": safe}, _trial(40, 40).baseline, 0.1, 0.05, 0, scored=False)
    assert (found.p_safe, found.finding.needs) == (1.0, "rewards of candidate and reference")


def test_in_a_rollout_only_the_reference_of_those_days_counts() -> None:
    whole, beside = (_trial(40, 40, stage=stage) for stage in ("offline", "canary"))
    assert (whole.roles == "reference").sum() == 40
    assert (beside.roles == "reference").sum() == 0  # it had ended before


def _trial(answers: int, users: int, told: int = 1, scored: int = 1, stage: str = "offline") -> Trial:
    """told, scored: of the candidate, every how-manieth answer has an outcome, and a reward."""
    store = in_memory([*_answers("old", 0, answers, users), *_answers("new", 20, answers, users, told, scored)])
    chosen = settings(reward={"scorer": "rm"})
    return prepare_trial(store.engine, chosen, "new", "old", START + 60 * DAY, stage)


def _answers(side: str, day: int, answers: int, users: int, told: int = 1, scored: int = 1) -> Iterator[Event]:
    for number in range(answers):
        name, at = f"{side}-{number}", START + day * DAY + number % 10 * DAY
        yield response(name, at, side, user=f"{side}-{number % users}")
        if number % scored == 0:
            yield score(name, at, number % 7 / 7)
        if number % told == 0:
            yield outcome(at + HOUR, number % 4 > 0, response_id=name)


def _part(trial: Trial) -> TrialPart:
    part = next(trial.parts())
    assert isinstance(part, TrialPart)
    return part


def _loss(trial: Trial) -> Sampled:
    part = _part(trial)
    return part.measure("A2", part.mean_outcome - part.outcome, part.cohort, 0.02)


def _of(effects: np.ndarray, users: np.ndarray) -> Sampled:
    return Sampled({}, effects, 0.02, days=np.zeros(effects.size, np.int64), paired=True, clusters=users)
