"""Does looking back say what the monitor would have said, and does a planted harm come out?"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from consumers.store import EventStore
from monitor.oncall.alerts import SEVERITIES
from monitor.planning.alternatives import alternative
from monitor.planning.backtest import Backtest, First, Mirror, Plant, PlantImpossible, backtest, mirror, plant_drop
from monitor.planning.history import History, NothingToLookBackOn, recall
from monitor.settings import SettingsError
from tests.end_to_end.command import reward_drift
from tests.end_to_end.event_worlds import first_days, world_events, write_events, write_settings
from tests.monitor.events import DAY, EVER, START, dumped, in_memory, loop_events, settings
from tests.monitor.live import live
from tests.worlds import REFERENCE_DAYS, World, items

DATA = os.environ.get("REWARD_DRIFT_DATA")
HARM = {"days": 22, "reference_days": 10, "per_day": 32, "reward": 9.0, "outcome_change": -30.0}
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
    return recall(quiet, settings(), EVER)


def test_a_history_is_looked_at_no_later_than_now(quiet: EventStore) -> None:
    midnight = recall(quiet, settings(), EVER).snapshot.as_of
    for now in (midnight - DAY / 2, midnight):
        assert recall(quiet, settings(), now).snapshot.as_of == now


@pytest.fixture(scope="module")
def planted(quiet_history: History) -> Mirror:
    return mirror(quiet_history, Plant(0.2, PLANTED_ON, seed=1))


def test_looking_back_says_what_daily_ticks_said() -> None:
    store = in_memory()
    ticked = live(store, TIERS, loop_events(**HARM), every=5)
    run = backtest(store, TIERS, {}, EVER)[0]
    told = {(a.severity, str(a.slice), a.fired_at.date(), a.attribution) for a in ticked.alerts}
    assert {severity for severity, *_ in told} >= {"ticket", "warning", "page"}
    assert {(a.severity, str(a.slice), a.on, a.attribution) for a in run.alerts} == told
    assert run.reference == ticked.reference


def test_nothing_is_written(harmed: EventStore) -> None:
    before = dumped(harmed)
    backtest(harmed, TIERS, {"unit=conversation": settings(unit="conversation")}, EVER, Plant(0.1, PLANTED_ON))
    assert dumped(harmed) == before


def test_days_to_the_first_alert_count_from_the_first_day_watched(harmed: EventStore) -> None:
    run = backtest(harmed, TIERS, {}, EVER)[0]
    first = min(alert.on for alert in run.alerts)
    assert run.first["ticket"] is not None
    assert run.first["ticket"].on == first
    assert run.watched_from is not None
    assert run.first["ticket"].days == (first - run.watched_from).days
    assert run.first["warning"] == run.first["page"] or run.first["page"].days >= run.first["warning"].days


def test_each_threshold_does_what_it_would_do_as_a_setting(harmed: EventStore) -> None:
    """A row of the table of thresholds and a run under that threshold agree."""
    changed = settings(cohorts=["tier"], alerts={"ticket": "100d"})
    own, other = backtest(harmed, TIERS, {"alerts.ticket=100d": changed}, EVER)
    assert [row.days for row in own.thresholds] == [30, 365, 3650]
    assert [row.days for row in other.thresholds] == [30, 100, 365, 3650]
    rows = {(row.days, run.change): row.first for run in (own, other) for row in run.thresholds}
    for run, ticket in ((own, 30), (other, 100)):
        for severity, days in (("ticket", ticket), ("warning", 365), ("page", 3650)):
            assert rows[days, run.change] == first_of_the_detector(run, severity)
    assert rows[30, own.change] == rows[30, other.change]


def first_of_the_detector(run: Backtest, severity: str) -> First | None:
    """The first alert at least so severe that the guard did not raise."""
    least, began = SEVERITIES.index(severity), run.watched_from
    assert began is not None
    mine = [a.on for a in run.alerts if a.rule == "restarting" and SEVERITIES.index(a.severity) >= least]
    return First(min(mine), (min(mine) - began).days) if mine else None


def test_the_budget_is_the_promise_over_the_days_watched(quiet: EventStore) -> None:
    run = backtest(quiet, TIERS, {}, EVER)[0]
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
    run = backtest(harmed, TIERS, {}, EVER, Plant(0.1, START + 20 * DAY))[0]
    assert run.mirror is not None
    assert all(seen.already and seen.mean_days is None for seen in run.mirror.seen.values())


@pytest.mark.parametrize(
    ("drop", "day", "told"),
    [(0.1, 3, "before the reference ends"), (0.1, 60, "the last one was served on 2026-01-30"), (0.9, 15, "at most")],
)
def test_a_harm_that_cannot_be_planted_is_refused(quiet: EventStore, drop: float, day: int, told: str) -> None:
    with pytest.raises(PlantImpossible, match=told):
        backtest(quiet, TIERS, {}, EVER, Plant(drop, START + day * DAY))


def test_a_history_without_a_reference_says_what_is_missing(quiet: EventStore) -> None:
    absent = settings(reference={"checkpoint": "ckpt-9"})
    with pytest.raises(NothingToLookBackOn, match="ckpt-9"):
        backtest(quiet, absent, {}, EVER)
    runs = backtest(quiet, TIERS, {"reference.checkpoint=ckpt-9": absent}, EVER)
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


class Files(NamedTuple):
    """A quiet world as events, with its settings."""

    events: Path
    settings: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("quiet")
    frame = first_days(items(World(labels=20), 0), REFERENCE_DAYS + 20)
    return Files(write_events(folder / "events.jsonl", world_events(frame)), write_settings(folder))


def test_the_command_tells_alternatives_and_a_planted_harm(files: Files) -> None:
    given = (files.events, "-s", files.settings)
    plain = reward_drift("backtest", *given, "--plant", 0.3, "--from", "2026-03-08")
    as_json = reward_drift("backtest", *given, "--alt", "cohorts=[]", "--json")
    assert (plain.code, as_json.code) == (0, 0)
    assert [run["change"] for run in as_json.json["runs"]] == ["", "cohorts=[]"]
    assert as_json.json["runs"][0]["mirror"] is None
    planted = plain.out.partition("A drop of 30 points planted from 8 Mar 2026 on")[2]
    row = next(line for line in planted.splitlines() if line.startswith("as given"))
    assert row.count("(8 of 8)") == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--plant", 0.1), "--plant and --from belong together"),
        (("--plant", 4, "--from", "2026-03-08"), "0.04 is 4 points"),
        (("--plant", 0.1, "--from", "May"), "not a day such as 2026-05-01"),
        (("--alt", "alerts.pages=1d"), "did you mean `page`"),
        (("--alt", "checks.reward_outcome_decoupling.wort=1"), "wort: no such setting; known: tolerance, worth"),
        (("--store", "x.sqlite"), "not both"),
    ],
)
def test_what_cannot_be_looked_back_on_is_a_usage_fault(files: Files, arguments: tuple[object, ...], told: str) -> None:
    ran = reward_drift("backtest", files.events, "-s", files.settings, *arguments)
    assert ran.code == 2
    assert told in ran.err


def test_an_absent_file_and_an_absent_store_name_the_next_command(files: Files) -> None:
    for arguments, told in (
        (("absent.jsonl",), "absent.jsonl"),
        (("--store", "absent.sqlite"), "reward-drift ingest"),
    ):
        ran = reward_drift("backtest", *arguments, "-s", files.settings)
        assert ran.code == 2
        assert told in ran.err


@pytest.mark.skipif(not DATA, reason="REWARD_DRIFT_DATA names no folder of recorded loops")
def test_a_recorded_loop_without_harm_would_have_shown_a_large_one() -> None:
    """Rounds of an honest arm: nothing above a ticket by itself; a third of the outcome lost is a page."""
    folder = Path(DATA or "") / "judge_goodhart" / "exp2_control"
    given = (folder / "events.jsonl.gz", "-s", folder / "reward-drift.yaml")
    run = reward_drift("backtest", *given, "--plant", 0.35, "--from", "2026-02-10", "--json").json["runs"][0]
    assert run["first"]["warning"] is None
    seen = run["mirror"]["seen"]["page"]
    assert seen["runs_seen"] == 8
    assert seen["mean_days"] < run["mirror"]["days_left"]
