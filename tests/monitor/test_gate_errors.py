"""How often is a gate's decision wrong, and do the sizes that it names suffice? Simulated, with Monte-Carlo errors.

200 repeats of each kind of world are in tests/benchmarks/gate_errors_table.py; here 32 show that nothing broke.
"""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from monitor.check import Verdict
from monitor.gate.aa import run_aa
from monitor.gate.result import Decision
from tests.gate_error_worlds import ALPHA, AS_OF, CHECK, KINDS, TOLERANCE, Kind, Worlds, decisions, sizes
from tests.monitor.events import in_memory, loop_events, settings

EACH = 8  # worlds of each of four kinds


@cache
def worlds(paired: bool) -> Worlds:
    return Worlds(paired, answers=200)


def most(repeats: int, rate: float = ALPHA) -> float:
    """The expected number at a rate, and three Monte-Carlo errors more."""
    return repeats * rate + 3 * float(np.sqrt(repeats * rate * (1 - rate)))


def told(losses: list[float]) -> "Counter[Decision]":
    counted: Counter[Decision] = Counter()
    for kind in KINDS:
        counted += decisions(worlds(kind.paired), kind, losses, EACH, seed=1)
    return counted


def test_an_unchanged_candidate_is_rarely_no_go_and_often_go() -> None:
    counted = told([0.0] * 5)
    assert counted[Decision.NO_GO] <= most(len(KINDS) * EACH)
    assert counted[Decision.GO] > len(KINDS) * EACH / 3


def test_one_cohort_of_five_worse_by_just_the_tolerance_is_rarely_go() -> None:
    counted = told([0.0, TOLERANCE, 0.0, 0.0, 0.0])
    assert counted[Decision.GO] <= most(len(KINDS) * EACH)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_one_clearly_bad_cohort_of_five_blocks_and_is_named(kind: Kind) -> None:
    harm = 0.2 if kind.paired else 0.35
    decision, findings = worlds(kind.paired).decided(kind, [0.0, 0.0, 0.0, harm, 0.0], np.random.default_rng(2))
    blamed = {one.name for one in findings if one.verdict is Verdict.FAIL and one.slice}
    assert decision is Decision.NO_GO
    assert f"{CHECK}[tier=d]" in blamed
    assert {name.partition("[")[2] for name in blamed} == {"tier=d]"}


def test_as_many_as_are_needed_pass_and_what_is_visible_is_shown_with_power_80() -> None:
    passed, shown, repeats = sizes(400)
    error = float(np.sqrt(0.8 * 0.2 / repeats))
    assert passed / repeats >= 0.8 - 3 * error
    assert abs(shown / repeats - 0.8) <= 0.05 + 3 * error


def test_halves_of_a_simulated_reference_decide_wrongly_no_more_than_stated() -> None:
    chosen = settings(checks={CHECK: {"tolerance": 0.15}, "cohort_regression": {"tolerance": 0.15}})
    events = list(loop_events(10, 10, per_day=60))
    for one in events:
        one["data"].pop("user", None)
    found = run_aa(in_memory(events).engine, chosen, "ckpt-0", AS_OF, repeats=30)
    assert found.same[Decision.NO_GO] <= most(30)
    assert found.harmed[Decision.GO] <= most(30)
    assert found.same[Decision.GO] > 5
    assert found.keeps_its_word
