"""How often does each checkpoint win, by each judge, as it is and at equal lengths? And what is length, not quality?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from judges.preference import Preferences
from monitor.judging.judge_figures import Array, Estimate, difference_of, share_of, won
from monitor.statistics.coverage_bound import Covered, comparable, covered
from monitor.statistics.length_controlled import Comparisons, LengthControlled, fit_length_controlled

LEFT = 0.5  # of the gap in log-odds: less is not called quality
ESTIMATOR = (
    "penalised marginal likelihood of strength, length and difficulty of the prompt, all comparisons of a judge"
    " together, at equal lengths (after Dubois et al. 2024)"
)


@dataclass(frozen=True)
class Standing:
    """One checkpoint against one opponent, by one judge. Win rates count a tie as half.

    pairs: with a verdict. soft: mean of the judge's own probabilities; None unless it gave one for every pair.
    length_controlled: None with `uncontrolled` saying why. human: people's, on those of the pairs they judged.
    length, opponent_length: mean characters, None where unknown. covered: `win_rate` over all pairs offered, whatever
    the judge would have said where it failed. beside: of the checkpoint that the judge failed on least often, against
    the same opponent.
    """

    judge: str
    checkpoint: str
    opponent: str
    pairs: int
    win_rate: Estimate
    soft: Estimate | None
    length_controlled: Estimate | None
    uncontrolled: str | None
    human: Estimate | None
    length: float | None
    opponent_length: float | None
    covered: Covered
    beside: tuple[str, Covered]

    @property
    def comparable(self) -> bool:
        """Whether the judge failed on about as few of its pairs as on those of the checkpoint it stands beside."""
        return comparable(self.covered, self.beside[1])


@dataclass(frozen=True)
class SameAtEqualLength:
    """Two checkpoints that differ against one opponent, the longer one winning more, and hardly at equal lengths.

    apart: raw difference of the win rates on the same prompts, its interval above 0. At equal lengths each lies within
    the other's interval, and at most half of the gap in log-odds is left. The judge failed on both about as often.
    """

    judge: str
    opponent: str
    longer: Standing
    shorter: Standing
    apart: Estimate


def leaderboard(preferences: Preferences, judge: str) -> tuple[list[Standing], list[SameAtEqualLength]]:
    """Every pair of checkpoints the judge compared, and which of their differences are length, not quality."""
    offered = _turned(preferences, preferences.judged_by(judge))
    told = offered[offered["won"].notna()]
    fitted = _fitted(told)
    groups = [((str(one), str(other)), rows) for (one, other), rows in offered.groupby(["checkpoint", "opponent"])]
    table = [_standing(judge, *names, rows, fitted) for names, rows in groups if rows["won"].notna().any()]
    return _beside(table), list(_same_at_equal_length(table, told))


def _turned(preferences: Preferences, judged: pd.DataFrame) -> pd.DataFrame:
    """Judgments seen from one checkpoint of each two: the one that more often stands as answer a, else by name."""
    everything = preferences.pairs.groupby(["a_checkpoint", "b_checkpoint"]).size()
    frame = judged[judged["a_checkpoint"] != judged["b_checkpoint"]]
    frame = frame[(frame["a_checkpoint"] != "") & (frame["b_checkpoint"] != "")].reset_index(drop=True)
    ends = frame[["a_checkpoint", "b_checkpoint"]].astype(object).to_numpy()
    counts = everything.to_dict()
    stays = np.array([(counts[a, b], b) > (counts.get((b, a), 0), a) for a, b in ends], dtype=bool)
    side = np.where(stays, 1.0, -1.0)
    length = frame[["a_length", "b_length"]].to_numpy()
    probability = frame["probability_a"].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "checkpoint": np.where(stays, ends[:, 0], ends[:, 1]),
            "opponent": np.where(stays, ends[:, 1], ends[:, 0]),
            "prompt": np.where(frame["prompt_id"] != "", frame["prompt_id"], frame["pair_id"]),
            "won": won(frame["verdict"].to_numpy(np.float64), side),
            "soft": np.where(stays, probability, 1 - probability),
            "human": won(frame["human"].to_numpy(np.float64), side),
            "length": np.where(stays, length[:, 0], length[:, 1]),
            "opponent_length": np.where(stays, length[:, 1], length[:, 0]),
        }
    )


class _Fitted:
    """Length-controlled win rates of one judge, or the reason why there are none."""

    def __init__(self, fit: LengthControlled | None, models: list[str], reason: str | None) -> None:
        self.fit, self.models, self.reason = fit, models, reason

    def win_rate(self, checkpoint: str, opponent: str, n: int) -> Estimate | None:
        if self.fit is None:
            return None
        places = self.models.index(checkpoint), self.models.index(opponent)
        return Estimate(*self.fit.win_rate(*places), n)


def _fitted(frame: pd.DataFrame) -> _Fitted:
    """The judge's own probabilities are used if it gave one for every pair: they tell more than choices."""
    if frame[["length", "opponent_length"]].isna().any(axis=None):
        return _Fitted(None, [], "lengths of some answers are unknown")
    models, codes = np.unique(frame[["checkpoint", "opponent"]].to_numpy(object).ravel(), return_inverse=True)
    ends: NDArray[np.int64] = codes.reshape(-1, 2).astype(np.int64)
    prompts = np.unique(frame["prompt"].to_numpy(object), return_inverse=True)[1].astype(np.int64)
    difference = (frame["length"] - frame["opponent_length"]).to_numpy(np.float64)
    data = Comparisons(ends[:, 0], ends[:, 1], prompts, difference, _finest(frame))
    try:
        return _Fitted(fit_length_controlled(data), list(models), None)
    except ValueError as fault:
        return _Fitted(None, [], str(fault))


def _finest(frame: pd.DataFrame) -> Array:
    return frame["won" if frame["soft"].isna().any() else "soft"].to_numpy(np.float64)


def _standing(judge: str, checkpoint: str, opponent: str, offered: pd.DataFrame, fitted: _Fitted) -> Standing:
    bounded = covered(offered["won"].to_numpy(np.float64))
    rows = offered[offered["won"].notna()]
    rate = share_of(rows["won"].to_numpy(np.float64))
    assert rate is not None  # a group has a verdict
    soft = None if rows["soft"].isna().any() else share_of(rows["soft"].to_numpy(np.float64))
    people = rows["human"].dropna().to_numpy(np.float64)
    mean = rows[["length", "opponent_length"]].mean(skipna=False)
    length, opposite = (None if np.isnan(value) else float(value) for value in mean)
    controlled = fitted.win_rate(checkpoint, opponent, len(rows))
    return Standing(
        judge=judge,
        checkpoint=checkpoint,
        opponent=opponent,
        pairs=len(rows),
        win_rate=rate,
        soft=soft,
        length_controlled=controlled,
        uncontrolled=fitted.reason,
        human=share_of(people),
        length=length,
        opponent_length=opposite,
        covered=bounded,
        beside=(checkpoint, bounded),
    )


def _beside(table: list[Standing]) -> list[Standing]:
    """Each row with the best covered one against its opponent."""
    best: dict[str, Standing] = {}
    for row in sorted(table, key=lambda row: (row.covered.coverage, row.covered.offered)):
        best[row.opponent] = row
    return [replace(row, beside=(best[row.opponent].checkpoint, best[row.opponent].covered)) for row in table]


def _same_at_equal_length(table: list[Standing], frame: pd.DataFrame) -> Iterator[SameAtEqualLength]:
    for one, other in combinations(table, 2):
        if one.opponent != other.opponent or None in (one.length, other.length):
            continue
        if not comparable(one.covered, other.covered):
            continue
        longer, shorter = sorted((one, other), key=lambda row: -(row.length or 0.0))
        apart = _apart(frame, longer, shorter)
        if apart and apart.low > 0 and _is_length(longer, shorter):
            yield SameAtEqualLength(one.judge, one.opponent, longer, shorter, apart)


def _is_length(longer: Standing, shorter: Standing) -> bool:
    """At equal lengths each within the other's interval, and at most LEFT of their raw gap in log-odds is left."""
    one, other = longer.length_controlled, shorter.length_controlled
    if not (one and other and one.low <= other.value <= one.high and other.low <= one.value <= other.high):
        return False
    raw = [(row.soft or row.win_rate).value for row in (longer, shorter)]
    if not 0 < min(raw) <= max(raw) < 1:
        return False
    return bool(abs(logit(one.value) - logit(other.value)) <= LEFT * (logit(raw[0]) - logit(raw[1])))


def _apart(frame: pd.DataFrame, longer: Standing, shorter: Standing) -> Estimate | None:
    """Difference of the win rates on the prompts that both answered, paired by prompt."""
    against = frame.assign(won=_finest(frame))[frame["opponent"] == longer.opponent]
    rates = [
        against[against["checkpoint"] == row.checkpoint].groupby("prompt")["won"].mean() for row in (longer, shorter)
    ]
    paired = pd.concat(rates, axis=1, join="inner", keys=["longer", "shorter"])
    return difference_of((paired["longer"] - paired["shorter"]).to_numpy(np.float64)) if len(paired) else None
