"""What counts as one independent unit, and when? From the events on, and how often users who return alert falsely."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest

from monitor.detection.tick import look
from monitor.production.audit import least_lately
from monitor.production.items import day_of, load_items
from monitor.result import Report
from monitor.snapshot import unit_means
from monitor.statistics.detector import (
    BETS,
    COMPANION_FLOOR,
    DetectorState,
    advance,
    daily_log_sums,
    mixture,
)
from monitor.statistics.reference_error import QUANTILE
from tests.monitor.events import DAY, HOUR, START, Event, in_memory, loop_events, outcome, response, settings
from tests.monitor.live import found, live, told

LATER = START + 40 * DAY


def week_of(name: str, user: str, hours: float) -> Iterator[Event]:
    yield response(name, START + hours * HOUR, user=user)
    yield outcome(START + hours * HOUR, True, response_id=name)


def test_a_week_of_a_user_is_one_unit_that_closes_on_a_day_of_the_user() -> None:
    events = [one for user in "abcdefgh" for n in range(14) for one in week_of(f"{user}{n}", user, 24 * n)]
    events += [response("nobody", START), outcome(START, True, response_id="nobody")]
    frame = load_items(in_memory(events).engine, settings(unit="user-week"), LATER).frame
    weeks = frame.groupby("unit")
    assert (weeks["day"].nunique() == 1).all()
    assert weeks.size().max() == 7
    last = day_of(START + 2 * DAY) + frame["response_id"].str.extract(r"(\d+)$")[0].astype(float)
    assert (frame["day"] - last).dropna().between(0, 6).all()
    assert frame[frame["user"].isin(list("abcdefgh"))].groupby("user")["day"].min().nunique() > 3
    assert frame.set_index("response_id").loc["nobody", "day"] == day_of(START + 2 * DAY)


def test_a_unit_is_the_mean_of_its_answers_in_each_slice() -> None:
    """One user of two cohorts in one day is a unit of both, each time of the answers there."""
    unit, day = np.array([1, 1, 1, 2]), np.array([5, 5, 5, 6])
    values, tier = np.array([1.0, 0.0, 0.0, 1.0]), np.array(["a", "b", "b", "b"])
    for mine, expected in ((np.ones(4, bool), [1 / 3, 1.0]), (tier == "a", [1.0]), (tier == "b", [0.0, 1.0])):
        assert unit_means(unit, day, values, mine)[2].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("keyed_by", ["response_id", "user"])
def test_ticking_tells_the_same_of_weeks_as_one_look(keyed_by: str) -> None:
    store, chosen = in_memory(), settings(cohorts=["tier"], unit="user-week")
    events = loop_events(28, 10, per_day=24, reward=9.0, outcome_change=-50.0, keyed_by=keyed_by)
    ticked = live(store, chosen, events, every=9)
    whole = look(store, chosen, ticked.as_of).report
    assert told(ticked.alerts) == told(whole.alerts)
    assert found(ticked) == found(whole)
    assert ticked.reference == whole.reference
    assert ticked.alerts


def noted(unit: str) -> Report:
    return look(in_memory(loop_events(20, 12)), settings(unit=unit), START + 30 * DAY).report


def test_users_who_return_are_told_unless_their_weeks_count() -> None:
    """The same forty users come every day."""
    assert any("users seen before" in note and "unit: user-week" in note for note in noted("user-day").notes)
    assert not any("users seen before" in note for note in noted("user-week").notes)


def false_pages(events: int, stay: int, days_a_unit: int, seed: int, runs: int = 15) -> float:
    """Share of runs in which A = 2240 is crossed in 224 days although nothing changes (bound .10).

    60 users a day, each coming on every day of a stay, with so many events a day of intraclass correlation .3; a
    reference of 60 days with a success of .7 and its cluster-robust allowance. A unit of 0 days is a single event.
    """
    rng, users, reference, days = np.random.default_rng(seed), 60, 60, 224
    return float(np.mean([_crosses(rng, events, stay, days_a_unit, users, reference, days) for _ in range(runs)]))


def _crosses(
    rng: np.random.Generator, events: int, stay: int, days_a_unit: int, users: int, reference: int, days: int
) -> bool:
    day = np.arange(reference + days)[:, None]
    since = day + rng.integers(0, stay, users)
    person = since // stay
    chance = rng.beta(0.7 * 7 / 3, 0.3 * 7 / 3, (int(person.max()) + 1, users))[person, np.arange(users)]
    worked = rng.random((reference + days, users, events)) < chance[:, :, None]
    before, after = worked[:reference].mean(axis=2), worked[reference:].mean(axis=2)
    mean = before.mean()
    sums = [np.bincount(person[:reference, user], before[:, user] - mean) for user in range(users)]
    squares = max(sum(float(part @ part) for part in sums), float(((before - mean) ** 2).sum()))
    allowance = 0.005 + QUANTILE * np.sqrt(squares) / before.size
    effects, when = _units(
        mean - after, mean - worked[reference:], since[reference:] // max(days_a_unit, 1), days_a_unit
    )
    distinct, found = daily_log_sums(effects, when, np.array([allowance]))
    logs = np.zeros((days, BETS.size))
    logs[distinct] = found
    state = DetectorState.start(1)
    for row in logs:
        state = advance(state, row[None], np.zeros(1))
        if mixture(state.restarting)[0] >= np.log(2240) and mixture(state.companion)[0] >= np.log(COMPANION_FLOOR):
            return True
    return False


def _units(
    by_day: np.ndarray, single: np.ndarray, block: np.ndarray, days_a_unit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Effects and the day of each; of weeks (days_a_unit 7) the mean of each user's, on its last day."""
    days, users = by_day.shape
    if days_a_unit == 0:
        return single.ravel(), np.repeat(np.arange(days), single[0].size)
    unit = (block * users + np.arange(users)).ravel()
    _, when, means = unit_means(unit, np.repeat(np.arange(days), users), by_day.ravel(), np.ones(unit.size, bool))
    return means, when


def test_every_event_on_its_own_alerts_where_a_day_of_a_user_does_not() -> None:
    """Ten events a user and day, users who come once: Monte Carlo error of 15 runs at most .13, at the bound .08."""
    assert false_pages(10, stay=1, days_a_unit=0, seed=1) > 0.5
    assert false_pages(10, stay=1, days_a_unit=1, seed=1) <= 0.10


def test_users_who_return_break_the_promise_by_day_and_keep_it_by_week() -> None:
    """Users who stay two weeks: .20 in 100 runs by day, .01 by week; Monte Carlo error of 50 runs .057 and .014."""
    assert false_pages(10, stay=14, days_a_unit=1, seed=2, runs=50) > 0.10
    assert false_pages(10, stay=14, days_a_unit=7, seed=2, runs=50) <= 0.10


def arriving(days: int = 40, tripled: int = 20) -> Iterator[Event]:
    """Failures are known within the hour, successes after six days; traffic triples under the next checkpoint."""
    rng = np.random.default_rng(4)
    for day in range(days):
        for place in range(24 if day < tripled else 72):
            name, time = f"{day}-{place}", START + day * DAY + place * HOUR / 4
            worked = bool(rng.random() < 0.7)
            yield response(name, time, f"ckpt-{int(day >= tripled)}", user=f"u{name}")
            yield outcome(time + (6 * DAY if worked else HOUR), worked, response_id=name)


def test_scoring_on_arrival_would_alert_where_matured_outcomes_do_not() -> None:
    store, chosen = in_memory(arriving()), settings(outcome={"horizon": "7d"})
    as_of = START + 40 * DAY
    assert not look(store, chosen, as_of).report.alerts
    by_name: dict[str, list[dt.datetime]] = {}
    for one in arriving():
        by_name.setdefault(one["data"]["response_id"], []).append(dt.datetime.fromisoformat(one["time"]))
    frame = load_items(store.engine, chosen, START + 60 * DAY).frame
    known = np.array([day_of(by_name[name][1]) - day_of(START) for name in frame["response_id"]])
    effects = 0.7 - frame["outcome"].to_numpy(float)
    mine = (known >= 20) & (known < 40)
    _, logs = daily_log_sums(effects[mine], known[mine], np.array([0.03]))
    state, most = DetectorState.start(1), -np.inf
    for row in logs:
        state = advance(state, row[None], np.log(np.array([0.15])))
        most = max(most, float(mixture(state.restarting)[0]))
    assert most > np.log(3650)


def test_the_least_chance_looks_back_a_week() -> None:
    days = np.arange(20)
    chance = np.where(days == 5, 0.1, 1.0)
    assert np.flatnonzero(least_lately(days, chance) < 1).tolist() == list(range(5, 12))
