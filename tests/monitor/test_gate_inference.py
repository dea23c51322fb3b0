"""What each measurement of a gate is tested by: users who return, stale evidence, and one error for all together."""

import numpy as np

from monitor.check import Interval, Verdict
from monitor.gate import inference
from monitor.gate.decide import judged_together
from monitor.gate.inference import sample
from monitor.gate.result import GateFinding
from monitor.gate.search import Searched, searched
from monitor.gate.trial_part import Sampled

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


def _of(effects: np.ndarray, users: np.ndarray) -> Sampled:
    return Sampled({}, effects, 0.02, days=np.zeros(effects.size, np.int64), paired=True, clusters=users)
