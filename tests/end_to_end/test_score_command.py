"""From a sealed checkpoint and sealed anchors to events that the monitor reads: the command `score`."""

import datetime as dt
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from command import PROGRAM, reward_drift

from consumers.database import reading
from consumers.store import EventStore
from judges.anchors import seal_anchors
from judges.checkpoints import seal_checkpoint
from tests.judges.tiny_models import TEXTS, chat_tokenizer, language_model, reward_model

SETS = ("choice", "exact", "preference", "rubric")
ITEMS = 12


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, a reward model and one sealed set of each kind."""
    root = tmp_path_factory.mktemp("score")
    for name, model in (("ckpt-01", language_model("llama")), ("rm", reward_model("qwen2"))):
        model.save_pretrained(root / name)
        chat_tokenizer().save_pretrained(root / name)
        seal_checkpoint(root / name)
    for kind in SETS:
        source = root / f"{kind}.jsonl"
        source.write_text("".join(json.dumps(item_of(kind, number)) + "\n" for number in range(ITEMS)))
        seal_anchors(
            source, root / kind, name=f"{kind}-set", kind=kind, sealed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        )  # type: ignore[arg-type]
    return root


def item_of(kind: str, number: int) -> dict[str, Any]:
    common = {"item_id": f"i-{number}", "prompt": TEXTS[number], "method": "human", "category": f"c{number % 2}"}
    own: dict[str, dict[str, Any]] = {
        "choice": {"options": ["today", "before noon", "never"], "right": number % 3, "annotators": ["ann"]},
        "exact": {"answers": ["today"], "normalisation": "squad", "annotators": ["ann"]},
        "preference": {
            "a": TEXTS[number + 20],
            "b": TEXTS[number + 40],
            "votes": [{"annotator": "ann", "vote": "a"}, {"annotator": "bob", "vote": "a" if number % 2 else "b"}],
        },
        "rubric": {
            "response": TEXTS[number + 60],
            "scale": [1, 5],
            "grades": [{"annotator": "ann", "grade": number % 5 + 1}],
        },
    }
    return common | own[kind]


def command(models: Path, store: Path, *more: object) -> list[str]:
    sets = [part for kind in SETS for part in ("--anchors", models / kind)]
    fixed = ["score", models / "ckpt-01", "--reward", models / "rm", *sets, "--store", store]
    return [*map(str, [*fixed, "--max-new-tokens", 8, "--device", "cpu", "--threads", 1, "--quiet", *more])]


def test_every_item_gets_a_response_a_score_and_an_outcome_once(models: Path, tmp_path: Path) -> None:
    store, first, second = tmp_path / "s.sqlite", tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    ran = reward_drift(*command(models, store, "--emit", first, "--json"))
    assert ran.code == 0, ran.err
    again = reward_drift(*command(models, store, "--emit", second, "--json"))
    assert again.json["run"]["hits"] == 5 * ITEMS
    assert again.json["run"]["tokens"] == 0
    assert first.read_bytes() == second.read_bytes()
    with EventStore.open(store) as opened:
        counts = opened.counts()
    answered = 3 * ITEMS  # choices, texts and graded responses
    expected = {"checkpoint": 1, "outcome": answered, "preference": ITEMS * 3, "response": answered, "score": answered}
    assert counts.by_type == {f"rewarddrift.{kind}.v1": count for kind, count in expected.items()}
    assert (counts.conflicts, counts.rejected_open) == (0, 0)


def test_a_second_checkpoint_adds_only_what_is_its_own(models: Path, tmp_path: Path) -> None:
    """What people compared or graded is the same whoever is scored: told again it is a duplicate, never a conflict."""
    store, other = tmp_path / "s.sqlite", tmp_path / "ckpt-02"
    language_model("gpt2").save_pretrained(other)
    chat_tokenizer().save_pretrained(other)
    seal_checkpoint(other)
    first = command(models, store)
    assert reward_drift(*first).code == 0
    assert reward_drift(*[str(other) if part == str(models / "ckpt-01") else part for part in first]).code == 0
    with EventStore.open(store) as opened:
        counts = opened.counts()
    assert counts.conflicts == 0
    assert counts.by_type["rewarddrift.score.v1"] == 5 * ITEMS  # two kinds for each checkpoint, graded ones once
    assert counts.by_type["rewarddrift.preference.v1"] == 3 * ITEMS


def test_what_is_too_long_to_be_scored_stays_in_the_events_as_unscoreable(models: Path, tmp_path: Path) -> None:
    """Neither an answer nor a pair is lost because one of its texts does not fit into a pack."""
    store, emitted, source, long = tmp_path / "s.sqlite", tmp_path / "e.jsonl", tmp_path / "long.jsonl", " ".join(TEXTS)
    votes = [{"annotator": "ann", "vote": "a"}]
    row = {"item_id": "p", "prompt": TEXTS[0], "a": long, "b": TEXTS[1], "votes": votes, "method": "human"}
    source.write_text(json.dumps(row) + "\n")
    seal_anchors(
        source, tmp_path / "long", name="long", kind="preference", sealed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    )
    ran = reward_drift(
        *command(models, store), "--anchors", tmp_path / "long", "--token-budget", 256, "--emit", emitted
    )
    assert ran.code == 0, ran.err
    judged = [json.loads(line)["data"] for line in emitted.read_text().splitlines() if '"long/p@' in line]
    assert [(one["choice"], one.get("status")) for one in judged] == [(None, "unscoreable"), ("a", None)]
    with EventStore.open(store) as opened:
        assert opened.counts().rejected_open == 0


def test_the_numbers_shown_are_those_of_the_events(models: Path, tmp_path: Path) -> None:
    emitted = tmp_path / "events.jsonl"
    ran = reward_drift(*command(models, tmp_path / "s.sqlite", "--emit", emitted, "--json"))
    events = [json.loads(line) for line in emitted.read_text().splitlines()]
    told = {row["anchor_set"]: row for row in ran.json["sets"]}
    outcomes = [e["data"] for e in events if e["type"] == "rewarddrift.outcome.v1"]
    for kind in ("choice", "exact", "rubric"):
        values = [float(o["value"]) for o in outcomes if o["anchor_set"] == f"{kind}-set"]
        assert len(values) == ITEMS
        assert told[f"{kind}-set"]["outcome"] == pytest.approx(sum(values) / ITEMS)
    scores = {e["data"]["response_id"]: e["data"] for e in events if e["type"] == "rewarddrift.score.v1"}
    responses = [e["data"] for e in events if e["type"] == "rewarddrift.response.v1"]
    assert {r["environment"] for r in responses} == {"evaluation"}
    assert {scores[r["response_id"]]["scorer"]["revision"] for r in responses} == {ran.json["reward_model"]["revision"]}
    mine = [scores[r["response_id"]]["value"] for r in responses if r["prompt_id"].startswith("exact-set/")]
    assert told["exact-set"]["reward"] == pytest.approx(sum(mine) / ITEMS)
    votes = Counter(e["data"]["judge"]["kind"] for e in events if e["type"] == "rewarddrift.preference.v1")
    assert votes == {"human": 2 * ITEMS, "reward_model": ITEMS}


def test_the_right_option_is_the_one_that_transformers_finds_likeliest(models: Path, tmp_path: Path) -> None:
    """The choice, computed here with nothing but transformers and the tokenizer."""
    emitted = tmp_path / "events.jsonl"
    assert reward_drift(*command(models, tmp_path / "s.sqlite", "--emit", emitted)).code == 0
    chosen = {
        data["prompt_id"]: data["response"]
        for data in (json.loads(line)["data"] for line in emitted.read_text().splitlines())
        if data.get("prompt_id", "").startswith("choice-set/") and "response" in data
    }
    model, tokenizer = language_model("llama"), chat_tokenizer()
    for number in range(ITEMS):
        item = item_of("choice", number)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": item["prompt"]}], tokenize=False, add_generation_prompt=True
        )
        per_byte = []
        for option in item["options"]:
            before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            whole = tokenizer(prompt + option, add_special_tokens=False)["input_ids"]
            assert whole[: len(before)] == before
            with torch.inference_mode():
                logs = model(torch.tensor([whole])).logits[0].log_softmax(-1)
            total = sum(float(logs[at - 1, whole[at]]) for at in range(len(before), len(whole)))
            per_byte.append(total / len(option.encode()))
        assert chosen[f"choice-set/i-{number}"] == item["options"][per_byte.index(max(per_byte))]


def test_killed_at_any_moment_and_called_again_it_tells_the_same(models: Path, tmp_path: Path) -> None:
    """Real SIGKILLs; the last call ends, and what it tells is what an undisturbed one tells but for the times."""
    undisturbed, killed = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert reward_drift(*command(models, tmp_path / "a.sqlite", "--emit", undisturbed)).code == 0
    arguments = command(models, tmp_path / "b.sqlite", "--emit", killed, "--token-budget", 2048)
    deaths = 0
    for _ in range(2):
        process = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for_answers(tmp_path / "b.sqlite", process, deaths)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            deaths += 1
        process.wait()
    assert deaths >= 1
    assert reward_drift(*arguments).code == 0
    with EventStore.open(tmp_path / "b.sqlite") as store:
        assert (store.counts().conflicts, store.counts().by_type["rewarddrift.response.v1"]) == (0, 3 * ITEMS)
    assert _without_times(undisturbed) == _without_times(killed)


def _wait_for_answers(store: Path, process: "subprocess.Popen[bytes]", deaths: int) -> None:
    """Until some answers are stored, more each time, or the process has ended."""
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if store.exists() and _responses(store) > deaths * ITEMS // 2:
            return
        time.sleep(0.01)


def _responses(store: Path) -> int:
    with EventStore.open(store) as opened, reading(opened.engine) as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM response").scalar_one())


def _without_times(path: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(({**event, "time": ""} for event in events), key=lambda event: str(event["id"]))


def test_a_dry_run_tells_the_cost_and_stores_nothing(models: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    ran = reward_drift(*command(models, store, "--dry-run", "--json"))
    assert ran.code == 0, ran.err
    stages = {stage["stage"]: stage for stage in ran.json["stages"]}
    assert list(stages) == ["ckpt-01 answers choice-set", "ckpt-01 answers exact-set", "rm scores ckpt-01"]
    assert all(stage["flops"] > 0 and stage["seconds"] > 0 and stage["bytes"] > 0 for stage in stages.values())
    with EventStore.open(store) as opened:
        assert opened.counts().events == 0
    done = reward_drift(*command(models, store, "--json"))
    assert 0.7 < stages["rm scores ckpt-01"]["tokens"] / done.json["run"]["tokens"] < 2
    assert "about" in reward_drift(*command(models, store, "--dry-run")).out


def test_an_altered_checkpoint_is_refused_and_put_on_record(models: Path, tmp_path: Path) -> None:
    broken, store = tmp_path / "ckpt-02", tmp_path / "s.sqlite"
    language_model("llama").save_pretrained(broken)
    chat_tokenizer().save_pretrained(broken)
    seal_checkpoint(broken)
    weights = broken / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    ran = reward_drift("score", broken, "--reward", models / "rm", "--anchors", models / "choice", "--store", store)
    assert ran.code == 2
    assert "model.safetensors" in ran.err
    assert "altered" in ran.err
    with EventStore.open(store) as opened:
        assert [(one.source, one.kind) for one in opened.incidents()] == [("checkpoint:ckpt-02", "artifact_rejected")]
        assert opened.counts().events == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--device", "cuda"], "sees no GPU"),
        (["--dtype", "int4"], "choose auto, fp32"),
        (["--sha256", "0" * 64], "expected 0000"),
        (["--anchors", "CHOICE"], "name each set once"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(models: Path, tmp_path: Path, more: list[str], told: str) -> None:
    if told == "sees no GPU" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    more = [str(models / "choice") if part == "CHOICE" else part for part in more]
    ran = reward_drift(*command(models, tmp_path / "s.sqlite"), *more)
    assert ran.code == 2
    assert told in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_without_the_models_extra_it_says_what_to_install(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = reward_drift(*command(models, tmp_path / "s.sqlite"))
    assert ran.code == 2
    assert "pip install 'reward-drift-monitor[models]'" in ran.err
