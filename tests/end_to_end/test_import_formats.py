"""Do files of other projects go through the command into a store, and come twice without being there twice?"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.command import reward_drift

NOON = ("--time", "2026-01-05T12:00:00Z")
FILES: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "alpaca_eval": (
        "annotations.json",
        [
            {
                "instruction": f"Question {n}",
                "output_1": "short",
                "generator_1": "old",
                "output_2": f"longer answer {n}",
                "generator_2": "new",
                "annotator": "judge-7",
                "preference": 1 + n % 2,
            }
            for n in range(4)
        ],
        NOON,
    ),
    "reward_bench": (
        "rm.json",
        {"model": "rm-9", "id": [1, 2], "subset": ["math"] * 2, "scores_chosen": [2, 1], "scores_rejected": [1, 2]},
        NOON,
    ),
    "mt_bench": (
        "gpt_pair.jsonl",
        {"question_id": 5, "model_1": "old", "model_2": "new", "g1_winner": "tie", "g2_winner": "model_2", "judge": "j"}
        | {"tstamp": 1_767_600_000},
        (),
    ),
    "trl": (
        "rows.jsonl",
        {"prompt": "Hi", "chosen": "Yes", "rejected": "No"},
        (*NOON, "--judge", "people", "--kind", "human"),
    ),
    "results": (
        "rows.jsonl",
        {"suite": "own", "category": "tone", "metric": "zorp", "item": "a", "value": 1},
        (*NOON, "--checkpoint", "c", "--lower-is-better", "zorp"),
    ),
    "lm_eval": (
        "results_2026-01-05T12-00-00.1.json",
        {"results": {"gsm8k": {"exact_match,none": 0.5}}, "model_name": "c", "date": 1_767_600_000},
        (),
    ),
    "inspect": (
        "log.json",
        {"status": "success", "eval": {"task": "t", "model": "m", "created": "2026-01-05T12:00:00Z"}}
        | {"results": {"scores": [{"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": 1}}}]}},
        (),
    ),
    "trl_log": (
        "trainer_state.json",
        {"log_history": [{"step": 5, "reward": 0.5, "kl": 0.1}]},
        (*NOON, "--checkpoint", "r", "--every", "5"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_imported_unchanged_and_only_once(name: str, tmp_path: Path) -> None:
    file, rows, options = FILES[name]
    source, events, store = tmp_path / file, tmp_path / "events.jsonl", tmp_path / "s.sqlite"
    source.write_text(json.dumps(rows))
    for run in range(2):
        assert reward_drift("import", source, "--from", name, *options, "-o", events).code == 0
        told = reward_drift("ingest", events, "--store", store, "--json").json["events"]
        assert told["rejected"] == 0
        assert (told["accepted"] > 0) == (run == 0)
        assert told["conflict"] == 0


def test_a_bad_row_is_told_with_its_line_and_the_exit_code_says_so(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"chosen": "Yes", "rejected": "No"}\n{"chosen": "Yes"}\n')
    ran = reward_drift("import", source, "--from", "trl", *FILES["trl"][2], "-o", tmp_path / "events.jsonl")
    assert ran.code == 1
    assert f"{source}:2: no 'rejected'" in ran.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give --mapping FILE for a table, or --from"),
        (("--from", "trl", "--mapping", "m.yaml"), "give --mapping FILE for a table, or --from"),
        (("--mapping", "m.yaml", "--judge", "j"), "go with --from"),
        (("--from", "alpaca_eval"), "files of alpaca_eval tell no times: give --time"),
        (("--from", "alpaca_eval", "--time", "yesterday"), "no time; write it as"),
        (("--from", "alpaca_eval", "--time", "2026-01-05"), "no offset"),
        (("--from", "trl", *NOON), "give --judge and --kind"),
        (
            ("--from", "results", "--every", "3"),
            "--every means nothing with --from results; it goes with --from trl_log",
        ),
        (("--from", "lm_eval", "--judge", "j"), "--judge means nothing with --from lm_eval"),
        (("--from", "trl_log", *NOON), "a training log does not name its run: give --checkpoint NAME"),
    ],
)
def test_what_is_missing_is_said_with_what_to_give(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"chosen": "Yes", "rejected": "No"}\n')
    ran = reward_drift("import", source, *options, "-o", tmp_path / "events.jsonl")
    assert ran.code == 2
    assert told in ran.err
