"""Results of checkpoints on suites as events, and what the gate finds in a store that holds them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from consumers.store import EventStore
from monitor.check import load_checks
from monitor.gate.contract import Contract
from monitor.gate.decide import judged_together
from monitor.gate.result import GateFinding
from monitor.gate.run import measure, test
from monitor.gate.sides import prepare_trial
from monitor.gate.trial import Trial
from monitor.settings import Settings
from tests.monitor.events import DAY, START, Event, event, in_memory, settings

AS_OF = START + 20 * DAY
CANDIDATE, REFERENCE = "ckpt-1", "ckpt-0"


def evaluated(
    checkpoint: str,
    values: Sequence[float | None] | None,
    *,
    suite: str = "facts",
    category: str = "all",
    metric: str = "acc",
    names: Sequence[str] | None = None,
    day: float = 1,
    **more: Any,
) -> Event:
    """One result of a suite: a value an item, under their numbers unless named; or a mean alone."""
    names = names or [f"i{number}" for number in range(len(values or ()))]
    samples = None if values is None else [{"id": n, "value": v} for n, v in zip(names, values, strict=True)]
    told = [0.0 if value is None else value for value in values or ()]
    given = {"value": float(np.mean(told)) if told else 0.0, "samples": samples, **more}
    key = {"checkpoint": checkpoint, "suite": suite, "category": category, "metric": metric}
    return event("evaluation", START + day * DAY, {**key, **given})


def right(share: float, items: int = 1000, seed: int = 0) -> list[float]:
    """Items of which this share is right; what is right at a lower share is right at a higher one."""
    return (np.random.default_rng(seed).permutation(items) < share * items).astype(float).tolist()


def contract(*categories: dict[str, Any], **more: Any) -> Contract:
    return Contract.model_validate({"categories": list(categories), **more})


def category(name: str, kind: str, *tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "tests": list(tests), **more}


def trial_of(
    events: Iterable[Event] | EventStore, told: Contract | None = None, chosen: Settings | None = None, **more: Any
) -> Trial:
    """A trial of ckpt-1 against ckpt-0 over a store with these events."""
    store = events if isinstance(events, EventStore) else in_memory(events)
    as_of: dt.datetime = more.pop("as_of", AS_OF)
    stage = more.pop("stage", "offline")
    given = {"contract": told, **more}
    return prepare_trial(store.engine, chosen or settings(), CANDIDATE, REFERENCE, as_of, stage, **given)


def gate_findings(name: str, trial: Trial) -> list[GateFinding]:
    """What one check of the gate finds, each finding decided as if nothing else were looked at."""
    measured, errors = measure(trial, [load_checks()[name]])
    return judged_together([*test(trial, measured, trial.settings.gate.alpha), *errors], trial.settings.gate.alpha)
