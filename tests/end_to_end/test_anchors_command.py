"""Can held-out items be sealed, verified and looked for at the command line?"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.examples import line
from tests.end_to_end.command import reward_drift
from tests.judges.judge_server import judge_server

QUESTION = "May a customer return opened headphones without the original box after twenty days?"
ITEM: dict[str, Any] = {
    "item_id": "i-1",
    "prompt": QUESTION,
    "method": "human",
    "annotators": ["ann-1"],
    "answers": ["yes"],
    "normalisation": "squad",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps(ITEM) + "\n" + json.dumps(ITEM | {"item_id": "i-2", "prompt": "Hello?"}) + "\n")
    return path


def seal(source: Path, *more: str) -> Any:
    return reward_drift("anchors", "seal", source, "--name", "returns", "--kind", "exact", *more)


def test_a_set_is_sealed_once_and_verified_until_it_is_altered(source: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "returns")
    sealed = seal(source, "-o", folder, "--metric", "correct", "--json")
    assert sealed.code == 0
    told = sealed.json["anchors"]
    assert (told["items"], told["metric"], told["methods"]) == (2, "correct", {"human": 2})
    assert reward_drift("anchors", "verify", folder, "--sha256", told["digest"], "--json").json == sealed.json
    assert told["digest"] in reward_drift("anchors", "verify", folder).out

    again = seal(source, "-o", folder)
    assert (again.code, again.out) == (2, "")
    assert "never replaced" in again.err

    other = reward_drift("anchors", "verify", folder, "--sha256", "0" * 64, "--json")
    assert (other.code, other.json["anchors"]["accepted"]) == (1, False)
    items = tmp_path / "returns/items.jsonl"
    items.write_text(items.read_text().replace("yes", "no"))
    broken = reward_drift("anchors", "verify", folder)
    assert broken.code == 1
    assert f"{items}: altered since it was sealed" in broken.out


def test_what_is_no_sealed_set_is_told_with_the_next_command(tmp_path: Path) -> None:
    absent = reward_drift("anchors", "verify", tmp_path)
    assert absent.code == 2
    assert "reward-drift anchors seal FILE" in absent.err


def test_bad_lines_are_told_and_nothing_is_sealed(source: Path, tmp_path: Path) -> None:
    source.write_text(json.dumps(ITEM | {"method": "model"}) + "\n{\n")
    refused = seal(source, "-o", str(tmp_path / "out"))
    assert refused.code == 2
    assert "items.jsonl:1: its labels were made by a model" in refused.err
    assert "items.jsonl:2: " in refused.err
    assert not (tmp_path / "out").exists()


def test_training_data_that_saw_an_item_are_found(source: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "returns")
    seal(source, "-o", folder)
    clean, seen = tmp_path / "clean.jsonl", tmp_path / "seen.jsonl"
    clean.write_text(json.dumps({"prompt": "Hello you?", "completion": "Yes."}) + "\n")
    seen.write_text(clean.read_text() + json.dumps({"prompt": f"Q: {QUESTION.upper()}"}) + "\n")

    assert reward_drift("anchors", "check", folder, clean).code == 0
    found = reward_drift("anchors", "check", folder, clean, seen, "--json")
    assert found.code == 1
    ((item,), texts) = found.json["contaminated"], found.json["texts"]
    assert (item["item_id"], item["counts"], texts) == ("i-1", {"run": 1}, 5)
    (match,) = item["matches"]
    assert (match["kind"], match["file"], match["line"], match["field"]) == ("run", str(seen), 2, "prompt")
    assert "opened headphones" in match["excerpt"]
    assert f"{seen}:2 prompt" in reward_drift("anchors", "check", folder, seen).out


def test_training_data_that_cannot_be_read_are_not_clean(source: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "returns")
    seal(source, "-o", folder)
    (tmp_path / "broken.jsonl").write_text("{\n")
    broken = reward_drift("anchors", "check", folder, tmp_path / "broken.jsonl")
    assert broken.code == 1
    assert "broken.jsonl:1: not read" in broken.err
    assert reward_drift("anchors", "check", folder, tmp_path / "absent.jsonl").code == 2


def test_a_set_that_was_judged_is_held_out_of_exports(tmp_path: Path) -> None:
    pair = {"item_id": "p-1", "prompt": QUESTION, "method": "human", "a": "Yes.", "b": "No."}
    path, folder, store = tmp_path / "pairs.jsonl", tmp_path / "pairs", tmp_path / "store.sqlite"
    path.write_text(json.dumps(pair | {"votes": [{"annotator": "ann-1", "vote": "a"}]}))
    assert reward_drift("anchors", "seal", path, "--name", "p", "--kind", "preference", "-o", folder).code == 0
    with judge_server() as server:
        named = ("--endpoint", server.url, "--model", "m", "--name", "judge", "--store", store)
        assert reward_drift("judge", folder, *named).code == 0
    desk = {"name": "desk", "environment": "production", "purpose": "curation"}
    label = {"actor": {"id": "x", "role": "annotator"}, "surface": desk, "rubric": "v1"}
    events = [line("response", changes={"prompt": QUESTION.upper()}), line("feedback", changes=label)]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(events))
    assert reward_drift("ingest", tmp_path / "events.jsonl", "--store", store).code == 0
    labels = tmp_path / "labels.jsonl"
    assert reward_drift("export", labels, "--store", store).code == 0
    assert labels.read_text() == ""
    assert "held-out item" in (tmp_path / "labels.jsonl.manifest.json").read_text()
