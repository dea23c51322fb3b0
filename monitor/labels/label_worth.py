"""Which items have no label yet, what kind of item is each, and what would a label of it be worth?

A pair's chance never depends on what its judges said: the watch over judges compares verdicts of labelled pairs as
they are, and pairs chosen by a verdict would mislead it. Verdicts only decide how the draw is spread.
"""

import datetime as dt

import numpy as np
import pandas as pd
from sqlalchemy import Engine, bindparam, text

from consumers.chunks import in_chunks
from consumers.database import reading
from judges.preference import read_preferences
from monitor.production.baseline import cohort_labels
from monitor.production.items import DAY_US, day_of, load_items, microseconds
from monitor.settings import Settings

RECENT_DAYS = 28  # what is said of a judge or a loop is said of these days
OLDER = 0.5  # worth of a label of an older item
LEAST_VARIANCE = 0.0025  # of an outcome in a cell where none failed yet
PRIOR = 2.0  # labels of an average item that stand behind each cell
WORDS = {
    "responses": text("""
        SELECT r.response_id AS name, MAX(t.prompt) AS prompt, MAX(t.response) AS answer
        FROM response AS r JOIN text AS t ON t.seq = r.seq WHERE r.response_id IN :names GROUP BY r.response_id
    """).bindparams(bindparam("names", expanding=True)),
    "pairs": text("""
        SELECT p.pair_id AS name, MAX(t.a) AS a, MAX(t.b) AS b, MAX(p.a_response_id) AS a_response,
               MAX(p.b_response_id) AS b_response
        FROM preference AS p LEFT JOIN text AS t ON t.seq = p.seq WHERE p.pair_id IN :names GROUP BY p.pair_id
    """).bindparams(bindparam("names", expanding=True)),
}


def unlabelled_pairs(engine: Engine, settings: Settings, as_of: dt.datetime) -> pd.DataFrame:
    """Pairs that a watched judge judged and no person did, one row each: item_id, kind, cohort, day, worth.

    kind: how judge and teacher stand to each other, in words. worth: equal for all of one age.
    """
    said = read_preferences(engine, settings.judges, microseconds(as_of))
    rows = said.verdicts.merge(said.pairs, on="pair_id")
    rows = rows[rows["human"].isna() & rows["verdict"].notna()].sort_values(["pair_id", "judge", "revision"])
    rows = rows.drop_duplicates("pair_id", ignore_index=True)
    frame = pd.DataFrame({"item_id": rows["pair_id"].astype(object), "kind": _stand(rows), "cohort": rows["cohort"]})
    frame["day"] = rows["time_us"] // DAY_US
    return frame.assign(worth=_of_age(frame, as_of))


def unlabelled_responses(engine: Engine, settings: Settings, as_of: dt.datetime) -> pd.DataFrame:
    """Production answers without an outcome that can still get one in time, one row each, as `unlabelled_pairs` has it.

    kind: the reward they got so far. worth: deviation of the outcome among labelled answers of that reward and cohort.
    """
    frame = load_items(engine, settings, as_of + settings.wait + dt.timedelta(days=1)).frame
    told = pd.DataFrame({"item_id": frame["response_id"].astype(object), "kind": _levels(frame["reward"])})
    told["cohort"] = cohort_labels(frame, settings.cohorts) if settings.cohorts else ""
    told["day"], told["outcome"] = frame["time_us"] // DAY_US, frame["outcome"].astype(float)
    told["worth"] = _deviation(told) * _of_age(told, as_of)
    is_open = told["outcome"].isna() & (frame["day"] >= day_of(as_of)) & (frame["time_us"] < microseconds(as_of))
    return told[is_open].drop(columns="outcome").sort_values("item_id", ignore_index=True)


def _levels(reward: "pd.Series[float]") -> "pd.Series[str]":
    rank = reward.rank(pct=True, method="average").to_numpy(float)
    third = np.select([np.isnan(rank), rank > 2 / 3, rank > 1 / 3], ["no", "a high", "a middle"], "a low")
    return pd.Series([f"{name} reward" for name in third], index=reward.index, dtype=object)


def words_of(engine: Engine, what: str, names: list[str]) -> pd.DataFrame:
    """What a person must read, by item: prompt and a, b, or prompt and answer; empty where words were removed."""
    if what == "responses":
        return _read(engine, "responses", names).set_index("name")
    told = _read(engine, "pairs", names)
    answers = _read(engine, "responses", [*told["a_response"].dropna(), *told["b_response"].dropna()]).set_index("name")
    for side in ("a", "b"):
        told[side] = told[side].fillna(told[f"{side}_response"].map(answers["answer"]))
    told["prompt"] = told["a_response"].map(answers["prompt"]).fillna(told["b_response"].map(answers["prompt"]))
    return told.set_index("name")[["prompt", "a", "b"]]


def _read(engine: Engine, what: str, names: list[str]) -> pd.DataFrame:
    with reading(engine) as connection:
        rows = [row._mapping for some in in_chunks(names) for row in connection.execute(WORDS[what], {"names": some})]
    columns = ["name", "prompt", "answer"] if what == "responses" else ["name", "a", "b", "a_response", "b_response"]
    return pd.DataFrame([dict(row) for row in rows], columns=columns, dtype=object)


def _stand(rows: pd.DataFrame) -> "pd.Series[str]":
    judge, teacher = rows["verdict"], rows["teacher"]
    with_teacher = np.select(
        [teacher.isna(), teacher == judge], ["", "judge and teacher agree"], "judge and teacher differ"
    )
    both = rows["ab"].notna() & rows["ba"].notna()
    settled = np.select([~both, rows["ab"] == rows["ba"]], ["", "same in both orders"], "another verdict in each order")
    decided = np.where(judge == 0, "tie", "")
    told = [
        ", ".join(filter(None, parts)) or "judged once" for parts in zip(with_teacher, settled, decided, strict=True)
    ]
    return pd.Series(told, index=rows.index, dtype=object)


def _of_age(frame: pd.DataFrame, as_of: dt.datetime) -> "pd.Series[float]":
    is_recent = frame["day"] >= microseconds(as_of) // DAY_US - RECENT_DAYS
    return pd.Series(np.where(is_recent, 1.0, OLDER), index=frame.index)


def _deviation(told: pd.DataFrame) -> "pd.Series[float]":
    """Deviation of the outcome in each cell of kind and cohort; cells of few labels lean to the mean of all."""
    mean = told["outcome"].mean()
    mean = 0.5 if np.isnan(mean) else float(mean)
    cells = told.groupby(["kind", "cohort"])["outcome"]
    share = (cells.transform("sum") + PRIOR * mean) / (cells.transform("count") + PRIOR)
    return pd.Series(np.sqrt(np.maximum(share * (1 - share), LEAST_VARIANCE)), index=told.index)
