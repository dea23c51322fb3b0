"""Which slice of the traffic was shown harmed most, among all that were searched?

Slices are the values of declared keys and the pairs of values of two keys, where they hold enough units; which ones
hold enough does not depend on any effect. A pair that holds the same units as one of its values is that slice, and is
not searched twice.
Assumption: units are independent; their effects lie in [-1, 1].
Guarantee: among all slices whose mean effect is at most the tolerance, any is shown with chance at most alpha, however
slices overlap (Holm); about that where t decides, always where bets do (fewer than 30 units, little variation).
Sources: Holm 1979, Scandinavian Journal of Statistics 6; Johnson 1978, JASA 73; Chung et al. 2019, arXiv:1807.06068
(search for slices on which a model does badly).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.bounded import STAKES
from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION
from monitor.statistics.one_sided import tail_chance

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


UNKNOWN = -1


@dataclass(frozen=True)
class SearchedSlice:
    """One slice: which keys have which codes, its units and mean effect.

    p_value: of the null "the mean effect is at most the tolerance"; adjusted: for all slices searched.
    """

    keys: tuple[int, ...]
    codes: tuple[int, ...]
    n: int
    value: float
    p_value: float
    adjusted: float


@dataclass(frozen=True)
class Search:
    """shown: slices harmed beyond the tolerance, from the smallest adjusted p; worst: the first of all; searched: how
    many there were.
    """

    shown: tuple[SearchedSlice, ...]
    worst: SearchedSlice | None
    searched: int


def worst_slice(
    effects: Array, codes: Codes, tolerance: float, least: int = ENOUGH_UNITS, alpha: float = 0.05
) -> Search:
    """Search all values of all keys, and all pairs of values of two keys.

    effects: shape (n,), in [-1, 1], positive is worse. codes: shape (n, keys), the value of each key, below 0 where it
    is not known. least: units of a slice that is searched. Without such a slice nothing is shown and there is no worst.
    Raises ValueError for effects out of range or not finite, shapes that differ, least < 1, or a tolerance or alpha out
    of range.

    >>> keys = np.stack([np.arange(2000) % 2, np.arange(2000) // 2 % 5], axis=1)
    >>> harmed = (keys == [1, 3]).all(axis=1) & (np.arange(2000) % 3 > 0)
    >>> found = worst_slice(harmed * 1.0, keys, 0.05)
    >>> found.worst.keys, found.worst.codes, found.worst.n, found.searched, [one.codes for one in found.shown]
    ((0, 1), (1, 3), 200, 17, [(1, 3), (3,), (1,)])
    """
    effects, codes = _checked(effects, codes, tolerance, least, alpha)
    evidence = np.log1p(np.multiply.outer(STAKES, (effects - tolerance) / (1 + tolerance)))
    found = list(_slices(effects, codes, evidence, tolerance, least))
    order = sorted(
        range(len(found)), key=lambda at: (found[at].p_value, -found[at].value, found[at].keys, found[at].codes)
    )
    ranked = [found[at] for at in order]
    steps = np.array([one.p_value for one in ranked]) * np.arange(len(ranked), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps), 1.0)
    told = [
        SearchedSlice(one.keys, one.codes, one.n, one.value, one.p_value, float(level))
        for one, level in zip(ranked, adjusted, strict=True)
    ]
    shown = tuple(one for one in told if one.adjusted < alpha)
    return Search(shown, told[0] if told else None, len(told))


def _slices(effects: Array, codes: Codes, evidence: Array, tolerance: float, least: int) -> Iterator[SearchedSlice]:
    """Every slice with enough units, its p-value not yet adjusted."""
    listed = [np.unique(one, return_inverse=True, return_counts=True) for one in codes.T]
    for key, (values, index, _) in enumerate(listed):
        yield from _of_groups((key,), values[:, None], index, effects, evidence, tolerance, least)
    for pair in combinations(range(len(listed)), 2):
        (first, at, sizes), (second, beside, others) = (listed[key] for key in pair)
        cells, index = np.unique(at * second.size + beside, return_inverse=True)
        rows, columns = np.divmod(cells, second.size)
        alike = np.minimum(sizes[rows], others[columns]) == np.bincount(index, minlength=cells.size)
        values = np.where(alike[:, None], UNKNOWN, np.stack([first[rows], second[columns]], axis=1))
        yield from _of_groups(pair, values, index, effects, evidence, tolerance, least)


def _of_groups(
    keys: tuple[int, ...], values: Codes, index: Codes, effects: Array, evidence: Array, tolerance: float, least: int
) -> Iterator[SearchedSlice]:
    """Slices by grouped sums: values holds the codes of each group, index the group of each unit."""
    count = np.bincount(index, minlength=len(values))
    kept = np.flatnonzero((count >= least) & (values >= 0).all(axis=1))
    if not kept.size:
        return
    n = count[kept].astype(np.float64)
    means = np.bincount(index, effects) / count
    centred = effects - means[index]
    squares, cubes = (np.bincount(index, part)[kept] for part in (centred**2, centred**3))
    capital = np.array([np.bincount(index, one)[kept] for one in evidence])
    p_values = np.exp(-np.maximum(np.logaddexp.reduce(capital) - np.log(len(STAKES)), 0.0))
    trusted = (n >= ENOUGH_UNITS) & (squares >= ENOUGH_VARIATION)
    error = np.sqrt(squares[trusted] / (n[trusted] - 1) / n[trusted])
    skewness = cubes[trusted] / n[trusted] ** 3 / error**3
    p_values[trusted] = tail_chance((means[kept][trusted] - tolerance) / error, -skewness, n[trusted] - 1)
    for place, p_value in zip(kept.tolist(), p_values.tolist(), strict=True):
        codes = tuple(values[place].tolist())
        yield SearchedSlice(keys, codes, int(count[place]), float(means[place]), p_value, 1.0)


def _checked(effects: Array, codes: Codes, tolerance: float, least: int, alpha: float) -> tuple[Array, Codes]:
    effects, codes = np.asarray(effects, dtype=np.float64), np.asarray(codes, dtype=np.int64)
    if effects.ndim != 1 or codes.ndim != 2 or len(codes) != effects.size:
        raise ValueError(f"need one row of codes a unit, got {effects.shape} and {codes.shape}")
    if not (np.abs(effects) <= 1).all():
        raise ValueError("effects must be finite and lie in [-1, 1]")
    if not (0 <= tolerance < 1 and 0 < alpha < 0.5 and least >= 1):
        raise ValueError(f"need a tolerance in [0, 1), alpha in (0, 0.5), least >= 1: {tolerance}, {alpha}, {least}")
    return effects, codes
