"""Does looking back say what the monitor would have said, and does a planted harm come out?"""

import numpy as np
import pytest

from consumers.store import EventStore
from monitor.alternatives import alternative
from monitor.backtest import Mirror, Plant, PlantImpossible, backtest, mirror, plant_drop
from monitor.history import History, NothingToLookBackOn, recall
from monitor.settings import SettingsError
from tests.monitor.events import DAY, START, in_memory, loop_events, settings
from tests.monitor.live import dumped, live

HARM = {"days": 26, "reference_days": 10, "per_day": 40, "reward": 9.0, "outcome_change": -30.0}
QUIET = {"days": 30, "reference_days": 10, "per_day": 60}
TIERS = settings(cohorts=["tier"])
PLANTED_ON = START + 15 * DAY


@pytest.fixture(scope="module")
def harmed() -> EventStore:
    return in_memory(loop_events(**HARM))


@pytest.fixture(scope="module")
def quiet() -> EventStore:
    return in_memory(loop_events(**QUIET))


@pytest.fixture(scope="module")
def quiet_history(quiet: EventStore) -> History:
    return recall(quiet, settings())


@pytest.fixture(scope="module")
def planted(quiet_history: History) -> Mirror:
    return mirror(quiet_history, Plant(0.2, PLANTED_ON, seed=1))


def test_looking_back_says_what_daily_ticks_said() -> None:
    store = in_memory()
    ticked = live(store, TIERS, loop_events(**HARM))
    run = backtest(store, TIERS, {})[0]
    told = {(a.severity, str(a.slice), a.fired_at.date(), a.attribution) for a in ticked.alerts}
    assert {(a.severity, str(a.slice), a.on, a.attribution) for a in run.alerts} == told
    assert run.reference == ticked.reference


def test_nothing_is_written(harmed: EventStore) -> None:
    before = dumped(harmed)
    backtest(harmed, TIERS, {"unit=conversation": settings(unit="conversation")}, Plant(0.1, PLANTED_ON))
    assert dumped(harmed) == before


def test_days_to_the_first_alert_count_from_the_first_day_watched(harmed: EventStore) -> None:
    run = backtest(harmed, TIERS, {})[0]
    first = min(alert.on for alert in run.alerts)
    assert run.first["ticket"] is not None
    assert run.first["ticket"].on == first
    assert run.watched_from is not None
    assert run.first["ticket"].days == (first - run.watched_from).days
    assert run.first["warning"] == run.first["page"] or run.first["page"].days >= run.first["warning"].days


def test_each_threshold_does_what_it_would_do_as_a_setting(harmed: EventStore) -> None:
    """A row of the table of thresholds and a run under that threshold agree."""
    changed = settings(cohorts=["tier"], alerts={"ticket": "100d"})
    own, other = backtest(harmed, TIERS, {"alerts.ticket=100d": changed})
    assert [row.days for row in own.thresholds] == [30, 365, 3650]
    assert [row.days for row in other.thresholds] == [30, 100, 365, 3650]
    by_severity = {row.severity: row for row in own.thresholds}
    assert {name: row.first for name, row in by_severity.items()} == own.first
    assert other.thresholds[0].first == own.first["ticket"]
    assert other.thresholds[1].first == other.first["ticket"]


def test_the_budget_is_the_promise_over_the_days_watched(quiet: EventStore) -> None:
    run = backtest(quiet, TIERS, {})[0]
    assert not run.alerts
    assert all(one.episodes == 0 for one in run.budget.values())
    ratio = {name: one.most_false * one.threshold_days / run.watched_days for name, one in run.budget.items()}
    assert set(ratio) == {"ticket", "warning", "page"}
    assert 0.65 < min(ratio.values()) <= max(ratio.values()) <= 1  # the restart mass in use, at most 1 a day


def test_a_planted_harm_lowers_the_outcome_and_nothing_else(quiet_history: History) -> None:
    frame = quiet_history.snapshot.items.frame
    touched = (frame["time_us"] >= PLANTED_ON.timestamp() * 1e6).to_numpy()
    worse = plant_drop(frame, touched, 0.2, np.random.default_rng(0))
    lost = frame["outcome"] - worse["outcome"]
    assert lost[~touched].abs().max() == 0
    assert set(lost[touched]) == {0.0, 1.0}
    error = np.sqrt(0.2 * 0.8 / touched.sum())  # .013
    assert abs(lost[touched].mean() - 0.2) < 3 * error
    assert frame.drop(columns="outcome").equals(worse.drop(columns="outcome"))
    assert quiet_history.snapshot.items.frame["outcome"].equals(frame["outcome"])


def test_a_planted_harm_is_seen_the_sooner_the_larger_it_is(quiet_history: History, planted: Mirror) -> None:
    """Drops of 20 and 40 points at 60 labels a day; without one, nothing."""
    small = planted.seen["warning"]
    large = mirror(quiet_history, Plant(0.4, PLANTED_ON, seed=1)).seen["warning"]
    assert (small.runs_seen, large.runs_seen) == (8, 8)
    assert small.unharmed_days is None
    assert small.mean_days is not None
    assert large.mean_days is not None
    assert 2 < large.mean_days < small.mean_days < 12  # two days are the horizon
    assert small.error is not None
    assert small.error < 1


def test_the_same_seed_plants_the_same_harm(quiet_history: History, planted: Mirror) -> None:
    assert mirror(quiet_history, Plant(0.2, PLANTED_ON, seed=1)) == planted


def test_an_alert_that_was_open_before_says_nothing_of_the_harm(harmed: EventStore) -> None:
    run = backtest(harmed, TIERS, {}, Plant(0.1, START + 24 * DAY))[0]
    assert run.mirror is not None
    assert all(seen.already and seen.mean_days is None for seen in run.mirror.seen.values())


@pytest.mark.parametrize(
    ("drop", "day", "told"),
    [(0.1, 3, "before the reference ends"), (0.1, 60, "the last one was served on 2026-01-30"), (0.9, 15, "at most")],
)
def test_a_harm_that_cannot_be_planted_is_refused(quiet: EventStore, drop: float, day: int, told: str) -> None:
    with pytest.raises(PlantImpossible, match=told):
        backtest(quiet, TIERS, {}, Plant(drop, START + day * DAY))


def test_a_history_without_a_reference_says_what_is_missing(quiet: EventStore) -> None:
    absent = settings(reference={"checkpoint": "ckpt-9"})
    with pytest.raises(NothingToLookBackOn, match="ckpt-9"):
        backtest(quiet, absent, {})
    runs = backtest(quiet, TIERS, {"reference.checkpoint=ckpt-9": absent})
    assert not runs[0].missing
    assert "ckpt-9" in runs[1].missing


def test_an_alternative_changes_one_key() -> None:
    text = (
        "outcome: {metric: solved, horizon: 14d}\ncohorts: [tier]\nreference: {from: 2026-01-01, until: 2026-02-01}\n"
    )
    base = alternative(text, "loop=other").model_dump(exclude={"loop"})
    changed = alternative(text, "alerts.material_harm=0.01")
    assert changed.alerts.material_harm == 0.01
    assert changed.model_dump(exclude={"loop", "alerts"}) == {k: v for k, v in base.items() if k != "alerts"}
    assert alternative(text, "checks.reward_outcome_decoupling.worth=0.2").checks == {
        "reward_outcome_decoupling": {"worth": 0.2}
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("alerts.materal_harm=1", "did you mean `material_harm`"),
        ("alerts.ticket=soon", "--alt alerts.ticket=soon: alerts.ticket: a duration"),
        ("alerts", "write KEY=VALUE"),
        ("outcome.metric.name=x", "the key must lead to a value"),
        ("cohorts=[a", "the value be YAML"),
    ],
)
def test_an_alternative_that_is_no_setting_says_why(change: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told.replace("[", r"\[")):
        alternative("outcome: {metric: solved}", change)
