"""Which answers to held-out anchor items are in the store, and what were they worth by the close of a day?

An anchor item is a prompt of an anchor set, `prompt_id` SET/ITEM. Each checkpoint answers it in the environment
`evaluation`, outside all production traffic; its outcome comes from people or from an exact rule (`anchor_set` SET),
its reward from the loop's reward model. The later word replaces the earlier one, in order of time, ties by content.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from monitor.production.items import DAY_US
from monitor.settings import Settings

EVALUATED = "SELECT response_id FROM response WHERE environment = 'evaluation'"
ANSWERS = """
    SELECT response_id, checkpoint, time_us, prompt_id, cohort FROM response
    WHERE environment = 'evaluation' AND prompt_id IS NOT NULL AND cohort IS NOT NULL
"""
SCORES = f"""
    SELECT response_id, scorer, kind, trained_on, COALESCE(revision, '') AS revision, time_us, value FROM score
    WHERE response_id IN ({EVALUATED})
"""  # noqa: S608
OUTCOMES = f"""
    SELECT response_id, anchor_set, metric, time_us, value FROM outcome
    WHERE anchor_set IS NOT NULL AND method IN ('human', 'exact') AND response_id IN ({EVALUATED})
"""  # noqa: S608
ORDERS = "SELECT checkpoint, position, time_us FROM checkpoint"
OF_EVALUATION = "SELECT 1 FROM response AS r WHERE r.environment = 'evaluation' AND r.response_id = told.response_id"
CAME = f"""
    SELECT EXISTS (SELECT 1 FROM response WHERE environment = 'evaluation' AND seq > :seq)
        OR EXISTS (SELECT 1 FROM score AS told WHERE seq > :seq AND EXISTS ({OF_EVALUATION}))
        OR EXISTS (SELECT 1 FROM outcome AS told WHERE seq > :seq AND EXISTS ({OF_EVALUATION}))
"""  # noqa: S608


@dataclass(frozen=True)
class Answered:
    """What one checkpoint's answers to one set were worth by the close of a day, shape (items,) each, items in order.

    response: the ids of the answers. outcome: in 0..1, plus is better, NaN where it is missing or out of range.
    scores: raw, by revision of the ruler, NaN where the scorer gave none.
    """

    item: NDArray[np.object_]
    response: NDArray[np.object_]
    outcome: NDArray[np.float64]
    scores: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class AnchorSet:
    """Every answer to one set's items. answers, scores, outcomes: one row an event. checkpoints: in their order."""

    name: str
    answers: pd.DataFrame
    scores: pd.DataFrame
    outcomes: pd.DataFrame
    checkpoints: tuple[str, ...]

    def days(self, checkpoint: str) -> list[int]:
        """Days on which something was told of a checkpoint's answers, ascending."""
        return self._days.get(checkpoint, [])

    def answered(self, checkpoint: str, day: int) -> Answered:
        """What its answers were worth by the close of a day."""
        until = (day + 1) * DAY_US
        mine = _told(self._of(checkpoint)[0], until).drop_duplicates("prompt_id", keep="last")
        mine = mine.sort_values("prompt_id", kind="stable").set_index("response_id")
        scores, outcomes = (_told(frame, until) for frame in self._of(checkpoint)[1:])
        last = outcomes.drop_duplicates("response_id", keep="last").set_index("response_id")["value"]
        by_ruler = {
            str(revision): rows.drop_duplicates("response_id", keep="last").set_index("response_id")["value"]
            for revision, rows in scores.groupby("revision", sort=True)
        }
        return Answered(
            mine["prompt_id"].to_numpy(object),
            mine.index.to_numpy(object),
            last.reindex(mine.index).to_numpy(float),
            {revision: values.reindex(mine.index).to_numpy(float) for revision, values in by_ruler.items()},
        )

    def _of(self, checkpoint: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self._by_checkpoint[checkpoint]

    @cached_property
    def _by_checkpoint(self) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
        told_of = dict(zip(self.answers["response_id"], self.answers["checkpoint"], strict=True))
        parts = [
            dict(list(frame.groupby(frame["response_id"].map(told_of), sort=False)))
            for frame in (self.answers, self.scores, self.outcomes)
        ]
        none = (self.answers[:0], self.scores[:0], self.outcomes[:0])
        return {
            name: (parts[0][name], parts[1].get(name, none[1]), parts[2].get(name, none[2]))
            for name in self.checkpoints
        }

    @cached_property
    def _days(self) -> dict[str, list[int]]:
        return {
            name: sorted({int(day) for frame in frames for day in (frame["time_us"] // DAY_US).unique()})
            for name, frames in self._by_checkpoint.items()
        }


def evaluated_since(engine: Engine, seq: int) -> bool:
    """Whether an answer to an anchor item, its score or its outcome came after an event."""
    with engine.connect() as connection:
        return bool(connection.execute(text(CAME), {"seq": seq}).scalar())


def read_anchor_sets(engine: Engine, settings: Settings) -> list[AnchorSet]:
    """Every anchor set that a checkpoint answered, by name.

    Neither the teacher's own answers nor those that a set brings along (`anchors:SET`) are a checkpoint's.
    """
    with engine.connect() as connection:
        answers, scores, outcomes = (
            pd.read_sql_query(text(statement), connection) for statement in (ANSWERS, SCORES, OUTCOMES)
        )
        orders = [tuple(row) for row in connection.execute(text(ORDERS))]
    sets = {told: json.loads(told).get("anchor_set") for told in answers["cohort"].unique()}
    answers["anchor_set"] = answers["cohort"].map(sets).astype(object)
    answers = answers[answers["anchor_set"].notna() & (answers["checkpoint"] != settings.judges.teacher)]
    answers = answers[answers["checkpoint"] != "anchors:" + answers["anchor_set"]]
    answers = answers.sort_values(["time_us", "response_id", "checkpoint", "prompt_id"], kind="stable")
    answers = answers.drop_duplicates("response_id", keep="last")
    if answers.empty:
        return []
    ranked = in_order(answers, orders)
    scores = _of_the_reward(scores, settings).sort_values(["time_us", "value"], kind="stable")
    outcomes = outcomes.sort_values(["time_us", "value"], kind="stable")
    return [
        _anchor_set(str(name), mine, scores, outcomes, ranked, settings)
        for name, mine in answers.groupby("anchor_set", sort=True)
    ]


def _anchor_set(
    name: str,
    answers: pd.DataFrame,
    scores: pd.DataFrame,
    outcomes: pd.DataFrame,
    ranked: list[str],
    settings: Settings,
) -> AnchorSet:
    known = set(answers["response_id"])
    outcomes = outcomes[(outcomes["anchor_set"] == name) & outcomes["response_id"].isin(known)]
    outcomes = _in_range(_of_one_metric(outcomes, settings), settings)
    present = set(answers["checkpoint"])
    names = tuple(checkpoint for checkpoint in ranked if checkpoint in present)
    return AnchorSet(name, answers, scores[scores["response_id"].isin(known)], outcomes, names)


def _told(frame: pd.DataFrame, until: int) -> pd.DataFrame:
    return frame[frame["time_us"] < until]


def in_order(answers: pd.DataFrame, orders: list[tuple[Any, ...]]) -> list[str]:
    """Checkpoints by their `order`, else by the time they were first heard of."""
    positions = {name: position for name, position, _ in sorted(orders, key=lambda o: o[2]) if position is not None}
    began = {str(name): int(time) for name, time in answers.groupby("checkpoint")["time_us"].min().items()}
    for name, _, time in orders:
        began[name] = min(time, began.get(name, time))
    present = sorted(set(answers["checkpoint"]))
    told = all(name in positions for name in present)
    return sorted(present, key=lambda name: (positions[name] if told else 0.0, began[name], name))


def _of_the_reward(scores: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Scores of the loop's reward model: the scorer of the settings, else the reward model that most was scored by."""
    if settings.reward.scorer is not None:
        return scores[scores["scorer"] == settings.reward.scorer]
    mine = scores[(scores["kind"] == "reward_model") & (scores["trained_on"] != False)]  # noqa: E712
    counts = mine["scorer"].value_counts()
    return mine[mine["scorer"] == min(counts.index, key=lambda name: (-counts[name], name))] if len(counts) else mine


def _of_one_metric(outcomes: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The loop's own metric if the set has it, else the one that most was told of."""
    counts = outcomes["metric"].value_counts()
    own = settings.outcome.metric
    chosen = own if own in counts.index or not len(counts) else min(counts.index, key=lambda m: (-counts[m], m))
    return outcomes[outcomes["metric"] == chosen]


def _in_range(outcomes: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Values to 0..1, plus is better; what lies outside is NaN. A metric of the set's own is in 0..1 already."""
    own = bool((outcomes["metric"] == settings.outcome.metric).any())
    low, high = settings.outcome.range if own else (0.0, 1.0)
    share = (outcomes["value"].astype(float) - low) / (high - low)
    share = share.where(share.between(0.0, 1.0))
    return outcomes.assign(value=1 - share if own and not settings.outcome.higher_is_better else share)
