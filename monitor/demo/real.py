"""The loop's models as small transformers: language models that write answers, a classifier that learned the thumbs.

The first policy is fitted to answers of the support team; every later checkpoint is the one before it, trained a little
on those of its own drafts that the reward likes best. All are kept as sealed folders.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from judges.anchors import AnchorSet
from judges.checkpoints import seal_checkpoint
from judges.tiny.policy import TinyPolicy
from judges.tiny.reward import TinyReward
from judges.tiny.tokenizer import learn_tokenizer
from monitor.demo.held_out import score_checkpoints, seal_questions
from monitor.demo.loop import REWARD_NAME, Drafter, Kind, Reward
from monitor.demo.prose import INTENTS, OPENINGS
from monitor.demo.wire import Event
from monitor.demo.world import Tickets, open_tickets, settle, stream
from monitor.demo.writer import SENTENCES, write_answers

TEAM_DAYS = range(-200, -142)  # whose answers taught the first policy
LONGEST = 14  # tokens of an answer, and nearly every sentence is one
KEPT = 20  # drafts that a checkpoint is tuned on, for each wording of each question
BEST_OF = 4
RATE = 8e-5  # small enough that twelve checkpoints stay within a few nats of the first

PROMPTS = [prompt for intent in INTENTS for prompt in intent.prompts]
HELD_OUT = [intent.held_out for intent in INTENTS]


@dataclass(frozen=True)
class TunedPolicy:
    """A small language model, and the one that all tuning began with."""

    model: TinyPolicy
    first: TinyPolicy
    number: int = 0

    @functools.cached_property
    def kl_nats(self) -> float:
        """Mean log ratio over answers of its own: an estimate, and never below 0 as the divergence is not."""
        if not self.number:
            return 0.0
        asked = PROMPTS * KEPT
        answers = self.model.sample(asked, seed=self.number, longest=LONGEST)
        ratios = self.model.log_likelihood(asked, answers) - self.first.log_likelihood(asked, answers)
        return max(0.0, float(ratios.mean()))

    @property
    def tuned_from(self) -> int | None:
        return self.number - 1 if self.number else None

    def answer(self, rng: np.random.Generator, tickets: Tickets) -> list[str]:
        return self.model.sample(tickets.prompts(), seed=_seed(rng), longest=LONGEST)

    def tuned(self, rng: np.random.Generator, reward: Reward) -> "TunedPolicy":
        model = self.model.tuned(
            PROMPTS * KEPT, reward.score, seed=_seed(rng), best_of=BEST_OF, rate=RATE, longest=LONGEST
        )
        return TunedPolicy(model, self.first, self.number + 1)


class RealWorkshop:
    """Models trained in this process and sealed in FOLDER/KIND/thumbs-model, FOLDER/KIND/ckpt-00 and so on."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        folder.mkdir(parents=True, exist_ok=True)

    @functools.cache  # noqa: B019 - both loops begin with one policy, and a workshop lives as long as they do
    def first(self) -> TunedPolicy:
        """Fitted to two months of the support team's answers; one in four was to a question in its held-out wording."""
        rng = stream(self._seed, "team")
        tickets = open_tickets(rng, settle(stream(self._seed, "customers")), TEAM_DAYS)
        answers = write_answers(rng, tickets, 1)
        other = rng.random(len(tickets)) < 1 / 4
        prompts = [HELD_OUT[i] if o else p for i, o, p in zip(tickets.intent, other, tickets.prompts(), strict=True)]
        tokenizer = learn_tokenizer(
            [*PROMPTS, *HELD_OUT, *SENTENCES],
            openings=[*PROMPTS, *HELD_OUT, *OPENINGS],
            sentences=[sentence for sentence in SENTENCES if sentence and sentence not in OPENINGS],
        )
        model = TinyPolicy.build(tokenizer, _seed(rng))
        model = model.fitted(prompts, answers, seed=_seed(rng), passes=5, rate=5e-3)
        return TunedPolicy(model, model)

    def learn(
        self,
        kind: Kind,
        rng: np.random.Generator,
        prompts: Sequence[str],
        answers: Sequence[str],
        given: Sequence[int],
    ) -> TinyReward:
        model = TinyReward.build(self.first().model.tokenizer, _seed(rng))
        model = model.fitted(prompts, answers, given, seed=_seed(rng))
        self._seal(model, kind, REWARD_NAME)
        return model

    def keep(self, kind: Kind, name: str, drafter: Drafter) -> Mapping[str, Any]:
        assert isinstance(drafter, TunedPolicy)
        return {"artifact": f"{kind}/{name}", "sha256": self._seal(drafter.model, kind, name)}

    def score_kept(self, kind: Kind) -> Iterator[Event]:
        return score_checkpoints(kind, self._folder, self._questions())

    @functools.cache  # noqa: B019 - as above
    def _questions(self) -> AnchorSet:
        return seal_questions(self._seed, self._folder)

    def _seal(self, model: TinyPolicy | TinyReward, kind: Kind, name: str) -> str:
        folder = self._folder / kind / name
        model.save(folder)
        return seal_checkpoint(folder)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
