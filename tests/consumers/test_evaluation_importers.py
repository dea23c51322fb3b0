"""Do results of other harnesses become evaluations that compare checkpoints rightly, and once only?"""

import datetime as dt
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given as drawn
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import text

from consumers.events import EVENT_BYTES, parse_event
from consumers.importers import inspect_zip
from consumers.importers.foreign import Given, import_foreign
from consumers.importers.harness import Harness, import_results
from consumers.importers.inspect_ai import INSPECT
from consumers.importers.lm_eval import LM_EVAL
from consumers.importers.mapping import load_mapping
from consumers.importers.results import RESULTS
from consumers.importers.reward_bench import REWARD_BENCH
from consumers.importers.rows import TableError
from consumers.importers.table import import_table
from consumers.importers.trl_log import TRL_LOG
from consumers.ingest import ingest
from consumers.sources import JsonlSource
from consumers.store import EventStore

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
AT_NOON = Given(time=NOON)
DATE = "2026-01-05T13-00-00.123456"

Told = tuple[list[Any], list[str]]


def told(paths: Sequence[Path], harness: Harness, given: Given = AT_NOON) -> Told:
    problems: list[Any] = []
    events = [parse_event(raw) for raw in import_results(paths, harness, given, problems.append)]
    return events, [str(one) for one in problems]


def attempt(paths: Sequence[Path], harness: Harness, given: Given) -> Told | None:
    """What files tell; None where they are refused, which must name the file."""
    try:
        return told(paths, harness, given)
    except TableError as fault:
        if not str(fault).startswith(str(paths[0])):
            raise
        return None


def rows_told(path: Path, given: Given = AT_NOON, form: Any = RESULTS) -> Told:
    problems: list[Any] = []
    events = [parse_event(raw) for raw in import_foreign(path, form, given, problems.append)]
    return events, [str(one) for one in problems]


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, content)) if lines else json.dumps(content), encoding="utf-8")
    return path


def values(data: Any) -> dict[str, Any]:
    return {one["id"]: one["value"] for one in data.samples}


# lm-evaluation-harness


def results(**more: Any) -> dict[str, Any]:
    """A file of release 0.4: metrics with filters, groups beside their tasks."""
    rows = {
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.5,
            "exact_match_stderr,strict-match": 0.29,
            "exact_match,flexible-extract": 0.75,
            "exact_match_stderr,flexible-extract": "N/A",
        },
        "wikitext": {"alias": "wikitext", "word_perplexity,none": 11.5, "word_perplexity_stderr,none": "N/A"},
        "mmlu": {"alias": "mmlu", "acc,none": 0.6, "acc_stderr,none": 0.01},
        "mmlu_law": {"alias": " - law", "acc,none": 0.5, "acc_stderr,none": 0.02},
        "mmlu_stem": {"alias": " - stem", "acc,none": 0.65, "acc_stderr,none": 0.02},
        "pile": {" ": " ", "alias": "pile"},
    }
    return {
        "results": rows,
        "groups": {"mmlu": rows["mmlu"]},
        "group_subtasks": {"mmlu": ["mmlu_law", "mmlu_stem"], "pile": ["wikitext"], "gsm8k": []},
        "higher_is_better": {"gsm8k": {"exact_match": True}, "mmlu": {"acc": None}, "mmlu_law": {"acc": True}},
        "n-samples": {
            "gsm8k": {"original": 1319, "effective": 4},
            "mmlu_law": {"original": 100, "effective": 100},
            "mmlu_stem": {"original": 200, "effective": 200},
        },
        "config": {"model": "hf", "model_args": {"pretrained": "org/base", "peft": "out/ckpt-07"}},
        "date": 1_767_600_000.5,
        "model_name": "out/ckpt-07",
        **more,
    }


def items(solved: Sequence[float], named: str | None = "strict-match") -> list[dict[str, Any]]:
    more = {} if named is None else {"filter": named, "metrics": ["exact_match"]}
    return [
        {"doc_id": n, "doc": {"q": "?"}, "target": "4", "filtered_resps": ["4"], **more, "exact_match": value}
        for n, value in enumerate(solved)
    ]


def lm_eval_files(folder: Path, **more: Any) -> list[Path]:
    logged = items([1, 0, 1, 0]) + items([1.0, 1.0, 1.0, 0.0], "flexible-extract")
    return [
        written(folder / f"results_{DATE}.json", results(**more)),
        written(folder / f"samples_gsm8k_{DATE}.jsonl", logged),
    ]


def test_results_and_their_samples_are_one_evaluation_a_task_and_metric(tmp_path: Path) -> None:
    events, problems = told(lm_eval_files(tmp_path), LM_EVAL, Given())
    assert not problems
    found = {(event.data.category, event.data.metric): event.data for event in events}
    strict = found["gsm8k", "exact_match,strict-match"]
    assert (strict.checkpoint, strict.value, strict.stderr, strict.n) == ("out/ckpt-07", 0.5, 0.29, 4)
    assert values(strict) == {"0": 1, "1": 0, "2": 1, "3": 0}
    assert values(found["gsm8k", "exact_match,flexible-extract"]) == {"0": 1, "1": 1, "2": 1, "3": 0}
    assert found["gsm8k", "exact_match,flexible-extract"].stderr is None
    assert found["wikitext", "word_perplexity"].higher_is_better is False
    assert {event.time_us for event in events} == {1_767_600_000_500_000}


def test_a_group_with_a_number_stands_apart_from_its_parts(tmp_path: Path) -> None:
    events, _ = told(lm_eval_files(tmp_path), LM_EVAL)
    suites = {event.data.category: (event.data.suite, event.data.n) for event in events}
    assert suites["mmlu"] == ("lm_eval", 300)
    assert suites["mmlu_law"] == ("lm_eval/mmlu", 100)
    assert suites["wikitext"] == ("lm_eval", None)  # its group has no number of its own
    assert "pile" not in suites


def test_groups_within_groups_are_parts_of_the_nearest_one(tmp_path: Path) -> None:
    nested = {name: {"acc,none": 0.5} for name in ("all", "stem", "physics")}
    parts = {"all": ["stem"], "stem": ["physics", "all"], "physics": []}
    events, _ = told([written(tmp_path / "n.json", results(results=nested, groups={}, group_subtasks=parts))], LM_EVAL)
    suites = {event.data.category: (event.data.suite, event.data.n) for event in events}
    assert suites["physics"] == ("lm_eval/stem", None)
    assert suites["stem"] == ("lm_eval/all", None)
    counted = {"mmlu": {"acc,none": 0.6, "sample_len": 7, "name": "mmlu", "sample_count": {"acc,none": 250}}}
    (group,), _ = told([written(tmp_path / "group.json", results(results=counted, groups={}))], LM_EVAL)
    assert (group.data.metric, group.data.n) == ("acc", 250)


def test_a_file_without_filters_and_counts_is_read_too(tmp_path: Path) -> None:
    old = {"results": {"lambada": {"ppl": 4.5, "ppl_stderr": 0.1, "acc": 0.7, "acc_stderr": 0.01}}, "versions": {}}
    old["config"] = {"model": "gpt2", "model_args": "pretrained=org/base,revision=step3"}
    events, problems = told([written(tmp_path / "out.json", old)], LM_EVAL)
    assert not problems
    found = {event.data.metric: event.data for event in events}
    assert {data.checkpoint for data in found.values()} == {"org/base"}
    assert (found["ppl"].value, found["ppl"].stderr, found["ppl"].higher_is_better) == (4.5, 0.1, False)
    assert (found["acc"].value, found["acc"].higher_is_better) == (0.7, True)


def test_samples_that_do_not_name_their_filter_are_used_where_there_is_no_doubt(tmp_path: Path) -> None:
    paths = lm_eval_files(tmp_path)
    row = {"exact_match,strict-match": 0.5}
    paths[0] = written(paths[0], results(results={"gsm8k": row}, groups={}))
    written(paths[1], items([1, 0, 1, 0], named=None))
    assert values(told(paths, LM_EVAL)[0][0].data) == {"0": 1, "1": 0, "2": 1, "3": 0}
    written(paths[1], items([1, 0, 1, 0], named=None) + items([1, 1, 1, 0], named=None))
    assert told(paths, LM_EVAL)[0][0].data.samples is None


@pytest.mark.parametrize(
    ("logged", "reason"),
    [([1, 0, 1], "3 of 4 items; was the file cut?"), ([1, 1, 1, 0], "mean of the samples is 0.75, the result 0.5")],
)
def test_samples_that_do_not_make_up_the_result_stay_behind(
    tmp_path: Path, logged: Sequence[float], reason: str
) -> None:
    paths = lm_eval_files(tmp_path)
    written(paths[1], items(logged))
    events, problems = told(paths, LM_EVAL)
    strict = next(event.data for event in events if event.data.metric == "exact_match,strict-match")
    assert (strict.value, strict.samples) == (0.5, None)
    assert [problem for problem in problems if reason in problem and str(paths[1]) in problem]


def test_what_a_corpus_metric_is_computed_from_is_no_sample(tmp_path: Path) -> None:
    paths = lm_eval_files(tmp_path)
    written(paths[1], [{**row, "exact_match": ["4", "5"]} for row in items([1, 0, 1, 0])])
    events, problems = told(paths, LM_EVAL)
    assert not problems
    assert all(event.data.samples is None for event in events)


def test_samples_go_with_the_results_of_their_own_run(tmp_path: Path) -> None:
    paths = []
    for name, solved in (("a", [1, 0, 1, 0]), ("b", [0, 1, 0, 1])):
        folder = tmp_path / name
        paths += lm_eval_files(folder, model_name=name)
        written(folder / f"samples_gsm8k_{DATE}.jsonl", items(solved))
    events, problems = told(paths, LM_EVAL)
    assert not problems
    strict = {e.data.checkpoint: values(e.data) for e in events if e.data.metric == "exact_match,strict-match"}
    assert strict == {"a": {"0": 1, "1": 0, "2": 1, "3": 0}, "b": {"0": 0, "1": 1, "2": 0, "3": 1}}
    astray = written(tmp_path / "c" / "samples_gsm8k_2026-01-06T00-00-00.1.jsonl", items([1]))
    assert "import it with its own results" in told([*paths, astray], LM_EVAL)[1][0]


def test_samples_alone_are_told_by_their_mean_under_a_given_name(tmp_path: Path) -> None:
    path = lm_eval_files(tmp_path)[1]
    events, problems = told([path], LM_EVAL)
    assert not events
    assert "--checkpoint NAME" in problems[0]
    events, problems = told([path], LM_EVAL, Given(time=NOON, checkpoint="c"))
    assert not problems
    assert [(e.data.metric, e.data.value) for e in events] == [
        ("exact_match,flexible-extract", 0.75),
        ("exact_match,strict-match", 0.5),
    ]


def test_a_model_or_a_direction_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    row = {"results": {"odd": {"zorp,none": 3.5}}}
    nameless = written(tmp_path / "results.json", {**row, "config": {"model_args": "dtype=auto"}})
    events, problems = told([nameless], LM_EVAL)
    assert not events
    assert "give --checkpoint NAME" in problems[0]
    events, problems = told([nameless], LM_EVAL, Given(time=NOON, checkpoint="c"))
    assert not events
    assert "results.odd.zorp,none: nothing says whether more of 'zorp' is better" in problems[0]
    events, problems = told([nameless], LM_EVAL, Given(time=NOON, checkpoint="c", lower=("zorp",)))
    assert [(e.data.value, e.data.higher_is_better) for e in events] == [(3.5, False)]


@pytest.mark.parametrize("content", [{"samples": []}, [], {"results": [1]}, "x", {"results": {"t": 3}}])
def test_what_is_no_results_file_is_refused_or_says_nothing(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path / "some.json", content)
    outcome = attempt([path], LM_EVAL, Given(time=NOON, checkpoint="c"))
    assert outcome is None or not outcome[0]


# Inspect


def sample(name: Any, grade: Any, epoch: int = 1, **more: Any) -> dict[str, Any]:
    scores = {"match": {"value": grade, "answer": "x", "explanation": "long"}}
    return {"id": name, "epoch": epoch, "input": "?", "target": "!", "scores": scores, "messages": [], **more}


def log(samples: Any, *metrics: tuple[str, float], **more: Any) -> dict[str, Any]:
    cells = {name: {"name": name, "value": value, "options": {}} for name, value in metrics}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "popularity",
            "model": "openai/ckpt-07",
            "created": "2026-01-05T12:53:13-04:00",
            "dataset": {"name": "popularity", "samples": 3},
            "config": {"epochs": 1},
        },
        "results": {
            "total_samples": 3,
            "completed_samples": 3,
            "scores": [{"name": "match", "scorer": "match", "params": {}, "metrics": cells}],
        },
        "samples": samples,
        **more,
    }


THREE = [sample(1, "C"), sample("two", "P"), sample(3, "I")]
ACCURACY = (("accuracy", 0.5), ("stderr", 0.29))


def zipped(path: Path, log: dict[str, Any], pack: Callable[[zipfile.ZipFile, str, bytes], None] | None = None) -> Path:
    header = {name: part for name, part in log.items() if name != "samples"}
    files = {"_journal/start.json": {"eval": log["eval"]}, "header.json": header, "summaries.json": []}
    for one in log["samples"]:
        files[f"samples/{one['id']}_epoch_{one['epoch']}.json"] = one
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            raw = json.dumps(content).encode()
            if pack:
                pack(archive, name, raw)
            else:
                archive.writestr(name, raw)
    return path


def packed_by_zstandard(archive: zipfile.ZipFile, name: str, raw: bytes) -> None:
    """A member as releases from 2026 on write it: several frames, method 93."""
    half = len(raw) // 2
    packed = b"".join(zstandard.ZstdCompressor().compress(part) for part in (raw[:half], raw[half:]))
    info = zipfile.ZipInfo(name)
    archive.writestr(info, packed, compress_type=zipfile.ZIP_STORED)
    info.compress_type, info.CRC, info.file_size = 93, zlib.crc32(raw), len(raw)


def test_a_log_in_either_format_tells_each_scorer_with_its_items(tmp_path: Path) -> None:
    whole = log(THREE, *ACCURACY)
    paths = [
        written(tmp_path / "log.json", whole),
        zipped(tmp_path / "deflated.eval", whole),
        zipped(tmp_path / "zstandard.eval", whole, packed_by_zstandard),
    ]
    each = [told([path], INSPECT, Given()) for path in paths]
    assert all(not problems for _, problems in each)
    (event,) = each[0][0]
    data = event.data
    assert (data.checkpoint, data.suite, data.category, data.metric) == (
        "openai/ckpt-07", "inspect", "popularity", "match/accuracy",
    )  # fmt: skip
    assert (data.value, data.stderr, data.n, data.higher_is_better) == (0.5, 0.29, 3, True)
    assert values(data) == {"1": 1, "two": 0.5, "3": 0}
    assert [[one.id for one in events] for events, _ in each] == [[event.id]] * 3


def test_a_chunked_log_of_a_later_release_is_read_by_its_shells(tmp_path: Path) -> None:
    path = zipped(tmp_path / "chunked.eval", log([], *ACCURACY))
    with zipfile.ZipFile(path, "a") as archive:
        for one in THREE:
            folder = f"samples/{one['id']}_epoch_1"
            archive.writestr(f"{folder}/sample.json", json.dumps(one))
            archive.writestr(f"{folder}/messages/0.json", json.dumps([{"role": "user"}]))
            archive.writestr(f"{folder}/events/stats.json", "{}")
    events, problems = told([path], INSPECT)
    assert not problems
    assert values(events[0].data) == {"1": 1, "two": 0.5, "3": 0}


def test_epochs_are_one_item_and_unscored_items_stay_as_nulls(tmp_path: Path) -> None:
    twice = [sample(1, "C"), sample(1, "I", epoch=2), sample(2, "C"), sample(2, "C", epoch=2)]
    failed = sample(3, math.nan)
    errored = {**sample(4, "C"), "scores": None, "error": {"message": "timeout"}}
    withdrawn = sample(5, "C", invalidation={"author": "me", "reason": "wrong target"})
    whole = log([*twice, failed, errored, withdrawn], ("accuracy", 0.75), ("stderr", 0.1))
    events, problems = told([written(tmp_path / "log.json", whole)], INSPECT)
    assert not problems
    assert values(events[0].data) == {"1": 0.5, "2": 1, "3": None, "4": None, "5": None}


def test_numbers_and_named_values_of_one_scorer_are_told_by_name(tmp_path: Path) -> None:
    scored = [sample(n, {"right": n % 2, "calm": 1}) for n in range(4)]
    whole = log(scored)
    whole["results"]["scores"] = [
        {"name": name, "scorer": "match", "metrics": {"mean": {"value": value}, "std": {"value": 9}}}
        for name, value in (("right", 0.5), ("calm", 1))
    ]
    path = written(tmp_path / "log.json", whole)
    events, problems = told([path], INSPECT)
    assert not events
    assert "results.scores.right.mean: nothing says whether more of 'right/mean' is better" in problems[0]
    events, problems = told([path], INSPECT, Given(higher=("mean",)))
    assert not problems
    assert {e.data.metric: values(e.data) for e in events}["right/mean"] == {"0": 0, "1": 1, "2": 0, "3": 1}


def test_a_reducer_other_than_the_mean_names_its_metric_and_brings_no_items(tmp_path: Path) -> None:
    whole = log([sample(1, "C"), sample(1, "I", epoch=2)], ("accuracy", 1.0))
    whole["results"]["scores"][0]["reducer"] = "at_least_1"
    events, problems = told([written(tmp_path / "log.json", whole)], INSPECT)
    assert not problems
    assert [(e.data.metric, e.data.samples) for e in events] == [("match/accuracy/at_least_1", None)]


@pytest.mark.parametrize("status", ["error", "cancelled", "started"])
def test_an_unfinished_log_is_refused_unless_every_item_was_scored(tmp_path: Path, status: str) -> None:
    broken = {"status": status, "results": None, "error": {"message": "out of memory"}}
    whole = log(THREE, **broken)
    whole["eval"]["dataset"]["sample_ids"] = [1, "two", 3]
    events, problems = told([written(tmp_path / "whole.json", whole)], INSPECT)
    assert not problems
    assert [(e.data.metric, e.data.value, e.data.n) for e in events] == [("match/accuracy", 0.5, 3)]
    half = {**whole, "samples": THREE[:2]}
    events, problems = told([written(tmp_path / "half.json", half)], INSPECT)
    assert not events
    assert f"status is {status!r}, not 'success' (out of memory), and 2 of 3 samples were scored" in problems[0]
    gone = {**whole, "eval": {**whole["eval"], "dataset": {}}}
    assert "of an unknown number samples" in told([written(tmp_path / "gone.json", gone)], INSPECT)[1][0]


def test_what_a_person_marked_and_what_names_no_model_is_refused(tmp_path: Path) -> None:
    marked = written(tmp_path / "marked.json", log(THREE, *ACCURACY, invalidated=True))
    whole = log(THREE, *ACCURACY)
    whole["eval"]["model"] = "none/none"
    nameless = written(tmp_path / "nameless.json", whole)
    events, problems = told([marked, nameless], INSPECT)
    assert not events
    assert "a person marked the log" in problems[0]
    assert "give --checkpoint NAME" in problems[1]


def test_an_eval_file_is_read_within_bounds_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "bomb.eval", log([sample("../../up", "C")], ("accuracy", 1.0)))
    before = sorted(tmp_path.parent.rglob("*"))
    assert values(told([path], INSPECT)[0][0].data) == {"../../up": 1}
    assert sorted(tmp_path.parent.rglob("*")) == before
    monkeypatch.setattr(inspect_zip, "MEMBER_BYTES", 1 << 16)
    for pack in (None, packed_by_zstandard):
        large = log([sample(1, "C", store={"zeros": "0" * (1 << 20)})], ("accuracy", 1.0))
        bomb = zipped(tmp_path / "bomb.eval", large, pack)
        assert bomb.stat().st_size < 1 << 13
        with pytest.raises(TableError, match=r"bomb\.eval: samples/1_epoch_1\.json: unpacks to more than"):
            told([bomb], INSPECT)
    monkeypatch.setattr(inspect_zip, "TOTAL_BYTES", 100)
    with pytest.raises(TableError, match="or the file to more than"):
        told([zipped(tmp_path / "many.eval", log(THREE, *ACCURACY))], INSPECT)


@limits(max_examples=60, deadline=None)
@drawn(data=st.data())
def test_an_eval_file_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pack = data.draw(st.sampled_from([None, packed_by_zstandard]))
    path = zipped(tmp_path_factory.mktemp("zip") / "log.eval", log(THREE, *ACCURACY), pack)
    raw = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[place] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw))) or len(raw)])
    outcome = attempt([path], INSPECT, AT_NOON)
    assert outcome is None or all(problem.startswith(str(path)) for problem in outcome[1])


# RewardBench


def test_a_summary_of_the_command_is_accuracies_and_no_count_among_them(tmp_path: Path) -> None:
    summary = {"accuracy": 0.8, "num_prompts": 2985, "model": "rm-9", "ref_model": None, "extra_results": {"chat": 0.9}}
    events, problems = rows_told(written(tmp_path / "rm.json", summary), form=REWARD_BENCH)
    assert not problems
    assert [(e.data.category, e.data.value, e.data.n) for e in events] == [("all", 0.8, 2985), ("chat", 0.9, None)]


def test_items_of_the_second_release_are_no_pairs(tmp_path: Path) -> None:
    columns = {"id": ["0", "1", "2", "3"], "subset": ["Math", "Math", "Ties", "Ties"], "results": [1, 0.25, 1, 0]}
    scored = {**columns, "scores": [[1, 0], [1, 1], [2, 1], [0, 1]], "num_correct": [1, 1, 2, 2], "model": "rm-9"}
    events, problems = rows_told(written(tmp_path / "rm.json", scored), form=REWARD_BENCH)
    assert not problems
    assert {event.type for event in events} == {"rewarddrift.evaluation.v1"}
    assert {(e.data.category, e.data.metric): e.data.value for e in events} == {
        ("Math", "accuracy"): 0.625,
        ("Ties", "item_accuracy"): 0.5,
    }


# TRL logs

RUN = Given(time=NOON, checkpoint="run-1")


def state(**more: Any) -> dict[str, Any]:
    """A trainer_state.json of GRPO: rewards by function, KL of a token, and a last line about the run."""
    lines = [
        {
            "step": step,
            "loss": 0.1,
            "reward": step / 100,
            "reward_std": 0.2,
            "rewards/correct/mean": step / 200,
            "rewards/correct/std": 0.3,
            "kl": step / 10_000,
            "completions/mean_length": 100.0,
        }
        for step in (10, 20, 30, 40, 50)
    ]
    lines += [{"step": 40, "eval_reward": 0.3, "eval_loss": 0.5, "eval_runtime": 9.0, "eval_samples_per_second": 2.0}]
    lines += [{"step": 50, "train_runtime": 99.0, "train_loss": 0.1}]
    return {"log_history": lines, "global_step": 50, "save_steps": 20, "logging_steps": 10, **more}


def test_a_trainers_state_places_each_saved_checkpoint_on_the_curve(tmp_path: Path) -> None:
    events, problems = told([written(tmp_path / "trainer_state.json", state())], TRL_LOG, RUN)
    assert not problems
    placed = [event.data for event in events if "checkpoint" in event.type]
    assert [(one.checkpoint, one.steps, one.order) for one in placed] == [
        ("run-1/checkpoint-20", 20, 20), ("run-1/checkpoint-40", 40, 40), ("run-1/checkpoint-50", 50, 50),
    ]  # fmt: skip
    assert [one.kl_nats for one in placed] == pytest.approx([0.2, 0.4, 0.5])
    shown = [event.data for event in events if "evaluation" in event.type and event.data.checkpoint.endswith("-40")]
    assert {(one.category, one.metric): (one.value, one.higher_is_better) for one in shown} == {
        ("reward", "reward"): (0.4, True),
        ("rewards", "rewards/correct/mean"): (0.2, True),
        ("eval", "eval_reward"): (0.3, True),
        ("eval", "eval_loss"): (0.5, False),
    }
    assert {event.type.split(".")[1] for event in events} == {"checkpoint", "evaluation"}  # no outcome is invented


def test_lines_of_an_older_trainer_and_of_a_tracker_are_read_too(tmp_path: Path) -> None:
    lines = [
        {"train/global_step": step, "train/objective/kl": kl, "train/objective/rlhf_reward": 1.5, "_timestamp": 1.7e9}
        for step, kl in ((100, 1.25), (200, 2.5))
    ]
    named = Given(checkpoint="ckpt-{step}", every=100)
    events, problems = told([written(tmp_path / "log.jsonl", lines)], TRL_LOG, named)
    assert not problems
    placed = [event.data for event in events if "checkpoint" in event.type]
    assert [(one.checkpoint, one.kl_nats) for one in placed] == [("ckpt-100", 1.25), ("ckpt-200", 2.5)]
    assert {(e.data.category, e.data.metric) for e in events if "evaluation" in e.type} == {
        ("objective", "objective/rlhf_reward")
    }
    assert {event.time_us for event in events} == {1_700_000_000_000_000}


def test_every_chooses_the_steps_and_the_last_is_always_there(tmp_path: Path) -> None:
    path = written(tmp_path / "trainer_state.json", state())
    for every, steps in ((30, [30, 50]), (10, [10, 20, 30, 40, 50]), (1000, [50])):
        events, _ = told([path], TRL_LOG, Given(time=NOON, checkpoint="r", every=every))
        assert [event.data.steps for event in events if "checkpoint" in event.type] == steps


def test_a_metric_of_an_evaluation_on_the_way_asks_for_its_direction(tmp_path: Path) -> None:
    path = written(tmp_path / "log.jsonl", [{"step": 5, "eval_zorp": 1.0}])
    _, problems = told([path], TRL_LOG, RUN)
    assert "step 5: eval_zorp: nothing says whether more of 'eval_zorp' is better" in problems[0]


@pytest.mark.parametrize(
    ("given", "content", "reason"),
    [
        (AT_NOON, [{"step": 1}], "give --checkpoint NAME"),
        (Given(checkpoint="r"), [{"step": 1}], "no times were logged: give --time"),
        (RUN, [{"loss": 1}], "no logged steps"),
    ],
)
def test_a_log_that_cannot_be_placed_is_refused(tmp_path: Path, given: Given, content: Any, reason: str) -> None:
    with pytest.raises(TableError, match=reason):
        told([written(tmp_path / "log.jsonl", content)], TRL_LOG, given)


# plain tables


def result(**more: Any) -> dict[str, Any]:
    return {"checkpoint": "c", "suite": "own", "category": "tone", "metric": "accuracy", "value": 0.75, **more}


def test_one_result_a_row_from_csv_and_parquet(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("checkpoint,suite,category,metric,value,n,stderr,higher_is_better,time\n"
                    "c,own,tone,zorp,0.75,40,0.05,no,2026-01-05T12:00:00Z\n"
                    "c,own,tone,accuracy,,,,,\n")  # fmt: skip
    events, problems = rows_told(path)
    data = events[0].data
    assert (data.value, data.n, data.stderr, data.higher_is_better) == (0.75, 40, 0.05, False)
    assert [problem.removeprefix(f"{path}") for problem in problems] == [
        ":3: no 'value'; a row without one needs an 'item'"
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([result(n=4)]), tmp_path / "r.parquet")
    assert [(e.data.value, e.data.n) for e in rows_told(tmp_path / "r.parquet")[0]] == [(0.75, 4)]


def test_one_item_a_row_becomes_one_result_with_its_items(tmp_path: Path) -> None:
    rows = [result(item=name, value=value) for name, value in (("b", 1), ("a", True), ("c", "false"), ("d", None))]
    path = written(tmp_path / "r.jsonl", [*rows, result(item="a", value=0), result(item="a", metric="f1", value=0.5)])
    events, problems = rows_told(path)
    found = {event.data.metric: event.data for event in events}
    assert values(found["accuracy"]) == {"a": 1, "b": 1, "c": 0, "d": None}
    assert (found["accuracy"].n, found["accuracy"].value) == (4, pytest.approx(2 / 3))
    assert values(found["f1"]) == {"a": 0.5}
    assert [problem.removeprefix(str(path)) for problem in problems] == [
        ":5: item 'a' stands twice in c, tone, accuracy; the first row counts"
    ]


def test_a_direction_that_nobody_knows_is_told_once_for_all_items(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [result(item=n, metric="zorp") for n in range(50)])
    events, problems = rows_told(path)
    assert not events
    assert len(problems) == 1
    assert "give --higher-is-better zorp or --lower-is-better zorp, or a column higher_is_better" in problems[0]
    assert len(rows_told(path, Given(time=NOON, lower=("zorp",)))[0][0].data.samples) == 50


MAPPING: dict[str, Any] = {
    "source": "/own/bench",
    "time": {"column": "when", "zone": "UTC"},
    "events": [
        {
            "type": "evaluation",
            "item": "question",
            "fields": {
                "checkpoint": "model",
                "suite": {"const": "own"},
                "category": "topic",
                "metric": {"const": "right"},
                "value": {"column": "verdict", "map": {"good": 1, "bad": 0}},
            },
        }
    ],
}


def test_a_mapping_gathers_items_under_other_names(tmp_path: Path) -> None:
    rows = [
        {"model": "c", "topic": topic, "question": name, "verdict": verdict, "when": f"2026-01-0{day}T00:00:00"}
        for topic, name, verdict, day in (
            *(("tone", "q2", "bad", 2), ("tone", "q1", "good", 1), ("tone", "q3", "", 1), ("law", "q1", "good", 1)),
            *(("law", "q1", "bad", 1), ("law", "", "bad", 1), ("law", "q4", "so-so", 1)),
        )
    ]
    path = written(tmp_path / "bench.jsonl", rows)
    problems: list[str] = []
    raws = list(import_table(path, MAPPING, lambda one: problems.append(str(one).removeprefix(str(path)))))
    found = {event.data.category: event for event in map(parse_event, raws)}
    assert values(found["tone"].data) == {"q1": 1, "q2": 0, "q3": None}
    assert (found["tone"].data.value, found["tone"].data.n) == (0.5, 3)
    assert found["tone"].time_us == 1_767_312_000_000_000
    assert values(found["law"].data) == {"q1": 1}
    assert [problem.split(":")[1] for problem in problems] == ["5", "6", "7"]
    assert "item 'q1' stands twice in c, law, right; the first row counts" in problems[0]
    assert raws == list(import_table(path, MAPPING, lambda _: None))


def test_only_evaluations_are_gathered() -> None:
    wrong = {**MAPPING, "events": [{**MAPPING["events"][0], "type": "outcome"}]}
    with pytest.raises(TableError, match=r"events\.0\.item: only the rows of an evaluation are gathered"):
        load_mapping(wrong)


# size


def test_more_items_than_an_event_holds_leave_the_result_and_say_so(tmp_path: Path) -> None:
    many = 18_000
    solved = {f"{n:024d}": (1 + n % 2) / 3 for n in range(many)}
    row = {"gsm8k": {"exact_match,strict-match": 0.5}}
    paths = [
        written(tmp_path / f"results_{DATE}.json", {"results": row, "model_name": "c"}),
        written(
            tmp_path / f"samples_gsm8k_{DATE}.jsonl",
            [{**items([value])[0], "doc_id": name} for name, value in solved.items()],
        ),
    ]
    events, problems = told(paths, LM_EVAL)
    table = [{**result(item=name, value=value), "when": "2026-01-01"} for name, value in solved.items()]
    path = written(tmp_path / "r.jsonl", table)
    told_by_rows = rows_told(path)
    told_by_mapping: list[str] = []
    fields = {name: name for name in ("checkpoint", "suite", "category", "metric", "value")}
    plan = {"type": "evaluation", "item": "item", "fields": fields}
    mapping = {"source": "/own", "time": {"column": "when", "zone": "UTC"}, "events": [plan]}
    mapped = [parse_event(raw) for raw in import_table(path, mapping, lambda one: told_by_mapping.append(str(one)))]
    all_told = ((events, problems), told_by_rows, (mapped, told_by_mapping))
    for (event,), (problem,) in all_told:
        assert (event.data.value, event.data.n, event.data.samples) == (pytest.approx(0.5), many, None)
        assert event.data.stderr == pytest.approx(1 / 6 / math.sqrt(many), rel=1e-4)
        assert f"18,000 items are more than an event holds (limits.event_bytes, {EVENT_BYTES:,})" in problem


def test_names_that_are_no_unicode_are_told_by_their_result(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    for name in ("\\ud800", "\\ud800" * 30):
        path.write_text(json.dumps(log([sample("NAME", "C")], ("accuracy", 1.0))).replace("NAME", name))
        events, problems = told([path], INSPECT)
        assert events or "no Unicode" in problems[0]


def test_long_names_of_items_are_told_by_a_digest_that_depends_on_the_name_alone(tmp_path: Path) -> None:
    name = "https://example.org/a/long/name/of/an/item"
    alone = written(tmp_path / "a.json", log([sample(name, "C")], ("accuracy", 1.0)))
    among = written(tmp_path / "b.json", log([sample(name, "C"), sample(2, "C")], ("accuracy", 1.0)))
    first, second = (values(told([path], INSPECT)[0][0].data) for path in (alone, among))
    assert set(first) < set(second)
    assert all(len(one) <= 24 for one in second)


# all of them

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
WHOLE: dict[str, tuple[Harness, str, Any]] = {
    "lm_eval": (LM_EVAL, "results.json", results()),
    "samples": (LM_EVAL, "samples_gsm8k.jsonl", items([1, 0])),
    "inspect": (INSPECT, "log.json", log(THREE, *ACCURACY)),
    "state": (TRL_LOG, "trainer_state.json", state()),
    "lines": (TRL_LOG, "log.jsonl", state()["log_history"]),
}


def changed(content: Any, data: st.DataObject) -> Any:
    """The content with something else in one place, however deep."""
    if not isinstance(content, dict | list) or not content or data.draw(st.integers(0, 5)) == 0:
        return data.draw(ANYTHING)
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = data.draw(st.sampled_from(keys))
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[key] = changed(content[key], data)
    return copy


@limits(max_examples=150, deadline=None)
@drawn(name=st.sampled_from(list(WHOLE)), data=st.data())
def test_whatever_stands_in_a_file_is_read_or_refused_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    harness, file, content = WHOLE[name]
    other = changed(content, data)
    path = tmp_path_factory.mktemp("files") / file
    other = other if isinstance(other, list) or not file.endswith(".jsonl") else [other]
    written(path, other)
    given = Given(time=NOON, checkpoint="c")
    outcome, again = (attempt([path], harness, given) for _ in range(2))
    assert (outcome is None) == (again is None)
    if outcome and again:
        assert [event.id for event in outcome[0]] == [event.id for event in again[0]]
        assert all(problem.startswith(str(path)) for problem in outcome[1])


@limits(max_examples=60, deadline=None)
@drawn(data=st.data())
def test_whatever_stands_in_a_row_of_results_is_an_event_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    row = result(item=data.draw(st.none() | st.just("a")), n=4, stderr=0.1, higher_is_better=True, time=None)
    path = written(tmp_path_factory.mktemp("rows") / "r.jsonl", [changed(row, data)])
    events, problems = rows_told(path)
    assert events or problems or json.loads(path.read_text()).get("item") is not None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b'{"results": {"t": {"acc,none": ' + b"[" * 200_000, b"[1, NaN]"]
)
def test_bytes_that_are_no_json_are_refused_with_the_files_name(tmp_path: Path, raw: bytes) -> None:
    for harness in (LM_EVAL, INSPECT, TRL_LOG):
        path = tmp_path / "some.json"
        path.write_bytes(raw)
        with pytest.raises(TableError, match=r"some\.json"):
            told([path], harness, RUN)


def test_everything_arrives_in_a_store_once(tmp_path: Path) -> None:
    files: list[tuple[Sequence[Path], Harness, Given]] = [
        (lm_eval_files(tmp_path / "lm"), LM_EVAL, Given()),
        ([zipped(tmp_path / "log.eval", log(THREE, *ACCURACY), packed_by_zstandard)], INSPECT, Given()),
        ([written(tmp_path / "trainer_state.json", state())], TRL_LOG, RUN),
    ]
    lines = [raw for paths, harness, given in files for raw in import_results(paths, harness, given)]
    lines += import_foreign(written(tmp_path / "r.jsonl", [result(item="a", value=1)]), RESULTS, AT_NOON)
    with EventStore.open(tmp_path / "s.sqlite") as store:
        for run in range(2):
            events = tmp_path / f"events-{run}.jsonl"
            events.write_bytes(b"\n".join(lines) + b"\n")
            counts = ingest(JsonlSource([str(events)]), store).appended
            assert (counts.rejected, counts.conflict) == (0, 0)
            assert counts.accepted == (len(lines) if run == 0 else 0)
        with store.engine.connect() as connection:
            rows = connection.execute(text("SELECT suite, category, metric, value, samples FROM evaluation")).all()
            places = connection.execute(text("SELECT checkpoint, steps, kl_nats FROM checkpoint ORDER BY steps")).all()
    kept = {(row.suite, row.category, row.metric): row for row in rows}
    assert json.loads(kept["inspect", "popularity", "match/accuracy"].samples) == [
        {"id": "1", "value": 1}, {"id": "3", "value": 0}, {"id": "two", "value": 0.5},
    ]  # fmt: skip
    assert kept["own", "tone", "accuracy"].value == 1
    assert kept["lm_eval", "mmlu", "acc"].samples is None
    assert [tuple(row) for row in places][-1] == ("run-1/checkpoint-50", 50, pytest.approx(0.5))
