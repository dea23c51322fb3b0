"""What happened by checkpoint and cohort, in plain means: for reading beside the alerts, never for deciding."""

import numpy as np
import pandas as pd

from monitor.check import Interval
from monitor.production.audit import evenly_asked
from monitor.production.baseline import cohort_values
from monitor.production.items import date_of
from monitor.result import CheckpointSummary
from monitor.snapshot import Snapshot, unit_means
from monitor.statistics.intervals import mean_interval

MOST_COHORT_ROWS = 200


def summaries(snapshot: Snapshot) -> list[CheckpointSummary]:
    """One row a checkpoint and role over all traffic, then the same by cohort value, in the order of first service.

    Means of the outcome are those of all traffic, whatever share of it an audit asked.
    """
    frame = snapshot.items.frame.copy()
    frame["role"] = snapshot.baseline.window.roles(frame)
    frame["even"] = frame["outcome"].where(evenly_asked(frame, frame["role"].to_numpy(str)))
    frame["mapped"] = snapshot.baseline.mapped(frame["reward"].to_numpy(float), snapshot.settings.reward.range)
    frame = frame[frame["role"] != "before"]
    rows = _rows(frame, {})
    for key, values in cohort_values(frame, snapshot.settings.cohorts).items():
        for value in list(snapshot.baseline.traffic.get(key, {})):
            if len(rows) < MOST_COHORT_ROWS:
                rows += _rows(frame[values == value], {key: value})
    return rows


def _rows(frame: pd.DataFrame, part: dict[str, str]) -> list[CheckpointSummary]:
    groups = sorted(frame.groupby(["checkpoint", "role"]), key=lambda group: int(group[1]["time_us"].min()))
    reference = frame[frame["role"] == "reference"]
    base = {name: _level(reference, name) for name in ("mapped", "even")}
    return [_row(items, part, str(name), str(role), base) for (name, role), items in groups]


def _row(
    items: pd.DataFrame, part: dict[str, str], checkpoint: str, role: str, base: dict[str, Interval]
) -> CheckpointSummary:
    reward, outcome = _level(items, "mapped"), _level(items, "even")
    return CheckpointSummary(
        checkpoint=checkpoint,
        slice=part,
        role=role,
        first=date_of(int(items["day"].min())),
        last=date_of(int(items["day"].max())),
        units=int(items["unit"].nunique()),
        labelled=int(items["unit"][items["outcome"].notna()].nunique()),
        missing_share=float(items["outcome"].isna().mean()),
        reward=_within(reward),
        outcome=_within(outcome),
        reward_change=_against(reward, base["mapped"]),
        outcome_change=_against(outcome, base["even"]),
    )


def _level(items: pd.DataFrame, column: str) -> Interval:
    unit = pd.factorize(items["unit"])[0].astype(np.int64)
    everything = np.ones(len(items), bool)
    _, _, values = unit_means(unit, items["day"].to_numpy(np.int64), items[column].to_numpy(float), everything)
    if not values.size:
        return Interval()
    return Interval(*mean_interval(values.size, float(values.sum()), float((values**2).sum())))


def _within(level: Interval) -> Interval:
    """A share with its interval, which cannot reach beyond 0 and 1."""
    if level.low is None or level.high is None:
        return level
    return Interval(level.value, max(level.low, 0.0), min(level.high, 1.0))


def _against(level: Interval, base: Interval) -> Interval:
    """Difference of two independent means; half-widths add in squares."""
    if level.value is None or base.value is None:
        return Interval()
    reach = float(np.hypot(_reach(level), _reach(base)))
    change = level.value - base.value
    return Interval(change, max(change - reach, -1.0), min(change + reach, 1.0))


def _reach(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return (interval.high - interval.low) / 2
