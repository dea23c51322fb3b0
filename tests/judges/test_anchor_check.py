"""Is a held-out item found in training data however it was copied, and nothing else?"""

import csv
import datetime as dt
import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.fingerprints import words_of
from consumers.importers.rows import TableError
from judges.anchors import AnchorSet, seal_anchors
from judges.held_out.anchor_check import EXCERPT, MOST_HOLDERS, MOST_KEPT, AnchorIndex, Contamination, check_anchors
from judges.held_out.near_duplicates import ALIKE, NearDuplicates, jaccard, shingles
from judges.held_out.training_texts import TrainingText

QUESTION = "May a customer return opened headphones without the original box after twenty days in your shop?"
SHORT = "How long may I keep it?"
ANSWER = "Yes, within thirty days of delivery; the box is not needed, but please add the receipt you were given."


@pytest.fixture
def anchors(tmp_path: Path) -> AnchorSet:
    return sealed(tmp_path, [QUESTION, SHORT])


def sealed(folder: Path, prompts: Sequence[str]) -> AnchorSet:
    grades = [{"annotator": "ann-1", "grade": 3}]
    items = [
        {
            "item_id": f"i-{number}",
            "prompt": prompt,
            "method": "human",
            "response": ANSWER if not number else f"{number}.",
            "scale": [1, 5],
            "grades": grades,
        }
        for number, prompt in enumerate(prompts)
    ]
    path = folder / "anchors.jsonl"
    path.write_text("\n".join(map(json.dumps, items)))
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    return seal_anchors(path, folder / "sealed", name="audit", kind="rubric", sealed_at=now)


def training(folder: Path, *texts: str) -> Path:
    path = folder / "training.jsonl"
    path.write_text("".join(json.dumps({"prompt": text, "completion": "Of course."}) + "\n" for text in texts))
    return path


def kinds(found: Contamination) -> dict[str, list[tuple[str, str, int]]]:
    return {one.item_id: [(match.kind, match.place, match.line) for match in one.kept] for one in found.items}


SHOP = (
    ["a customer", "my neighbour", "the shop", "your courier", "their clerk"],
    ["returned", "sold", "ordered", "lost", "opened", "repaired"],
    ["the headphones", "a blue kettle", "two lamps", "the original box", "my receipt"],
    ["after twenty days", "within a week", "without a word", "in June", "for half the price", "once more"],
)
CODE = (
    ["a compiler", "my branch", "the build", "your function", "their server"],
    ["returned", "parsed", "ordered", "lost", "opened", "refused"],
    ["the headers", "a blue pixel", "two threads", "the original file", "my request"],
    ["after twenty tests", "within a loop", "without a word", "in June", "for half the input", "once more"],
)


def sentences(count: int, seed: int, world: Sequence[Sequence[str]] = SHOP) -> list[str]:
    """Sentences of few words, so that chance has every chance."""
    draw = random.Random(seed)

    def clause() -> str:
        return " ".join(map(draw.choice, world))

    joints = ("and", "but", "while", "because")
    return [f"{clause().capitalize()}, {draw.choice(joints)} {clause()}." for _ in range(count)]


COPIES = {
    "exact": [
        QUESTION,
        QUESTION.upper(),
        QUESTION.replace("?", " !!"),
        f"\n{QUESTION.replace(' ', '  ')}\t",
        SHORT.lower(),
    ],
    "run": [f"Q: {QUESTION} A:", " ".join(QUESTION.split()[2:]), f"{ANSWER} Bye.", f"- {QUESTION} {ANSWER}"],
    "near": [
        QUESTION.replace("original", "orginal").replace("shop", "shops"),
        ANSWER.replace("not needed", "not even needed"),
    ],
}


@pytest.mark.parametrize(("kind", "copy"), [(kind, copy) for kind, copies in COPIES.items() for copy in copies])
def test_a_copy_is_found_with_its_place_and_its_words(tmp_path: Path, anchors: AnchorSet, kind: str, copy: str) -> None:
    path = training(tmp_path, "Good morning.", copy)
    found = check_anchors(anchors, [path])
    (item,) = found.items
    match = item.kept[0]
    assert (match.kind, match.file, match.line, match.field) == (kind, str(path), 2, "prompt")
    assert match.excerpt in " ".join(words_of(copy))
    assert 0 < match.share <= 1
    assert len(match.excerpt) <= EXCERPT
    assert found.texts == 4


def test_two_thousand_unrelated_sentences_are_not_found(tmp_path: Path) -> None:
    anchors = sealed(tmp_path, sorted(set(sentences(200, seed=1))))
    found = check_anchors(anchors, [training(tmp_path, *sentences(2000, seed=2, world=CODE))])
    assert (found.texts, list(found.items), list(found.unread)) == (4000, [], [])


words = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(st.lists(words, min_size=8, max_size=30), st.lists(words, max_size=5), st.lists(words, max_size=5))
def test_a_text_of_eight_words_is_found_inside_any_other(item: list[str], before: list[str], after: list[str]) -> None:
    index = AnchorIndex([("i", {"prompt": " ".join(item)})])
    whole = " ".join([*before, *item, *after])
    for copy in (whole, whole.replace(" ", "\n-- "), f"«{whole}»"):
        ((item_id, match),) = index.matches(TrainingText("f", 1, "", copy))
        assert (item_id, match.place) == ("i", "prompt")
        assert match.kind == ("exact" if words_of(copy) == words_of(" ".join(item)) else "run")
        assert match.share == 1


def test_a_template_that_all_items_share_is_no_match(tmp_path: Path) -> None:
    template = "You are a careful assistant of a shop. Answer the question below briefly, kindly and truthfully: "
    anchors = sealed(tmp_path, [template + one for one in sentences(MOST_HOLDERS + 1, seed=3)])
    path = training(tmp_path, template + "What is the weather like in the mountains of central Norway?", template)
    assert check_anchors(anchors, [path]).items == []
    own = sentences(MOST_HOLDERS + 1, seed=3)[4]
    found = check_anchors(anchors, [training(tmp_path, f"{template} {own} Thanks.")])
    assert "i-4" in kinds(found)


def test_matches_of_one_item_are_all_counted_and_some_kept(tmp_path: Path, anchors: AnchorSet) -> None:
    found = check_anchors(anchors, [training(tmp_path, *[SHORT] * 40)])
    (item,) = found.items
    assert item.counts == {"exact": 40}
    assert [match.line for match in item.kept] == list(range(1, MOST_KEPT + 1))


def test_every_kind_of_training_file_is_read(tmp_path: Path, anchors: AnchorSet) -> None:
    chat = [{"role": "user", "content": SHORT}, {"role": "assistant", "content": ANSWER}]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": chat}) + "\n")
    with gzip.open(tmp_path / "chat.jsonl.gz", "wt") as file:
        file.write("\n" + json.dumps({"messages": chat}) + "\n")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], ["1", "nothing"], ["2", SHORT]])
    (tmp_path / "t.txt").write_text("A page.\n\nSome\n" + QUESTION.replace(" box", "\nbox") + f"\n\n{SHORT}\n")
    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["x", SHORT]}), tmp_path / "t.parquet")
    files = ["chat.jsonl", "chat.jsonl.gz", "t.csv", "t.txt", "t.parquet"]
    found = check_anchors(anchors, [tmp_path / name for name in files])
    seen = {item.item_id: [(Path(m.file).name, m.line, m.field, m.kind) for m in item.kept] for item in found.items}
    assert seen["i-1"] == [
        ("chat.jsonl", 1, "messages[0].content", "exact"),
        ("chat.jsonl.gz", 2, "messages[0].content", "exact"),
        ("t.csv", 3, "text", "exact"),
        ("t.txt", 7, "", "exact"),
        ("t.parquet", 2, "prompt", "exact"),
    ]
    assert [one[0] for one in seen["i-0"]] == ["chat.jsonl", "chat.jsonl.gz", "t.txt"]
    assert seen["i-0"][-1] == ("t.txt", 3, "", "run")


def test_rows_that_cannot_be_read_are_told(tmp_path: Path, anchors: AnchorSet) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"a": "b"}\n{"a":\n[1]\n' + "[" * 100_000 + "\n" + json.dumps({"x": SHORT}))
    found = check_anchors(anchors, [path])
    assert [(one.file, one.line) for one in found.unread] == [(str(path), line) for line in (2, 3, 4)]
    assert kinds(found) == {"i-1": [("exact", "prompt", 5)]}


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.txt", "model.bin", "folder.txt"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, anchors: AnchorSet, name: str) -> None:
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(TableError, match=name):
        check_anchors(anchors, [tmp_path / name])


def test_candidates_by_minhash_are_those_with_a_high_jaccard_index() -> None:
    draw = random.Random(11)
    vocabulary = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 8))) for _ in range(2000)]
    missed = near = 0
    for _ in range(150):
        first = draw.choices(vocabulary, k=50)
        second = [draw.choice(vocabulary) if draw.random() < 0.06 else word for word in first]
        alike = jaccard(shingles(first), shingles(second))
        found = list(NearDuplicates([draw.choices(vocabulary, k=50), first]).of(second))
        assert found in ([], [(1, alike)])
        near += alike >= ALIKE
        missed += alike >= ALIKE and not found
    assert near > 40
    assert missed == 0


def test_shingles_of_equal_texts_are_equal_and_of_no_text_are_one() -> None:
    assert np.array_equal(shingles(["a", "b"]), shingles(["a b"]))
    assert len(shingles([])) == 1
