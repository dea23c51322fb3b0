"""One made-up support loop as an event file: a reference checkpoint, then twelve more, two weeks each.

Every answer may get a thumb and a reward model's score at once, and an outcome days later; how often is chosen so that
about three events come of one answer. Thumbs rise and outcomes fall a little with each checkpoint, so that alerts have
to be explained too.
"""

import datetime as dt
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DAYS = 180
REFERENCE_DAYS, CHECKPOINT_DAYS = 40, 12
DAY_SECONDS = 86_400
FIRST = 1_767_225_600  # 2026-01-01, seconds since 1970
SLOPE = 0.01  # what each checkpoint takes from the outcome and adds to the thumbs
TEXTS = 500
SCORER = {"name": "reward-model", "kind": "reward_model", "revision": "2026-01-01"}
SENTENCE = "the order was shipped yesterday and you can return it within thirty days if the box is unopened naïve ✓"

SETTINGS = """\
loop: support-bot
reward: {{signal: thumbs}}
outcome: {{metric: task_success, horizon: 7d}}
reference: {{checkpoint: ckpt-00}}
cohorts: [{keys}]
unit: response
"""


def write_events(file: Path, events: int, cohorts: dict[str, int], seed: int) -> None:
    """Write exactly so many events. cohorts: key -> how many values."""
    chance = random.Random(seed)
    words = SENTENCE.split(" ")
    texts = [" ".join(chance.choices(words, k=chance.randint(20, 80))) for _ in range(TEXTS)]  # 100 to 450 characters
    written = 0
    with file.open("w", encoding="utf-8") as out:
        for number in range(events):
            seconds = FIRST + int(DAYS * DAY_SECONDS * min(number / (events / 3.0), 0.999999))
            for event in _answered(number, seconds, chance, texts, cohorts):
                out.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
                written += 1
                if written == events:
                    return


def _answered(
    number: int, seconds: int, chance: random.Random, texts: list[str], cohorts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """One answer and what came of it."""
    name, user = f"resp-{number:09}", f"user-{chance.randrange(40_000)}"
    step = max((seconds - FIRST) // DAY_SECONDS - REFERENCE_DAYS + CHECKPOINT_DAYS, 0) // CHECKPOINT_DAYS
    success = chance.random() < 0.75 - SLOPE * step
    answer = {
        "response_id": name,
        "checkpoint": f"ckpt-{step:02}",
        "conversation_id": f"conv-{number:09}",
        "user": user,
        "cohort": {key: f"{key}-{chance.randrange(values)}" for key, values in cohorts.items()},
        "prompt": chance.choice(texts)[:120],
        "response": chance.choice(texts),
    }
    yield _event("response", name, seconds, answer)
    if chance.random() < 0.7:
        liked = chance.random() < 0.5 + 0.25 * success + SLOPE * step
        yield _event("feedback", name, seconds + 30, _thumb(name, user, liked))
    if chance.random() < 0.6:
        score = {"response_id": name, "scorer": SCORER, "value": chance.gauss(success, 1)}
        yield _event("score", name, seconds + 60, score)
    if chance.random() < 0.7:
        outcome = {"response_id": name, "metric": "task_success", "value": success, "method": "human"}
        yield _event("outcome", name, seconds + chance.randrange(5 * DAY_SECONDS), outcome)


def _thumb(name: str, user: str, liked: bool) -> dict[str, Any]:
    return {
        "response_id": name,
        "signal": "thumbs",
        "value": int(liked),
        "actor": {"id": user, "role": "end_user"},
        "surface": {"name": "chat-widget", "environment": "production", "purpose": "product"},
    }


def _event(kind: str, name: str, seconds: int, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}-{name}",
        "source": f"/gateway/{kind}",
        "type": f"rewarddrift.{kind}.v1",
        "time": dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(),
        "subject": name,
        "data": data,
    }
