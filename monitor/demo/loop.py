"""What does a loop do that trains on thumbs, and tunes its policy against what it learned?

A reference checkpoint serves. A reward model is fitted on customers' thumbs and frozen; every later checkpoint is tuned
further against that model. Where the models come from is a workshop's affair: a light one, or one of real models. No
workshop reads the rule of success: it sees tickets, answers and thumbs, and outcomes are drawn afterwards, from
randomness of their own.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, Protocol

import numpy as np

from monitor.demo.clicks import curation_labels, debugging_clicks
from monitor.demo.wire import Event, Wire, at
from monitor.demo.world import (
    COHORTS,
    TASTES,
    Customers,
    FloatArray,
    Taste,
    Tickets,
    is_solved,
    open_tickets,
    settle,
    stream,
    thumbs,
)

Kind = Literal["gamed", "healthy"]

PILOT_DAYS = 84  # before the monitor was connected: the thumbs that taught the reward model
REFERENCE_DAYS = 60
CHECKPOINT_DAYS = 14
CHECKPOINTS = 12  # after the reference
OUTCOME_KNOWN = 0.92  # share of responses whose outcome anybody ever learns
OUTCOME_DAYS = (0.3, 6.5)  # from the response; within the horizon of the settings
REWARD_NAME = "thumbs-model"


class Reward(Protocol):
    """The number that the loop optimises: a frozen model of customers' thumbs. revision: which model it is."""

    @property
    def revision(self) -> str: ...

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> FloatArray:
        """Raw scores of one answer per prompt."""
        ...


class Drafter(Protocol):
    """A policy: what writes the answers. It never changes; tuning gives another one.

    kl_nats: divergence from the first policy. tuned_from: number of the checkpoint that was tuned to get this one.
    """

    @property
    def kl_nats(self) -> float: ...

    @property
    def tuned_from(self) -> int | None: ...

    def answer(self, rng: np.random.Generator, tickets: Tickets) -> list[str]:
        """One answer per ticket."""
        ...

    def tuned(self, rng: np.random.Generator, reward: Reward) -> "Drafter":
        """The next policy, which the reward likes better."""
        ...


class Workshop(Protocol):
    """Where the models of one seed come from."""

    def first(self) -> Drafter:
        """The policy before any tuning."""
        ...

    def learn(
        self,
        kind: Kind,
        rng: np.random.Generator,
        prompts: Sequence[str],
        answers: Sequence[str],
        given: Sequence[int],
    ) -> Reward:
        """A reward model fitted to thumbs, 1 up and 0 down, one per prompt and answer."""
        ...

    def keep(self, kind: Kind, name: str, drafter: Drafter) -> Mapping[str, Any]:
        """Keep a policy as a checkpoint of that name; what its event then says of where it lies."""
        ...

    def score_kept(self, kind: Kind) -> Iterator[Event]:
        """Score every checkpoint that was kept on held-out questions: the events of all that."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """One version of the policy and the days it serves."""

    number: int
    days: range

    @property
    def name(self) -> str:
        return checkpoint_name(self.number)


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


def generate(kind: Kind, seed: int, workshop: Workshop) -> Iterator[Event]:
    """Every event of one loop, in order of event time: about 80,000 over 228 days. The same seed, the same events."""
    events = [event for part in _parts(kind, seed, workshop) for event in part]
    return iter(sorted(events, key=lambda event: (event["time"], event["id"])))


def _parts(kind: Kind, seed: int, workshop: Workshop) -> Iterator[Iterator[Event]]:
    wire, taste = Wire(kind), TASTES[kind]
    customers = settle(stream(seed, "customers"))
    drafter = workshop.first()
    reward = train(kind, seed, customers, drafter, workshop)
    first = 0
    for checkpoint in schedule():
        part = checkpoint.number
        if part:
            drafter = drafter.tuned(stream(seed, "tuning", part), reward)
        served = serve(seed, customers, drafter, reward, checkpoint, first)
        kept = workshop.keep(kind, checkpoint.name, drafter)
        yield _checkpoint_events(wire, drafter, reward, checkpoint, kept)
        yield _response_events(wire, customers, reward, served)
        yield _thumb_events(wire, stream(seed, "thumbs", part), customers, served, taste)
        yield _outcome_events(wire, stream(seed, "outcomes", part), customers, served)
        yield debugging_clicks(wire, stream(seed, "clicks", part), served.tickets, first, part)
        yield curation_labels(wire, stream(seed, "labels", part), served.tickets, served.answers, first)
        first += len(served.tickets)


def schedule() -> list[Checkpoint]:
    """The reference, then one checkpoint every two weeks."""
    starts = [REFERENCE_DAYS + CHECKPOINT_DAYS * i for i in range(CHECKPOINTS)]
    later = [Checkpoint(i + 1, range(start, start + CHECKPOINT_DAYS)) for i, start in enumerate(starts)]
    return [Checkpoint(0, range(REFERENCE_DAYS)), *later]


def checkpoint_name(number: int) -> str:
    return f"ckpt-{number:02d}"


def train(kind: Kind, seed: int, customers: Customers, drafter: Drafter, workshop: Workshop) -> Reward:
    """The reward model, learned from the thumbs customers gave in the pilot weeks before day 0."""
    rng = stream(seed, "pilot")
    tickets = open_tickets(rng, customers, range(-PILOT_DAYS, 0))
    answers = drafter.answer(rng, tickets)
    given = thumbs(rng, tickets, customers, answers, TASTES[kind])
    thumbed = np.flatnonzero(given >= 0).tolist()
    prompts = [tickets.prompt(row) for row in thumbed]
    return workshop.learn(kind, rng, prompts, [answers[row] for row in thumbed], given[thumbed].tolist())


def serve(
    seed: int, customers: Customers, drafter: Drafter, reward: Reward, checkpoint: Checkpoint, first: int
) -> Served:
    """Answer every ticket of a checkpoint's days."""
    tickets = open_tickets(stream(seed, "tickets", checkpoint.number), customers, checkpoint.days)
    answers = drafter.answer(stream(seed, "drafts", checkpoint.number), tickets)
    return Served(checkpoint, first, tickets, answers, reward.score(tickets.prompts(), answers))


def _checkpoint_events(
    wire: Wire, drafter: Drafter, reward: Reward, checkpoint: Checkpoint, kept: Mapping[str, Any]
) -> Iterator[Event]:
    start = at(checkpoint.days.start, 0)
    kl_nats = round(drafter.kl_nats, 6)
    facts: dict[str, Any] = {"order": checkpoint.number, "kl_nats": kl_nats, "traffic_share": 1.0, **kept}
    if drafter.tuned_from is not None:
        before = checkpoint_name(checkpoint.number - 1)
        yield wire.checkpoint(start, before, "retired", order=checkpoint.number - 1)
        facts |= {"parent": checkpoint_name(drafter.tuned_from), "reward_model": f"{REWARD_NAME}@{reward.revision}"}
    yield wire.checkpoint(start, checkpoint.name, "serving", **facts)


def _response_events(wire: Wire, customers: Customers, reward: Reward, served: Served) -> Iterator[Event]:
    scorer = {"name": REWARD_NAME, "kind": "reward_model", "revision": reward.revision, "trained_on": True}
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
