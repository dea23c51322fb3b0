"""What does a loop do that trains on thumbs and selects ever harder?

One reference checkpoint answers with its first draft. A reward model is fitted on customers' thumbs and frozen; every
later checkpoint answers with the best of n drafts by that model, n growing. Nothing here reads the rule of success:
selection sees text, and outcomes are drawn afterwards, from randomness of their own.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np

from judges.thumbs_model import FloatArray, ThumbsModel, fit
from monitor.demo.clicks import curation_labels, debugging_clicks
from monitor.demo.wire import Event, Wire, at
from monitor.demo.world import (
    COHORTS,
    TASTES,
    Customers,
    Taste,
    Tickets,
    is_solved,
    open_tickets,
    settle,
    thumbs,
)
from monitor.demo.writer import write_answers

Kind = Literal["gamed", "healthy"]

PILOT_DAYS = 84  # before the monitor was connected: the thumbs that taught the reward model
REFERENCE_DAYS = 60
CHECKPOINT_DAYS = 14
BEST_OF = (1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16)  # drafts per ticket of checkpoints 1 to 12
OUTCOME_KNOWN = 0.92  # share of responses whose outcome anybody ever learns
OUTCOME_DAYS = (0.3, 6.5)  # from the response; within the horizon of the settings


@dataclass(frozen=True)
class Checkpoint:
    """One version of the policy and the days it serves."""

    number: int
    best_of: int
    days: range

    @property
    def name(self) -> str:
        return f"ckpt-{self.number:02d}"

    @property
    def kl_nats(self) -> float:
        """Most KL divergence from the first policy that best-of-n can have."""
        return math.log(self.best_of) - (self.best_of - 1) / self.best_of


@dataclass(frozen=True)
class Served:
    """What one checkpoint answered. Row i belongs to ticket i; `first` is the number of the first response."""

    checkpoint: Checkpoint
    first: int
    tickets: Tickets
    answers: Sequence[str]
    scores: FloatArray


def settings_yaml(kind: Kind) -> str:
    """The monitor's settings for this loop, as YAML."""
    return resources.files("monitor.demo").joinpath(f"{kind}.yaml").read_text(encoding="utf-8")


def generate(kind: Kind, seed: int) -> Iterator[Event]:
    """Every event of one loop, in order of event time: about 80,000 over 228 days. The same seed, the same events."""
    events = [event for part in _parts(kind, seed) for event in part]
    return iter(sorted(events, key=lambda event: (event["time"], event["id"])))


def _parts(kind: Kind, seed: int) -> Iterator[Iterator[Event]]:
    wire, taste = Wire(kind), TASTES[kind]
    customers = settle(_stream(seed, "customers"))
    model = train(seed, customers, taste)
    first = 0
    for checkpoint in schedule():
        served = serve(seed, customers, model, checkpoint, first)
        yield _checkpoint_events(wire, model, checkpoint)
        yield _response_events(wire, customers, model, served)
        yield _thumb_events(wire, _stream(seed, "thumbs", checkpoint.number), customers, served, taste)
        yield _outcome_events(wire, _stream(seed, "outcomes", checkpoint.number), customers, served)
        yield debugging_clicks(
            wire, _stream(seed, "clicks", checkpoint.number), served.tickets, first, checkpoint.number
        )
        yield curation_labels(wire, _stream(seed, "labels", checkpoint.number), served.tickets, served.answers, first)
        first += len(served.tickets)


def _stream(seed: int, purpose: str, part: int = 0) -> np.random.Generator:
    """Randomness of one purpose: drawing more for one never shifts another."""
    return np.random.default_rng([seed, part, *purpose.encode()])


def schedule() -> list[Checkpoint]:
    """The reference, then one checkpoint every two weeks."""
    starts = [REFERENCE_DAYS + CHECKPOINT_DAYS * i for i in range(len(BEST_OF))]
    later = [
        Checkpoint(i + 1, n, range(s, s + CHECKPOINT_DAYS))
        for i, (n, s) in enumerate(zip(BEST_OF, starts, strict=True))
    ]
    return [Checkpoint(0, 1, range(REFERENCE_DAYS)), *later]


def train(seed: int, customers: Customers, taste: Taste) -> ThumbsModel:
    """The reward model, learned from the thumbs customers gave in the pilot weeks before day 0."""
    rng = _stream(seed, "pilot")
    tickets = open_tickets(rng, customers, range(-PILOT_DAYS, 0))
    answers = write_answers(rng, tickets, 1)
    given = thumbs(rng, tickets, customers, answers, taste)
    thumbed = np.flatnonzero(given >= 0).tolist()
    return fit([answers[row] for row in thumbed], given[thumbed].tolist())


def serve(seed: int, customers: Customers, model: ThumbsModel, checkpoint: Checkpoint, first: int) -> Served:
    """Answer every ticket with the draft that the reward model likes best."""
    tickets = open_tickets(_stream(seed, "tickets", checkpoint.number), customers, checkpoint.days)
    drafts = write_answers(_stream(seed, "drafts", checkpoint.number), tickets, checkpoint.best_of)
    scores = model.score(drafts).reshape(len(tickets), checkpoint.best_of)
    best = scores.argmax(axis=1) + np.arange(len(tickets)) * checkpoint.best_of
    return Served(checkpoint, first, tickets, [drafts[row] for row in best.tolist()], scores.max(axis=1))


def _checkpoint_events(wire: Wire, model: ThumbsModel, checkpoint: Checkpoint) -> Iterator[Event]:
    start = at(checkpoint.days.start, 0)
    facts: dict[str, Any] = {"order": checkpoint.number, "kl_nats": round(checkpoint.kl_nats, 6), "traffic_share": 1.0}
    if checkpoint.number:
        before = f"ckpt-{checkpoint.number - 1:02d}"
        yield wire.checkpoint(start, before, "retired", order=checkpoint.number - 1)
        facts |= {"parent": "ckpt-00", "reward_model": f"thumbs-model@{model.revision}"}
    yield wire.checkpoint(start, checkpoint.name, "serving", **facts)


def _response_events(wire: Wire, customers: Customers, model: ThumbsModel, served: Served) -> Iterator[Event]:
    scorer = {"name": "thumbs-model", "kind": "reward_model", "revision": model.revision, "trained_on": True}
    tickets = served.tickets
    for row, (answer, score) in enumerate(zip(served.answers, served.scores.tolist(), strict=True)):
        number, when = served.first + row, at(tickets.day[row], tickets.second[row])
        cohort = COHORTS[customers.cohort[tickets.customer[row]]]
        yield wire.response(
            when,
            number,
            checkpoint=served.checkpoint.name,
            prompt_id=tickets.prompt_id(row),
            user=_user(tickets, row),
            cohort={"tier": cohort.tier, "locale": cohort.locale},
            prompt=tickets.prompt(row),
            response=answer,
        )
        yield wire.score(when + dt.timedelta(seconds=2), number, scorer, round(score, 6))


def _thumb_events(
    wire: Wire, rng: np.random.Generator, customers: Customers, served: Served, taste: Taste
) -> Iterator[Event]:
    given = thumbs(rng, served.tickets, customers, served.answers, taste)
    waits = rng.gamma(2.0, 90.0, size=given.size) + 10
    for row in np.flatnonzero(given >= 0).tolist():
        when = at(served.tickets.day[row], served.tickets.second[row] + waits[row])
        yield wire.customer_thumb(when, served.first + row, _user(served.tickets, row), int(given[row]))


def _outcome_events(wire: Wire, rng: np.random.Generator, customers: Customers, served: Served) -> Iterator[Event]:
    solved = is_solved(rng, served.tickets, customers, served.answers)
    known = rng.random(solved.size) < OUTCOME_KNOWN
    waits = rng.uniform(*OUTCOME_DAYS, size=solved.size) * 86_400
    for row in np.flatnonzero(known).tolist():
        when = at(served.tickets.day[row], served.tickets.second[row] + waits[row])
        yield wire.outcome(when, served.first + row, bool(solved[row]))


def _user(tickets: Tickets, row: int) -> str:
    return f"u-{tickets.customer[row]:04d}"
