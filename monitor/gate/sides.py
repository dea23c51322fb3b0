"""Which answers of production are the candidate's, which the reference's, and what was the reference like?"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine

from monitor.gate.trial import Trial
from monitor.production.baseline import NEVER_US, Baseline, ReferenceMissing, Window, fit_baseline, no_baseline
from monitor.production.items import Items, load_items, revision_of
from monitor.settings import ReferenceSettings, Settings


@dataclass(frozen=True)
class Sides(Window):
    """The two checkpoints of a trial; of the reference only what was answered in [start_us, end_us)."""

    candidate: str = ""

    def roles(self, frame: pd.DataFrame) -> NDArray[np.str_]:
        """Role of each item: reference, monitored (the candidate's), or before."""
        checkpoint, time = frame["checkpoint"].to_numpy(object), frame["time_us"].to_numpy()
        inside = (time >= self.start_us) & (time < self.end_us)
        return np.select([(checkpoint == self.checkpoint) & inside, checkpoint == self.candidate], SIDES, "before")


SIDES = ["reference", "monitored"]


def prepare_trial(
    engine: Engine, settings: Settings, candidate: str, reference: str, as_of: dt.datetime, stage: str, **more: Any
) -> Trial:
    """A trial of what had matured as of a moment. more: other fields of `Trial`.

    stage: in a rollout (canary, ramp, full) only answers of the reference from the candidate's own time count, so that
    both met the same days.
    """
    ruler = revision_of(engine, settings, as_of, reference, 0, NEVER_US)
    items = load_items(engine, settings, as_of, revision=ruler, of=(candidate, reference))
    return trial_of(items, engine, settings, candidate, reference, as_of, stage, **more)


def trial_of(
    items: Items,
    engine: Engine,
    settings: Settings,
    candidate: str,
    reference: str,
    as_of: dt.datetime,
    stage: str,
    **more: Any,
) -> Trial:
    """The same of items that were loaded already."""
    items = _of_both(items, candidate, reference)
    settings = settings.model_copy(update={"reference": ReferenceSettings(checkpoint=reference)})
    sides = _sides(items.frame, candidate, reference, concurrent=stage != "offline")
    baseline = _baseline(items, sides, settings)
    return Trial(
        as_of, settings, items, baseline, engine, candidate=candidate, reference=reference, stage=stage, **more
    )


def _of_both(items: Items, candidate: str, reference: str) -> Items:
    mine = items.frame["checkpoint"].isin((candidate, reference))
    return replace(items, frame=items.frame[mine].reset_index(drop=True))


def _sides(frame: pd.DataFrame, candidate: str, reference: str, concurrent: bool) -> Sides:
    mine = frame["time_us"][frame["checkpoint"] == candidate]
    start, end = (int(mine.min()), int(mine.max()) + 1) if concurrent and len(mine) else (0, NEVER_US)
    return Sides(reference, start, end, chosen_by_default=False, ended=True, candidate=candidate)


def _baseline(items: Items, sides: Sides, settings: Settings) -> Baseline:
    try:
        return fit_baseline(items.frame, sides, settings, items.revision)
    except ReferenceMissing:
        return replace(no_baseline(settings), window=sides)
