"""What a cohort must show, what it may borrow, and what a decision may spend when it is not the first."""

import datetime as dt
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from consumers.store import EventStore
from monitor.check import Verdict
from monitor.gate.records import look_number, write_record
from monitor.gate.result import Decision, GateReport
from monitor.gate.run import run_gate
from monitor.statistics.multiplicity import holm
from tests.monitor.events import DAY, HOUR, START, Event, in_memory, outcome, response, settings, thumbs

REGIONS = ("africa", "asia", "eu", "latin", "us")
AS_OF = START + 40 * DAY
CHECK = "reward_outcome_decoupling"


def answered(checkpoint: str, at: dt.datetime, worse: dict[str, float], prompts: int) -> Iterator[Event]:
    """Each prompt of each region once. A twentieth fails that did not, and one in twenty the other way round; a share
    more of the regions told."""
    rng = np.random.default_rng(len(checkpoint))
    for region in REGIONS:
        for number in range(prompts):
            name = f"{checkpoint}-{region}-{number}"
            flips = checkpoint == "new" and rng.random() < 0.05
            success = (number % 10 > 2) != flips
            failed = checkpoint == "new" and rng.random() < worse.get(region, 0.0)
            yield response(name, at, checkpoint, prompt_id=f"{region}-{number}", cohort={"region": region})
            yield thumbs(name, at + HOUR, float(number % 3 > 0), actor=name)
            yield outcome(at + HOUR, success and not failed, response_id=name)


@cache
def world(harmed: str = "", by: float = 0.0, prompts: int = 150) -> EventStore:
    worse = {harmed: by} if harmed else {}
    return in_memory([*answered("old", START, {}, prompts), *answered("new", START + DAY, worse, prompts)])


def decided(store: EventStore, look: int = 1, **gate: Any) -> GateReport:
    chosen = settings(cohorts=["region"], gate=gate, checks={CHECK: {"tolerance": 0.05}})
    return run_gate(store, chosen, "new", "old", AS_OF, look=look)


def of_regions(report: GateReport) -> list[Verdict]:
    return [one.verdict for one in report.findings if one.check == CHECK and one.slice]


def test_each_cohort_alone_is_undecided_where_all_traffic_passes_and_the_report_says_what_to_believe() -> None:
    report = decided(world())
    whole = next(one for one in report.findings if one.check == CHECK and not one.slice)
    assert whole.verdict is Verdict.PASS
    assert report.decision is Decision.INCONCLUSIVE
    assert Verdict.INCONCLUSIVE in of_regions(report)
    assert any("one would have to believe" in note and "gate.cohort_spread" in note for note in report.notes)


def test_cohorts_that_may_borrow_what_was_declared_pass_together_and_the_assumption_is_printed() -> None:
    report = decided(world(), cohort_spread=0.005)
    assert report.decision is Decision.GO
    assert of_regions(report) == [Verdict.PASS] * 5
    assert any("assumed, and not seen in the data" in note for note in report.notes)


def test_a_tolerance_of_their_own_lets_cohorts_pass_and_is_told() -> None:
    report = decided(world(), cohort_tolerance=0.15)
    assert report.decision is Decision.GO
    assert any("a cohort may lose up to 15 points" in note for note in report.notes)


def test_one_bad_cohort_of_five_blocks_and_is_named_whatever_may_be_borrowed() -> None:
    for gate in ({}, {"cohort_tolerance": 0.15}):
        report = decided(world("eu", 0.6), **gate)
        assert report.decision is Decision.NO_GO
        assert f"{CHECK}[region=eu]" in report.blocking


def test_a_protected_cohort_alone_has_to_pass() -> None:
    report = decided(world("eu", 0.15), protected=["region=us"], cohort_tolerance=0.15)
    needed = {one.name for one in report.findings if one.required}
    assert needed == {CHECK, f"{CHECK}[region=us]"}


def test_a_later_look_at_any_time_spends_less_and_one_that_does_not_is_told() -> None:
    first, second = (decided(world(), look=look, anytime=True) for look in (1, 2))
    assert (first.alpha, second.alpha) == pytest.approx((0.05 / 2, 0.05 / 6))
    width = [next(one.effect for one in told.findings if one.check == CHECK) for told in (first, second)]
    assert width[1].high > width[0].high
    assert any("decision 2 about this candidate" in note for note in decided(world(), look=2).notes)


def test_decisions_about_a_candidate_are_counted_beside_each_reference() -> None:
    store = in_memory([*answered("old", START, {}, 40), *answered("new", START + DAY, {}, 40)])
    report = decided(store)
    assert look_number(store.engine, report.loop, "new", "old") == 1
    write_record(store.engine, report)
    assert look_number(store.engine, report.loop, "new", "old") == 2
    assert look_number(store.engine, report.loop, "new", "older") == 1


def test_weighted_holm_keeps_its_error_where_every_null_is_true() -> None:
    """2,000 families of six, all true: the share with any rejection is at most .05, give or take .0049 (one error)."""
    rng, weights = np.random.default_rng(0), np.array([5.0, 1, 1, 1, 1, 1])
    wrong = sum(holm(rng.random(6), 0.05, weights).any() for _ in range(2000)) / 2000
    assert wrong <= 0.05 + 2 * 0.0049


def test_weights_must_fit_the_family() -> None:
    with pytest.raises(ValueError, match="one positive weight"):
        holm(np.array([0.1, 0.2]), weights=np.array([1.0]))
