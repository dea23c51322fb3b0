"""What is told of an evaluation? Answers, their scores, whether they are right; pairs with the votes of people.

Names and times come from what is on record, so that the same evaluation tells the same, byte for byte.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from judges.anchors import AnchorSet
from judges.answering import SOURCE, Answered
from judges.artefacts.lineage import plain_lineage
from judges.checkpoints import Checkpoint
from judges.emitted import envelope
from judges.engine.items import Item
from judges.held_out.anchor_grading import mean_grade
from judges.held_out.anchor_items import PreferenceItem, RubricItem
from judges.pairwise.pairs import anchored_pair_id
from judges.scores import Run, Value
from judges.scoring import Scored

T = TypeVar("T")
PEOPLE = "human"  # the name of the judge under which votes stand, as settings have it by default


class Asked(Protocol):
    """What an evaluation was asked for, as far as events tell it."""

    @property
    def checkpoint(self) -> Checkpoint: ...
    @property
    def name(self) -> str: ...
    @property
    def reward_name(self) -> str: ...
    @property
    def sets(self) -> Sequence[AnchorSet]: ...


def rated_items(sets: Sequence[AnchorSet], answered: Sequence[Answered]) -> list[Item]:
    """Everything a reward model has to score: answers, graded responses, both sides of pairs."""
    items = [Item.of(one.response_id, one.item.prompt, one.text) for one in answered if one.text is not None]
    items += [
        Item.of(graded_id(anchors, item), item.prompt, item.response) for anchors, item in _items(sets, RubricItem)
    ]
    for anchors, pair in _items(sets, PreferenceItem):
        items += [Item.of(side_id(anchors, pair, side), pair.prompt, getattr(pair, side)) for side in "ab"]
    return items


def evaluation_events(ask: Asked, answered: Sequence[Answered], scored: Scored) -> list[bytes]:
    """All of it as events, ready for any reader."""
    return [
        _checkpoint(ask, scored.run),
        *(event for one in answered for event in _answer(ask, one, scored)),
        *(event for anchors, item in _items(ask.sets, RubricItem) for event in _graded(ask, anchors, item, scored)),
        *(event for anchors, item in _items(ask.sets, PreferenceItem) for event in _pair(ask, anchors, item, scored)),
    ]


def graded_id(anchors: AnchorSet, item: RubricItem) -> str:
    """The name of a response that people graded; it is the same whatever is scored."""
    return f"{anchors.prompt_id(item)}@{_short(anchors.digest)}"


def side_id(anchors: AnchorSet, item: PreferenceItem, side: str) -> str:
    """The name of one side of a pair."""
    return f"{anchored_pair_id(anchors, item)}#{side}"


def preferred(a: Value, b: Value) -> str | None:
    """Which side the scores prefer; None when one has no score."""
    if a.value is None or b.value is None:
        return None
    return "tie" if a.value == b.value else "a" if a.value > b.value else "b"


def _checkpoint(ask: Asked, run: Run) -> bytes:
    lineage = ask.checkpoint.lineage
    facts = {
        "checkpoint": ask.name,
        "reward_model": ask.reward_name,
        "base_model": lineage.base_model.name if lineage.base_model else None,
        "teacher": lineage.teacher.name if lineage.teacher else None,
        "artifact": str(ask.checkpoint.folder),
        "sha256": ask.checkpoint.digest,
        "lineage": plain_lineage(lineage) or None,
    }
    return envelope(SOURCE, f"{ask.name}:{run.run_id}", "checkpoint", run.started_us, _given(facts))


def _answer(ask: Asked, one: Answered, scored: Scored) -> Iterator[bytes]:
    yield one.event
    yield _score(ask, one.response_id, scored.values.get(one.response_id), scored.run, one.time_us)
    outcome = {"metric": one.anchors.metric, "value": one.correct, "method": one.item.method}
    yield _outcome(one.anchors, one.response_id, outcome, one.time_us)


def _graded(ask: Asked, anchors: AnchorSet, item: RubricItem, scored: Scored) -> Iterator[bytes]:
    name, time_us = graded_id(anchors, item), _sealed_us(anchors)
    response = {
        "response_id": name,
        "checkpoint": item.checkpoint or f"anchors:{anchors.name}",
        "prompt_id": anchors.prompt_id(item),
        "environment": "evaluation",
        "cohort": _cohort(anchors, item),
        "prompt": item.prompt,
        "response": item.response,
    }
    yield envelope(SOURCE, f"{name}:response", "response", time_us, response)
    yield _score(ask, name, scored.values[name], scored.run, time_us)
    outcome = {"metric": anchors.metric, "value": mean_grade(item), "method": item.method}
    yield _outcome(anchors, name, outcome, time_us)


def _pair(ask: Asked, anchors: AnchorSet, item: PreferenceItem, scored: Scored) -> Iterator[bytes]:
    """One judgment of the reward model, one of each person."""
    a, b = (scored.values[side_id(anchors, item, side)] for side in "ab")
    choice = preferred(a, b)
    judge = {"name": ask.reward_name, "kind": "reward_model", "revision": scored.run.spec_id}
    status = {} if choice else {"status": _told_status(a if a.value is None else b)}
    yield _preference(anchors, item, f"score:{scored.run.spec_id}", judge, choice, max(_when(a), _when(b)), status)
    for vote in item.votes:
        judge = {"name": PEOPLE, "kind": "human", "annotator": vote.annotator}
        yield _preference(anchors, item, f"vote:{vote.annotator}", judge, vote.vote, _sealed_us(anchors), {})


def _preference(
    anchors: AnchorSet,
    item: PreferenceItem,
    named: str,
    judge: Mapping[str, Any],
    choice: str | None,
    time_us: int,
    status: Mapping[str, str],
) -> bytes:
    pair = anchored_pair_id(anchors, item)
    data = {
        "pair_id": pair,
        "judge": judge,
        "choice": choice,
        **status,
        "prompt_id": anchors.prompt_id(item),
        **{side: {"length": len(getattr(item, side)), "text": getattr(item, side)} for side in "ab"},
        "anchor_set": anchors.name,
        "cohort": _cohort(anchors, item),
    }
    return envelope(SOURCE, f"{pair}:{named}", "preference", time_us, data)


def _score(ask: Asked, response_id: str, value: Value | None, run: Run, answered_us: int) -> bytes:
    """A score under its ruler; one that is not there says why, or that there was no answer to score."""
    time_us = answered_us if value is None else _when(value)
    scorer = {"name": ask.reward_name, "kind": "reward_model", "revision": run.spec_id, "trained_on": True}
    status, number = ("unscoreable", None) if value is None else (_told_status(value), value.value)
    data = {"response_id": response_id, "scorer": scorer, "value": number, "status": status}
    return envelope(SOURCE, f"{response_id}:score:{run.spec_id}", "score", time_us, data)


def _told_status(value: Value) -> str:
    """The wire format has no word for a text that is too long."""
    return "unscoreable" if value.status == "too_long" else value.status


def _when(value: Value) -> int:
    """When it was measured, which another run on the same content does not change."""
    assert value.scored_us is not None
    return value.scored_us


def _outcome(anchors: AnchorSet, response_id: str, outcome: Mapping[str, Any], time_us: int) -> bytes:
    data = {**outcome, "response_id": response_id, "anchor_set": anchors.name}
    return envelope(SOURCE, f"{response_id}:outcome", "outcome", time_us, data)


def _items(sets: Sequence[AnchorSet], kind: type[T]) -> Iterator[tuple[AnchorSet, T]]:
    return ((anchors, item) for anchors in sets for item in anchors.items if isinstance(item, kind))


def _cohort(anchors: AnchorSet, item: Any) -> dict[str, str]:
    return _given({"anchor_set": anchors.name, "category": item.category})


def _sealed_us(anchors: AnchorSet) -> int:
    return round(dt.datetime.fromisoformat(anchors.manifest.sealed_at).timestamp() * 1e6)


def _short(digest: str) -> str:
    return hashlib.blake2b(digest.encode(), digest_size=8).hexdigest()


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
