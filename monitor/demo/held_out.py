"""How do the demo's checkpoints do on questions that no loop has seen, by people and by the reward?

An item is a question and two of the support team's drafts of like length, of which one helps and one does not: people
who know the handbook said which. A checkpoint takes the draft that it finds likelier itself; the loop's reward model
scores what it took. Both numbers are then of the same items for every checkpoint.
"""

import functools
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consumers.store import EventStore
from judges.anchors import AnchorSet, seal_anchors
from judges.checkpoints import open_checkpoint
from judges.engine.device import choose_place
from judges.evaluation import Ask, evaluate
from monitor.demo.loop import REWARD_NAME, Kind, schedule
from monitor.demo.prose import INTENTS
from monitor.demo.wire import START, Event, at
from monitor.demo.world import Tickets, stream, words_to_right_step
from monitor.demo.writer import write_answers

NAME = "support-handbook"
ITEMS_EACH = 20  # for each intent
DRAFTS = 200  # of which an item takes two
SOON, LATE = 60, 95  # words up to the right step: nearly everybody reads so far; every second gives up before
LONGER = 30  # words that the draft which fails may have more, and never fewer


def seal_questions(seed: int, folder: Path) -> AnchorSet:
    """Seal held-out questions with two drafts each as FOLDER/support-handbook, in place of earlier ones."""
    rng = stream(seed, "held-out")
    shutil.rmtree(folder / NAME, ignore_errors=True)
    source = folder / f"{NAME}.jsonl"
    items = [item for intent in range(len(INTENTS)) for item in _items(rng, intent)]
    source.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return seal_anchors(source, folder / NAME, name=NAME, kind="choice", sealed_at=START)


def score_checkpoints(kind: Kind, folder: Path, anchors: AnchorSet) -> Iterator[Event]:
    """Score every sealed checkpoint of a loop on the questions, on the day it begins to serve: the events of that."""
    reward = open_checkpoint(folder / kind / REWARD_NAME)
    place = choose_place("cpu", "fp32", 1)
    with tempfile.TemporaryDirectory() as scratch, EventStore.open(Path(scratch) / "scores.sqlite") as store:
        for checkpoint in schedule():
            sealed = open_checkpoint(folder / kind / checkpoint.name)
            ask = Ask(sealed, checkpoint.name, reward, REWARD_NAME, [anchors], place)
            now_us = int(at(checkpoint.days.start, 3_600).timestamp() * 1_000_000)
            yield from map(json.loads, evaluate(ask, store, functools.partial(int, now_us)).events)


def _items(rng: np.random.Generator, intent: int) -> Iterator[dict[str, Any]]:
    for number in range(ITEMS_EACH):
        helps, fails = _pair(intent, write_answers(rng, _asked(intent), DRAFTS))
        right = int(rng.integers(2))
        yield {
            "item_id": f"{INTENTS[intent].name}-{number}",
            "prompt": INTENTS[intent].held_out,
            "options": [fails, helps] if right else [helps, fails],
            "right": right,
            "method": "human",
            "annotators": ["annotator-0", "annotator-1"],
            "category": INTENTS[intent].name,
        }


def _pair(intent: int, drafts: Sequence[str]) -> tuple[str, str]:
    """The first draft that helps and the first that fails beside it, of like length."""
    needed = [words_to_right_step(intent, draft) for draft in drafts]
    helping = [draft for draft, words in zip(drafts, needed, strict=True) if words <= SOON]
    failing = [draft for draft, words in zip(drafts, needed, strict=True) if words > LATE]
    pairs = ((helps, fails) for fails in failing for helps in helping)
    return next((h, f) for h, f in pairs if 0 <= f.count(" ") - h.count(" ") <= LONGER)


def _asked(intent: int) -> Tickets:
    one = np.zeros(1, np.int64)
    return Tickets(one, one, one, one + intent, one)
