"""What did one voter say of a pair, and several together? Latest word, both orders merged, majority; pure pandas.

A verdict is +1 answer a, 0 tie, -1 answer b, by answer and not by position; NaN where there is none. Nothing depends on
the order of rows or on how often one is there: ties in time are broken by content.
"""

import numpy as np
import pandas as pd

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
    shown = {order: rows["verdict"].where(rows["shown_order"] == order) for order in ("ab", "ba")}
    rows = rows.assign(**shown, low=rows["verdict"], unsure=rows["probability_a"].isna())
    merged = rows.groupby(["pair_id", *VOTER], as_index=False, sort=True).agg(
        verdict=("verdict", "max"), low=("low", "min"), ab=("ab", "max"), ba=("ba", "max"),
        severity=("severity", "max"), probability_a=("probability_a", "mean"), unsure=("unsure", "any"),
        time_us=("time_us", "max"), kind=("kind", "max"), family=("family", "max"),
    )  # fmt: skip
    merged["verdict"] = merged["verdict"].where(merged["verdict"] == merged["low"], 0.0)
    merged["verdict"] = merged["verdict"].mask(merged["severity"] > 0)
    merged["probability_a"] = merged["probability_a"].mask(merged["unsure"] | (merged["severity"] > 0))
    return merged.drop(columns=["low", "unsure"])


def majority(votes: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """What more than half of the voters say, without such a majority a tie; one row for each value of `by`.

    votes: of `merged_orders`. Columns: `by`, verdict, ab, ba, voters (with a verdict), severity (0 if anybody has a
    verdict, else the worst), probability_a (mean), time_us (of the last voter with a verdict), kind, family.
    """
    marks = {f"{name}_{side}": votes[name] == code for name in ("verdict", "ab", "ba") for side, code in CODES.items()}
    spoken = votes["time_us"].where(votes["verdict"].notna())
    sums = votes.assign(**marks, spoken=spoken).groupby(by, as_index=False, sort=True)
    found = sums.agg(
        **{name: (name, "sum") for name in marks}, voters=("verdict", "count"), severity=("severity", "max"),
        probability_a=("probability_a", "mean"), time_us=("time_us", "max"), spoken=("spoken", "max"),
        kind=("kind", "max"), family=("family", "max"),
    )  # fmt: skip
    for name in ("verdict", "ab", "ba"):
        a, tie, b = (found.pop(f"{name}_{side}") for side in CODES)
        voters = a + tie + b
        found[name] = np.select([voters == 0, 2 * a > voters, 2 * b > voters], [np.nan, 1.0, -1.0], 0.0)
    found["severity"] = found["severity"].mask(found["voters"] > 0, 0)
    found["time_us"] = found.pop("spoken").fillna(found["time_us"]).astype(np.int64)
    return found
