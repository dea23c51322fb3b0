"""How does a checkpoint do on held-out items, by the reward the loop optimises and by what people say is right?

Both numbers are of the same answers, so that the monitor can compare the two. The two models are loaded one after the
other and need not fit at once. Numbers only: intervals and verdicts are the monitor's.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from consumers.mendable import Mendable
from consumers.store import EventStore
from judges.anchors import AnchorSet
from judges.answering import SOURCE, Answered, choose_answers, write_answers
from judges.artefacts.loading import load_model, load_tokenizer
from judges.batch import Devices
from judges.checkpoints import Checkpoint
from judges.emitted import store_events
from judges.engine.device import Place
from judges.engine.scorer import How, likelihood_scorer, reward_scorer
from judges.evaluation_events import evaluation_events, rated_items
from judges.generation import Generator
from judges.scores import ScoreBoard
from judges.scoring import Compute, Progress, Scored, in_process, score_items

Clock = Callable[[], int]  # microseconds since 1970-01-01 UTC


class NothingToScore(Mendable):
    """No anchor set was named."""


@dataclass(frozen=True)
class Ask:
    """What to evaluate. name, reward_name: of the checkpoint and of the reward model in events. max_new_tokens: of an
    answer. place, how: on what the models run, and how they are packed. workers: on how many devices at once."""

    checkpoint: Checkpoint
    name: str
    reward: Checkpoint
    reward_name: str
    sets: Sequence[AnchorSet]
    place: Place
    how: How = field(default_factory=How)
    max_new_tokens: int = 256
    workers: int = 1


@dataclass(frozen=True)
class Watch:
    """Whom to tell how far it is: of answers (what, so far, of how many), and of scores (what, progress)."""

    answers: Callable[[str, int, int], None] = lambda _what, _done, _of: None
    scores: Callable[[str, Progress], None] = lambda _what, _progress: None


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation. events: all of it, as stored. answered: in the order of the sets and their items."""

    ask: Ask
    answered: Sequence[Answered]
    scored: Scored
    events: Sequence[bytes]


def evaluate(ask: Ask, store: EventStore, now_us: Clock, watch: Watch = Watch()) -> Evaluated:
    """Answer, grade, score and tell. Killed at any moment and called again it goes on where it was.

    Raises NothingToScore, ArtifactRejected, RulerMoved, and whatever the database raises.
    """
    if not ask.sets:
        raise NothingToScore("no anchor set: add --anchors DIR, a folder that `reward-drift anchors seal` made")
    answered = _answer(ask, store, now_us, watch)
    scored = _score(ask, answered, store, now_us, watch)
    events = evaluation_events(ask, answered, scored)
    store_events(store, SOURCE, events)
    return Evaluated(ask, answered, scored, events)


def _answer(ask: Ask, store: EventStore, now_us: Clock, watch: Watch) -> list[Answered]:
    """The checkpoint's answers to every set that asks for one."""
    asking = [anchors for anchors in ask.sets if anchors.kind in ("exact", "choice")]
    if not asking:
        return []
    model = load_model(ask.checkpoint, "causal", dtype=ask.place.dtype, device=ask.place.device)
    tokenizer, digest = load_tokenizer(ask.checkpoint), ask.checkpoint.digest
    generator = Generator(model, tokenizer, digest, max_new_tokens=ask.max_new_tokens)
    scorer = likelihood_scorer(model, tokenizer, digest, ask.how)
    answered: list[Answered] = []
    for anchors in asking:
        what = f"{ask.name} answers {anchors.name}"
        if anchors.kind == "exact":
            tell_answers = _naming(watch.answers, what)
            answered += write_answers(generator, anchors, ask.name, store, now_us, tell_answers)
        else:
            tell_scores = _naming(watch.scores, what)
            compute = _computing(ask, ask.checkpoint)
            answered += choose_answers(scorer, anchors, ask.name, store, now_us, tell_scores, compute)
    return answered


def _score(ask: Ask, answered: Sequence[Answered], store: EventStore, now_us: Clock, watch: Watch) -> Scored:
    """What the reward model makes of the answers, and of what people compared or graded."""
    _free_memory()
    model = load_model(ask.reward, "sequence_classification", dtype=ask.place.dtype, device=ask.place.device)
    scorer = reward_scorer(model, load_tokenizer(ask.reward), ask.reward.digest, ask.how)
    tell = _naming(watch.scores, f"{ask.reward_name} scores {ask.name}")
    return score_items(
        scorer,
        rated_items(ask.sets, answered),
        ScoreBoard(store.engine),
        subject=ask.name,
        now_us=now_us,
        tell=tell,
        compute=_computing(ask, ask.reward),
    )


def _computing(ask: Ask, checkpoint: Checkpoint) -> Compute:
    return in_process if ask.workers == 1 else Devices(ask.workers, checkpoint, ask.place)


def _naming(tell: Callable[..., None], what: str) -> Callable[..., None]:
    return lambda *told: tell(what, *told)


def _free_memory() -> None:
    """The model before this one is gone by now; its memory may not be."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
