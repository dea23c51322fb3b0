"""What does a checkpoint answer to held-out questions, and is it right?

An answer is given once and kept in the store, with everything it hangs on in its name; whoever asks again reads it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from consumers.response_texts import responses_told
from consumers.store import EventStore
from judges.anchors import AnchorSet
from judges.emitted import envelope, store_events
from judges.engine.items import Item, Message, Unscoreable
from judges.engine.scorer import Scorer
from judges.generation import Generator
from judges.held_out.anchor_grading import choose, is_right
from judges.held_out.anchor_items import AnchorItem, ChoiceItem, ExactItem
from judges.scores import ScoreBoard, Value
from judges.scoring import Compute, Progress, in_process, score_items

SOURCE = "/reward-drift/score"

Clock = Callable[[], int]


@dataclass(frozen=True)
class Answered:
    """An anchor item and what was answered. text: None when there is no answer, for the reason in `detail`."""

    anchors: AnchorSet
    item: AnchorItem
    response_id: str
    checkpoint: str
    time_us: int
    text: str | None
    detail: str = ""

    @property
    def event(self) -> bytes:
        """The response, in the environment that never mixes with production."""
        told = {"category": self.item.category} if self.item.category else {}
        data = {
            "response_id": self.response_id,
            "checkpoint": self.checkpoint,
            "prompt_id": self.anchors.prompt_id(self.item),
            "environment": "evaluation",
            "cohort": {"anchor_set": self.anchors.name, **told},
            "prompt": self.item.prompt,
            **({"length": 0} if self.text is None else {"response": self.text}),
        }
        return envelope(SOURCE, f"{self.response_id}:response", "response", self.time_us, data)

    @property
    def correct(self) -> bool:
        """Whether it is right; no answer is a wrong one."""
        if self.text is None:
            return False
        if isinstance(self.item, ChoiceItem):
            return self.text == self.item.options[self.item.right]
        assert isinstance(self.item, ExactItem)
        return is_right(self.item, self.text)


def write_answers(
    generator: Generator,
    anchors: AnchorSet,
    checkpoint: str,
    store: EventStore,
    now_us: Clock,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Answered]:
    """The checkpoint's own words on a set of kind `exact`, each batch stored before the next is begun.

    Killed at any moment and called again it repeats at most one batch. tell: called with (answers so far, of how many).
    """
    names = {item.item_id: response_id(anchors, item, checkpoint, generator.spec.spec_id) for item in anchors.items}
    answers = _on_record(anchors, checkpoint, names, store)
    missing = [question_of(item) for item in anchors.items if item.item_id not in answers]
    by_id = {item.item_id: item for item in anchors.items}
    for batch in generator.answer(missing):
        now = now_us()
        fresh = [
            Answered(anchors, by_id[asked.item_id], names[asked.item_id], checkpoint, now, answer.text)
            if not isinstance(answer, Unscoreable)
            else Answered(anchors, by_id[asked.item_id], names[asked.item_id], checkpoint, now, None, answer.detail)
            for asked, answer in batch
        ]
        store_events(store, SOURCE, (answered.event for answered in fresh))
        answers.update((answered.item.item_id, answered) for answered in fresh)
        tell(len(answers), len(names))
    return [answers[item.item_id] for item in anchors.items]


def choose_answers(
    scorer: Scorer,
    anchors: AnchorSet,
    checkpoint: str,
    store: EventStore,
    now_us: Clock,
    tell: Callable[[Progress], None] = lambda _: None,
    compute: Compute = in_process,
) -> list[Answered]:
    """The option of each item of a set of kind `choice` that the checkpoint finds likeliest, per byte.

    Per byte, because a sum favours short options and tokens differ between models (Gao et al. 2021, lm-evaluation).
    """
    asked = [(item, at, text) for item in choices_of(anchors) for at, text in enumerate(item.options)]
    items = [Item.of(option_id(item, at), item.prompt, text) for item, at, text in asked]
    board = ScoreBoard(store.engine)
    done = score_items(scorer, items, board, subject=checkpoint, now_us=now_us, tell=tell, compute=compute)
    answered = [
        Answered(
            anchors,
            item,
            response_id(anchors, item, checkpoint, done.run.spec_id),
            checkpoint,
            done.run.started_us,
            *likeliest(item, done.values),
        )
        for item in choices_of(anchors)
    ]
    store_events(store, SOURCE, (one.event for one in answered))
    return answered


def likeliest(item: ChoiceItem, values: Mapping[str, Value]) -> tuple[str | None, str]:
    """(the option with the highest log-likelihood per byte, why there is none). One option without a score: none."""
    given = [values[option_id(item, at)] for at in range(len(item.options))]
    failed = [value for value in given if value.status != "ok"]
    if failed:
        return None, f"an option has no score: {failed[0].detail}"
    best = choose(item, [value.outputs for value in given]).per_byte.option
    return (None, "several options are equally likely") if best is None else (item.options[best], "")


def option_id(item: ChoiceItem, at: int) -> str:
    """The name of one option of an item."""
    return f"{item.item_id}#{at}"


def response_id(anchors: AnchorSet, item: AnchorItem, checkpoint: str, spec_id: str) -> str:
    """The name of an answer: its place, and a hash of all that it hangs on."""
    content = f"{anchors.digest}\0{checkpoint}\0{spec_id}".encode()
    return f"{anchors.prompt_id(item)}@{hashlib.blake2b(content, digest_size=8).hexdigest()}"


def _on_record(anchors: AnchorSet, checkpoint: str, names: Mapping[str, str], store: EventStore) -> dict[str, Answered]:
    told = responses_told(store.engine, names.values())
    return {
        item.item_id: Answered(
            anchors, item, names[item.item_id], checkpoint, *told[names[item.item_id]], detail="on record without text"
        )
        for item in anchors.items
        if names[item.item_id] in told
    }


def question_of(item: AnchorItem) -> Item:
    """The item's prompt, to be answered."""
    return Item(item.item_id, (Message("user", item.prompt),))


def choices_of(anchors: AnchorSet) -> Iterator[ChoiceItem]:
    """The items of a set of kind `choice`."""
    for item in anchors.items:
        assert isinstance(item, ChoiceItem)
        yield item
