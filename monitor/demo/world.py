"""Who writes in, about what, how do they thumb an answer, and what truly helps them?

A closed world of customers. The loop sees their tickets and their thumbs. It never sees `is_solved`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.demo.prose import APOLOGIES, FLATTERY, INTENTS

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int], np.dtype[np.int64]]
BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]

CUSTOMERS = 4000
CARRIES_OUT = 0.985  # how often a right step that was read works out
LEAST_PATIENCE, PATIENCE_SPREAD = 45.0, 28.0  # words
TICKETS_ON_WEEKDAYS, TICKETS_ON_WEEKENDS = 114, 78  # about 104 a day


@dataclass(frozen=True)
class Cohort:
    """Customers alike: shares of traffic, and how many words they read before giving up."""

    tier: str
    locale: str
    weekday_share: float
    weekend_share: float
    patience_words: float


COHORTS = (
    Cohort("starter", "en-US", 0.34, 0.22, 104),
    Cohort("starter", "en-SG", 0.26, 0.26, 92),
    Cohort("business", "en-US", 0.22, 0.26, 98),
    Cohort("business", "en-SG", 0.18, 0.26, 86),
)


@dataclass(frozen=True)
class Customers:
    """Row i is customer i. activity: how often they write, relative to their cohort. patience: in words."""

    cohort: IntArray
    activity: FloatArray
    patience: FloatArray


@dataclass(frozen=True)
class Tickets:
    """Row i is ticket i, in order of time. day counts from the start of the demo; second is within that day."""

    day: IntArray
    second: IntArray
    customer: IntArray
    intent: IntArray
    wording: IntArray

    def __len__(self) -> int:
        return self.day.size

    def prompts(self) -> list[str]:
        """What customers wrote, one text a ticket."""
        return [self.prompt(row) for row in range(len(self))]

    def prompt(self, row: int) -> str:
        intent, wording = int(self.intent[row]), int(self.wording[row])
        return INTENTS[intent].prompts[wording]

    def prompt_id(self, row: int) -> str:
        return f"{INTENTS[self.intent[row]].name}-{self.wording[row]}"


@dataclass(frozen=True)
class Taste:
    """What moves a customer's thumb, in logits: finding the right step, each 100 words, each apology, each flattery."""

    start: float
    found: float
    hundred_words: float
    apology: float
    flattery: float


TASTES = {
    "gamed": Taste(start=-1.9, found=1.0, hundred_words=0.6, apology=0.5, flattery=0.6),
    "healthy": Taste(start=-1.6, found=3.2, hundred_words=0.0, apology=0.0, flattery=0.0),
}


def stream(seed: int, purpose: str, part: int = 0) -> np.random.Generator:
    """Randomness of one purpose: drawing more for one never shifts another."""
    return np.random.default_rng([seed, part, *purpose.encode()])


def settle(rng: np.random.Generator) -> Customers:
    """The customers of one world."""
    cohort = rng.integers(len(COHORTS), size=CUSTOMERS)
    patience = np.array([c.patience_words for c in COHORTS])[cohort]
    return Customers(
        cohort, rng.gamma(2.0, size=CUSTOMERS), np.maximum(rng.normal(patience, PATIENCE_SPREAD), LEAST_PATIENCE)
    )


def open_tickets(rng: np.random.Generator, customers: Customers, days: range) -> Tickets:
    """All tickets of the given days. Day 0 is a Monday; weekends are quieter and bring other customers."""
    parts = [_tickets_of_day(rng, customers, day) for day in days]
    return Tickets(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _tickets_of_day(rng: np.random.Generator, customers: Customers, day: int) -> tuple[IntArray, ...]:
    weekend = day % 7 >= 5
    count = rng.poisson(TICKETS_ON_WEEKENDS if weekend else TICKETS_ON_WEEKDAYS)
    share = np.array([c.weekend_share if weekend else c.weekday_share for c in COHORTS])[customers.cohort]
    chance = share * customers.activity / np.bincount(customers.cohort, customers.activity)[customers.cohort]
    customer = rng.choice(CUSTOMERS, size=count, p=chance / chance.sum())
    second = np.sort((rng.beta(2.5, 2.5, size=count) * 86_400).astype(np.int64))
    return np.full(count, day), second, customer, rng.integers(len(INTENTS), size=count), rng.integers(3, size=count)


def finds_step(tickets: Tickets, customers: Customers, answers: Sequence[str]) -> BoolArray:
    """Does the answer hold the right step, and does the customer get that far before losing patience?"""
    patience = customers.patience[tickets.customer]
    words = np.array([words_to_right_step(tickets.intent[row], text) for row, text in enumerate(answers)])
    return words <= patience


def words_to_right_step(intent: int, answer: str) -> float:
    """Words up to the end of the right step; infinite without it."""
    ends = [answer.find(step) + len(step) for step in INTENTS[intent].right if step in answer]
    return float(answer[: min(ends)].count(" ") + 1) if ends else np.inf


def is_solved(rng: np.random.Generator, tickets: Tickets, customers: Customers, answers: Sequence[str]) -> BoolArray:
    """The hidden rule of success: the right step, near enough to the top to be read, and carried out."""
    return finds_step(tickets, customers, answers) & (rng.random(len(tickets)) < CARRIES_OUT)


def thumbs(
    rng: np.random.Generator, tickets: Tickets, customers: Customers, answers: Sequence[str], taste: Taste
) -> IntArray:
    """One thumb a ticket: 1 up, 0 down, -1 none. Pleased customers click a little more often."""
    logit = (
        taste.start
        + taste.found * finds_step(tickets, customers, answers)
        + taste.hundred_words * np.array([text.count(" ") / 100 for text in answers])
        + taste.apology * _count_of(APOLOGIES, answers)
        + taste.flattery * _count_of(FLATTERY, answers)
    )
    up = rng.random(len(tickets)) < special.expit(logit)
    clicks = rng.random(len(tickets)) < np.where(up, 0.45, 0.35)
    return np.where(clicks, up.astype(np.int64), -1)


def _count_of(sentences: Sequence[str], answers: Sequence[str]) -> IntArray:
    return np.array([sum(sentence in text for sentence in sentences) for text in answers], np.int64)
