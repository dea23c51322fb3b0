"""Which of two answers to a harmful request did people prefer? Recorded pairs of REWARD_DRIFT_DATA/hh_harmless.

The split is by prompt, from a hash of its text: two answers to one request never stand on both sides of it.
"""

import gzip
import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(os.environ.get("REWARD_DRIFT_DATA", ""), "hh_harmless", "pairs.jsonl.gz")
HELD_OUT = 0.3


@dataclass(frozen=True)
class Pair:
    """The last turn of a dialogue and two answers to it. place: in [0, 1), by the hash of the whole dialogue."""

    pair_id: str
    request: str
    chosen: str
    rejected: str
    place: float

    @property
    def is_held_out(self) -> bool:
        return self.place < HELD_OUT

    @property
    def words(self) -> int:
        """Of what a model reads: the request with either answer."""
        return len(f"{self.request} {self.chosen} {self.request} {self.rejected}".split())


@dataclass(frozen=True)
class Accuracy:
    """Share of pairs that a rule orders as people did; a tie counts half. n: pairs."""

    value: float
    n: int

    @classmethod
    def of(cls, margins: Sequence[float]) -> "Accuracy":
        """margins: score of the chosen answer minus that of the rejected one."""
        return cls(sum((margin > 0) + (margin == 0) / 2 for margin in margins) / len(margins), len(margins))

    @property
    def error(self) -> float:
        """Standard error of a share."""
        return math.sqrt(self.value * (1 - self.value) / self.n)


def read_pairs() -> list[Pair]:
    """All pairs of two different answers to one prompt, in an order that has nothing to do with the file's."""
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = [
        Pair(
            row["item_id"], _last_turn(row["prompt"]), row["human_chosen"], row["human_rejected"], _place(row["prompt"])
        )
        for row in rows
        if row["same_prompt"] and len({"", row["human_chosen"].strip(), row["human_rejected"].strip()}) == 3
    ]
    return sorted(pairs, key=lambda pair: (pair.place, pair.pair_id))


def length_margins(training: Sequence[Pair], pairs: Sequence[Pair]) -> list[float]:
    """The simplest rule: prefer the shorter answer, or the longer, whichever was right more often in training."""
    sign = 1 if Accuracy.of([_words(pair) for pair in training]).value >= 0.5 else -1
    return [sign * _words(pair) for pair in pairs]


def _words(pair: Pair) -> float:
    return float(len(pair.chosen.split()) - len(pair.rejected.split()))


def _last_turn(dialogue: str) -> str:
    return dialogue.split("\n\nHuman: ")[-1].removeprefix("Human: ")


def _place(dialogue: str) -> float:
    return int.from_bytes(hashlib.blake2b(dialogue.encode(), digest_size=4).digest(), "big") / 2**32
