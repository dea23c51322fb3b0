"""Who said what of each pair: are people, the teacher and the judges joined as the wire format promises?"""

import datetime as dt
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.store import EventStore
from judges.preference import Preferences, read_preferences
from monitor.settings import JudgeSettings
from tests.monitor.events import START, Event, event, put

NAMES = JudgeSettings(watched=("gpt",), teacher="teacher", human="human")
SIDES = {"a": {"checkpoint": "new", "length": 30}, "b": {"checkpoint": "old", "length": 10}}
END_US = 1 << 60
CODE = {"a": 1.0, "tie": 0.0, "b": -1.0}
_ids = itertools.count()


def said(judge: str, choice: str | None, pair: str = "p", kind: str | None = None, at: int = 0, **more: Any) -> Event:
    """One judgment; what describes the judge goes to the judge, a missing choice is an error unless told."""
    known = {"human": "human", "teacher": "teacher", "gpt": "model"}
    who = {"name": judge, "kind": kind or known.get(judge, "human")}
    who |= {key: more.pop(key) for key in ("annotator", "revision", "family") if more.get(key)}
    failed = more.pop("status", "error")
    status = failed if choice is None else None
    data = {"pair_id": pair, "judge": who, "choice": choice, "status": status, **SIDES, **more}
    return event("preference", START + dt.timedelta(seconds=at), data, id=f"p{next(_ids)}") | (
        {"data": {**{k: v for k, v in data.items() if v is not None}, "choice": choice}}
    )


def joined(events: Iterable[Event], names: JudgeSettings = NAMES, url: str = ":memory:") -> Preferences:
    with EventStore.open(url) as store:
        put(store, list(events))
        return read_preferences(store.engine, names, END_US)


def of_pair(found: Preferences, pair: str = "p") -> dict[str, Any]:
    rows = found.pairs[found.pairs["pair_id"] == pair]
    assert len(rows) == 1
    return dict(rows.iloc[0])


def verdicts(found: Preferences) -> dict[tuple[str, str, str], float | str]:
    """Verdict, or the status that says why there is none."""
    return {
        (row.pair_id, row.judge, row.revision): row.status if np.isnan(row.verdict) else row.verdict
        for row in found.verdicts.itertuples()
    }


def told(found: Preferences) -> list[Any]:
    return [
        found.pairs.to_json(orient="table", index=False),
        found.verdicts.to_json(orient="table", index=False),
        found.anchors.to_json(orient="table", index=False),
        found.watched,
        found.contradicted,
    ]


def test_both_orders_are_one_verdict_and_a_failed_order_is_no_tie() -> None:
    both = [("a", "a"), ("b", "b"), ("a", "b"), ("a", "tie"), ("tie", "tie"), (None, "a")]
    events = [said("gpt", ab, pair=f"{n}", order="ab") for n, (ab, _) in enumerate(both)]
    events += [said("gpt", ba, pair=f"{n}", order="ba") for n, (_, ba) in enumerate(both)]
    assert list(verdicts(joined(events)).values()) == [1.0, -1.0, 0.0, 0.0, 0.0, "error"]


def test_a_failure_keeps_its_status_and_stays_in_the_table() -> None:
    events = [said("gpt", None, pair=status, status=status) for status in ("refused", "unscoreable", "error")]
    assert verdicts(joined(events)) == {(s, "gpt", ""): s for s in ("refused", "unscoreable", "error")}


def test_the_last_word_by_event_time_counts_and_a_new_revision_is_another_ruler() -> None:
    events = [
        said("gpt", "a", at=20, revision="r1"),
        said("gpt", "b", at=10, revision="r1"),
        said("gpt", "tie", at=30, revision="r2"),
        said("gpt", None, pair="q", at=10, revision="r1"),
        said("gpt", "b", pair="q", at=20, revision="r1"),
    ]
    found = joined(events)
    assert verdicts(found) == {("p", "gpt", "r1"): 1.0, ("p", "gpt", "r2"): 0.0, ("q", "gpt", "r1"): -1.0}
    assert found.judged_by("gpt")["revision"].tolist() == ["r2", "r1"]


@pytest.mark.parametrize("named", [True, False])
def test_people_decide_by_majority(named: bool) -> None:
    votes = {"aab": 1.0, "abt": 0.0, "bb": -1.0, "ab": 0.0, "aabb": 0.0, "aatb": 0.0, "t": 0.0, "bbbaa": -1.0}
    events = [
        said("human" if named else f"person-{n}", {"t": "tie"}.get(vote, vote), pair=pair, annotator=f"ann-{n}")
        for pair in votes
        for n, vote in enumerate(pair)
    ]
    found = joined(events)
    assert dict(zip(found.pairs["pair_id"], found.pairs["human"], strict=True)) == votes
    assert found.pairs["human_voters"].tolist() == [len(pair) for pair in found.pairs["pair_id"]]
    assert set(found.pairs["human_by"]) == {"named" if named else "majority"}


def test_the_named_human_is_heard_before_the_others_but_only_where_it_judged() -> None:
    events = [
        said("human", "b"),
        *(said(f"person-{n}", "a", pair=pair) for n in range(3) for pair in "pq"),
        said("person-4", "b", pair="q", kind="exact"),
    ]
    found = joined(events)
    assert (of_pair(found)["human"], of_pair(found, "q")["human"]) == (-1.0, 1.0)
    assert of_pair(found, "q")["human_voters"] == 4
    used = found.anchors.set_index("judge")["used"]
    assert used.to_dict() == {"human": 1, "person-0": 1, "person-1": 1, "person-2": 1, "person-4": 1}


def test_a_persons_refusal_is_no_vote() -> None:
    assert np.isnan(of_pair(joined([said("human", None), said("gpt", "a")]))["human"])


@pytest.mark.parametrize(
    ("judge", "kind", "why"),
    [
        ("human", "model", "made by a model"),
        ("human", "reward_model", "made by a model"),
        ("gpt", "human", "by a judge that is watched"),
        ("teacher", "exact", "by the teacher"),
    ],
)
def test_labels_of_models_are_never_a_human_verdict(judge: str, kind: str, why: str) -> None:
    found = joined([said(judge, "a", kind=kind), said("gpt", "a", pair="q")])
    assert found.pairs["human"].isna().all()
    assert found.anchors[["judge", "kind", "labels", "used", "refused"]].to_numpy().tolist() == [
        [judge, kind, 1, 0, why]
    ]


def test_the_teacher_stands_beside_the_pair() -> None:
    events = [said("teacher", "b", order="ab"), said("teacher", "b", order="ba"), said("teacher", None, pair="q")]
    found = joined(events)
    assert (of_pair(found)["teacher"], of_pair(found)["teacher_status"]) == (-1.0, "ok")
    assert (np.isnan(of_pair(found, "q")["teacher"]), of_pair(found, "q")["teacher_status"]) == (True, "error")


def test_families_and_own_students_are_flagged_side_by_side() -> None:
    taught = [("new", "gpt"), ("other", "gpt-family"), ("old", "somebody")]
    events = [event("checkpoint", START, {"checkpoint": name, "teacher": who}) for name, who in taught]
    of_family = {"a": {"checkpoint": "old", "family": "gpt-family"}, "b": {"checkpoint": "other", "family": "llama"}}
    events += [
        said("gpt", "a", family="gpt-family"),
        said("gpt", "a", pair="q", family="gpt-family", **of_family),
        said("gpt", "a", pair="r"),  # a judge without a family is of nobody's family
    ]
    flags = joined(events).verdicts.set_index("pair_id")
    names = ["same_family_a", "same_family_b", "own_student_a", "own_student_b"]
    assert flags.loc["p", names].tolist() == [False, False, True, False]
    assert flags.loc["q", names].tolist() == [True, False, False, True]
    assert flags.loc["r", names].tolist() == [False, False, True, False]


def test_what_later_events_leave_out_earlier_ones_still_tell() -> None:
    rich = {"cohort": {"tier": "free"}, "anchor_set": "s", "prompt_id": "x"}
    bare = {"a": {"checkpoint": "new"}, "b": {"checkpoint": "old"}}
    row = of_pair(joined([said("gpt", "a", at=1, **rich), said("human", "a", at=2, **bare)]))
    assert (row["cohort"], row["anchor_set"], row["prompt_id"]) == ('{"tier":"free"}', "s", "x")
    assert (row["a_length"], row["b_length"]) == (30.0, 10.0)


def test_a_pair_whose_sides_are_contradicted_is_left_out_and_counted() -> None:
    swapped = {"a": SIDES["b"], "b": SIDES["a"]}
    found = joined([said("human", "a"), said("gpt", "a", **swapped), said("gpt", "a", pair="q")])
    assert (found.pairs["pair_id"].tolist(), found.contradicted) == (["q"], 1)
    assert verdicts(found) == {("q", "gpt", ""): 1.0}


def test_without_names_every_model_is_watched_and_nobody_else() -> None:
    events = [said("gpt", "a"), said("rm", "b", kind="reward_model"), said("ann", "b"), said("human", "b")]
    assert joined(events, JudgeSettings(human="human")).watched == ("gpt", "rm")


def test_a_moment_hides_what_came_later() -> None:
    with EventStore.open(":memory:") as store:
        put(store, [said("gpt", "a", at=0), said("gpt", "b", at=10), said("human", "a", at=20)])
        at = round((START + dt.timedelta(seconds=10)).timestamp() * 1e6)
        found = [read_preferences(store.engine, NAMES, until) for until in (at - 1, at, at + 1, END_US)]
    assert [list(verdicts(one).values()) for one in found] == [[1.0], [1.0], [-1.0], [-1.0]]
    assert [int(one.pairs["human"].notna().sum()) for one in found] == [0, 0, 0, 1]


def test_an_empty_store_has_no_pair_and_still_its_watched_judges() -> None:
    found = joined([])
    assert (len(found.pairs), len(found.verdicts), len(found.anchors), found.watched) == (0, 0, 0, ("gpt",))
    assert found.judged_by("gpt").empty
    assert joined([], JudgeSettings()).watched == ()


judgments = st.fixed_dictionaries(
    {
        "judge": st.sampled_from(["human", "person-1", "person-2", "gpt", "teacher", "unwatched"]),
        "choice": st.sampled_from(["a", "b", "tie", None]),
        "pair": st.sampled_from(["p", "q", "Ω", "p ", *"abcdefgh"]),
        "annotator": st.sampled_from([None, "x", "y", "z"]),
        "revision": st.sampled_from([None, "r1", "r2"]),
        "order": st.sampled_from([None, "ab", "ba"]),
        "status": st.sampled_from(["refused", "unscoreable", "error"]),
        "at": st.integers(0, 5),
        "probability_a": st.sampled_from([None, 0.0, 0.25, 1.0]),
    }
)


@settings(max_examples=5, deadline=None)  # an example holds a dozen pairs, none of which knows of the others
@given(st.lists(judgments, max_size=150), st.randoms(use_true_random=False))
def test_order_of_arrival_batches_and_duplicates_change_nothing(drawn: list[Any], chance: Any) -> None:
    events = [said(**judgment) for judgment in drawn]
    again = events + [chance.choice(events) for _ in range(5) if events]
    chance.shuffle(again)
    assert told(joined(again)) == told(joined(events))


@settings(max_examples=5, deadline=None)
@given(st.lists(judgments, max_size=150))
def test_a_plain_loop_over_the_events_says_the_same(drawn: list[Any]) -> None:
    drawn = [{**one, "at": number} for number, one in enumerate(drawn)]
    found = joined([said(**one) for one in drawn])
    assert verdicts(found) == plain_verdicts([o for o in drawn if o["judge"] == "gpt"])
    people = {row.pair_id: row.human for row in found.pairs.itertuples() if not np.isnan(row.human)}
    assert people == plain_people(drawn)


def plain_verdicts(drawn: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], float | str]:
    result: dict[tuple[str, str, str], float | str] = {}
    for key, mine in grouped(drawn, lambda one: (one["pair"], one["judge"], one["revision"] or "")):
        votes = [plain_merged(each) for _, each in grouped(mine, lambda one: one["annotator"] or "")]
        known = [vote for vote in votes if not isinstance(vote, str)]
        worst = max(
            votes, key=lambda vote: ["unscoreable", "refused", "error"].index(vote) if isinstance(vote, str) else 9
        )
        result[key] = plain_majority(known) if known else worst
    return result


def plain_people(drawn: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    result = {}
    kinds = [
        {**one, "revision": None} for one in drawn if one["judge"] in ("human", "person-1", "person-2", "unwatched")
    ]
    for pair, mine in grouped(kinds, lambda one: one["pair"]):
        votes = {
            who: plain_merged(each) for who, each in grouped(mine, lambda one: (one["judge"], one["annotator"] or ""))
        }
        known = {who: vote for who, vote in votes.items() if not isinstance(vote, str)}
        named = [vote for who, vote in known.items() if who[0] == "human"]
        if named or known:
            result[pair] = plain_majority(named or list(known.values()))
    return result


def plain_merged(mine: Sequence[Mapping[str, Any]]) -> float | str:
    last = [each[-1] for _, each in grouped(mine, lambda one: one["order"] or "")]
    for status in ("error", "refused", "unscoreable"):
        if any(one["choice"] is None and one["status"] == status for one in last):
            return status
    choices = {one["choice"] for one in last}
    return CODE[choices.pop()] if len(choices) == 1 else 0.0


def plain_majority(votes: Sequence[float]) -> float:
    return next((side for side in (1.0, -1.0) if 2 * list(votes).count(side) > len(votes)), 0.0)


def grouped(items: Sequence[Any], key: Any) -> list[tuple[Any, list[Any]]]:
    """In the order of time, which the caller keeps."""
    return [(k, list(each)) for k, each in itertools.groupby(sorted(items, key=key), key)]


def test_both_databases_say_the_same(store_url: str) -> None:
    rng = np.random.default_rng(0)
    events = [
        said(
            str(rng.choice(["human", "gpt", "teacher", "person-1"])),
            [None, "a", "b", "tie"][rng.integers(4)],
            pair=f"p{rng.integers(40)}",
            annotator=[None, "x", "y"][rng.integers(3)],
            order=[None, "ab", "ba"][rng.integers(3)],
            at=int(rng.integers(1000)),
            cohort={"tier": "free"},
        )
        for _ in range(300)
    ]
    assert json.dumps(told(joined(events, url=store_url))) == json.dumps(told(joined(events)))


def test_many_chunks_are_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [said("gpt", "a", pair=f"p{n}") for n in range(7)] + [said("human", "a", pair=f"p{n}") for n in range(7)]
    whole = told(joined(events))
    monkeypatch.setattr("judges.preference.CHUNK", 3)
    assert told(joined(events)) == whole


def test_verdicts_and_pairs_have_the_promised_types() -> None:
    found = joined([said("gpt", "a"), said("human", "a"), said("teacher", None)])
    assert found.pairs[["human", "teacher", "a_length"]].dtypes.tolist() == [np.float64] * 3
    assert found.verdicts[["verdict", "ab", "ba", "probability_a"]].dtypes.tolist() == [np.float64] * 4
    assert pd.api.types.is_integer_dtype(found.verdicts["day"])
