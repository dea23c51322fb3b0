"""What did published models answer to the same prompts, and who sounds like whom? Texts, rulers and what they say.

Who learned from whom is as the makers tell it; the texts are those of REWARD_DRIFT_DATA/alpaca_eval.
"""

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from judges.style import StyleModel, fit
from monitor.anchored.comparisons import Comparison
from monitor.statistics.paired import p_no_harm
from monitor.statistics.voice import p_not_nearer
from monitor.voices.voice import Side, Texts, Voice, side_of, trains
from monitor.voices.voice_comparisons import MATERIAL, compare_voice
from monitor.voices.voice_pairs import voices_of

FOLDER = Path(os.environ.get("REWARD_DRIFT_DATA", "")) / "alpaca_eval"
OUTPUTS = FOLDER / "outputs.jsonl.gz"
PEOPLE, OWN_VOICE = "oasst-sft-llama-33b", "llama-2-13b-chat-hf"
TEACHERS = ("text_davinci_003", "gpt-3.5-turbo-0301", "gpt4", "claude")
LEARNED_FROM = {
    "alpaca-7b": TEACHERS[:1],
    "vicuna-7b": TEACHERS[1:2],
    "vicuna-13b": TEACHERS[1:2],
    "baize-v2-13b": TEACHERS[1:2],
    "nous-hermes-13b": TEACHERS[1:3],
    "wizardlm-13b": TEACHERS[1:3],
    "claude2-alpaca-13b": TEACHERS[3:],
    OWN_VOICE: (),
    PEOPLE: (),
}


@dataclass(frozen=True)
class Heard:
    """D on each held-out prompt, and the p-value that an alert would be raised on."""

    gains: np.ndarray
    p: float


@cache
def outputs() -> dict[str, dict[str, str]]:
    """Answers by model and prompt."""
    told: dict[str, dict[str, str]] = defaultdict(dict)
    with gzip.open(OUTPUTS, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            told[row["model"]][str(row["item"])] = row["output"]
    return told


@cache
def datasets() -> dict[str, str]:
    """The data set that each prompt is of."""
    with gzip.open(FOLDER / "prompts.jsonl.gz", "rt") as lines:
        return {str(row["item"]): row["dataset"] for row in map(json.loads, lines)}


def said(name: str, items: Iterable[str]) -> list[str]:
    """A model's answers to these prompts."""
    return [outputs()[name][item] for item in items]


def half(trained: bool, swapped: bool = False) -> list[str]:
    """The prompts of the half that trains, or of the other; swapped: the halves change places."""
    return [item for item in sorted(datasets()) if trains(item) == (trained != swapped)]


@cache
def ruler(teacher: str, own: str, rivals: tuple[str, ...] = (), swapped: bool = False) -> StyleModel:
    """The classifier trained on one half of the prompts."""
    items = half(True, swapped)
    return fit(said(teacher, items), said(own, items), [said(rival, items) for rival in rivals])


def side(model: StyleModel, name: str, items: Sequence[str]) -> Side:
    """What the classifier says of a model's answers to these prompts."""
    return side_of(model, _answers(name, items), 0)


def _answers(name: str, items: Sequence[str]) -> pd.DataFrame:
    told = {"response_id": list(items), "prompt_id": list(items), "told": said(name, items)}
    return pd.DataFrame(told).assign(checkpoint=name, cohort=None, time_us=0, training=False)


def on_other_prompts(model: StyleModel, teacher: str, here: Sequence[str], elsewhere: Sequence[str]) -> Comparison:
    """The model of people on some prompts beside itself on others, as the product compares a checkpoint."""
    known = {"as it was": side(model, PEOPLE, here)}
    voice = Voice(teacher, "as it was", 0, model, len(here), len(here), None, known)
    (measured,) = voices_of(voice, Texts(_answers(PEOPLE, elsewhere), (PEOPLE,)), 0.05)
    return compare_voice(measured)


@cache
def _held_out(name: str, teacher: str, own: str, rivals: tuple[str, ...], swapped: bool) -> Side:
    return side(ruler(teacher, own, rivals, swapped), name, half(False, swapped))


def beside(student: str, teacher: str, own: str, rivals: tuple[str, ...] = (), swapped: bool = False) -> Heard:
    """A model beside another on the held-out prompts, by the teacher's ruler."""
    new, old = (_held_out(name, teacher, own, rivals, swapped) for name in (student, own))
    gains = np.array(new.score) - np.array(old.score)
    nearer = p_not_nearer(np.array(new.part), np.array(old.part), paired=True)
    return Heard(gains, max(p_no_harm(gains, MATERIAL), nearer))


def house(name: str) -> set[str]:
    """The teachers that a model learned from, gpt-3.5 and gpt-4 being one: which of the two does not show."""
    taught, gpt = set(LEARNED_FROM[name]), set(TEACHERS[1:3])
    return taught | gpt if taught & gpt else taught


def rivals_of(teacher: str) -> tuple[str, ...]:
    """The other teachers."""
    return tuple(name for name in TEACHERS if name != teacher)
