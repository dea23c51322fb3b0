"""Nothing of a held-out item ever leaves as training data, by file or by topic."""

import datetime as dt
import itertools
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from consumers.export import export_labels
from consumers.fingerprints import Fingerprints, fingerprint, words_of
from consumers.ingest import ingest
from consumers.routed_events import Message
from consumers.routing import Router
from consumers.sources import JsonlSource
from consumers.store import EventStore
from judges.anchors import AnchorSet, seal_anchors
from judges.held_out.anchor_items import KINDS
from judges.held_out.anchor_wall import register_anchors
from tests.consumers.examples import line

NOW = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
NOW_US = 1_795_251_600_000_000
QUESTION = "May a customer return opened headphones without the original box after twenty days?"
ANSWER = "Yes, within thirty days of delivery; the box is not needed, but please add the receipt."
SHAPES = ("unpaired", "sft", "preference")
TOPICS = {purpose: f"feedback.{purpose}" for purpose in ("curation", "reward", "debugging")}
LABEL = {
    "actor": {"id": "ann-1", "role": "annotator"},
    "surface": {"name": "desk", "environment": "production", "purpose": "curation"},
    "rubric": "v2",
}
numbers = itertools.count()


class Kept:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> Sequence[Message]:
        self.messages += messages
        return []


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    with EventStore.open(store_url) as opened:
        yield opened


@pytest.fixture
def anchors(tmp_path: Path) -> AnchorSet:
    return sealed(tmp_path, [{"item_id": "i-1", "prompt": QUESTION}, {"item_id": "i-2", "prompt": "Hello?"}])


def sealed(folder: Path, items: Sequence[dict[str, Any]]) -> AnchorSet:
    """A set of rubric items with this answer."""
    graded = {"method": "human", "response": ANSWER, "scale": [1, 5], "grades": [{"annotator": "ann-9", "grade": 4}]}
    path = folder / "anchors.jsonl"
    path.write_text("\n".join(json.dumps(graded | item) for item in items))
    return seal_anchors(path, folder / f"sealed-{next(numbers)}", name="audit", kind="rubric", sealed_at=NOW)


def said_about(response_id: str, **changes: Any) -> list[bytes]:
    """A thumb and a correction of an annotator, thumbs of a user and of an engineer."""
    kinds = {
        "thumb": {**LABEL},
        "correction": {**LABEL, "signal": "correction", "value": ..., "correction": "Better so.", **changes},
        "reward": {},
        "debugging": {"actor": {"id": "dev-1", "role": "engineer"}},
    }
    return [
        line("feedback", id=f"{kind}-{next(numbers)}", changes={"response_id": response_id, **change})
        for kind, change in kinds.items()
    ]


def response(response_id: str, **changes: Any) -> bytes:
    return line("response", id=f"response-{next(numbers)}", changes={"response_id": response_id, **changes})


def what_leaves(store: EventStore, folder: Path, *lines: bytes) -> list[str]:
    """All that an export of each shape and all topics say, once the events are stored."""
    path = folder / f"events-{next(numbers)}.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert ingest(JsonlSource([path]), store).appended.rejected == 0
    left = []
    for shape in SHAPES:
        out = folder / f"labels-{next(numbers)}.jsonl"
        export_labels(store, out, shape)  # type: ignore[arg-type]
        left += out.read_text().splitlines()
    kept = Kept()
    Router(store, kept, TOPICS, f"cluster-{next(numbers)}").run()
    return left + [message.value.decode() for message in kept.messages]


def test_what_scoring_reports_of_an_anchor_never_leaves(store: EventStore, tmp_path: Path, anchors: AnchorSet) -> None:
    register_anchors(store.engine, anchors, NOW_US)
    shown = {"prompt_id": "audit/i-1", "environment": "evaluation", "cohort": {"anchor_set": "audit"}}
    texts: list[dict[str, Any]] = [{"prompt": QUESTION, "response": "No."}, {"prompt": ..., "response": ...}]
    for number, words in enumerate(texts):
        name = f"r-{number}"
        events = [response(name, **shown, **words), *said_about(name)]
        assert what_leaves(store, tmp_path, *events) == []
        outcome = line("outcome", id=f"o-{number}", changes={"response_id": name, "anchor_set": "audit"})
        score = line("score", id=f"s-{number}", changes={"response_id": name})
        assert what_leaves(store, tmp_path, score, outcome, *said_about(name)) == []


COPIES = {
    "verbatim": QUESTION,
    "in capitals, without punctuation": QUESTION.upper().replace("?", ""),
    "laid out otherwise": QUESTION.replace(" ", "  \n").replace("-", "\u2010"),
    "in wide characters": "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in QUESTION),
    "inside another text": f"Context: shop.\n\n>> {QUESTION}\nAnswer briefly.",
    "a short one": "  hello",
}


def test_the_prompt_of_an_anchor_met_in_production_gives_no_label(
    store: EventStore, tmp_path: Path, anchors: AnchorSet
) -> None:
    events = [one for name, copy in COPIES.items() for one in (response(name, prompt=copy), *said_about(name))]
    left = what_leaves(store, tmp_path, *events)
    assert len(left) == (3 + 4) * len(COPIES)  # as long as nobody has said that it is an anchor
    register_anchors(store.engine, anchors, NOW_US)
    assert what_leaves(store, tmp_path) == []


def test_an_anchor_is_not_told_as_a_correction_or_an_answer(
    store: EventStore, tmp_path: Path, anchors: AnchorSet
) -> None:
    register_anchors(store.engine, anchors, NOW_US)
    assert what_leaves(store, tmp_path, response("r-1", response=f"Well: {ANSWER}"), *said_about("r-1")) == []
    left = what_leaves(store, tmp_path, response("r-2"), *said_about("r-2", correction=ANSWER.lower()))
    assert len(left) == 1 + 3  # its thumbs, not its correction
    assert not [one for one in left if "receipt" in one]


def test_what_only_resembles_an_anchor_leaves(store: EventStore, tmp_path: Path, anchors: AnchorSet) -> None:
    register_anchors(store.engine, anchors, NOW_US)
    prompts = ("Hello you?", QUESTION.replace("opened", "new"), QUESTION[:40], "Yes", "?!")
    for number, prompt in enumerate(prompts):
        events = [response(f"r-{number}", prompt=prompt), *said_about(f"r-{number}")]
        assert len(what_leaves(store, tmp_path, *events)) == (3 + 4) * (number + 1)


def test_the_manifest_of_an_export_says_why(store: EventStore, tmp_path: Path, anchors: AnchorSet) -> None:
    register_anchors(store.engine, anchors, NOW_US)
    what_leaves(store, tmp_path, response("r-1", prompt=QUESTION), *said_about("r-1"))
    manifest = export_labels(store, tmp_path / "why.jsonl", "sft")
    assert manifest.unused["anchored: says what a held-out item says"] == 1


def test_another_answer_to_the_prompt_of_an_anchored_pair_gives_no_label(store: EventStore, tmp_path: Path) -> None:
    for side in ("a", "b"):
        shown = {"prompt_id": f"p-{side}"}
        pair = line("preference", id=f"p-{side}", changes={side: {"response_id": f"{side}-1"}, "anchor_set": "audit"})
        events = [response(f"{side}-1", **shown), response(f"{side}-2", **shown), pair, *said_about(f"{side}-2")]
        assert what_leaves(store, tmp_path, *events) == []


def test_a_set_stays_registered_and_registering_it_again_changes_nothing(
    store_url: str, tmp_path: Path, anchors: AnchorSet
) -> None:
    for _ in range(2):
        with EventStore.open(store_url) as store:
            register_anchors(store.engine, anchors, NOW_US)
    grown = sealed(tmp_path, [{"item_id": "i-1", "prompt": QUESTION}, {"item_id": "i-3", "prompt": "A third one?"}])
    with EventStore.open(store_url) as store:
        register_anchors(store.engine, grown, NOW_US)
        with store.engine.connect() as connection:
            rows = connection.execute(text("SELECT set_digest, count(*) FROM anchor_text GROUP BY set_digest")).all()
    assert {tuple(row) for row in rows} == {(anchors.digest, 4), (grown.digest, 4)}


def test_the_store_keeps_no_word_of_an_anchor(tmp_path: Path, anchors: AnchorSet) -> None:
    path = tmp_path / "own.sqlite"
    with EventStore.open(path) as store:
        register_anchors(store.engine, anchors, NOW_US)
    content = b"".join(one.read_bytes() for one in tmp_path.glob("own.sqlite*")).lower()
    assert anchors.digest.encode() in content
    assert not [word for word in words_of(f"{QUESTION} {ANSWER}") if len(word) > 6 and word.encode() in content]


def test_every_module_of_anchors_stands_behind_the_wall() -> None:
    root = Path(__file__).parents[2]
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    walls = [one for one in contracts if one["name"].startswith("the wall of the anchors")]
    behind = {module for wall in walls for module in wall["source_modules"]}
    assert {f"judges.{path.stem}" for path in (root / "judges").glob("anchor*.py")} <= behind
    assert {"consumers.export", "consumers.curation", "consumers.routing", "consumers.routed_events"} <= behind
    assert KINDS  # the modules are there


@given(st.text())
def test_the_words_of_the_words_are_the_words(anything: str) -> None:
    words = words_of(anything)
    assert words_of(" ".join(words)) == words


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text(), st.text())
def test_any_text_is_found_however_it_is_framed(texts: list[str], before: str, after: str) -> None:
    known = Fingerprints(fingerprint(one) for one in texts)
    for one in texts:
        if words_of(one):
            assert known.hold(one)
            assert known.hold(f" {one}\n")
        if len(words_of(one)) >= 8 and words_of(f"x {one}")[1:] == words_of(one):  # not of blanks and signs alone
            assert known.hold(f"{before} {one} {after}")


def test_texts_of_characters_that_are_no_words_are_known_too() -> None:
    known = Fingerprints([fingerprint("?! :)")])
    assert known.hold(" ?!  :) ")
    assert not known.hold(":)")
    assert not known.hold("")
    assert not known.hold(None)
