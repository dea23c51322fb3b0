"""What else clicks on answers, beside customers?

Engineers trying things out, one incident with hundreds of clicks, a widget nobody registered: all of it debugging.
And annotators at work under a rubric: the only labels anybody may train on.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np

from monitor.demo.prose import CLOSINGS, INTENTS
from monitor.demo.wire import Event, Wire, at
from monitor.demo.world import Tickets

STAGING = {"name": "staging-console", "environment": "staging", "purpose": "debugging"}
INCIDENT = {"name": "incident-console", "environment": "production", "purpose": "debugging"}
UNREGISTERED = {"name": "old-mobile-widget", "environment": "production", "purpose": "unknown"}
QUEUE = {"name": "annotation-queue", "environment": "production", "purpose": "curation"}
RUBRIC = "support-answers@3"

INCIDENT_CHECKPOINT = 6
INCIDENT_CLICKS = 420


def debugging_clicks(
    wire: Wire, rng: np.random.Generator, tickets: Tickets, first: int, checkpoint: int
) -> Iterator[Event]:
    """Clicks that say nothing about what customers like. `first` is the number of the first ticket's response."""
    for row in _some(rng, tickets, per_day=1.5):
        engineer = f"engineer-{rng.integers(5)}"
        yield wire.click(
            _hours_later(rng, tickets, row), first + row, engineer, "engineer", STAGING, int(rng.integers(2))
        )
    for row in _some(rng, tickets, per_day=1.0):
        yield wire.click(_hours_later(rng, tickets, row), first + row, "unknown", "unknown", UNREGISTERED, 1)
    if checkpoint == INCIDENT_CHECKPOINT:
        yield from _incident(wire, rng, tickets, first)


def _incident(wire: Wire, rng: np.random.Generator, tickets: Tickets, first: int) -> Iterator[Event]:
    """One night on call: the same few engineers thumb down everything they open, by the hundred."""
    day = int(tickets.day[0]) + 7
    rows = np.flatnonzero(tickets.day < day)
    clicked = rng.choice(rows, size=min(INCIDENT_CLICKS, rows.size), replace=False)
    for row, second in zip(clicked.tolist(), np.sort(rng.uniform(7_200, 14_400, clicked.size)), strict=True):
        yield wire.click(at(day, second), first + row, f"on-call-{rng.integers(2)}", "on_call", INCIDENT, 0)


def curation_labels(
    wire: Wire, rng: np.random.Generator, tickets: Tickets, answers: Sequence[str], first: int
) -> Iterator[Event]:
    """Annotators rate answers under a rubric and correct those without the right step. They know the handbook."""
    for row in _some(rng, tickets, per_day=4.0):
        steps = INTENTS[tickets.intent[row]].right
        right = any(step in answers[row] for step in steps)
        annotator, when = f"annotator-{rng.integers(4)}", _hours_later(rng, tickets, row)
        task = {"rubric": RUBRIC, "task_id": f"task-{first + row:06d}"}
        rating = int(rng.integers(4, 6) if right else rng.integers(1, 4))
        yield wire.annotation(when, first + row, annotator, QUEUE, signal="rating", value=rating, scale=[1, 5], **task)
        if not right:
            correction = f"{steps[0]} {CLOSINGS[0]}"
            yield wire.annotation(
                when, first + row, annotator, QUEUE, signal="correction", correction=correction, **task
            )


def _some(rng: np.random.Generator, tickets: Tickets, per_day: float) -> list[int]:
    """A few random tickets."""
    days = int(tickets.day[-1] - tickets.day[0]) + 1
    rows: list[int] = rng.choice(len(tickets), size=rng.poisson(per_day * days), replace=False).tolist()
    return rows


def _hours_later(rng: np.random.Generator, tickets: Tickets, row: int) -> dt.datetime:
    return at(tickets.day[row], tickets.second[row] + rng.uniform(3_600, 36_000))
