"""Who preferred what? Judgments of one pair, joined: the human verdict, the teacher's, each watched judge's.

Read from the store as of a moment; the result is a function of the set of events, never of their arrival.

The human verdict of a pair is that of the judge named as human, the majority of its annotators; else the majority of
the judges of kind human and exact; no majority is a tie. A label made by a model is never a human verdict, whoever
signs it: refused are labels of kind model, reward_model or teacher under the human's name, and those of judges that are
watched or are the teacher.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, text

from consumers.database import reading
from judges.preference_votes import STATUSES, latest, majority, merged_orders

DAY_US = 86_400_000_000
CHUNK = 100_000  # rows fetched at a time
PEOPLE = ("human", "exact")  # kinds whose labels may be anchors
MODELS = ("model", "reward_model", "teacher")
BETWEEN = "\0"  # stands in no identifier

JUDGED = """
    SELECT pair_id, judge, kind, annotator, family, revision, shown_order, choice, status, probability_a, time_us
    FROM preference WHERE time_us < :until
"""
ANY = "SELECT 1 FROM preference WHERE time_us < :until LIMIT 1"
SIDES = """
    SELECT pair_id, prompt_id, anchor_set, cohort, a_checkpoint, a_length, a_family, b_checkpoint, b_length, b_family,
           MAX(time_us) AS time_us
    FROM preference WHERE time_us < :until
    GROUP BY pair_id, prompt_id, anchor_set, cohort, a_checkpoint, a_length, a_family, b_checkpoint, b_length, b_family
"""
TEACHERS = "SELECT DISTINCT checkpoint, teacher FROM checkpoint WHERE teacher IS NOT NULL AND time_us < :until"
NAMED = ["judge", "kind", "annotator", "family", "revision", "shown_order"]
DESCRIBED = ["prompt_id", "anchor_set", "cohort", "a_checkpoint", "a_family", "b_checkpoint", "b_family"]


class Names(Protocol):
    """How judges are called in the settings.

    watched: empty for every judge that is neither human nor exact nor the teacher.
    """

    @property
    def watched(self) -> tuple[str, ...]: ...
    @property
    def teacher(self) -> str | None: ...
    @property
    def human(self) -> str | None: ...


@dataclass(frozen=True)
class Preferences:
    """Pairs and what was said of them. Verdicts are +1 answer a, 0 tie, -1 answer b, NaN none.

    pairs: one row a pair, by pair_id: prompt_id, anchor_set, cohort (canonical JSON object), a_checkpoint, a_length
    (characters), a_family, the same of b; human (verdict), human_voters, human_by ("named" or "majority"), human_us;
    teacher (verdict), teacher_status, teacher_us. Unknown names are "", unknown numbers NaN.

    verdicts: one row a pair, watched judge and revision: pair_id, judge, revision, family, verdict, status ("ok" or
    why there is none), ab, ba (the verdict by answer in each order, NaN if not asked), probability_a, time_us, day;
    same_family_a, same_family_b (the side is of the judge's family), own_student_a, own_student_b (a checkpoint event
    of the side names the judge, or its family, as teacher).

    anchors: who made labels: judge, annotator, kind, labels (pairs with a verdict), used (pairs whose human verdict
    they helped to make), refused ("" or why none of them may count), last_us.

    watched: names of the watched judges, sorted; those of the settings even if they never judged.
    contradicted: pairs left out because events disagree about whose answers a and b are.
    """

    pairs: pd.DataFrame
    verdicts: pd.DataFrame
    anchors: pd.DataFrame
    watched: tuple[str, ...]
    contradicted: int

    def judged_by(self, judge: str) -> pd.DataFrame:
        """The judge's verdict on each pair offered to it, of the revision that spoke last, joined with the pair."""
        mine = self.verdicts[self.verdicts["judge"] == judge]
        mine = mine.sort_values(["pair_id", "time_us", "revision"]).drop_duplicates("pair_id", keep="last")
        return mine.merge(self.pairs, on="pair_id", validate="one_to_one").reset_index(drop=True)


def read_preferences(engine: Engine, names: Names, until_us: int) -> Preferences:
    """Read every judgment that happened before `until_us` (microseconds since 1970-01-01 UTC)."""
    with reading(engine) as connection:
        rows = _read(connection, JUDGED, until_us)
        sides = _read(connection, SIDES, until_us)
        students = _read(connection, TEACHERS, until_us)
    pairs, contradicted = _pairs(sides)
    rows[NAMED] = rows[NAMED].fillna("")
    if contradicted:
        rows = rows[rows["pair_id"].isin(pairs["pair_id"])]
    watched = tuple(sorted(names.watched or _others(rows, names)))
    rows = rows.assign(refused=_refusals(rows, names, watched))
    human, anchors = _human(rows[rows["kind"].isin(PEOPLE) | (rows["judge"] == (names.human or ""))], names)
    verdicts = _verdicts(rows[rows["judge"].isin(watched)])
    teacher = _teacher(_verdicts(rows[rows["judge"] == (names.teacher or "")]))
    pairs = pairs.merge(human, on="pair_id", how="left").merge(teacher, on="pair_id", how="left")
    pairs[["human_by", "teacher_status"]] = pairs[["human_by", "teacher_status"]].fillna("")
    return Preferences(pairs, _related(verdicts, pairs, students), anchors, watched, contradicted)


def are_judged(engine: Engine, until_us: int) -> bool:
    """Whether any judgment happened before `until_us`; asked before all are read."""
    with reading(engine) as connection:
        return connection.execute(text(ANY), {"until": until_us}).first() is not None


def _read(connection: Connection, statement: str, until_us: int) -> pd.DataFrame:
    """Rows of a query, fetched in chunks: the names of a million rows are never Python strings at once."""
    streamed = connection.execution_options(stream_results=True)
    chunks: Iterator[pd.DataFrame] = pd.read_sql_query(
        text(statement), streamed, params={"until": until_us}, chunksize=CHUNK
    )
    return pd.concat([_packed(chunk) for chunk in chunks], ignore_index=True)


def _packed(chunk: pd.DataFrame) -> pd.DataFrame:
    numbers = [name for name in ("probability_a", "a_length", "b_length") if name in chunk]
    names = [name for name in chunk if name not in (*numbers, "time_us")]
    return chunk.astype({**dict.fromkeys(numbers, np.float64), **dict.fromkeys(names, "string[pyarrow]")})


def _pairs(sides: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a pair: the last that was told of each of its sides; pairs of which events tell different sides."""
    known = sides.sort_values(["time_us", *DESCRIBED, "a_length", "b_length"])
    by = known.groupby("pair_id", sort=True)
    distinct = by[["a_checkpoint", "b_checkpoint"]].nunique()
    contradicted = (distinct > 1).any(axis=1)
    pairs = by.last()[~contradicted].drop(columns="time_us").reset_index()
    pairs[DESCRIBED] = pairs[DESCRIBED].fillna("")
    return pairs, int(contradicted.sum())


def _others(rows: pd.DataFrame, names: Names) -> set[str]:
    """Judges that can be watched when the settings name none."""
    found = rows.loc[~rows["kind"].isin(PEOPLE), "judge"].unique()
    return set(map(str, found)) - {names.human, names.teacher}


def _refusals(rows: pd.DataFrame, names: Names, watched: tuple[str, ...]) -> "pd.Series[str]":
    """Why a label can never be a person's, or ""."""
    reasons = [
        (rows["kind"].isin(MODELS), "made by a model"),
        (rows["judge"].isin(watched), "by a judge that is watched"),
        (rows["judge"] == (names.teacher or ""), "by the teacher"),
    ]
    told = np.select([met.to_numpy(bool) for met, _ in reasons], [reason for _, reason in reasons], "")
    return pd.Series(told, index=rows.index)


def _human(rows: pd.DataFrame, names: Names) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The human verdict of each pair that has one, and who made the labels. A person's revisions are one person."""
    refused = merged_orders(latest(rows[rows["refused"] != ""]))
    votes = merged_orders(latest(rows[rows["refused"] == ""].assign(revision="")))
    votes = votes[votes["verdict"].notna()]
    is_named = votes["judge"] == (names.human or "")
    has_named = is_named.groupby(votes["pair_id"]).transform("any")
    votes["used"] = is_named | ~has_named
    found = majority(votes[votes["used"]], ["pair_id"])
    found["human_by"] = np.where(has_named.groupby(votes["pair_id"], sort=True).any(), "named", "majority")
    human = found.rename(columns={"verdict": "human", "voters": "human_voters", "time_us": "human_us"})
    reasons = rows.groupby(["judge", "kind"])["refused"].max()
    everyone = pd.concat([votes, refused[refused["verdict"].notna()].assign(used=False)])
    anchors = everyone.groupby(["judge", "annotator", "kind"], as_index=False, sort=True).agg(
        labels=("pair_id", "nunique"), used=("used", "sum"), last_us=("time_us", "max")
    )
    anchors["refused"] = [
        reasons.loc[judge, kind] for judge, kind in zip(anchors["judge"], anchors["kind"], strict=True)
    ]
    return human[["pair_id", "human", "human_voters", "human_by", "human_us"]], anchors


def _verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a pair, judge and revision; several annotators under one name give their majority."""
    found = majority(merged_orders(latest(rows)), ["pair_id", "judge", "revision"])
    found["status"] = np.array(STATUSES)[found["severity"].to_numpy(np.int64)]
    found["day"] = found["time_us"] // DAY_US
    columns = [
        "pair_id",
        "judge",
        "revision",
        "family",
        "verdict",
        "status",
        "ab",
        "ba",
        "probability_a",
        "time_us",
        "day",
    ]
    return found[columns]


def _teacher(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The teacher's word on each pair, of the revision that spoke last."""
    last = verdicts.sort_values(["pair_id", "time_us", "revision"]).drop_duplicates("pair_id", keep="last")
    told = {"verdict": "teacher", "status": "teacher_status", "time_us": "teacher_us"}
    return last[["pair_id", *told]].rename(columns=told)


def _related(verdicts: pd.DataFrame, pairs: pd.DataFrame, students: pd.DataFrame) -> pd.DataFrame:
    """Which sides are the judge's relatives: of its family, or taught by it."""
    sides = pairs.set_index("pair_id")[["a_checkpoint", "a_family", "b_checkpoint", "b_family"]]
    beside = sides.loc[verdicts["pair_id"]].reset_index(drop=True)
    taught = list(students["checkpoint"] + BETWEEN + students["teacher"])
    for side in ("a", "b"):
        family, checkpoint = beside[f"{side}_family"], beside[f"{side}_checkpoint"]
        verdicts[f"same_family_{side}"] = ((family == verdicts["family"]) & (family != "")).to_numpy(bool)
        own = [(checkpoint + BETWEEN + verdicts[who]).isin(taught) for who in ("judge", "family")]
        verdicts[f"own_student_{side}"] = (own[0] | own[1]).to_numpy(bool)
    return verdicts
