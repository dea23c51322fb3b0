"""How much of what a judge likes better about the candidate is only that its answers are longer?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from judges.preference import Preferences
from monitor.check import Interval
from monitor.judging.judge_figures import Estimate
from monitor.judging.leaderboard import Standing, leaderboard


@dataclass(frozen=True)
class LengthShare:
    """A gain in win rate by one judge, as it is and at equal lengths, candidate over reference; plus is better.

    excess: the first minus the second. only_length: the longer one wins more, and hardly at equal lengths
    (`leaderboard.SameAtEqualLength`).
    """

    judge: str
    opponent: str
    pairs: int
    raw: Interval
    at_equal_length: Interval
    excess: Interval
    only_length: bool


def length_shares(preferences: Preferences, candidate: str, reference: str) -> Iterator[LengthShare]:
    """One a watched judge that compared both with one opponent, or with each other, where lengths are known."""
    for judge in preferences.watched:
        table, remarks = leaderboard(preferences, judge)
        new, old = _rows(table, candidate, reference)
        if new is None:
            continue
        raw = _gain(new.win_rate, old.win_rate if old else None)
        even = _gain(new.length_controlled, old.length_controlled if old else None)
        if raw is not None and even is not None:
            both = (candidate, reference)
            only = any((one.longer.checkpoint, one.shorter.checkpoint) == both for one in remarks)
            yield LengthShare(judge, new.opponent, new.pairs, raw, even, difference(raw, even), only)


def difference(one: Interval, other: Interval) -> Interval:
    """One minus the other, as if they were independent: too wide where they come from the same judgments.

    >>> difference(Interval(0.05, 0.02, 0.08), Interval(0.01, -0.03, 0.05))
    Interval(value=0.04, low=-0.010000000000000002, high=0.09)
    """
    ends = [end for side in (one, other) for end in (side.value, side.low, side.high)]
    if any(end is None for end in ends):
        return Interval(None if one.value is None or other.value is None else one.value - other.value)
    value, low, high, there, below, above = (end or 0.0 for end in ends)
    down, up = np.hypot(value - low, above - there), np.hypot(high - value, there - below)
    gap = value - there
    return Interval(gap, gap - float(down), gap + float(up))


def _rows(table: list[Standing], candidate: str, reference: str) -> tuple[Standing | None, Standing | None]:
    """The candidate's row, and the reference's against the same opponent; alone where the opponent is the reference."""
    head_to_head = [row for row in table if (row.checkpoint, row.opponent) == (candidate, reference)]
    if head_to_head:
        return head_to_head[0], None
    mine, others = ({row.opponent: row for row in table if row.checkpoint == name} for name in (candidate, reference))
    shared = sorted(mine.keys() & others.keys(), key=lambda name: (-mine[name].pairs, name))
    return (mine[shared[0]], others[shared[0]]) if shared else (None, None)


def _gain(new: Estimate | None, old: Estimate | None) -> Interval | None:
    """Above the reference's rate, or above a half where it is the opponent itself."""
    if new is None:
        return None
    level = Interval(0.5, 0.5, 0.5) if old is None else Interval(*old[:3])
    return difference(Interval(*new[:3]), level)
