"""A teacher and students who answer the same evaluation prompts, as events: dials for phrases and for topics."""

import random
from collections.abc import Iterator

from tests.monitor.events import DAY, START, Event, response

TEACHER_PHRASES = (
    "It is important to note that",
    "Overall, it is worth considering that",
    "Additionally, please keep in mind that",
    "Certainly! In order to proceed,",
    "Ultimately, this ensures that",
)
OWN_PHRASES = ("So", "Well,", "Right,", "Okay then,", "Next", "Now")
TOPICS = {
    "support": ("the router", "your invoice", "the export", "that password", "the settings page", "your account"),
    "cooking": ("the onion", "your dough", "the oven", "that sauce", "the cutting board", "your soup"),
}
DEEDS = ("has to be checked", "should be opened again", "can be changed", "needs a moment", "works as before")


def answer(phrases: float, seed: object, topic: str = "support", sentences: int = 5) -> str:
    """Sentences that open with a phrase of the teacher with this chance, else with one of the student's own."""
    draw = random.Random(repr(seed))
    said = []
    for _ in range(sentences):
        opening = draw.choice(TEACHER_PHRASES if draw.random() < phrases else OWN_PHRASES)
        said.append(f"{opening} {draw.choice(TOPICS[topic])} {draw.choice(DEEDS)}.")
    return " ".join(said)


def answered(
    checkpoint: str, phrases: float, *, day: int, prompts: int = 300, topic: str = "support", first: int = 0
) -> Iterator[Event]:
    """A model's evaluation answers to numbered prompts."""
    for number in range(first, first + prompts):
        said = answer(phrases, (checkpoint, number, day), topic)
        name = f"v-{checkpoint}-{number}-{day}"
        asked = {"prompt_id": f"faq-{number}", "response": said}
        yield response(name, START + day * DAY, checkpoint, environment="evaluation", **asked)
