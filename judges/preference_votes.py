"""What did one voter say of a pair, and several together? Latest word, both orders merged, majority; pure pandas.

A verdict is +1 answer a, 0 tie, -1 answer b, by answer and not by position; NaN where there is none. Nothing depends on
the order of rows or on how often one is there: ties in time are broken by content.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CODES = {"a": 1.0, "tie": 0.0, "b": -1.0}
STATUSES = (
    "ok",
    "unscoreable",
    "refused",
    "error",
)  # the worse of two orders speaks for the pair, as in verdict.merged
VOTER = ["judge", "annotator", "revision"]


def latest(rows: pd.DataFrame) -> pd.DataFrame:
    """The last word, by event time, of each judge, annotator and revision on each pair in each order.

    rows: one judgment each: pair_id, judge, annotator, revision, shown_order ("" for unknown), choice, status,
    probability_a, time_us. Adds `verdict` and `severity` (place of the status in STATUSES). At equal times a verdict
    beats a failure.
    """
    rows = rows.assign(
        verdict=rows["choice"].map(CODES).astype(float), severity=rows["status"].map(STATUSES.index).astype(np.int64)
    )
    key = ["pair_id", *VOTER, "shown_order"]
    content = ["time_us", "severity", "verdict", "probability_a", "kind", "family"]
    rows = rows.sort_values([*key, *content], ascending=[True] * len(key) + [True, False, True, True, True, True])
    return rows.drop_duplicates(key, keep="last", ignore_index=True)


def merged_orders(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a pair and voter from its last words: the same choice in every order counts, anything else is a tie.

    rows: of `latest`. Columns: pair_id, judge, annotator, revision, verdict, ab, ba (the verdict in either order),
    severity, probability_a (mean of the orders; NaN if one gave none), time_us (of the later order), kind, family.
    A failed order fails the pair: a missing half is never filled in from the other.
    """
    runs = _Runs(rows, ["pair_id", *VOTER])
    said, shown = rows["verdict"].to_numpy(np.float64), rows["shown_order"]
    severity = runs.largest(rows["severity"])
    high, low = np.fmax.reduceat(said, runs.starts), np.fmin.reduceat(said, runs.starts)
    merged = runs.heads()
    merged["verdict"] = np.where(severity > 0, np.nan, np.where(high == low, high, 0.0))
    for order in ("ab", "ba"):
        merged[order] = np.fmax.reduceat(np.where(shown == order, said, np.nan), runs.starts)
    merged["severity"] = severity
    probability = np.add.reduceat(rows["probability_a"].to_numpy(np.float64), runs.starts) / runs.sizes
    merged["probability_a"] = np.where(severity > 0, np.nan, probability)
    return merged.assign(**{name: runs.largest(rows[name]) for name in ("time_us", "kind", "family")})


def majority(votes: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """What more than half of the voters say, without such a majority a tie; one row for each value of `by`.

    votes: of `merged_orders`. Columns: `by`, verdict, ab, ba, voters (with a verdict), severity (0 if anybody has a
    verdict, else the worst), probability_a (mean), time_us (of the last voter with a verdict), kind, family.
    """
    votes = votes.sort_values(by, kind="stable")
    runs = _Runs(votes, by)
    found = runs.heads()
    for name in ("verdict", "ab", "ba"):
        a, tie, b = (runs.total(votes[name].to_numpy(np.float64) == code) for code in CODES.values())
        known = a + tie + b
        found[name] = np.select([known == 0, 2 * a > known, 2 * b > known], [np.nan, 1.0, -1.0], 0.0)
    spoke = votes["verdict"].notna().to_numpy(bool)
    found["voters"] = runs.total(spoke)
    silent = found["voters"].to_numpy() == 0
    found["severity"] = np.where(silent, runs.largest(votes["severity"]), 0)
    soft = votes["probability_a"].to_numpy(np.float64)
    given = runs.total(~np.isnan(soft))
    found["probability_a"] = np.where(given > 0, runs.total(np.nan_to_num(soft)) / np.maximum(given, 1), np.nan)
    times = votes["time_us"].to_numpy(np.int64)
    spoken = np.maximum.reduceat(np.where(spoke, times, np.iinfo(np.int64).min), runs.starts)
    found["time_us"] = np.where(silent, runs.largest(votes["time_us"]), spoken)
    return found.assign(**{name: runs.largest(votes[name]) for name in ("kind", "family")})


class _Runs:
    """Rows of equal keys, which must stand together."""

    def __init__(self, rows: pd.DataFrame, by: list[str]) -> None:
        changed = np.arange(len(rows)) == 0
        for name in by:
            codes = pd.factorize(rows[name])[0]
            changed[1:] |= codes[1:] != codes[:-1]
        self.rows, self.by = rows, by
        self.starts = np.flatnonzero(changed)
        self.sizes = np.diff(np.append(self.starts, len(rows)))

    def heads(self) -> pd.DataFrame:
        """One row a run, with its key."""
        return self.rows[self.by].iloc[self.starts].reset_index(drop=True)

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of each run; of booleans their number."""
        return np.add.reduceat(values.astype(np.float64), self.starts)

    def largest(self, column: "pd.Series[Any]") -> Any:
        """Largest value of each run, of numbers or of names."""
        if pd.api.types.is_integer_dtype(column):
            return np.maximum.reduceat(column.to_numpy(np.int64), self.starts)
        codes, names = pd.factorize(column, sort=True)
        return names.take(np.maximum.reduceat(codes, self.starts))
