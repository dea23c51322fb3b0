"""Which answers should a person read? A handful, picked by a fixed rule, so that nobody chooses what proves a point."""

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import bindparam, text

from monitor.production.baseline import cohort_labels
from monitor.result import Example
from monitor.snapshot import Snapshot

TEXTS = text("""
    SELECT r.response_id, t.prompt, t.response FROM response AS r JOIN text AS t ON t.seq = r.seq
    WHERE r.response_id IN :ids ORDER BY r.time_us DESC
""").bindparams(bindparam("ids", expanding=True))

ENOUGH_TO_TELL = 10  # outcomes of a cohort


def examples_of(snapshot: Snapshot, frame: pd.DataFrame, escaped: str | None = None) -> list[Example]:
    """Five to read by a fixed rule: three high-reward failures, one at random, one of the worst cohort.

    Without cohorts in the settings, or with one alone in the frame, none is the worst.
    escaped: instead three of the newest that gave no "reward" (no "outcome") and one at random.
    """
    picks: dict[str, tuple[str, pd.Series[Any]]] = {}
    for why, rows, count in _rules(snapshot, frame) if escaped is None else _escape_rules(frame, escaped):
        fresh = [row for _, row in rows.head(10).iterrows() if row["response_id"] not in picks][:count]
        picks.update({row["response_id"]: (why, row) for row in fresh})
    if not picks:
        return []
    with snapshot.engine.connect() as connection:
        texts = {row[0]: (row[1], row[2]) for row in connection.execute(TEXTS, {"ids": list(picks)})}
    return [_example(why, row, texts.get(name, (None, None))) for name, (why, row) in picks.items()]


def _rules(snapshot: Snapshot, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame, int]]:
    ordered = frame.sort_values(["reward", "time_us", "response_id"], ascending=[False, False, True])
    failed = ordered[ordered["outcome"] <= snapshot.baseline.split]
    cohorts = cohort_labels(frame, snapshot.settings.cohorts)
    worst = failed[(cohorts == _worst_cohort(frame["outcome"], cohorts))[failed.index]]
    return [
        ("high reward, failed outcome", failed, 3),
        ("worst cohort, failed outcome", worst, 1),
        ("drawn at random", _scrambled(frame), 1),
    ]


def _escape_rules(frame: pd.DataFrame, escaped: str) -> list[tuple[str, pd.DataFrame, int]]:
    newest = frame[frame[escaped].isna()].sort_values(["time_us", "response_id"], ascending=[False, True])
    return [(f"gave no {escaped}", newest, 3), ("drawn at random", _scrambled(frame), 1)]


def _scrambled(frame: pd.DataFrame) -> pd.DataFrame:
    hashed = pd.util.hash_pandas_object(frame["response_id"].astype(object), index=False)
    return frame.iloc[np.argsort(hashed)]


def _example(why: str, row: "pd.Series[Any]", texts: tuple[str | None, str | None]) -> Example:
    reward, outcome = (None if pd.isna(row[name]) else float(row[name]) for name in ("reward", "outcome"))
    return Example(str(row["response_id"]), str(row["checkpoint"]), why, reward, outcome, *texts)


def _worst_cohort(outcome: "pd.Series[Any]", cohorts: "pd.Series[Any]") -> str | None:
    """The cohort with the lowest mean outcome among two or more that are large enough to tell."""
    means = outcome.dropna().groupby(cohorts).agg(["mean", "size"])
    means = means[means["size"] >= ENOUGH_TO_TELL]
    return None if len(means) < 2 else str(means.sort_index()["mean"].idxmin())
