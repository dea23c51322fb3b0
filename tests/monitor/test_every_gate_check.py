"""The contract of the checks that only a gate runs: quiet when nothing is wrong, loud when it is, no pass on air."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumers.store import EventStore
from monitor import check as registry
from monitor.check import Measurement, Verdict, load_checks
from monitor.detection.runner import run_checks
from monitor.gate.trial import Trial
from tests.monitor.evaluated_events import AS_OF, gate_findings, trial_of
from tests.monitor.events import dumped, in_memory, loop_events
from tests.monitor.gate_worlds import HARMED, NEVER_HARMFUL, calm

NAMES = tuple(name for name, item in load_checks().items() if item.on == {"gate"})


def test_every_check_of_the_gate_has_a_planted_world() -> None:
    assert {*HARMED, *NEVER_HARMFUL} == set(NAMES)


@pytest.fixture(scope="module")
def calm_trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A candidate with which nothing is wrong."""
    return calm(tmp_path_factory.mktemp("calm"))


@pytest.mark.parametrize("name", NAMES)
def test_a_check_is_quiet_when_nothing_is_wrong(name: str, calm_trial: Trial) -> None:
    verdicts = {one.verdict for one in gate_findings(name, calm_trial)}
    assert verdicts or name in NEVER_HARMFUL
    assert not {Verdict.FAIL, Verdict.ERROR} & verdicts


@pytest.mark.parametrize("name", sorted(HARMED))
def test_a_check_is_loud_when_its_harm_is_planted(name: str, tmp_path: Path) -> None:
    assert Verdict.FAIL in {one.verdict for one in gate_findings(name, HARMED[name](tmp_path))}


@pytest.fixture(scope="module")
def store() -> EventStore:
    """A loop that nobody evaluated, sealed or judged."""
    return in_memory(loop_events(8, 4, per_day=20))


@pytest.mark.parametrize("name", NAMES)
def test_a_check_without_data_is_inconclusive_and_says_what_it_needs(name: str, store: EventStore) -> None:
    for found in (*gate_findings(name, trial_of([])), *gate_findings(name, trial_of(store))):
        assert found.verdict is Verdict.INCONCLUSIVE
        assert found.needs


@pytest.mark.parametrize("name", NAMES)
def test_a_check_leaves_the_store_as_it_was_and_says_the_same_twice(name: str, store: EventStore) -> None:
    before = dumped(store)
    first, again = (load_checks()[name].measure(trial_of(store), {}) for _ in range(2))
    assert dumped(store) == before
    assert [one.slice for one in first] == [one.slice for one in again]
    assert all(np.array_equal(one.effects, other.effects) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_check_has_a_tolerance_and_a_severity(name: str) -> None:
    item = load_checks()[name]
    assert "tolerance" in item.defaults
    assert item.severity in ("ticket", "warning", "page")


def test_no_check_of_the_gate_is_run_day_by_day(store: EventStore) -> None:
    measured = run_checks([load_checks()[name] for name in NAMES], trial_of(store, as_of=AS_OF))
    assert (measured.measurements, measured.errors) == ([], [])


def raises(snapshot: Trial, **_: Any) -> Iterator[Measurement]:
    raise RuntimeError("no such column")


@pytest.mark.parametrize("name", NAMES)
def test_a_check_that_raises_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.REGISTRY, name, replace(load_checks()[name], function=raises))
    assert [one.verdict for one in gate_findings(name, trial_of([]))] == [Verdict.ERROR]
