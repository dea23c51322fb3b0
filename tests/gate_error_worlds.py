"""Worlds in which a candidate's true loss is known in each of five cohorts, and what the gate decides of them.

One store holds who answered which prompt; each world draws rewards and outcomes anew. Nothing is drawn from any data.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from consumers.store import EventStore
from monitor.check import load_checks
from monitor.gate.result import Decision, GateFinding
from monitor.gate.run import decide_trial
from monitor.gate.sides import trial_of
from monitor.production.items import load_items
from monitor.statistics.sample_test import sample_test
from tests.monitor.events import DAY, START, Event, in_memory, outcome, response, settings, thumbs

COHORTS = ("a", "b", "c", "d", "e")
TOLERANCE, ALPHA = 0.1, 0.05
CHECK = "reward_outcome_decoupling"
CHOSEN = settings(
    cohorts=["tier"], checks={name: {"tolerance": TOLERANCE} for name in (CHECK, "cohort_regression", "worst_cohort")}
)
AS_OF = START + 30 * DAY
FLIPPED = 0.2  # share of prompts on which a binary outcome differs, where the same prompts are answered


@dataclass(frozen=True)
class Kind:
    """How outcomes come: on the same prompts or not, 0 and 1 or anything between."""

    paired: bool
    binary: bool

    @property
    def name(self) -> str:
        """In words."""
        return f"{'paired' if self.paired else 'two samples'}, {'binary' if self.binary else 'graded'}"


KINDS = [Kind(paired, binary) for paired in (True, False) for binary in (True, False)]


class Worlds:
    """Trials of two checkpoints with so many answers each in every cohort."""

    def __init__(self, paired: bool, answers: int) -> None:
        self.paired, self.answers = paired, answers
        self.checks = [load_checks()[name] for name in (CHECK, "cohort_regression", "worst_cohort")]
        self.store: EventStore = in_memory(_events(paired, answers))
        self.items = load_items(self.store.engine, CHOSEN, AS_OF)
        frame = self.items.frame
        self.candidate = (frame["checkpoint"] == "ckpt-1").to_numpy()
        told = frame["response_id"].str.split("-", expand=True)
        self.cohort = told[1].map(COHORTS.index).to_numpy(np.int64)
        self.place = told[2].astype(int).to_numpy() + answers * self.cohort

    def decided(
        self, kind: Kind, losses: Sequence[float], rng: np.random.Generator
    ) -> tuple[Decision, list[GateFinding]]:
        """What the gate decides of one draw. losses: true loss of outcome, by cohort."""
        loss = np.asarray(losses)[self.cohort]
        told = _binary(self, loss, rng) if kind.binary else _graded(self, loss, rng)
        reward = (rng.random(told.size) < 0.6).astype(float)
        frame: pd.DataFrame = self.items.frame.assign(outcome=told, reward=reward)
        items = replace(self.items, frame=frame)
        trial = trial_of(items, self.store.engine, CHOSEN, "ckpt-1", "ckpt-0", AS_OF, "offline")
        found = decide_trial(trial, self.checks, (CHECK,))
        return found.decision, found.findings


def decisions(worlds: Worlds, kind: Kind, losses: Sequence[float], repeats: int, seed: int) -> "Counter[Decision]":
    """How often each was decided."""
    rng = np.random.default_rng((seed, kind.paired, kind.binary))
    return Counter(worlds.decided(kind, losses, rng)[0] for _ in range(repeats))


def _events(paired: bool, answers: int) -> Iterator[Event]:
    for checkpoint in ("ckpt-0", "ckpt-1"):
        for tier in COHORTS:
            for number in range(answers):
                name = f"{checkpoint[-1]}-{tier}-{number}"
                asked = f"{tier}{number}" if paired else None
                at = START + number % 7 * DAY
                yield response(name, at, checkpoint, cohort={"tier": tier}, prompt_id=asked, user=name)
                yield thumbs(name, at, 1.0, actor=name)
                yield outcome(at + DAY, True, response_id=name)


def _binary(world: Worlds, loss: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Success of .7 in the reference; on the same prompts a fifth of the outcomes differ."""
    size = world.place.max() + 1
    before = rng.random(size) < 0.7
    if not world.paired:
        return np.where(world.candidate, rng.random(loss.size) < 0.7 - loss, before[world.place]).astype(float)
    lost, won = (FLIPPED + loss) / 2 / 0.7, (FLIPPED - loss) / 2 / 0.3
    flips = rng.random(loss.size)
    was = before[world.place]
    now = np.where(was, flips >= lost, flips < won)
    return np.where(world.candidate, now, was).astype(float)


def _graded(world: Worlds, loss: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A prompt's own level, and up to .2 around it: nothing is cut at 0 or 1, so that the loss is what it says."""
    level = rng.uniform(0.45, 0.75, world.place.max() + 1)
    own = level[world.place] if world.paired else rng.uniform(0.45, 0.75, loss.size)
    return own + rng.uniform(-0.2, 0.2, loss.size) - np.where(world.candidate, loss, 0.0)


def sizes(pilots: int, tolerance: float = 0.03, seed: int = 7) -> tuple[int, int, int]:
    """How many of so many samples passed at the size that pilots ask for, and showed a harm that these call visible.

    Pairs of which a fifth differ; the middle of 50 pilots of 300 pairs each says how many it takes in all to pass, and
    of as many as that how large a harm would be shown.
    """
    rng = np.random.default_rng(seed)
    needed = int(np.median([sample_test(_pairs(rng, 300, 0.0), tolerance).needed or 0 for _ in range(50)]))
    visible = float(np.median([sample_test(_pairs(rng, needed, 0.0), tolerance).visible for _ in range(50)]))
    passed = sum(sample_test(_pairs(rng, needed, 0.0), tolerance).p_safe < ALPHA for _ in range(pilots))
    shown = sum(sample_test(_pairs(rng, needed, visible), tolerance).p_harm < ALPHA for _ in range(pilots))
    return passed, shown, pilots


def _pairs(rng: np.random.Generator, n: int, loss: float) -> np.ndarray:
    """Losses of 1, 0 or -1 of a mean, with a fifth that differ."""
    return rng.choice([1.0, -1.0, 0.0], n, p=[(FLIPPED + loss) / 2, (FLIPPED - loss) / 2, 1 - FLIPPED])
