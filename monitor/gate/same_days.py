"""Did both checkpoints answer in the same days? What else changed meanwhile looks like the model's doing."""

import datetime as dt

import numpy as np

from monitor.gate.trial import Trial
from monitor.production.items import DAY_US, date_of
from monitor.snapshot import Codes

MOSTLY = 0.5  # share of one side's answers within the other's days, below which they count as served apart


def served_apart(trial: Trial) -> str:
    """A warning where two samples of production come mostly from different days; "" where they do not.

    Prompt by prompt no warning is due: each prompt is the same on both sides.
    """
    sides = [_times(trial, role) for role in ("monitored", "reference")]
    if trial.pairs_prompts or not all(side.size for side in sides):
        return ""
    if min(_share_within(sides[0], sides[1]), _share_within(sides[1], sides[0])) >= MOSTLY:
        return ""
    new, old = (f"{_date(side.min())} to {_date(side.max())}" for side in sides)
    return (
        f"Not the same days: {trial.candidate} answered from {new}, {trial.reference} from {old}, so that whatever else"
        " changed meanwhile (users, season, product) is blamed on the model here; serving both at once and"
        " `--stage canary`, or both answering the same prompts, would settle it."
    )


def _times(trial: Trial, role: str) -> Codes:
    told = (trial.roles == role) & ~np.isnan(trial.outcomes)
    times: Codes = trial.items.frame["time_us"].to_numpy(np.int64)[told]
    return times


def _share_within(times: Codes, others: Codes) -> float:
    """Share of times on the days from the first to the last of the others."""
    days, first, last = times // DAY_US, others.min() // DAY_US, others.max() // DAY_US
    return float(((days >= first) & (days <= last)).mean())


def _date(time_us: int) -> dt.date:
    return date_of(int(time_us) // DAY_US)
