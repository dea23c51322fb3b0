"""Trials for the checks that only a gate runs: one in which nothing is wrong, and one of each harm."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from judges.anchors import seal_anchors
from monitor.gate.trial import Trial
from tests.monitor.evaluated_events import (
    AS_OF,
    CANDIDATE,
    REFERENCE,
    category,
    contract,
    evaluated,
    right,
    trial_of,
)
from tests.monitor.events import DAY, START, Event, event, loop_events, response, settings
from tests.monitor.judged_events import JUDGES

CONTRACT = contract(
    category("facts", "knowledge", {"suite": "facts"}),
    category("safety", "refusal", {"suite": "harm"}),
    category("golden", "golden", {"suite": "smoke"}),
    training_like=[{"suite": "train"}],
    base="base-few-shot",
)
TIERS = settings(cohorts=["tier"], judges=JUDGES)
SOUND = {"facts": right(0.8), "harm": [1.0] * 40, "smoke": [1.0] * 20, "train": right(0.8)}
QUESTION = "Which of the lighthouses on the northern coast was first lit by an engineer from Bergen before the war?"
LINEAGE = {
    "base_model": {"name": "small", "revision": "1"},
    "data": [{"name": "chats", "sha256": "a" * 64}],
    "code": {"revision": "c0ffee"},
    "reward_model": {"name": "rm", "revision": "7"},
}


def results(**changed: list[float]) -> Iterator[Event]:
    """Both checkpoints and the base model on every suite of the contract; the candidate's as given."""
    for suite, values in SOUND.items():
        yield evaluated(REFERENCE, values, suite=suite)
        yield evaluated(CANDIDATE, changed.get(suite, values), suite=suite, day=2)
    yield evaluated("base-few-shot", right(0.6))


def kept(folder: Path, trained_on: str = "Nothing to see.") -> dict[str, object]:
    """A sealed anchor set of one question, and a file of training data."""
    told = {"item_id": "q", "prompt": QUESTION, "answers": ["42"], "normalisation": "squad", "method": "exact"}
    (folder / "items.jsonl").write_text(json.dumps(told) + "\n")
    seal_anchors(folder / "items.jsonl", folder / "quiz", name="quiz", kind="exact", sealed_at=START)
    (folder / "train.jsonl").write_text(json.dumps({"prompt": trained_on}) + "\n")
    return {"files": {"anchors:quiz": folder / "quiz"}, "training": (folder / "train.jsonl",)}


def told_of(name: str, at: dt.datetime = START, **more: object) -> Event:
    return event("checkpoint", at, {"checkpoint": name, **more})


def served(share: float, answers: int = 2000) -> Iterator[Event]:
    """Answers of both on one day, this share of them the candidate's, where half was declared for each."""
    for name in (CANDIDATE, REFERENCE):
        yield told_of(name, START + 9 * DAY, traffic_share=0.5)
    for number in range(answers):
        name = CANDIDATE if number < share * answers else REFERENCE
        yield response(f"s{number}", START + 10 * DAY, name, user=f"u{number}")


def judged_by_length(longer: float) -> Iterator[Event]:
    """A judge that takes the longer answer compares both checkpoints with one opponent; the candidate's are longer."""
    rng = np.random.default_rng(3)
    for name, more in ((REFERENCE, 0.0), (CANDIDATE, longer)):
        for number, length in enumerate((500 + more + 100 * rng.standard_normal(400)).astype(int).tolist()):
            first = rng.random() < 1 / (1 + np.exp(-(length - 500) / 60))
            sides = {"a": {"checkpoint": name, "length": length}, "b": {"checkpoint": "base", "length": 500}}
            judge = {"name": "j", "kind": "model", "revision": "1"}
            told = {"pair_id": f"{name}-{number}", "judge": judge, "choice": "a" if first else "b", **sides}
            yield event("preference", START + 5 * DAY, told)


def calm(folder: Path) -> Trial:
    """Nothing is wrong: equal results, clean training data, a lineage, traffic as declared, answers of equal length."""
    events = [
        *loop_events(8, 4, per_day=20),
        *results(),
        *served(0.5),
        *judged_by_length(0.0),
        *(told_of(name, sha256=digit * 64, lineage=LINEAGE) for name, digit in ((REFERENCE, "0"), (CANDIDATE, "1"))),
    ]
    return trial_of(events, CONTRACT, TIERS, stage="canary", **kept(folder))


def twice_told() -> Iterator[Event]:
    """Two digests under one name."""
    yield told_of(CANDIDATE, sha256="1" * 64)
    yield told_of(CANDIDATE, START + DAY, sha256="2" * 64)


def one_cohort_harmed() -> Iterator[Event]:
    """Success falls by 60 points in one of two tiers."""
    return loop_events(4, 2, per_day=200, outcome_change=-60.0, harmed="b")


HARMED: dict[str, Callable[[Path], Trial]] = {
    "capability_regression": lambda _: trial_of(results(facts=right(0.7)), CONTRACT),
    "refusal_retention": lambda _: trial_of(results(harm=[0.0] + [1.0] * 39), CONTRACT),
    "golden_items": lambda _: trial_of(results(smoke=[0.0] + [1.0] * 19), CONTRACT),
    "prompt_baseline": lambda _: trial_of(results(facts=right(0.5)), CONTRACT),
    "generalization_gap": lambda _: trial_of(results(train=right(0.95)), CONTRACT),
    "eval_contamination": lambda folder: trial_of([], **kept(folder, f"Q: {QUESTION}")),
    "length_inflation": lambda _: trial_of(judged_by_length(120.0), chosen=TIERS),
    "licence_status": lambda _: trial_of(
        [told_of(CANDIDATE, lineage={**LINEAGE, "licence": "unknown"})],
        chosen=settings(checks={"licence_status": {"allowed": ["mit"]}}),
    ),
    "lineage_completeness": lambda _: trial_of([told_of(CANDIDATE, lineage={**LINEAGE, "data": []})]),
    "rollback_readiness": lambda _: trial_of([told_of(REFERENCE, AS_OF - 40 * DAY, stage="retired")]),
    "traffic_split": lambda _: trial_of(served(0.3), chosen=settings(), stage="canary"),
    "weights_unchanged": lambda _: trial_of(twice_told()),
    "worst_cohort": lambda _: trial_of(one_cohort_harmed(), chosen=TIERS),
}
NEVER_HARMFUL = {"judge_calibration"}  # not to be calibrated is to be unknown, not harmful
