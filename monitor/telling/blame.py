"""Which checkpoint does an alert name?

As a rule the one that served most units since the likely start. That start is a day; where several checkpoints begin to
serve within one, it cannot tell them apart, and the change point among them in order of service is named instead.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from monitor.snapshot import Snapshot
from monitor.statistics.change_point import change_shares
from monitor.statistics.scores import calibration_residual

LOOK_BACK_DAYS = 14  # before the likely start, which itself may be late
LEAST_VARIANCE = 1e-6


def serve_within_days(frame: pd.DataFrame) -> bool:
    """Whether these items have more checkpoints than days."""
    return bool(frame["checkpoint"].nunique() > frame["day"].nunique())


def most_served(frame: pd.DataFrame) -> str:
    """The checkpoint that served most units; the later one of two equals; "" where nobody served."""
    if frame.empty:
        return ""
    served = frame.groupby("checkpoint").agg(units=("unit", "nunique"), last=("time_us", "max"))
    return str(served.sort_values(["units", "last"]).index[-1])


def first_worse(snapshot: Snapshot, frame: pd.DataFrame) -> str:
    """The checkpoint from which on A1 was most likely worse; "" where no item tells.

    frame: items up to the alert, from some days before the likely start on.
    """
    items = replace(snapshot.items, frame=frame.reset_index(drop=True))
    whole = next(replace(snapshot, items=items, arms=()).parts())
    effects = calibration_residual(whole.expected, whole.outcome)
    known = ~np.isnan(effects)
    if not known.any():
        return ""
    order = items.frame.groupby("checkpoint")["time_us"].min().sort_index().sort_values(kind="stable").index
    places = order.get_indexer(pd.Index(items.frame["checkpoint"]))[known]
    units = np.bincount(places, minlength=len(order)).astype(float)
    totals = np.bincount(places, effects[known], len(order)).astype(float)
    variance = max(float(effects[known].var()), LEAST_VARIANCE)
    return str(order[int(np.argmax(change_shares(units, totals, variance, snapshot.baseline.labelled)))])
