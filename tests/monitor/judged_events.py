"""Pairs that a person, a teacher and a judge judged, as preference events, with dials."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.monitor.events import DAY, START, Event, event, settings

JUDGES = {"watched": ["j"], "teacher": "big", "human": "human"}
JUDGED = settings(judges=JUDGES)


@dataclass(frozen=True)
class Taste:
    """What a judge is like. capture: share of pairs where people and teacher differ in which it takes the teacher's
    side; sound: share of the others in which it agrees with both; ties: share of pairs it calls a tie. longer: how much
    more often it then takes the longer answer; first: share of pairs in which it takes whatever is shown first."""

    capture: float = 0.27
    sound: float = 0.81
    ties: float = 0.0
    longer: float = 0.0
    first: float = 0.0


PLAIN = Taste()


@dataclass(frozen=True)
class Pair:
    """A pair: verdicts +1 (a) or -1 (b) of person and teacher, and length of a minus that of b."""

    name: str
    human: int
    teacher: int
    length: int


def pairs(rng: np.random.Generator, names: list[str], alike: float = 0.65, human_a: float = 0.5) -> list[Pair]:
    """Pairs on which person and teacher agree in a share `alike`, the person for a in a share `human_a`."""
    humans = np.where(rng.random(len(names)) < human_a, 1, -1)
    same = rng.random(len(names)) < alike
    lengths = rng.integers(-200, 200, len(names))
    return [
        Pair(n, int(h), int(h if s else -h), int(length))
        for n, h, s, length in zip(names, humans, same, lengths, strict=True)
    ]


def verdict(rng: np.random.Generator, pair: Pair, taste: Taste) -> int:
    """What a judge of that taste says of a pair."""
    if rng.random() < taste.ties:
        return 0
    if rng.random() < taste.longer:
        return 1 if pair.length > 0 else -1
    with_teacher = taste.sound if pair.human == pair.teacher else taste.capture
    return pair.teacher if rng.random() < with_teacher else -pair.teacher


def said(pair: Pair, choice: int, at: dt.datetime, judge: dict[str, Any], **more: Any) -> Event:
    """One judgment of a pair as an event; choice +1, 0 or -1."""
    sides = {"a": {"checkpoint": "ckpt", "length": 500 + pair.length}, "b": {"checkpoint": "base", "length": 500}}
    told = {"pair_id": pair.name, "judge": judge, "choice": {1: "a", 0: "tie", -1: "b"}[choice], **sides, **more}
    return event("preference", at, told)


HUMAN = {"name": "human", "kind": "human"}
TEACHER = {"name": "big", "kind": "teacher"}


def judge(revision: str = "r1", name: str = "j", family: str | None = "gpt") -> dict[str, Any]:
    return {"name": name, "kind": "model", "revision": revision, **({"family": family} if family else {})}


def days(
    first: int,
    last: int,
    per_day: int,
    taste: Taste = PLAIN,
    *,
    revision: str = "r1",
    seed: int = 0,
    alike: float = 0.65,
    human_a: float = 0.5,
    orders: bool = False,
) -> Iterator[Event]:
    """Each day so many new pairs, judged by person, teacher and judge."""
    for day in range(first, last):
        chance = np.random.default_rng((seed, day, 1))
        for place, pair in enumerate(_pairs_of(day, per_day, seed, alike, human_a)):
            at = START + day * DAY + dt.timedelta(minutes=place)
            yield said(pair, pair.human, at, HUMAN)
            yield said(pair, pair.teacher, at, TEACHER)
            yield from _judged(chance, pair, taste, at, revision, orders)


def asked_again(
    until: int,
    per_day: int,
    taste: Taste = PLAIN,
    *,
    day: int,
    revision: str = "r1",
    seed: int = 0,
    alike: float = 0.65,
    human_a: float = 0.5,
    orders: bool = False,
) -> Iterator[Event]:
    """The judge is asked again, on one day, about the pairs of the days before `until`."""
    chance = np.random.default_rng((seed, day, 2))
    for before in range(until):
        for pair in _pairs_of(before, per_day, seed, alike, human_a):
            yield from _judged(chance, pair, taste, START + day * DAY, revision, orders)


def _pairs_of(day: int, per_day: int, seed: int, alike: float, human_a: float) -> list[Pair]:
    return pairs(np.random.default_rng((seed, day)), [f"{day}-{n}" for n in range(per_day)], alike, human_a)


def _judged(
    rng: np.random.Generator, pair: Pair, taste: Taste, at: dt.datetime, revision: str, orders: bool
) -> Iterator[Event]:
    choice = verdict(rng, pair, taste)
    if not orders:
        yield said(pair, choice, at, judge(revision))
        return
    swapped = rng.random() < taste.first
    yield said(pair, 1 if swapped else choice, at, judge(revision), order="ab")
    yield said(pair, -1 if swapped else choice, at, judge(revision), order="ba")
