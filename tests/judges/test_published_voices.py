"""Voices of published models on the same prompts: who sounds like whom? Beside a student that learned from people."""

import gzip
import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from judges.style import StyleModel, fit
from monitor.statistics.paired import p_no_harm
from monitor.statistics.voice import p_not_nearer
from monitor.voice import Side, side_of, trains

FOLDER = Path(os.environ.get("REWARD_DRIFT_DATA", "")) / "alpaca_eval"
OUTPUTS = FOLDER / "outputs.jsonl.gz"
PEOPLE = "oasst-sft-llama-33b"

pytestmark = pytest.mark.skipif(not OUTPUTS.is_file(), reason="needs alpaca_eval in REWARD_DRIFT_DATA")


@cache
def outputs() -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = defaultdict(dict)
    with gzip.open(OUTPUTS, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            told[row["model"]][str(row["item"])] = row["output"]
    return told


@cache
def ruler(teacher: str, reference: str) -> StyleModel:
    texts = outputs()
    items = [item for item in sorted(texts[teacher]) if trains(item)]
    return fit([texts[teacher][item] for item in items], [texts[reference][item] for item in items])


@cache
def heard(name: str, teacher: str, reference: str) -> Side:
    held = {item: told for item, told in outputs()[name].items() if not trains(item)}
    frame = pd.DataFrame({"prompt_id": sorted(held), "cohort": None, "told": [held[item] for item in sorted(held)]})
    return side_of(ruler(teacher, reference), frame, 0)


def beside(student: str, teacher: str, reference: str) -> tuple[float, float]:
    """D, and the p-value that an alert would be raised on."""
    new, old = (heard(name, teacher, reference) for name in (student, reference))
    gain = np.array(new.score) - np.array(old.score)
    parts = np.array(new.part), np.array(old.part)
    return float(gain.mean()), max(p_no_harm(gain, 0.02), p_not_nearer(*parts, paired=True))


@pytest.mark.parametrize(
    ("student", "teacher", "reference"),
    [
        ("claude2-alpaca-13b", "claude", PEOPLE),
        ("nous-hermes-13b", "gpt4", PEOPLE),
        ("wizardlm-13b", "gpt-3.5-turbo-0301", PEOPLE),
        ("alpaca-7b", "text_davinci_003", "alpaca-farm-ppo-human"),
    ],
)
def test_a_student_is_found_nearer_to_its_teacher(student: str, teacher: str, reference: str) -> None:
    gain, p = beside(student, teacher, reference)
    assert gain > 0.04
    assert p < 0.02


@pytest.mark.parametrize("teacher", ["text_davinci_003", "gpt-3.5-turbo-0301", "gpt4", "claude"])
def test_a_model_of_its_own_voice_is_not_accused(teacher: str) -> None:
    """Although the classifier of two voices alone would accuse it of three of them."""
    gain, p = beside("llama-2-13b-chat-hf", teacher, PEOPLE)
    assert p > 0.99
    assert (gain > 0.08) == (teacher != "text_davinci_003")


def test_preferences_that_gpt4_simulated_move_a_student_toward_it() -> None:
    """Beside its twin, tuned on preferences of people. On another half of the prompts the distance may not show it."""
    gain, p = beside("alpaca-farm-ppo-sim-gpt4-20k", "gpt4", "alpaca-farm-ppo-human")
    assert 0.05 < gain < 0.15
    assert p < 0.05
