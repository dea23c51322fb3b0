import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.anchors import AnchorSet, SealBroken, open_anchors, seal_anchors
from judges.held_out.anchor_items import KINDS, Kind, annotators_of, texts_of
from judges.held_out.anchor_lines import MOST_TOLD, AnchorsRejected

NOW = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
SHARED = {"item_id": "i-1", "prompt": "Which city is the capital of France?", "method": "human", "category": "geo"}
GOOD: dict[Kind, dict[str, Any]] = {
    "exact": {**SHARED, "answers": ["Paris"], "normalisation": "squad", "annotators": ["ann-1"]},
    "choice": {**SHARED, "options": ["Rome", "Paris"], "right": 1, "annotators": ["ann-1", "ann-2"]},
    "preference": {**SHARED, "a": "Paris.", "b": "Rome.", "votes": [{"annotator": "ann-1", "vote": "a"}]},
    "rubric": {**SHARED, "response": "Paris.", "scale": [1, 5], "grades": [{"annotator": "ann-1", "grade": 5}]},
}
each_kind = pytest.mark.parametrize("kind", GOOD)


def write(path: Path, *items: dict[str, Any] | str) -> Path:
    lines = [item if isinstance(item, str) else json.dumps(item) for item in items]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def seal(folder: Path, kind: Kind, *items: dict[str, Any] | str, name: str = "capitals") -> AnchorSet:
    return seal_anchors(write(folder / "items.jsonl", *items), folder / "sealed", name=name, kind=kind, sealed_at=NOW)


def problems(folder: Path, kind: Kind, *items: dict[str, Any] | str) -> list[str]:
    with pytest.raises(AnchorsRejected) as refused:
        seal(folder, kind, *items)
    assert not (folder / "sealed").exists()
    return str(refused.value).splitlines()


@each_kind
def test_a_sealed_set_opens_as_it_was_sealed(tmp_path: Path, kind: Kind) -> None:
    sealed = seal(tmp_path, kind, GOOD[kind], {**GOOD[kind], "item_id": "i-2", "prompt": "And of Italy?"})
    assert open_anchors(tmp_path / "sealed", expected=sealed.digest) == sealed
    assert [item.item_id for item in sealed.items] == ["i-1", "i-2"]
    assert {type(item) for item in sealed.items} == {KINDS[kind]}
    assert sealed.prompt_id(sealed.items[0]) == "capitals/i-1"


def test_the_manifest_says_what_was_sealed_by_whom_from_what(tmp_path: Path) -> None:
    rule = {**GOOD["exact"], "item_id": "i-2", "prompt": "2 + 2?", "method": "exact", "annotators": ["rule-4"]}
    sealed = seal(tmp_path, "exact", GOOD["exact"], rule)
    manifest = json.loads((tmp_path / "sealed/manifest.json").read_text())
    items = (tmp_path / "sealed/items.jsonl").read_bytes()
    assert manifest == {
        "format": 1,
        "name": "capitals",
        "kind": "exact",
        "metric": "exact_match",
        "items": 2,
        "sha256": hashlib.sha256(items).hexdigest(),
        "annotators": ["ann-1"],
        "methods": {"exact": 1, "human": 1},
        "source": "items.jsonl",
        "source_sha256": hashlib.sha256((tmp_path / "items.jsonl").read_bytes()).hexdigest(),
        "sealed_at": "2026-11-21T09:00:00Z",
    }
    assert sealed.digest == hashlib.sha256((tmp_path / "sealed/manifest.json").read_bytes()).hexdigest()


def test_sealing_the_same_items_again_gives_the_same_set(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = seal(tmp_path, "exact", GOOD["exact"]), seal(tmp_path / "again", "exact", GOOD["exact"])
    assert first.digest == second.digest


def test_a_sealed_set_is_never_replaced(tmp_path: Path) -> None:
    seal(tmp_path, "exact", GOOD["exact"])
    with pytest.raises(AnchorsRejected, match="never replaced"):
        seal(tmp_path, "exact", {**GOOD["exact"], "answers": ["Lyon"]})
    assert open_anchors(tmp_path / "sealed").items[0].answers == ("Paris",)  # type: ignore[union-attr]
    assert not list(tmp_path.glob(".*"))


@each_kind
def test_changing_any_byte_of_the_items_breaks_the_seal(tmp_path: Path, kind: Kind) -> None:
    seal(tmp_path, kind, GOOD[kind])
    path = tmp_path / "sealed/items.jsonl"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SealBroken, match=r"items\.jsonl: altered since it was sealed.*restore the folder"):
            open_anchors(tmp_path / "sealed")
    for other in (b"", whole + whole, whole + b"\n"):
        path.write_bytes(other)
        with pytest.raises(SealBroken):
            open_anchors(tmp_path / "sealed")


def test_a_forged_manifest_is_found_by_the_digest_one_was_told(tmp_path: Path) -> None:
    sealed = seal(tmp_path, "exact", GOOD["exact"])
    (tmp_path / "forged").mkdir()
    seal(tmp_path / "forged", "exact", {**GOOD["exact"], "answers": ["Lyon"]})
    (tmp_path / "sealed").rename(tmp_path / "away")
    (tmp_path / "forged/sealed").rename(tmp_path / "sealed")
    open_anchors(tmp_path / "sealed")
    with pytest.raises(SealBroken, match=sealed.digest):
        open_anchors(tmp_path / "sealed", expected=sealed.digest)


@pytest.mark.parametrize("change", [{"items": 2}, {"annotators": ["ann-9"]}, {"methods": {"exact": 1}}])
def test_a_manifest_that_does_not_describe_its_items_breaks_the_seal(tmp_path: Path, change: dict[str, Any]) -> None:
    seal(tmp_path, "exact", GOOD["exact"])
    path = tmp_path / "sealed/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SealBroken, match="does not describe"):
        open_anchors(tmp_path / "sealed")


@pytest.mark.parametrize(
    "change", [{"name": "a/b"}, {"metric": ""}, {"sealed_at": "noon"}, {"sealed_at": "2026-11-21"}]
)
def test_a_manifest_that_events_could_not_quote_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    seal(tmp_path, "exact", GOOD["exact"])
    path = tmp_path / "sealed/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AnchorsRejected, match="no manifest of a sealed set"):
        open_anchors(tmp_path / "sealed")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "\0", "[" * 100_000, '{"format": 1}', '{"format": 1, "kind": "x"}']
)
def test_a_folder_without_a_manifest_is_refused_with_the_next_step(tmp_path: Path, content: str) -> None:
    with pytest.raises(AnchorsRejected, match="reward-drift anchors seal"):
        open_anchors(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(AnchorsRejected, match="no manifest of a sealed set"):
        open_anchors(tmp_path)


def test_missing_items_and_newer_formats_are_told(tmp_path: Path) -> None:
    seal(tmp_path, "exact", GOOD["exact"])
    (tmp_path / "sealed/items.jsonl").unlink()
    with pytest.raises(SealBroken, match=r"items\.jsonl: missing"):
        open_anchors(tmp_path / "sealed")
    (tmp_path / "sealed/manifest.json").write_text('{"format": 2, "shape": "round"}')
    with pytest.raises(AnchorsRejected, match="newer release"):
        open_anchors(tmp_path / "sealed")


@each_kind
@pytest.mark.parametrize("method", ["model", "judge", "teacher", "reward_model", "synthetic"])
def test_labels_made_by_a_model_are_refused_and_the_reason_is_told(tmp_path: Path, kind: Kind, method: str) -> None:
    told = problems(tmp_path, kind, {**GOOD[kind], "method": method})
    assert told == [told[0]]
    assert f"items.jsonl:1: its labels were made by a {method}" in told[0]
    assert "anchors nothing" in told[0]


BAD: list[tuple[Kind, dict[str, Any], str]] = [
    ("exact", {"method": "guess"}, "`human` or `exact`"),
    ("exact", {"annotators": []}, "name the people"),
    ("exact", {"annotators": ["ann-1", "ann-1"]}, "ann-1 stands twice"),
    ("exact", {"answers": []}, "length >= 1"),
    ("exact", {"answers": ["The"]}, "empty once normalised"),
    ("exact", {"answers": [" "], "normalisation": "verbatim"}, "empty once normalised"),
    ("exact", {"normalisation": "number"}, "holds no number"),
    ("exact", {"normalisation": "fuzzy"}, "Invalid enum value 'fuzzy'"),
    ("exact", {"awnsers": ["x"]}, "did you mean `answers`?"),
    ("exact", {"item_id": ""}, "length >= 1"),
    ("exact", {"prompt": " \n"}, "`prompt` is blank"),
    ("exact", {"prompt": 7}, "Expected `str`, got `int`"),
    ("exact", {"prompt": "a\0b"}, "prompt holds a NUL"),
    ("exact", {"prompt": "x" * (1 << 20)}, "longer than 1,048,576 bytes"),
    ("choice", {"right": 2}, "2 options are numbered from 0"),
    ("choice", {"right": -1}, ">= 0"),
    ("choice", {"options": ["Rome", "Rome"]}, "same option stands twice"),
    ("choice", {"options": ["Rome"]}, "length >= 2"),
    ("preference", {"votes": []}, "length >= 1"),
    ("preference", {"votes": [{"annotator": "x", "vote": "both"}]}, "Invalid enum value 'both'"),
    ("preference", {"votes": [{"annotator": "x", "vote": "a"}, {"annotator": "x", "vote": "b"}]}, "x stands twice"),
    ("preference", {"b": "Paris."}, "same text"),
    ("rubric", {"grades": [{"annotator": "x", "grade": 6}]}, "outside the scale 1..5"),
    ("rubric", {"scale": [5, 1]}, "low < high"),
]


@pytest.mark.parametrize(("kind", "change", "cause"), BAD)
def test_a_bad_item_is_told_with_file_line_and_cause(
    tmp_path: Path, kind: Kind, change: dict[str, Any], cause: str
) -> None:
    (told,) = problems(tmp_path, kind, {**GOOD[kind], "item_id": "good", "prompt": "Good?"}, {**GOOD[kind], **change})
    assert told.startswith(f"{tmp_path}/items.jsonl:2: ")
    assert cause in told
    assert len(told) < 500


@pytest.mark.parametrize("line", ["{", "[]", "null", '"x"', "[" * 100_000, '{"prompt": "\\ud800"}', '{"scale": NaN}'])
def test_a_line_that_is_no_item_is_told(tmp_path: Path, line: str) -> None:
    assert len(problems(tmp_path, "rubric", line)) == 1


def test_all_bad_lines_are_told_at_once_up_to_a_limit(tmp_path: Path) -> None:
    told = problems(tmp_path, "exact", *["{"] * (MOST_TOLD + 30))
    assert len(told) == MOST_TOLD + 1
    assert told[-1].endswith("and 30 more problems; mend these first")


def test_an_item_that_stands_twice_would_count_twice_and_is_refused(tmp_path: Path) -> None:
    told = problems(tmp_path, "exact", GOOD["exact"], GOOD["exact"], {**GOOD["exact"], "item_id": "i-2"})
    assert [line.partition("items.jsonl:")[2] for line in told] == [
        "2: its item_id stands in line 1 already; keep one of them",
        "2: its content stands in line 1 already; keep one of them",
        "3: its content stands in line 1 already; keep one of them",
    ]


def test_blank_lines_and_a_byte_order_mark_are_no_items(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(GOOD["exact"]).encode() + b"\r\n\n")
    assert len(seal_anchors(path, tmp_path / "sealed", name="n", kind="exact", sealed_at=NOW).items) == 1


def test_a_set_without_items_is_refused(tmp_path: Path) -> None:
    assert "no items" in problems(tmp_path, "exact", "", " ")[0]


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "ä", "x" * 129, "a\n"])
def test_a_name_that_cannot_stand_in_a_prompt_id_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnchorsRejected, match="take letters"):
        seal(tmp_path, "exact", GOOD["exact"], name=name)


def test_files_that_are_not_there_are_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(AnchorsRejected, match="see what is there: ls"):
        seal_anchors(tmp_path / "absent.jsonl", tmp_path / "out", name="n", kind="exact", sealed_at=NOW)
    with pytest.raises(AnchorsRejected, match="mkdir -p"):
        seal_anchors(tmp_path / "absent.jsonl", tmp_path / "no/out", name="n", kind="exact", sealed_at=NOW)


@each_kind
def test_every_item_names_its_people_and_its_texts(tmp_path: Path, kind: Kind) -> None:
    (item,) = seal(tmp_path, kind, GOOD[kind]).items
    assert annotators_of(item)[0] == "ann-1"
    assert texts_of(item)["prompt"] == SHARED["prompt"]
    assert any("Paris" in text for text in texts_of(item).values())


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30)),
        min_size=1,
        unique=True,
        max_size=5,
    )
)
def test_any_text_that_an_event_may_hold_survives_sealing(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    items = [
        {**GOOD["rubric"], "item_id": str(number), "prompt": prompt, "response": response}
        for number, (prompt, response) in enumerate(pairs)
    ]
    folder = tmp_path_factory.mktemp("any")
    if any("\0" in prompt + response or not prompt.strip() for prompt, response in pairs):
        assert problems(folder, "rubric", *items)
        return
    sealed = seal(folder, "rubric", *items)
    assert [(texts_of(item)["prompt"], texts_of(item)["response"]) for item in sealed.items] == pairs


@settings(deadline=None, max_examples=40)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text() | st.integers() | st.floats(allow_nan=False),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["item_id", "prompt", "votes", "method"]), x),
    ).map(msgspec.json.encode)
)
def test_hostile_bytes_are_refused_never_a_crash(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "items.jsonl").write_bytes(raw)
    with pytest.raises(AnchorsRejected):
        seal_anchors(folder / "items.jsonl", folder / "out", name="n", kind="preference", sealed_at=NOW)


def test_the_items_shown_in_the_readme_can_be_sealed(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "judges/README.md").read_text()
    shown = [line for line in readme.splitlines() if line.startswith('{"item_id"')]
    for kind, line in zip(GOOD, shown, strict=True):
        (tmp_path / kind).mkdir()
        assert len(seal(tmp_path / kind, kind, line).items) == 1
