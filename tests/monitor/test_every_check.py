"""The contract of every check: quiet when nothing changed, loud when it did, harmless when it breaks."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from consumers.incidents import EXPIRED, Found
from consumers.intake import Intake
from consumers.store import EventStore
from monitor import check as registry
from monitor.check import Check, Finding, Measurement, Verdict, load_checks
from monitor.detection.runner import PRODUCTION_USES, census, judged, run_checks
from monitor.detection.tick import look
from monitor.production.baseline import find_window, fit_baseline
from monitor.production.items import load_items
from monitor.snapshot import Snapshot
from tests.monitor.anchored_events import scored
from tests.monitor.events import DAY, START, Event, dumped, in_memory, loop_events, settings, thumbs
from tests.monitor.judged_events import Taste, asked_again, days
from tests.monitor.live import found
from tests.monitor.peaked_loop import peaked_events
from tests.monitor.ruler_events import judged_pairs, scored_by_two, users_who_leave
from tests.monitor.voices import answered

EVERY = tuple(load_checks())
NAMES = tuple(name for name, item in load_checks().items() if item.on & PRODUCTION_USES)  # the gate's have their own
TIERS = settings(cohorts=["tier"], judges={"teacher": "big"})
WORLD = {"days": 26, "reference_days": 10, "per_day": 40}
AS_OF = START + 29 * DAY


def leaked() -> list[Event]:
    """The engineer who debugs on the console also clicks in the product."""
    clicks = [thumbs(f"3-{place}", START + 3 * DAY, 1, "eve") for place in range(5)]
    clicks[0]["data"]["actor"]["role"] = "engineer"
    return clicks


def gapped() -> EventStore:
    """Part of a topic expired before it was read."""
    store = in_memory(loop_events(**WORLD))
    store.append(Intake("kafka:feedback/0", {"offset": 9}, [], [], incidents=[Found(EXPIRED, "by retention", 4, 9)]))
    return store


def less_rated() -> EventStore:
    """Every other answer after the reference has no thumb."""
    return in_memory(
        one
        for one in loop_events(**WORLD)
        if "feedback" not in one["type"] or int(one["data"]["response_id"].partition("-")[0]) < 10 or even(one)
    )


def doubtful() -> list[Event]:
    """Somebody else labels every outcome again, and says the opposite of every other one."""
    outcomes = [one for one in loop_events(**WORLD) if "outcome" in one["type"]]
    again = [{**one, "source": "/others", "data": dict(one["data"])} for one in outcomes]
    for one in again:
        one["data"]["value"] ^= even(one)
    return [*loop_events(**WORLD), *again]


def even(one: Event) -> bool:
    return int(one["data"]["response_id"].partition("-")[2]) % 2 == 0


def gamed() -> list[Event]:
    """The later checkpoint earns more reward and succeeds less often on the same held-out items."""
    answers = [*scored("ckpt-0", day=1), *scored("ckpt-1", day=12, reward=9.0, outcome_change=-30.0)]
    return [*loop_events(**WORLD), *answers]


def pleading() -> list[Event]:
    """Every other answer after the reference begins with an apology."""
    events = [{**one, "data": dict(one["data"])} for one in loop_events(**WORLD)]
    for one in events:
        if one["type"] == "rewarddrift.response.v1":
            late = int(one["data"]["response_id"].partition("-")[0]) >= 10
            one["data"]["response"] = ("I am so sorry. " if late and even(one) else "") + "Press the left button."
    return events


def taught() -> list[Event]:
    """The later checkpoint answers in the words of its teacher."""
    heard = [*answered("big", 0.9, day=1), *answered("ckpt-0", 0.2, day=1), *answered("ckpt-1", 0.8, day=12)]
    return [*loop_events(**WORLD), *heard]


def applauded() -> list[Event]:
    """A judge takes the later checkpoint's answers while its users leave."""
    leaving = [*users_who_leave("ckpt-0", 0.1, day=2), *users_who_leave("ckpt-1", 0.25, day=12)]
    return [*loop_events(**WORLD), *leaving, *judged_pairs("ckpt-1", "ckpt-0", 0.75)]


def overfitted() -> list[Event]:
    """The ruler of the training sees a gain that another one does not."""
    return [*loop_events(**WORLD), *scored_by_two("ckpt-0"), *scored_by_two("ckpt-1", trained=1.0, day=12)]


def misjudged(*later: Event) -> EventStore:
    """A quiet loop beside pairs that a judge, its teacher and a person judged, and what the judge said later."""
    return in_memory([*loop_events(**WORLD), *days(0, 8, 40, Taste(longer=0.0), orders=True), *later])


PLANTED: dict[str, Callable[[], EventStore]] = {
    "anchored_decoupling": lambda: in_memory(gamed()),
    "approval_seeking": lambda: in_memory(pleading()),
    "cohort_regression": lambda: in_memory(loop_events(**WORLD, outcome_change=-45.0, harmed="b")),
    "feedback_response_rate": less_rated,
    "feedback_purpose_leak": lambda: in_memory([*loop_events(**WORLD), *leaked()]),
    "intake_gap": gapped,
    "judge_churn_divergence": lambda: in_memory(applauded()),
    "judge_bias": lambda: misjudged(*days(8, 28, 40, Taste(longer=1.0), orders=True)),
    "judge_change": lambda: misjudged(*asked_again(8, 40, Taste(capture=0.9, sound=0.5), day=20, orders=True)),
    "judge_human_agreement": lambda: misjudged(*days(8, 28, 60, Taste(capture=0.8, sound=0.2), orders=True)),
    "teacher_preference_drift": lambda: misjudged(*days(8, 28, 40, Taste(capture=0.95), orders=True)),
    "label_noise": lambda: in_memory(doubtful()),
    "over_optimisation": lambda: in_memory(peaked_events()),
    "reward_evasion": less_rated,
    "reward_outcome_association": lambda: in_memory(loop_events(**WORLD, slope=-0.4)),
    "reward_outcome_decoupling": lambda: in_memory(loop_events(**WORLD, reward=9.0, outcome_change=-30.0)),
    "rubric_overfitting": lambda: in_memory(overfitted()),
    "teacher_style_convergence": lambda: in_memory(taught()),
}


def of(name: str, findings: list[Finding]) -> list[Verdict]:
    return [finding.verdict for finding in findings if finding.check == name]


def test_every_check_has_a_planted_world() -> None:
    assert set(PLANTED) == set(NAMES)


@pytest.fixture(scope="module")
def quiet() -> list[list[Finding]]:
    """Findings of three worlds in which nothing changes, on held-out items neither."""
    answers = [*scored("ckpt-0", day=1), *scored("ckpt-1", day=12)]
    worlds = [in_memory([*loop_events(**WORLD, seed=seed), *answers]) for seed in range(3)]
    return [list(look(store, TIERS, AS_OF).report.findings) for store in worlds]


@pytest.mark.parametrize("name", NAMES)
def test_a_check_is_quiet_when_nothing_changed(name: str, quiet: list[list[Finding]]) -> None:
    verdicts = [verdict for findings in quiet for verdict in of(name, findings)]
    assert verdicts
    assert not {Verdict.FAIL, Verdict.ERROR} & set(verdicts)


@cache
def findings_of(world: Callable[[], EventStore]) -> list[Finding]:
    return list(look(world(), TIERS, AS_OF).report.findings)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_is_loud_when_its_harm_is_planted(name: str) -> None:
    assert Verdict.FAIL in of(name, findings_of(PLANTED[name]))


def empty() -> EventStore:
    return in_memory([])


def unrated() -> EventStore:
    """A reference but nothing after it, without feedback."""
    return in_memory(e for e in loop_events(10, 10, per_day=30) if not e["type"].startswith("rewarddrift.feedback"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("world", [empty, unrated])
def test_a_check_without_data_is_inconclusive(name: str, world: Callable[[], EventStore]) -> None:
    assert set(of(name, findings_of(world))) == {Verdict.INCONCLUSIVE}


def snapshot_of(store: EventStore) -> Snapshot:
    items = load_items(store.engine, TIERS, AS_OF)
    window = find_window(items.frame, TIERS, "ckpt-0", AS_OF)
    return Snapshot(AS_OF, TIERS, items, fit_baseline(items.frame, window, TIERS, None), store.engine)


@pytest.fixture(scope="module")
def harmed() -> EventStore:
    return PLANTED["reward_outcome_decoupling"]()


@pytest.fixture(scope="module")
def snapshots(harmed: EventStore) -> tuple[Snapshot, Snapshot]:
    """The same twice, which know nothing of each other."""
    return snapshot_of(harmed), snapshot_of(harmed)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_leaves_store_and_snapshot_as_they_were(
    name: str, harmed: EventStore, snapshots: tuple[Snapshot, Snapshot]
) -> None:
    snapshot, before = snapshots[0], dumped(harmed)
    frame = snapshot.items.frame.copy()
    load_checks()[name].measure(snapshot, {})
    assert dumped(harmed) == before
    assert snapshot.items.frame.equals(frame)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_says_the_same_twice_and_in_its_range(name: str, snapshots: tuple[Snapshot, Snapshot]) -> None:
    first, again = (load_checks()[name].measure(snapshot, {}) for snapshot in snapshots)
    assert [one.slice for one in first] == [one.slice for one in again]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.effects, other.effects)
        assert (np.abs(one.effects) <= 1).all()
        assert one.exact or one.days.shape == one.effects.shape == one.baseline_allowance.shape
        assert one.effects.size or one.needs or not one.exact


@pytest.mark.parametrize("name", EVERY)
def test_file_function_and_question_agree(name: str) -> None:
    item, module = load_checks()[name], importlib.import_module(f"monitor.checks.{name}")
    assert item.name == name == item.function.__name__ == module.__name__.rpartition(".")[2]
    assert item.question == (inspect.getdoc(module) or "").partition("\n")[0]
    assert item.question.endswith("?")
    assert {"Tolerance", "Source", "Raises nothing"} <= {
        word for word in ("Tolerance", "Source", "Raises nothing") if word in (inspect.getdoc(item.function) or "")
    }
    assert "tolerance" in item.defaults
    assert item.on <= {"production", "checkpoint", "gate"}
    assert item.severity in ("ticket", "warning", "page")


def raises(snapshot: Snapshot, **_: Any) -> Iterator[Measurement]:
    raise RuntimeError("no such column")


@pytest.fixture(scope="module")
def whole(harmed: EventStore) -> dict[tuple[Any, ...], Finding]:
    """What every check finds in the harm."""
    return found(look(harmed, TIERS, AS_OF).report)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_that_raises_is_an_error_and_the_others_still_run(
    name: str, harmed: EventStore, whole: dict[tuple[Any, ...], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.REGISTRY, name, replace(load_checks()[name], function=raises))
    report = look(harmed, TIERS, AS_OF).report
    assert of(name, list(report.findings)) == [Verdict.ERROR]
    others = {key: finding for key, finding in whole.items() if key[0] != name}
    assert {key: finding.n for key, finding in found(report).items() if key[0] != name} == {
        key: finding.n for key, finding in others.items()
    }


def measuring(*measurements: Any) -> Check:
    def function(snapshot: Snapshot, **_: Any) -> Iterator[Any]:
        yield from measurements

    return replace(load_checks()["reward_outcome_decoupling"], name="plugged_in", function=function)


def series(effects: list[float], **more: Any) -> Measurement:
    size = len(effects)
    given = {"days": np.full(size, 20470), "baseline_allowance": np.zeros(size), "baseline_units": 100, **more}
    return Measurement({}, np.array(effects), 0.02, "P1", **given)


BROKEN = {
    "NaN effect": series([0.0, np.nan]),
    "infinite effect": series([np.inf]),
    "effect off the scale": series([1.5]),
    "NaN census": Measurement({}, np.array([np.nan]), 0.0, exact=True),
    "days missing": series([0.0, 0.1], days=np.array([20470])),
    "allowance missing": series([0.0, 0.1], baseline_allowance=np.zeros(0)),
    "NaN allowance": series([0.0], baseline_allowance=np.array([np.nan])),
    "NaN tolerance": Measurement({}, np.array([0.0]), float("nan"), exact=True),
    "no measurement": "all fine",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_measurement_that_makes_no_sense_is_an_error(fault: str, snapshots: tuple[Snapshot, Snapshot]) -> None:
    measured = run_checks([measuring(BROKEN[fault])], snapshots[0])
    assert [finding.verdict for finding in measured.errors] == [Verdict.ERROR]
    assert measured.measurements == []


def test_an_unknown_setting_of_a_check_is_an_error(harmed: EventStore) -> None:
    chosen = settings(checks={"cohort_regression": {"tolerence": 0.1}})
    report = look(harmed, chosen, AS_OF).report
    assert of("cohort_regression", list(report.findings)) == [Verdict.ERROR]


def test_a_tolerance_of_the_settings_is_used(harmed: EventStore) -> None:
    generous = settings(cohorts=["tier"], checks={"cohort_regression": {"tolerance": 0.9}})
    assert set(of("cohort_regression", list(look(harmed, TIERS, AS_OF).report.findings))) == {Verdict.FAIL}
    assert set(of("cohort_regression", list(look(harmed, generous, AS_OF).report.findings))) == {Verdict.PASS}


def test_nan_never_passes() -> None:
    nan = float("nan")
    assert census("c", Measurement({}, np.array([0.0]), nan, exact=True)).verdict is not Verdict.PASS
    assert judged(500, 0.0, 125.0, nan)[0] is not Verdict.PASS
    with pytest.raises(ValueError, match="finite"):
        judged(500, nan, 125.0, 0.5)


def test_an_empty_census_is_inconclusive() -> None:
    assert census("c", Measurement({}, np.zeros(0), 0.5, exact=True)).verdict is Verdict.INCONCLUSIVE
