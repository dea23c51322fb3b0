"""A file in which every second line is broken: what is kept, what is said, and how is it mended?"""

import contextlib
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.examples import BAD, line
from tests.end_to_end.command import Ran, reward_drift, reward_drift_process

# In the file's order; the last one has no line feed behind it.
NAMES = [
    "literal_nul", "escaped_nul", "lone_high_surrogate", "lone_low_surrogate", "nan", "infinity", "too_large_number",
    "5000_digits", "deep_list", "deep_object", "unclosed_depth", "utf16_with_bom", "utf16_without_bom", "utf32",
    "invalid_utf8", "encoded_surrogate", "list_root", "string_root", "no_json", "unknown_type",
    "unknown_major_version", "too_large", "no_id", "no_offset", "truncated",
]  # fmt: skip


def good(number: int) -> bytes:
    return line("response", id=f"good-{number}", changes={"response_id": f"r-{number}"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = [part for number, name in enumerate(NAMES) for part in (good(number), BAD[name][0])]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def rejected(store: Path, *options: str) -> list[dict[str, Any]]:
    listed = reward_drift("rejected", "list", "--store", store, "--json", *options)
    assert listed.code == 0
    return list(listed.json["rejected"])


def counts(ran: Ran) -> dict[str, int]:
    return dict(ran.json["events"])


def test_every_bad_line_is_told_with_reason_and_place_and_its_neighbours_are_kept(file: Path, store: Path) -> None:
    read = reward_drift_process("ingest", file, "--store", store, "--json")
    assert read.code == 0, read.err
    assert counts(read) == {"accepted": len(NAMES), "duplicate": 0, "conflict": 0, "rejected": len(NAMES)}
    told = rejected(store)
    assert [row["reason"] for row in told] == [BAD[name][1] for name in NAMES]
    places = [re.match(r"line (\d+), byte (\d+),", row["position"]) for row in told]
    assert [int(place[1]) for place in places if place] == [2 * number + 2 for number in range(len(NAMES))]
    content = file.read_bytes()
    assert all(content.startswith(BAD[n][0], int(p[2])) for n, p in zip(NAMES, places, strict=True) if p)
    assert {row["source"] for row in told} == {str(file)}
    assert all(row["detail"] for row in told)


def test_reading_the_file_again_adds_nothing(file: Path, store: Path) -> None:
    reward_drift("ingest", file, "--store", store)
    before = rejected(store)
    again = counts(reward_drift("ingest", file, "--store", store, "--json"))
    assert (again["accepted"], again["duplicate"], again["conflict"]) == (0, 0, 0)
    assert rejected(store) == before
    copy = file.with_name("copy.jsonl")
    copy.write_bytes(file.read_bytes())
    again = counts(reward_drift("ingest", copy, "--store", store, "--json"))
    assert (again["accepted"], again["duplicate"], again["conflict"]) == (0, len(NAMES), 0)


def test_a_mended_event_is_added_exactly_once(file: Path, store: Path, tmp_path: Path) -> None:
    reward_drift("ingest", file, "--store", store)
    fixed = tmp_path / "fixed.json"
    for row in rejected(store):
        name = f"fixed-{row['id']}"
        fixed.write_bytes(line("response", id=name, changes={"response_id": name}) + b"\n")
        first = reward_drift("rejected", "replay", row["id"], "--file", fixed, "--store", store)
        second = reward_drift("rejected", "replay", row["id"], "--file", fixed, "--store", store)
        assert (first.code, second.code) == (0, 0)
        assert first.out.endswith("accepted\n")
        assert second.out.endswith("replayed before\n")
    assert rejected(store) == []
    assert {row["status"] for row in rejected(store, "--all")} == {"replayed"}
    fixed.write_bytes(line("response", id="fixed-1", changes={"response_id": "fixed-1"}))
    assert counts(reward_drift("ingest", fixed, "--store", store, "--json"))["duplicate"] == 1
    assert events_in(store, tmp_path) == 2 * len(NAMES)


def test_an_event_that_is_still_bad_stays_rejected(file: Path, store: Path) -> None:
    reward_drift("ingest", file, "--store", store)
    tried = reward_drift("rejected", "replay", 1, "--store", store)
    assert tried.code == 2
    assert "nul_character" in tried.err
    assert len(rejected(store)) == len(NAMES)


def test_all_events_of_one_reason_are_tried_again_at_once(file: Path, store: Path) -> None:
    """As after an upgrade that understands what was unknown before: here the kept bytes are changed in their place."""
    reward_drift("ingest", file, "--store", store)
    reason = Counter(row["reason"] for row in rejected(store)).most_common(1)[0][0]
    waiting = [row["id"] for row in rejected(store, "--reason", reason)]
    assert len(waiting) > 1
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        good_now = line("response", id="known-now", changes={"response_id": "known-now"})
        changed = (good_now, len(good_now), waiting[0])
        connection.execute("UPDATE rejected SET raw = ?, raw_size = ? WHERE id = ?", changed)
    tried = reward_drift("rejected", "replay", "--reason", reason, "--store", store, "--json")
    assert tried.json == {"replayed": {"accepted": 1, "still rejected": len(waiting) - 1}}
    assert len(rejected(store, "--reason", reason)) == len(waiting) - 1
    assert reward_drift("rejected", "replay", "--store", store).code == 2
    assert reward_drift("rejected", "replay", 1, "--reason", reason, "--store", store).code == 2


def test_a_list_that_is_cut_says_so(file: Path, store: Path) -> None:
    reward_drift("ingest", file, "--store", store)
    cut = reward_drift("rejected", "list", "--limit", 3, "--store", store)
    assert len(cut.out.splitlines()) == 3
    assert "only the 3 oldest" in cut.err
    assert "only" not in reward_drift("rejected", "list", "--store", store).err


def test_validate_tells_the_same_without_a_store(file: Path) -> None:
    checked = reward_drift("validate", file, "--json")
    assert checked.code == 1
    assert checked.json["events"] == {"rewarddrift.response.v1": len(NAMES)}
    assert [row["reason"] for row in checked.json["rejected"]] == [BAD[name][1] for name in NAMES]


def events_in(store: Path, folder: Path) -> int:
    settings = folder / "reward-drift.yaml"
    settings.write_text("outcome: {metric: task_success}\n")
    state = reward_drift("status", "--settings", settings, "--store", store, "--json").json
    return sum(state["events"].values())
