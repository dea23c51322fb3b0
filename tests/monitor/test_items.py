"""Which answers count, with what reward and outcome, and on which day? Through a real store and the real parser."""

import datetime as dt
import math
from typing import Any

import pytest

from monitor.production.items import EPOCH, day_of, load_items
from tests.monitor.events import (
    DAY,
    DEBUGGING,
    HOUR,
    START,
    TICK,
    Event,
    in_memory,
    outcome,
    rating,
    response,
    score,
    settings,
    thumbs,
)

LATER = START + 60 * DAY
HORIZON = 2 * DAY


def rows(events: list[Event], as_of: dt.datetime = LATER, **changes: Any) -> list[dict[str, Any]]:
    """The items of a store with these events, as dicts; NaN as None."""
    frame = load_items(in_memory(events).engine, settings(**changes), as_of).frame
    return [{key: None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")]


def only(events: list[Event], **changes: Any) -> dict[str, Any]:
    (row,) = rows(events, **changes)
    return row


def answered(name: str = "a", time: dt.datetime = START, **more: Any) -> list[Event]:
    return [response(name, time, **more), outcome(time + HOUR, True, response_id=name)]


def test_an_item_matures_a_horizon_after_its_response() -> None:
    moment = START + 5 * HOUR
    events = [response("a", moment)]
    assert rows(events, as_of=START + 2 * DAY + 23 * HOUR) == []
    row = only(events, as_of=START + 3 * DAY)
    assert row["day"] == day_of(moment + HORIZON)
    assert EPOCH + row["time_us"] * TICK == moment


@pytest.mark.parametrize(("late", "seen"), [(0 * TICK, 1.0), (TICK, None)])
def test_an_outcome_counts_up_to_the_horizon_and_not_a_microsecond_longer(late: dt.timedelta, seen: float) -> None:
    row = only([response("a", START), outcome(START + HORIZON + late, True, response_id="a")])
    assert row["outcome"] == seen


@pytest.mark.parametrize(("late", "seen"), [(0 * TICK, 1.0), (TICK, None)])
def test_a_reward_after_maturity_is_not_used(late: dt.timedelta, seen: float) -> None:
    assert only([response("a", START), thumbs("a", START + HORIZON + late, 1)])["reward"] == seen


def test_later_events_never_change_a_mature_item() -> None:
    before = [*answered(), thumbs("a", START, 0)]
    after = [thumbs("a", START + HORIZON + TICK, 1), outcome(START + HORIZON + TICK, False, response_id="a")]
    assert rows(before) == rows(before + after)


@pytest.mark.parametrize("order", [1, -1])
def test_the_latest_reaction_replaces_by_event_time(order: int) -> None:
    reactions = [thumbs("a", START + HOUR, 1), thumbs("a", START + 2 * HOUR, 0)]
    assert only([response("a", START), *reactions[::order]])["reward"] == 0


@pytest.mark.parametrize("order", [1, -1])
def test_ties_in_time_are_broken_by_content(order: int) -> None:
    reactions = [thumbs("a", START + HOUR, 1), thumbs("a", START + HOUR, 0)]
    outcomes = [outcome(START + HOUR, value, response_id="a") for value in (True, False)]
    row = only([response("a", START), *reactions[::order], *outcomes[::order]])
    assert (row["reward"], row["outcome"]) == (1, 1)


@pytest.mark.parametrize("order", [1, -1])
def test_a_response_told_twice_is_the_earlier_one(order: int) -> None:
    twice = [response("a", START, "ckpt-0"), {**response("a", START + HOUR, "ckpt-1"), "id": "again"}]
    assert only(twice[::order])["checkpoint"] == "ckpt-0"


def test_reactions_are_averaged_over_actors() -> None:
    reactions = [
        thumbs("a", START + HOUR, 1, "u1"),
        thumbs("a", START + 2 * HOUR, 0, "u1"),
        thumbs("a", START, 1, "u2"),
    ]
    assert only([response("a", START), *reactions])["reward"] == 0.5


def test_other_signals_are_no_thumbs() -> None:
    assert only([response("a", START), rating("a", START, 5, (1, 5))])["reward"] is None


@pytest.mark.parametrize("environment", ["staging", "development", "evaluation"])
def test_only_production_enters(environment: str) -> None:
    assert rows(answered(environment=environment)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"surface": DEBUGGING},
        {"surface": None},
        {"actor": {"id": "u", "role": "engineer"}},
        {"actor": {"id": "u", "role": "bot"}},
        {"actor": {"id": "u"}},
        {"surface": {"environment": "staging", "purpose": "product"}},
        {"actor": {"role": "annotator"}, "surface": {"purpose": "curation"}, "rubric": "r1"},
    ],
)
def test_debugging_and_curation_never_move_the_reward(change: dict[str, Any]) -> None:
    events = [response("a", START), thumbs("a", START + HOUR, 1)]
    base = thumbs("a", START + 2 * HOUR, 0)
    base["data"] = {key: value for key, value in {**base["data"], **change}.items() if value is not None}
    assert only([*events, base])["reward"] == 1


def test_an_outcome_of_a_model_anchors_nothing() -> None:
    store = in_memory([response("a", START), outcome(START, False, response_id="a", method="model")])
    items = load_items(store.engine, settings(), LATER)
    assert items.frame["outcome"].isna().all()
    assert items.counts["by_model"] == 1


def test_another_metric_is_another_outcome() -> None:
    assert only([response("a", START), outcome(START, True, metric="refund", response_id="a")])["outcome"] is None


@pytest.mark.parametrize(
    ("value", "changes", "expected"),
    [
        (True, {}, 1.0),
        (0.25, {}, 0.25),
        (3, {"range": [1, 5]}, 0.5),
        (True, {"higher_is_better": False}, 0.0),
        (2, {"range": [1, 5], "higher_is_better": False}, 0.75),
        (1.5, {}, None),
        (-0.1, {"higher_is_better": False}, None),
    ],
)
def test_outcomes_are_mapped_from_their_range(value: Any, changes: dict[str, Any], expected: float | None) -> None:
    assert only([response("a", START), outcome(START, value, response_id="a")], outcome=changes)["outcome"] == expected


def test_outcomes_outside_the_range_are_counted() -> None:
    store = in_memory([response("a", START), outcome(START, 7, response_id="a")])
    assert load_items(store.engine, settings(), LATER).counts["outside_range"] == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"missing": False}, 0.0),
        ({"missing": False, "higher_is_better": False}, 1.0),
        ({"missing": False, "range": [-1, 1]}, 0.5),
    ],
)
def test_a_missing_outcome_is_its_own_class_unless_it_means_no(changes: dict[str, Any], expected: float) -> None:
    assert only([response("a", START)], outcome=changes)["outcome"] == expected


def test_missing_means_no_even_when_no_outcome_ever_came() -> None:
    found = rows([response("a", START), response("b", START)], outcome={"missing": False})
    assert [row["outcome"] for row in found] == [0.0, 0.0]


# Conversations


def conversation(value: bool = True) -> list[Event]:
    return [
        response("a", START, "ckpt-0", conversation_id="c"),
        response("b", START + DAY, "ckpt-1", conversation_id="c"),
        thumbs("a", START + HOUR, 1, "u"),
        thumbs("b", START + DAY, 0, "u"),
        thumbs("b", START + DAY, 0, "v"),
        outcome(START + DAY + HORIZON, value, conversation_id="c"),
    ]


def test_a_conversation_counts_once_under_its_last_response() -> None:
    row = only(conversation())
    assert (row["response_id"], row["checkpoint"]) == ("b", "ckpt-1")
    assert row["day"] == day_of(START + DAY + HORIZON)
    assert row["outcome"] == 1
    assert row["reward"] == 0.5  # of a response over actors, then over responses


def test_a_conversation_outcome_too_late_is_missing() -> None:
    events = [*conversation()[:-1], outcome(START + DAY + HORIZON + TICK, True, conversation_id="c")]
    assert only(events)["outcome"] is None


def test_a_response_without_a_conversation_has_no_conversation_outcome() -> None:
    assert len(rows([*conversation(), response("z", START)])) == 1


def test_a_conversation_is_one_unit_a_day_when_each_answer_has_an_outcome() -> None:
    """A unit belongs to one day: a later answer must not reopen a day already decided."""
    events = [
        *answered("a", START, conversation_id="c"),
        *answered("b", START + HOUR, conversation_id="c"),
        *answered("c", START + DAY, conversation_id="c"),
    ]
    first, second, third = rows(events, unit="conversation")
    assert first["unit"] == second["unit"] != third["unit"]


def test_a_user_day_is_one_unit() -> None:
    events = [
        *answered("a", START, user="u"),
        *answered("b", START + HOUR, user="u"),
        *answered("c", START + HOUR, user="v"),
        *answered("d", START + DAY, user="u"),
        *answered("e", START),
        *answered("f", START),
    ]
    units = {row["response_id"]: row["unit"] for row in rows(events, unit="user-day")}
    assert units["a"] == units["b"]
    assert len(set(units.values())) == 5


# Users


def test_a_user_counts_once_a_horizon_under_the_checkpoint_that_served_most() -> None:
    events = [response(f"{n}", START + n * HOUR, "ckpt-0" if n < 2 else "ckpt-1", user="u") for n in range(6)]
    reaction, asked = thumbs("3", START + 4 * HOUR, 1), START + 5 * HOUR
    found = rows([*events, reaction, outcome(asked, True, user="u")], outcome={"horizon": "20d"})
    row = found[0]
    assert len(found) == 1
    assert (row["checkpoint"], row["outcome"], row["reward"]) == ("ckpt-1", 1, 1)


def test_a_user_outcome_counts_in_one_horizon_only() -> None:
    events = [response(f"{n}", START + n * DAY, user="u") for n in range(12)]
    found = rows([*events, outcome(START + 5 * DAY, True, user="u")], outcome={"horizon": "4d"})
    assert [row["outcome"] for row in found].count(1) == 1
    assert len(found) in (3, 4)


def test_users_mature_on_days_of_their_own() -> None:
    events = [response(f"{n}", START, user=f"user-{n}") for n in range(60)]
    found = rows([*events, outcome(START, True, user="user-0")], outcome={"horizon": "14d"})
    assert len({row["day"] for row in found}) > 5


# Scorers and ratings


def test_the_same_ruler_again_replaces_and_another_revision_is_left_out() -> None:
    events = [response("a", START), response("b", START)]
    scores = [
        score("a", START, 0.1), score("a", START + HOUR, 0.2), score("b", START, 0.3), score("a", START, 0.9, "2"),
    ]  # fmt: skip
    items = load_items(in_memory(events + scores).engine, settings(reward={"scorer": "rm"}), LATER)
    assert sorted(items.frame["reward"]) == [0.2, 0.3]
    assert items.revision == "1"
    assert items.counts["other_revisions"] == 1


def test_a_null_score_is_unscoreable_and_still_counts() -> None:
    events = [response("a", START), response("b", START), score("a", START, None, status="refused")]
    found = rows(events, reward={"scorer": "rm"})
    assert [(row["reward"], row["unscoreable"]) for row in found] == [(None, True), (None, False)]


def test_a_null_after_a_score_replaces_it() -> None:
    events = [response("a", START), score("a", START, 0.4), score("a", START + HOUR, None, status="error")]
    assert only(events, reward={"scorer": "rm"})["unscoreable"]


def test_ratings_on_different_scales_are_made_comparable() -> None:
    events = [response("a", START), rating("a", START, 4, (1, 5), "u"), rating("a", START, 5, (0, 10), "v")]
    assert only(events, reward={"signal": "rating"})["reward"] == (0.75 + 0.5) / 2


def test_a_range_of_rewards_takes_ratings_as_given() -> None:
    events = [response("a", START), rating("a", START, 4, (1, 5))]
    assert only(events, reward={"signal": "rating", "range": [1, 5]})["reward"] == 4


# Windows


@pytest.mark.parametrize("key", ["response_id", "conversation_id", "user_id"])
def test_a_window_holds_the_same_items_as_the_whole(key: str) -> None:
    name = {"user_id": "user"}.get(key, key)
    events = [
        event
        for n in range(40)
        for event in (
            response(f"{n}", START + n * DAY / 2, conversation_id=f"c{n // 3}", user=f"u{n % 5}"),
            thumbs(f"{n}", START + n * DAY / 2 + HOUR, n % 3 % 2),
            outcome(
                START + (n + 1) * DAY / 2,
                n % 2 == 0,
                **{name: {"response_id": f"{n}", "conversation_id": f"c{n // 3}", "user": f"u{n % 5}"}[name]},
            ),
        )
    ]
    engine, chosen = in_memory(events).engine, settings(outcome={"horizon": "3d"})
    whole = load_items(engine, chosen, START + 18 * DAY).frame
    since = day_of(START + 11 * DAY)
    part = load_items(engine, chosen, START + 18 * DAY, since).frame
    assert len(part) > 3
    assert part.astype(str).equals(whole[whole["day"] >= since].reset_index(drop=True).astype(str))


def test_an_empty_store_has_no_items() -> None:
    for changes in ({}, {"reward": {"scorer": "rm"}}, {"outcome": {"missing": False}}):
        assert rows([], **changes) == []


def test_pending_answers_are_counted() -> None:
    store = in_memory([response("a", START), response("b", START + DAY)])
    assert load_items(store.engine, settings(), START + 3 * DAY).counts["pending"] == 1
    assert math.isnan(load_items(store.engine, settings(), START + 3 * DAY).frame["reward"][0])
