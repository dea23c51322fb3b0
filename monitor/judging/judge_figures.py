"""What do pairs say of one judge? Shares and differences with 95% intervals; pairs are taken as independent.

A frame here is of `Preferences.judged_by`: one row a pair offered to the judge, with its verdict and those of people
and of the teacher (+1 answer a, 0 tie, -1 answer b, NaN none). What has no data is None. Definitions: the wire format.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.production.items import DAY_US
from monitor.statistics.agreement import Agreement, Share, agreement, position_consistency
from monitor.statistics.bounded import mean_bounds
from monitor.statistics.judge_scores import teacher_captures
from monitor.statistics.shares import share_interval

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A share, or a difference of shares, with its 95% interval; n: the units it is over."""

    value: float
    low: float
    high: float
    n: int


class Beside(NamedTuple):
    """How often a judge and people, on the same pairs, took a side of one kind; difference: judge minus people."""

    judge: Estimate
    people: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Anchored:
    """A judge beside people and the teacher on some pairs.

    pairs: offered to the judge and with a human verdict. coverage: share of them with a verdict of the judge.
    agreement: three-way; None without a verdict. capture: on pairs where people and teacher differ and the judge did
    not tie; capture_ties: those it tied on. last_day: of the later of both verdicts, newest pair; None without one.
    """

    pairs: int
    coverage: float | None
    agreement: Agreement | None
    capture: Estimate | None
    capture_ties: int
    last_day: int | None


def anchored(frame: pd.DataFrame) -> Anchored:
    """The judge beside people and the teacher, on the pairs of the frame that have a human verdict."""
    offered = frame[frame["human"].notna()]
    both = offered[offered["verdict"].notna()]
    known = both[both["teacher"].notna()]
    captures = teacher_captures(*_codes(known, "verdict", "human", "teacher")) if len(known) else None
    days = np.maximum(both["time_us"], both["human_us"]) // DAY_US
    return Anchored(
        pairs=len(offered),
        coverage=len(both) / len(offered) if len(offered) else None,
        agreement=agreement(*_codes(both, "verdict", "human")) if len(both) else None,
        capture=share_of(captures.taken) if captures and captures.taken.size else None,
        capture_ties=captures.ties if captures else 0,
        last_day=int(days.max()) if len(both) else None,
    )


def teacher_agreement(frame: pd.DataFrame) -> Estimate | None:
    """Share of verdicts equal to the teacher's, three-way, on all pairs with both."""
    both = frame[frame["verdict"].notna() & frame["teacher"].notna()]
    return share_of(_floats(both["verdict"] == both["teacher"]))


def order_consistency(frame: pd.DataFrame) -> Estimate | None:
    """Share of pairs judged in both orders with the same choice."""
    both = frame[frame["ab"].notna() & frame["ba"].notna()]
    return estimate(position_consistency(*_codes(both, "ab", "ba"))) if len(both) else None


def longer_chosen(frame: pd.DataFrame) -> Estimate | None:
    """Share of the judge's decisions for the longer answer, pairs of unequal length, with or without people."""
    decided = frame[(frame["verdict"].fillna(0) != 0) & _unequal(frame)]
    return share_of(_floats(decided["verdict"] == np.sign(decided["a_length"] - decided["b_length"])))


def longer_beside_people(frame: pd.DataFrame) -> Beside | None:
    """The same of judge and people, where both decided."""
    decided = frame[(frame["verdict"].fillna(0) != 0) & (frame["human"].fillna(0) != 0) & _unequal(frame)]
    return _beside(decided, _floats(np.sign(decided["a_length"] - decided["b_length"])))


def relatives_beside_people(frame: pd.DataFrame, relation: str) -> Beside | None:
    """How far judge and people prefer the judge's relatives, pairs of which one side is one; a tie is half.

    relation: "same_family" or "own_student".
    """
    side = frame[f"{relation}_a"].astype(int) - frame[f"{relation}_b"].astype(int)
    mine = (side != 0) & frame["verdict"].notna() & frame["human"].notna()
    return _beside(frame[mine], _floats(side[mine]))


def won(verdicts: Array, side: Array | float = 1.0) -> Array:
    """1 where the verdict is for the side (+1 answer a, -1 answer b), 0 against it, a half for a tie."""
    result: Array = (verdicts * side + 1) / 2
    return result


def share_of(credit: Array) -> Estimate | None:
    """Mean of credits in [0, 1] with its interval: of a share where all are 0 or 1, else of a bounded mean."""
    if not credit.size:
        return None
    if np.isin(credit, (0.0, 1.0)).all():
        return Estimate(*share_interval(int(credit.sum()), credit.size), credit.size)
    found = mean_bounds(2 * credit - 1)
    value, low, high = ((end + 1) / 2 for end in (found.value, found.low, found.high))
    return Estimate(value, low, high, credit.size)


def estimate(share: Share) -> Estimate:
    """A share of the statistics as the card tells it."""
    return Estimate(share.value, share.low, share.high, share.n)


def difference_of(effects: Array) -> Estimate:
    """Mean of paired differences in [-1, 1] with its interval."""
    found = mean_bounds(effects)
    return Estimate(found.value, found.low, found.high, effects.size)


def _beside(frame: pd.DataFrame, side: Array) -> Beside | None:
    judge, people = (won(_floats(frame[who]), side) for who in ("verdict", "human"))
    found = share_of(judge), share_of(people)
    return Beside(found[0], found[1], difference_of(judge - people)) if found[0] and found[1] else None


def _unequal(frame: pd.DataFrame) -> "pd.Series[bool]":
    return (frame["a_length"] - frame["b_length"]).fillna(0) != 0


def _codes(frame: pd.DataFrame, *columns: str) -> list[NDArray[np.int64]]:
    return [frame[column].to_numpy(np.int64) for column in columns]


def _floats(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)
