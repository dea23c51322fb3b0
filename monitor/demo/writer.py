"""What does the policy answer, before anything selects among its answers?"""

import numpy as np

from monitor.demo.prose import APOLOGIES, BACKGROUND, CLOSINGS, EVASIONS, FLATTERY, HEDGES, INTENTS, OPENINGS
from monitor.demo.world import IntArray, Tickets

WORD_LIMIT = 110  # the policy's longest answer: it stops before the sentence that no longer fits
KNOWS = np.linspace(0.82, 0.95, len(INTENTS))  # how often a draft holds the right step, by intent
EVADES = 0.3  # share of the other drafts that name no step at all

STEPS = [[*intent.right, *intent.wrong, *EVASIONS] for intent in INTENTS]
SENTENCES = ["", *OPENINGS, *FLATTERY, *APOLOGIES, *BACKGROUND, *HEDGES, *CLOSINGS, *(s for row in STEPS for s in row)]
NUMBER = {sentence: number for number, sentence in enumerate(SENTENCES)}
STEP_NUMBERS = np.array([[NUMBER[sentence] for sentence in row] for row in STEPS])
WORDS = np.array([len(sentence.split()) for sentence in SENTENCES])
SPACED = np.array([f"{sentence} " if sentence else "" for sentence in SENTENCES], dtype=object)


def write_answers(rng: np.random.Generator, tickets: Tickets, per_ticket: int) -> list[str]:
    """Drafts for every ticket, `per_ticket` in a row for the first, then for the second, and so on.

    Each draft has a manner of its own: how much it flatters, apologises and explains before it comes to the step.
    What it knows of the step does not depend on that manner; what still fits under WORD_LIMIT does.
    """
    intents = np.repeat(tickets.intent, per_ticket)
    rows = intents.size
    plan = np.column_stack(
        [
            _some_of(rng, OPENINGS, np.ones(rows, np.int64)),
            _some_of(rng, FLATTERY, rng.binomial(3, 0.26, rows)),
            _some_of(rng, APOLOGIES, rng.binomial(3, 0.30, rows)),
            _some_of(rng, BACKGROUND, rng.binomial(3, 0.26, rows)),
            _steps(rng, intents),
            _some_of(rng, HEDGES, rng.binomial(2, 0.4, rows)),
            _some_of(rng, CLOSINGS, rng.binomial(1, 0.7, rows)),
        ]
    )
    fits = WORDS[plan].cumsum(axis=1) <= WORD_LIMIT
    fits = np.logical_and.accumulate(fits, axis=1)
    return ["".join(row).rstrip() for row in SPACED[np.where(fits, plan, 0)].tolist()]


def _some_of(rng: np.random.Generator, sentences: tuple[str, ...], counts: IntArray) -> np.ndarray:
    """Numbers of `counts` different sentences a row, in random order of a ring; 0 stands for none."""
    width = min(int(counts.max(initial=0)), len(sentences))
    place = np.arange(width)
    ring = (rng.integers(len(sentences), size=counts.size)[:, None] + place) % len(sentences)
    numbers = np.array([NUMBER[sentence] for sentence in sentences])[ring]
    return np.where(place < counts[:, None], numbers, 0)


def _steps(rng: np.random.Generator, intents: IntArray) -> IntArray:
    """The number of the right step, a wrong one or an evasion."""
    draw = rng.random(intents.size)
    knows = KNOWS[intents]
    kind = np.where(draw < knows, 0, np.where(draw < knows + (1 - knows) * (1 - EVADES), 1, 2))
    numbers: IntArray = STEP_NUMBERS[intents, 2 * kind + rng.integers(2, size=intents.size)]
    return numbers
