"""Is a gain on the trained ruler alone told, and a gain that all rulers see not?"""

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pytest

from monitor.check import Finding, Verdict
from monitor.detection.tick import look, tick
from monitor.statistics.clustered import excess_rank, mean_difference
from tests.monitor.events import DAY, START, Event, in_memory, loop_events, put, settings
from tests.monitor.ruler_events import findings_of, scored_by_two

AS_OF = START + 20 * DAY
LOOP = list(loop_events(14, 8, per_day=20))
TIERS = settings(reference={"checkpoint": "ckpt-0"})


def found(events: Iterable[Event], as_of: dt.datetime = AS_OF) -> list[Finding]:
    return findings_of("rubric_overfitting", events, TIERS, as_of)


def only(events: Iterable[Event]) -> Finding:
    (one,) = found([*LOOP, *events])
    return one


def test_a_gain_on_the_trained_ruler_alone_is_told_with_its_interval() -> None:
    finding = only([*scored_by_two("ckpt-0"), *scored_by_two("ckpt-1", trained=1.0, day=9)])
    assert finding.verdict is Verdict.FAIL
    assert finding.effect.low is not None
    assert finding.effect.low > 0.1
    assert finding.slice == {"checkpoint": "ckpt-1", "ruler": "rm", "held_out": "other"}
    assert "more of a gain over ckpt-0 than other" in finding.message


def test_a_gain_that_both_rulers_see_passes() -> None:
    later = scored_by_two("ckpt-1", trained=1.0, held_out=1.0, day=9, items=300)
    finding = only([*scored_by_two("ckpt-0", items=300), *later])
    assert finding.verdict is Verdict.PASS


def test_production_answers_serve_where_none_were_evaluated() -> None:
    both = [
        scored_by_two("ckpt-0", environment="production"),
        scored_by_two("ckpt-1", trained=1, day=9, environment="production"),
    ]
    finding = only([one for side in both for one in side])
    assert finding.verdict is Verdict.FAIL
    assert "in production" in finding.message


def test_a_held_out_ruler_that_fails_on_the_worst_answers_gives_no_verdict() -> None:
    finding = only([*scored_by_two("ckpt-0"), *scored_by_two("ckpt-1", trained=1.0, day=9, failed=12)])
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "scores failed for 10.0% of its answers, 0.0% of the reference's" in finding.message


@pytest.mark.parametrize(
    ("kept", "needs"),
    [
        (lambda one: "score" not in one["type"], "a ruler used in training"),
        (lambda one: one["data"].get("scorer", {}).get("name") != "other", "not used in training"),
        (lambda one: one["data"].get("checkpoint") != "ckpt-1", "30 answers of the reference and of a later"),
    ],
)
def test_what_is_missing_is_said(kept: object, needs: str) -> None:
    events = [*scored_by_two("ckpt-0"), *scored_by_two("ckpt-1", day=9)]
    finding = only(filter(kept, events))  # type: ignore[call-overload]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert needs in finding.message


def test_it_raises_no_alert() -> None:
    events = [*LOOP, *scored_by_two("ckpt-0"), *scored_by_two("ckpt-1", trained=1.0, day=9)]
    assert not [one for one in look(in_memory(events), TIERS, AS_OF).report.alerts if one.check == "rubric_overfitting"]


def test_a_tick_says_what_a_look_at_everything_says() -> None:
    early, late = [*LOOP, *scored_by_two("ckpt-0")], list(scored_by_two("ckpt-1", trained=1.0, day=9))
    store = in_memory(early)
    first = look(store, TIERS, AS_OF)
    put(store, late)
    assert first.memory is not None
    after = tick(store, TIERS, AS_OF + DAY, first.memory).report.findings
    assert [one for one in after if one.check == "rubric_overfitting"] == found([*early, *late], AS_OF + DAY)


def test_the_interval_covers_paired_and_unpaired() -> None:
    """600 runs, nominal .95, Monte Carlo error .009: the excess of two rulers with noise, none of it true."""
    rng = np.random.default_rng(1)
    missed = {True: 0, False: 0}
    for _ in range(300):
        for paired in missed:
            quality = rng.standard_normal(120)
            other = quality if paired else rng.standard_normal(120)
            new = tuple(other + 0.3 + 0.7 * rng.standard_normal(120) for _ in range(2))
            old = tuple(quality + 0.7 * rng.standard_normal(120) for _ in range(2))
            mine = np.arange(120) if paired else np.arange(120) + 120
            excess = excess_rank((new[0], new[1]), (old[0], old[1]), mine, np.arange(120))
            missed[paired] += abs(excess.value) > excess.reach()
    assert all(0 < wrong <= 27 for wrong in missed.values()), missed  # .05 of 300 is 15, three errors are 11


def test_clusters_are_what_counts() -> None:
    """400 runs of 40 users with ten dependent answers each, before and after, Monte Carlo error .011."""
    rng = np.random.default_rng(2)
    users, missed = np.repeat(np.arange(40), 10), 0
    for _ in range(400):
        sides = [
            np.clip(0.5 + 0.2 * rng.standard_normal(40)[users] + 0.1 * rng.standard_normal(400), 0, 1) for _ in "ab"
        ]
        found = mean_difference(sides[0], sides[1], users, users + 40)
        missed += abs(found.value) > found.reach()
    assert missed <= 33  # .05 is 20, three errors are 13


def test_no_units_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one new unit"):
        mean_difference(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
