"""Do other people's files become events as they are, and are they the same events each time?"""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given as drawn
from hypothesis import settings as limits
from hypothesis import strategies as st

from consumers.events import parse_event
from consumers.importers.alpaca_eval import ALPACA_EVAL
from consumers.importers.foreign import Format, Given, import_foreign
from consumers.importers.mt_bench import MT_BENCH
from consumers.importers.reward_bench import REWARD_BENCH
from consumers.importers.rows import TableError
from consumers.importers.trl import TRL

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
AT_NOON = Given(time=NOON)


def annotation(preference: Any, **more: Any) -> dict[str, Any]:
    asked = {
        "instruction": "Name a river.",
        "output_1": "The Oder.",
        "generator_1": "base",
        "output_2": "Rhine, maybe.",
    }
    return {**asked, "generator_2": "new", "annotator": "judge-7", "preference": preference, **more}


def written(folder: Path, name: str, rows: Any) -> Path:
    path = folder / name
    lines = "\n".join(json.dumps(row) for row in rows) if name.endswith(".jsonl") else json.dumps(rows, indent=1)
    path.write_text(lines, encoding="utf-8")
    return path


def converted(path: Path, form: Format, given: Given = AT_NOON) -> tuple[list[Any], list[str]]:
    problems: list[Any] = []
    events = [parse_event(raw) for raw in import_foreign(path, form, given, problems.append)]
    return events, [str(one).removeprefix(str(path)) for one in problems]


def alone(path: Path, form: Format, given: Given = AT_NOON) -> Any:
    events, problems = converted(path, form, given)
    assert not problems
    assert len(events) == 1
    return events[0].data


# AlpacaEval


@pytest.mark.parametrize(
    ("preference", "winner", "soft"),
    [(1, "base", 1.0), (2, "new", 1.0), (1.75, "new", 0.75), (1.5, "tie", 0.5), (0, "tie", 0.5)],
)
def test_a_preference_of_alpaca_eval_names_the_side_it_is_for(
    tmp_path: Path, preference: float, winner: str, soft: float
) -> None:
    told = alone(written(tmp_path, "annotations.json", [annotation(preference)]), ALPACA_EVAL)
    assert (told.judge.name, told.judge.kind) == ("judge-7", "model")
    sides = {"a": told.a.checkpoint, "b": told.b.checkpoint, "tie": "tie"}
    assert sides[told.choice] == winner
    assert (told.probability_a if told.choice != "b" else 1 - told.probability_a) == soft
    assert {told.a.length, told.b.length} == {9, 13}


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_failed_annotation_is_a_null_and_not_left_out(tmp_path: Path, nothing: Any) -> None:
    told = alone(written(tmp_path, "annotations.json", [annotation(nothing)]), ALPACA_EVAL)
    assert (told.choice, told.status) == (None, "unscoreable")


def test_a_pair_has_one_name_whichever_output_stands_first(tmp_path: Path) -> None:
    turned = annotation(1, output_1="Rhine, maybe.", generator_1="new", output_2="The Oder.", generator_2="base")
    path = written(tmp_path, "annotations.json", [annotation(2), {**turned, "annotator": "other"}])
    first, second = (event.data for event in converted(path, ALPACA_EVAL)[0])
    assert (first.pair_id, first.a, first.choice) == (second.pair_id, second.a, second.choice)


def test_people_are_people_only_when_told_so(tmp_path: Path) -> None:
    path = written(tmp_path, "annotations.json", [annotation(1, annotator=4)])
    told = alone(path, ALPACA_EVAL, Given("human", "human", NOON)).judge
    assert (told.name, told.kind, told.annotator) == ("human", "human", "4")


def test_outputs_of_alpaca_eval_are_the_answers_that_annotations_speak_of(tmp_path: Path) -> None:
    output = {"instruction": "Name a river.", "output": "The Oder.", "generator": "base", "dataset": "koala"}
    answer = alone(written(tmp_path, "model_outputs.json", [output]), ALPACA_EVAL)
    judged = alone(written(tmp_path, "annotations.json", [annotation(1)]), ALPACA_EVAL)
    sides = {side.checkpoint: side.response_id for side in (judged.a, judged.b)}
    assert sides["base"] == answer.response_id
    assert (answer.environment, answer.prompt_id) == ("evaluation", judged.prompt_id)


def test_a_leaderboard_becomes_shares_with_their_errors(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.csv"
    path.write_text(
        ",win_rate,standard_error,n_total,length_controlled_winrate\nnew,61.5,1.5,800,48.25\nold,,,800,40\n"
    )
    found = [event.data for event in converted(path, ALPACA_EVAL)[0]]
    assert [(one.checkpoint, one.metric, one.value, one.stderr, one.n) for one in found] == [
        ("new", "win_rate", 0.615, 0.015, 800),
        ("new", "length_controlled_winrate", 0.4825, None, 800),
        ("old", "length_controlled_winrate", 0.4, None, 800),
    ]


def test_bad_rows_are_told_with_line_and_reason_and_the_others_come(tmp_path: Path) -> None:
    rows = [annotation(3), annotation(1), "text", {"x": 1}, annotation(2, output_2=None), annotation("good")]
    path = tmp_path / "annotations.json"
    path.write_text("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
    events, problems = converted(path, ALPACA_EVAL)
    assert len(events) == 1
    assert [problem.partition(" ")[0] for problem in problems] == [":1:", ":3:", ":4:", ":5:", ":6:"]
    assert "preference 3 is neither 1..2" in problems[0]
    assert "no number" in problems[4]


def test_a_list_that_was_cut_tells_where_and_gives_what_stands_before(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([annotation(1), annotation(2)])[:-9])
    events = import_foreign(path, ALPACA_EVAL, AT_NOON)
    assert next(events)
    with pytest.raises(TableError, match=r"annotations\.json:1: no JSON"):
        next(events)


def test_files_without_times_need_one(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="tell no times: give --time"):
        list(import_foreign(written(tmp_path, "a.json", [annotation(1)]), ALPACA_EVAL, Given()))


# RewardBench


def scores(**more: Any) -> dict[str, Any]:
    columns = {"id": [1, 2, 3, 4], "subset": ["math", "math", "chat", "chat"]}
    return {"model": "rm-9", **columns, "scores_chosen": [2, [0.5], 1, None], "scores_rejected": [1, 3, 1, 0], **more}


def test_scores_of_reward_bench_give_preferences_and_accuracies(tmp_path: Path) -> None:
    events, problems = converted(written(tmp_path, "rm.json", scores()), REWARD_BENCH)
    judged = [event.data for event in events if "preference" in event.type]
    won = [one.choice and (one.choice == "tie" or getattr(one, one.choice).checkpoint) for one in judged]
    assert won == ["reward_bench:chosen", "reward_bench:rejected", True, None]
    assert {(one.judge.name, one.judge.kind) for one in judged} == {("rm-9", "reward_model")}
    accuracies = {e.data.category: (e.data.value, e.data.n) for e in events if "evaluation" in e.type}
    assert accuracies == {"math": (0.5, 2), "chat": (0.25, 2)}
    assert not problems


def test_the_side_of_the_chosen_answer_does_not_follow_from_the_label(tmp_path: Path) -> None:
    rows = [{"model": "m", "id": n, "subset": "s", "results": 1} for n in range(200)]
    events, _ = converted(written(tmp_path, "rm.jsonl", rows), REWARD_BENCH)
    on_a = sum(event.data.choice == "a" for event in events if "preference" in event.type)
    assert 70 <= on_a <= 130  # 100 by halves, 7 each standard error


def test_accuracies_alone_are_evaluations(tmp_path: Path) -> None:
    path = written(tmp_path, "rm.json", {"model": "rm-9", "model_type": "Seq. Classifier", "math": 0.9, "chat": 1})
    assert [(e.data.category, e.data.value) for e in converted(path, REWARD_BENCH)[0]] == [("chat", 1), ("math", 0.9)]


# MT-Bench


def pair(first: str, second: str, **more: Any) -> dict[str, Any]:
    row = {"question_id": 81, "model_1": "zeta", "model_2": "alpha", "g1_winner": first, "g2_winner": second}
    return {**row, "judge": ["judge-7", "pair-v2"], "turn": 1, "tstamp": 1_767_600_000.5, **more}


def test_both_orders_of_mt_bench_are_told_apart(tmp_path: Path) -> None:
    events, problems = converted(written(tmp_path, "j_pair.jsonl", [pair("model_1", "error")]), MT_BENCH, Given())
    first, second = (event.data for event in events)
    assert not problems
    assert (first.order, first.choice, first.b.checkpoint) == ("ba", "b", "zeta")
    assert (second.order, second.choice, second.status) == ("ab", None, "error")
    assert first.pair_id == second.pair_id
    assert (first.judge.name, first.judge.rubric, first.judge.kind) == ("judge-7", "pair-v2", "model")
    assert events[0].time_us == 1_767_600_000_500_000


def test_single_scores_bring_their_answer_along_and_failures_stay(tmp_path: Path) -> None:
    rows = [
        {"question_id": q, "model": "m", "judge": "j", "score": s, "turn": 1} for q, s in ((1, 8), (2, -1), (3, "x"))
    ]
    events, problems = converted(written(tmp_path, "j_single.jsonl", rows), MT_BENCH)
    scored = [event.data for event in events if "score" in event.type]
    answers = {event.data.response_id: event.data for event in events if "response" in event.type}
    assert [(one.value, one.status) for one in scored] == [(8.0, None), (None, "error")]
    assert [answers[one.response_id].prompt_id for one in scored] == ["mt_bench/1/1", "mt_bench/2/1"]
    assert ":3:" in problems[0]


def test_rows_without_a_time_are_told_where_none_was_given(tmp_path: Path) -> None:
    path = written(tmp_path, "j_pair.jsonl", [pair("tie", "tie", tstamp=None)])
    events, problems = converted(path, MT_BENCH, Given())
    assert not events
    assert "give --time" in problems[0]


# TRL

PEOPLE = Given("human", "human", NOON)


@pytest.mark.parametrize("given", [AT_NOON, Given("x", None, NOON), Given(None, "human", NOON)])
def test_who_chose_is_never_assumed(tmp_path: Path, given: Given) -> None:
    with pytest.raises(TableError, match="does not say who judged"):
        list(import_foreign(written(tmp_path, "t.jsonl", [{"chosen": "a", "rejected": "b"}]), TRL, given))


def test_texts_and_conversations_with_and_without_a_prompt_are_one_pair(tmp_path: Path) -> None:
    asked, good, bad = (
        {"role": r, "content": c} for r, c in (("user", "Hi"), ("assistant", "Yes"), ("assistant", "No"))
    )
    rows = [
        {"prompt": "Hi", "chosen": "Yes", "rejected": "No"},
        {"prompt": [asked], "chosen": [good], "rejected": [bad]},
        {"prompt": "Hi", "chosen": "No", "rejected": "Yes"},
    ]
    told = [event.data for event in converted(written(tmp_path, "t.jsonl", rows), TRL, PEOPLE)[0]]
    assert len({one.pair_id for one in told}) == 1
    assert told[0].choice == told[1].choice != told[2].choice
    whole = [{"chosen": [asked, good], "rejected": [asked, bad]}]
    implicit = alone(written(tmp_path, "w.jsonl", whole), TRL, PEOPLE)
    assert {implicit.a.text, implicit.b.text} == {"assistant: Yes", "assistant: No"}


def test_parquet_is_read_like_lines(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi", "chosen": "Yes", "rejected": "No"}, {"prompt": "Hi", "chosen": "Same", "rejected": "Same"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    events, problems = converted(tmp_path / "t.parquet", TRL, PEOPLE)
    assert len(events) == 1
    assert problems == [":2: chosen and rejected are the same answer"]
    again, _ = converted(written(tmp_path, "t.jsonl", rows), TRL, PEOPLE)
    assert [one.id for one in again] == [one.id for one in events]


# all of them

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROWS: dict[str, tuple[Format, dict[str, Any]]] = {
    "alpaca_eval": (ALPACA_EVAL, annotation(1)),
    "reward_bench": (REWARD_BENCH, {"model": "m", "id": 1, "subset": "s", "results": 1}),
    "mt_bench": (MT_BENCH, pair("tie", "model_2")),
    "trl": (TRL, {"prompt": "Hi", "chosen": "Yes", "rejected": "No"}),
}


@limits(max_examples=60, deadline=None)
@drawn(name=st.sampled_from(list(ROWS)), data=st.data())
def test_whatever_stands_in_a_row_is_an_event_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    form, row = ROWS[name]
    changed = data.draw(st.sampled_from(list(row)))
    path = written(tmp_path_factory.mktemp("rows"), "r.jsonl", [{**row, changed: data.draw(ANYTHING)}])
    events, problems = converted(path, form, PEOPLE)
    assert events or problems
    assert [event.id for event in events] == [event.id for event in converted(path, form, PEOPLE)[0]]
