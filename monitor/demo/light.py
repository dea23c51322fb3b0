"""The loop's models without torch: hashed words for the reward, best-of-n selection for the tuning.

The reference answers with its first draft; every later checkpoint answers with the best of n drafts by the reward, n
growing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from judges.thumbs_model import ThumbsModel, fit
from monitor.demo.loop import Drafter, Kind, Reward
from monitor.demo.wire import Event
from monitor.demo.world import FloatArray, Tickets
from monitor.demo.writer import write_answers

BEST_OF = (1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16)  # drafts per ticket, by checkpoint


@dataclass(frozen=True)
class HashedReward:
    """A thumbs model; it reads the answer alone."""

    model: ThumbsModel

    @property
    def revision(self) -> str:
        return self.model.revision

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> FloatArray:
        return self.model.score(answers)


@dataclass(frozen=True)
class BestOfN:
    """The writer's drafts, `BEST_OF[number]` for each ticket, of which the reward chooses."""

    number: int = 0
    reward: Reward | None = None

    @property
    def kl_nats(self) -> float:
        """Most KL divergence from the first policy that best-of-n can have."""
        return math.log(BEST_OF[self.number]) - (BEST_OF[self.number] - 1) / BEST_OF[self.number]

    @property
    def tuned_from(self) -> int | None:
        return 0 if self.number else None

    def answer(self, rng: np.random.Generator, tickets: Tickets) -> list[str]:
        best_of = BEST_OF[self.number]
        drafts = write_answers(rng, tickets, best_of)
        if self.reward is None:
            return drafts
        asked = [prompt for prompt in tickets.prompts() for _ in range(best_of)]
        scores = self.reward.score(asked, drafts).reshape(len(tickets), best_of)
        best = scores.argmax(axis=1) + np.arange(len(tickets)) * best_of
        return [drafts[row] for row in best.tolist()]

    def tuned(self, rng: np.random.Generator, reward: Reward) -> "BestOfN":
        return BestOfN(self.number + 1, reward)


class LightWorkshop:
    """Nothing to install, nothing to keep."""

    def first(self) -> BestOfN:
        return BestOfN()

    def learn(
        self,
        kind: Kind,
        rng: np.random.Generator,
        prompts: Sequence[str],
        answers: Sequence[str],
        given: Sequence[int],
    ) -> HashedReward:
        return HashedReward(fit(answers, given))

    def keep(self, kind: Kind, name: str, drafter: Drafter) -> Mapping[str, Any]:
        return {}

    def score_kept(self, kind: Kind) -> Iterator[Event]:
        return iter(())
