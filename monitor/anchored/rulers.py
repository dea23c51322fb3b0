"""How did the loop's own ruler, and rulers it never saw, score the same answers of the newest checkpoint and the
reference?

A trained ruler is the reward's scorer, or one whose scores say `trained_on`; all others are held out. Answers to the
same prompts in the environment `evaluation` are compared where there are enough, production traffic else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import text

from monitor.production.items import DAY_US, day_of
from monitor.snapshot import Snapshot
from monitor.statistics.clustered import ENOUGH_CLUSTERS, Difference, excess_rank
from monitor.statistics.coverage_bound import Covered, comparable, covered

Array = NDArray[np.float64]

RULERS = """
    SELECT DISTINCT scorer, CASE WHEN trained_on THEN 1 ELSE 0 END AS trained FROM score WHERE time_us < :until
"""
SCORED = """
    SELECT r.response_id, r.checkpoint, r.prompt_id, r.user_id, r.environment, r.time_us AS answered_us,
           s.scorer, COALESCE(s.revision, '') AS revision, s.value, s.time_us
    FROM score AS s JOIN response AS r ON r.response_id = s.response_id
    WHERE r.environment IN ('evaluation', 'production') AND s.time_us < :until AND r.time_us < :until
"""
ENVIRONMENTS = ("evaluation", "production")  # the same prompts first


@dataclass(frozen=True)
class Excess:
    """How much more of a gain a trained ruler sees than a held-out one. answers: of both checkpoints, asked of both."""

    trained: str
    held_out: str
    checkpoint: str
    reference: str
    environment: str
    difference: Difference
    answers: int
    new: Covered
    old: Covered

    @property
    def ends(self) -> tuple[float, float]:
        """The 95% interval, with scores that failed at their worst for either end."""
        both = self.new.coverage * self.old.coverage  # share of pairs of answers that both rulers scored
        reach, value = self.difference.reach(), both * self.difference.value
        return max(value - both * reach - (1 - both), -1.0), min(value + both * reach + (1 - both), 1.0)

    @property
    def is_comparable(self) -> bool:
        """Whether as many scores failed for one checkpoint as for the other."""
        return comparable(self.new, self.old)


def known_rulers(snapshot: Snapshot) -> tuple[list[str], list[str]]:
    """Names of trained and of held-out rulers."""
    with snapshot.engine.connect() as connection:
        found = connection.execute(text(RULERS), {"until": _until(snapshot)}).all()
    trained = sorted({name for name, told in found if told or name == snapshot.settings.reward.scorer})
    return trained, sorted({name for name, _ in found if name not in trained})


def excesses(snapshot: Snapshot, trained: list[str], held_out: list[str]) -> Iterator[Excess]:
    """Every trained ruler beside every held-out one, where both scored enough answers of both checkpoints."""
    with snapshot.engine.connect() as connection:
        scored = pd.read_sql_query(text(SCORED), connection, params={"until": _until(snapshot)})
    scored = scored.sort_values(["time_us", "value"], kind="stable")
    reference = snapshot.baseline.window.checkpoint or snapshot.settings.reference.checkpoint
    for one in trained:
        for other in held_out:
            tried = (_excess(scored, one, other, reference, place, snapshot) for place in ENVIRONMENTS)
            if found := next((excess for excess in tried if excess is not None), None):
                yield found


def _excess(
    scored: pd.DataFrame, trained: str, held_out: str, reference: str | None, environment: str, snapshot: Snapshot
) -> Excess | None:
    here = scored[(scored["environment"] == environment) & (scored["checkpoint"] != snapshot.settings.judges.teacher)]
    both = _of_ruler(here, trained).merge(_of_ruler(here, held_out), on="response_id", suffixes=("", "_other"))
    began = both.groupby("checkpoint")["answered_us"].min()
    later = began[began.index.isin(snapshot.in_question([name for name in began.index if name != reference]))]
    if reference not in began.index or later.empty:
        return None
    newest = str(later.sort_index().idxmax())
    new, old = (both[both["checkpoint"] == name] for name in (newest, reference))
    if environment == "evaluation":
        shared = np.intersect1d(new["prompt_id"].dropna().astype(str), old["prompt_id"].dropna().astype(str))
        new, old = (
            side[side["prompt_id"].isin(shared)].drop_duplicates("prompt_id", keep="last") for side in (new, old)
        )
    told = [side[side[["value", "value_other"]].notna().all(axis=1)] for side in (new, old)]
    if min(_clusters(side, environment).nunique() for side in told) < ENOUGH_CLUSTERS:
        return None
    codes = pd.factorize(pd.concat([_clusters(side, environment) for side in told]))[0].astype(np.int64)
    values = [(side["value"].to_numpy(float), side["value_other"].to_numpy(float)) for side in told]
    found = excess_rank(values[0], values[1], codes[: len(told[0])], codes[len(told[0]) :])
    bounds = [covered(np.where(side[["value", "value_other"]].notna().all(axis=1), 1.0, np.nan)) for side in (new, old)]
    answers = len(new) + len(old)
    return Excess(trained, held_out, newest, str(reference), environment, found, answers, bounds[0], bounds[1])


def _of_ruler(scored: pd.DataFrame, name: str) -> pd.DataFrame:
    """The last word on each answer of the revision that scored most: scores of two revisions do not compare."""
    mine = scored[scored["scorer"] == name]
    counts = mine["revision"].value_counts()
    chosen = min(counts.index, key=lambda revision: (-counts[revision], revision), default="")
    columns = ["response_id", "checkpoint", "prompt_id", "user_id", "answered_us", "value"]
    return mine[mine["revision"] == chosen].drop_duplicates("response_id", keep="last")[columns]


def _clusters(side: pd.DataFrame, environment: str) -> "pd.Series[str]":
    """What hangs together: a prompt's answers, a user's; an answer of nobody known stands alone."""
    of = side["prompt_id"] if environment == "evaluation" else side["user_id"]
    return of.astype(object).where(of.notna(), "r:" + side["response_id"].astype(object))


def _until(snapshot: Snapshot) -> int:
    return day_of(snapshot.as_of) * DAY_US
