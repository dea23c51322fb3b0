"""PandaLM's recorded judgments drawn again, with a planted change of a judge or of a model, as events.

Pairs of the recorded set, judged by people, by gpt-3.5-turbo (watched) and by pandalm-7b (the teacher). Answer a stands
for the loop's model, b for what it is compared with. Beside them each checkpoint's answers to a held-out set: the
outcome is what people said of such a pair, the reward what the judge said.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from monitor.detection.tick import look
from monitor.result import Report
from tests.monitor.events import DAY, START, Event, event, in_memory, outcome, response, score, settings

FILE = Path(os.environ.get("REWARD_DRIFT_DATA", "-")) / "pandalm" / "pandalm_pairs.jsonl.gz"
CHOSEN = settings(
    judges={"watched": ["gpt-3.5-turbo"], "teacher": "pandalm-7b", "human": "human"},
    reference={"from": START, "until": START + 20 * DAY},
)
BEFORE, AFTER, PER_DAY, ITEMS = 20, 20, 25, 400
CODES, LETTERS = {1: 1, 2: -1, 0: 0}, {1: "a", 0: "tie", -1: "b"}
STORIES = {
    "silent judge change": "judge",  # it takes the longer answer, under the same revision
    "stricter judge": "judge",  # six of ten of its wins for the loop's model become losses
    "model change": "model",  # people prefer the loop's model less often, and the judge says of each pair what it did
}


def recorded() -> np.ndarray:
    """Shape (pairs, 4): verdicts of person, judge and teacher, and length of a minus that of b."""
    with gzip.open(FILE, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    wanted = ("human_majority", "judge_gpt35", "judge_pandalm7b")
    known = [row for row in rows if all(row[name] is not None for name in wanted)]
    return np.array([[*(CODES[row[n]] for n in wanted), len(row["output_1"]) - len(row["output_2"])] for row in known])


def drawn(pairs: np.ndarray, rng: np.random.Generator, number: int, story: str) -> np.ndarray:
    """So many pairs, each side first as often as not, with the story's change."""
    chosen = pairs[rng.choice(len(pairs), number)].astype(float)
    signs = rng.choice([-1.0, 1.0], number)
    if story == "model change":  # a pair that people decided is turned against the model in half of its wins
        wins = chosen[:, 0] * signs > 0
        signs = np.where(wins & (rng.random(number) < 0.5), -signs, signs)
    chosen *= signs[:, None]
    if story == "silent judge change":
        chosen[:, 1] = np.where(chosen[:, 3] == 0, chosen[:, 1], np.sign(chosen[:, 3]))
    if story == "stricter judge":
        chosen[:, 1] = np.where((chosen[:, 1] > 0) & (rng.random(number) < 0.6), -1, chosen[:, 1])
    return chosen


def told(pairs: np.ndarray, story: str, seed: int) -> Iterator[Event]:
    """Forty days of pairs and two checkpoints on the held-out set; the story begins with the second twenty days."""
    rng = np.random.default_rng(seed)
    for first, last, plot in ((0, BEFORE, ""), (BEFORE, BEFORE + AFTER, story)):
        for day in range(first, last):
            for place, row in enumerate(drawn(pairs, rng, PER_DAY, plot)):
                yield from _judged(f"{day}-{place}", day, row)
    for checkpoint, day, plot in (("ckpt-0", 1, ""), ("ckpt-1", BEFORE + 1, story)):
        for item, row in enumerate(drawn(pairs, rng, ITEMS, plot)):
            at, name = START + day * DAY, f"{checkpoint}-{item}"
            asked = {"prompt_id": f"held/{item}", "cohort": {"anchor_set": "held"}}
            yield response(name, at, checkpoint, environment="evaluation", **asked)
            yield score(name, at, (row[1] + 1) / 2)
            yield outcome(at, bool(row[0] > 0), "preferred", response_id=name, method="human", anchor_set="held")


def _judged(name: str, day: int, row: np.ndarray) -> Iterator[Event]:
    sides = {"a": {"checkpoint": "model", "length": 5000 + int(row[3])}, "b": {"checkpoint": "other", "length": 5000}}
    who = {"human": "human", "gpt-3.5-turbo": "model", "pandalm-7b": "teacher"}
    for place, (judge, kind) in enumerate(who.items()):
        choice = LETTERS[int(row[place])]
        named = {"pair_id": name, "judge": {"name": judge, "kind": kind, "revision": "1"}, "choice": choice}
        yield event("preference", START + day * DAY, {**named, **sides})


def blamed(report: Report) -> set[str]:
    """Whom the report's alerts blame: the judge, a model, or both."""
    return {"judge" if one.attribution.startswith("judge_") else "model" for one in report.alerts}


def verdict(pairs: np.ndarray, story: str, seed: int) -> set[str]:
    """Whom a look at the end blames."""
    store = in_memory(told(pairs, story, seed))
    return blamed(look(store, CHOSEN, START + (BEFORE + AFTER) * DAY).report)
