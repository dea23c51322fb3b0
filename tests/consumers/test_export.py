import datetime as dt
import hashlib
import itertools
import json
import random

import pyarrow.parquet
import pytest

from consumers.export import ExportError, export_labels
from consumers.ingest import ingest
from consumers.purpose import RULES_VERSION
from consumers.sources import JsonlSource
from consumers.store import EventStore

ANNOTATOR = {"id": "ann-1", "role": "annotator"}
DESK = {"name": "desk", "environment": "production", "purpose": "curation"}
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)

numbers = itertools.count()


def event(kind, minute=0, **data):
    time = (START + dt.timedelta(minutes=minute)).isoformat()
    return {
        "specversion": "1.0",
        "id": f"{next(numbers):06}",
        "source": "/test",
        "type": f"rewarddrift.{kind}.v1",
        "time": time,
        "data": data,
    }


def response(name="r-1", **data):
    texts = {"prompt": f"prompt of {name}", "response": f"response of {name}"}
    return event("response", response_id=name, **{"checkpoint": "ckpt-03", "user": "u-1", **texts, **data})


def feedback(name="r-1", minute=1, **data):
    """A thumb up of an annotator at the desk, unless said otherwise."""
    given = {"signal": "thumbs", "value": 1, "actor": ANNOTATOR, "surface": DESK, "rubric": "v2", **data}
    return event(
        "feedback", minute, response_id=name, **{key: value for key, value in given.items() if value is not None}
    )


def correction(name="r-1", minute=1, text="better", **data):
    return feedback(name, minute, signal="correction", value=None, correction=text, **data)


def export(tmp_path, events, shape, out="labels.jsonl", **options):
    """Ingest the events into a new store, export, and read back what left."""
    source = tmp_path / f"events-{next(numbers)}.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in events))
    with EventStore.open(":memory:") as store:
        result = ingest(JsonlSource([source]), store)
        assert result.appended.rejected == 0
        manifest = export_labels(store, tmp_path / out, shape, now=lambda: START, **options)
    rows = [json.loads(line) for line in (tmp_path / out).read_text().splitlines()] if out.endswith("jsonl") else None
    return rows, manifest


def test_thumbs_of_annotators_leave_as_unpaired_labels(tmp_path):
    events = [response("r-1"), response("r-2"), feedback("r-1", value=1), feedback("r-2", 2, value=0)]
    rows, _ = export(tmp_path, events, "unpaired")
    assert rows == [
        {"prompt": "prompt of r-1", "completion": "response of r-1", "label": True},
        {"prompt": "prompt of r-2", "completion": "response of r-2", "label": False},
    ]


def test_ratings_become_labels_only_through_a_threshold(tmp_path):
    stars = {"signal": "rating", "scale": [1, 5]}
    events = [response("r-1"), response("r-2"), feedback("r-1", value=4, **stars), feedback("r-2", value=3, **stars)]
    rows, manifest = export(tmp_path, events, "unpaired")
    assert rows == []
    assert manifest.unused == {"rating without a threshold": 2}
    rows, _ = export(tmp_path, events, "unpaired", out="with.jsonl", rating_threshold=0.75)
    assert [row["label"] for row in rows] == [True, False]


def test_a_correction_is_the_completion_or_the_chosen_answer(tmp_path):
    events = [response(), correction(text="It is 30 days.")]
    rows, _ = export(tmp_path, events, "sft")
    assert rows == [{"prompt": "prompt of r-1", "completion": "It is 30 days."}]
    rows, _ = export(tmp_path, events, "preference", out="pairs.jsonl")
    assert rows == [{"prompt": "prompt of r-1", "chosen": "It is 30 days.", "rejected": "response of r-1"}]


@pytest.mark.parametrize(
    ("change", "purpose"),
    [
        ({"actor": {"id": "u-1", "role": "end_user"}, "surface": {**DESK, "purpose": "product"}}, "reward"),
        ({"actor": {"id": "e-1", "role": "engineer"}}, "debugging"),
        ({"surface": {**DESK, "purpose": "debugging"}}, "debugging"),
        ({"rubric": None}, "debugging"),
        ({"actor": None}, "debugging"),
        ({"surface": None}, "debugging"),
    ],
)
def test_nothing_but_curation_leaves_and_the_manifest_counts_the_rest(tmp_path, change, purpose):
    rows, manifest = export(tmp_path, [response(), feedback(**change)], "unpaired")
    assert rows == []
    assert manifest.withheld_by_purpose == {purpose: 1}
    assert sum(manifest.withheld_by_rule.values()) == 1


anchor = {"metric": "correct", "value": True, "method": "human", "anchor_set": "anchors"}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "response unknown"),
        ([response(environment="staging")], "response from staging"),
        ([response(environment="development")], "response from development"),
        ([response(environment="evaluation")], "response from evaluation"),
        ([response(), response(environment="staging")], "response from staging"),
        ([response(), event("outcome", response_id="r-1", **anchor)], "anchored: held out for measuring"),
        (
            [response(conversation_id="c-1"), event("outcome", conversation_id="c-1", **anchor)],
            "anchored: held out for measuring",
        ),
        ([response(), event("outcome", user="u-1", **anchor)], "anchored: held out for measuring"),
        (
            [
                response(prompt_id="p-1"),
                response("r-2", prompt_id="p-1"),
                event("outcome", response_id="r-2", **anchor),
            ],
            "anchored: held out for measuring",
        ),
        (
            [
                response(),
                event(
                    "preference",
                    pair_id="x",
                    judge={"name": "human", "kind": "human"},
                    choice="a",
                    a={"response_id": "r-1"},
                    anchor_set="anchors",
                ),
            ],
            "anchored: held out for measuring",
        ),
        ([response(), event("erasure", user="u-1")], "user asked for erasure"),
        ([response(), event("erasure", user="ann-1")], "user asked for erasure"),
        ([response(prompt=None)], "no text of the prompt"),
        ([response(response=None)], "no text of the response"),
    ],
)
@pytest.mark.parametrize("shape", ["unpaired", "preference"])
def test_curation_that_may_not_be_used_is_withheld_under_its_reason(tmp_path, events, reason, shape):
    label = feedback() if shape == "unpaired" else correction()
    rows, manifest = export(tmp_path, [*events, label], shape)
    assert rows == []
    assert manifest.unused == {reason: 1}


@pytest.mark.parametrize(
    ("shape", "label", "reason"),
    [
        ("unpaired", correction(), "signal correction has no place in this shape"),
        ("sft", feedback(), "signal thumbs has no place in this shape"),
        ("sft", correction(text=None), "no text of the correction"),
        ("preference", correction(text="response of r-1"), "correction equals the response"),
    ],
)
def test_curation_that_does_not_fit_the_shape_is_told(tmp_path, shape, label, reason):
    rows, manifest = export(tmp_path, [response(), label], shape)
    assert rows == []
    assert manifest.unused == {reason: 1}


def test_the_last_reaction_of_an_actor_counts_by_event_time_whatever_the_order_of_arrival(tmp_path):
    events = [
        response(),
        feedback(minute=1, value=1),
        feedback(minute=3, value=0),
        feedback(minute=2, value=1),
        feedback(minute=2, value=1, actor={"id": "ann-2", "role": "annotator"}),
    ]
    seen = set()
    for attempt in range(6):
        rows, manifest = export(tmp_path, random.Random(attempt).sample(events, 5), "unpaired", f"{attempt}.jsonl")
        assert [row["label"] for row in rows] == [True, False]
        assert manifest.unused == {"replaced by a later reaction": 2}
        seen.add(manifest.sha256)
    assert len(seen) == 1


def test_reactions_of_one_moment_are_ordered_by_source_and_id(tmp_path):
    earlier, later = feedback(value=1), feedback(value=0)
    for name, events in (("a.jsonl", [earlier, later]), ("b.jsonl", [later, earlier])):
        rows, _ = export(tmp_path, [response(), *events], "unpaired", name)
        assert [row["label"] for row in rows] == [False]


def test_the_manifest_says_what_left_when_and_under_which_rules(tmp_path):
    events = [response(), response("r-2", checkpoint="ckpt-04"), feedback(minute=1), feedback("r-2", minute=2, value=0)]
    _, manifest = export(tmp_path, events, "unpaired")
    written = json.loads((tmp_path / "labels.jsonl.manifest.json").read_text())
    assert written["rows"] == manifest.rows == 2
    assert written["sha256"] == hashlib.sha256((tmp_path / "labels.jsonl").read_bytes()).hexdigest()
    assert written["created_at"] == "2026-03-02T09:00:00Z"
    assert (written["first"], written["last"]) == ("2026-03-02T09:01:00Z", "2026-03-02T09:02:00Z")
    assert written["checkpoints"] == {"ckpt-03": 1, "ckpt-04": 1}
    assert written["purpose_rules"] == [RULES_VERSION]
    assert sorted(path.name for path in tmp_path.glob("*label*")) == ["labels.jsonl", "labels.jsonl.manifest.json"]


@pytest.mark.parametrize(
    ("shape", "label", "columns"),
    [
        ("unpaired", feedback(), {"prompt": "string", "completion": "string", "label": "bool"}),
        ("sft", correction(), {"prompt": "string", "completion": "string"}),
        ("preference", correction(), {"prompt": "string", "chosen": "string", "rejected": "string"}),
    ],
)
def test_parquet_has_the_columns_of_the_trainer_even_without_rows(tmp_path, shape, label, columns):
    for name, events in (("full.parquet", [response(), label]), ("empty.parquet", [response()])):
        _, manifest = export(tmp_path, events, shape, name)
        table = pyarrow.parquet.read_table(tmp_path / name)
        assert {field.name: str(field.type) for field in table.schema} == columns
        assert table.num_rows == manifest.rows


def test_an_existing_file_is_replaced_only_when_forced(tmp_path):
    events = [response(), feedback()]
    export(tmp_path, events, "unpaired")
    with pytest.raises(ExportError, match=r"labels\.jsonl: exists"):
        export(tmp_path, events, "unpaired")
    rows, _ = export(tmp_path, events, "unpaired", force=True)
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("out", "shape", "options", "message"),
    [
        ("labels.csv", "sft", {}, "unknown suffix"),
        ("labels.jsonl", "dpo", {}, "choose one of unpaired, sft, preference"),
        ("absent/labels.jsonl", "sft", {}, "mkdir -p"),
        ("labels.jsonl", "unpaired", {"rating_threshold": 4.0}, "from 0 to 1"),
        ("labels.jsonl", "unpaired", {"rating_threshold": float("nan")}, "from 0 to 1"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(tmp_path, out, shape, options, message):
    with pytest.raises(ExportError, match=message):
        export(tmp_path, [], shape, out, **options)
    assert not list(tmp_path.glob("*labels*"))
