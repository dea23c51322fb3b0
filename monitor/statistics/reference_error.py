"""How far may the frozen baseline be off? Without this allowance every false-alert promise breaks.

Source: Liang and Zeger 1986, Biometrika 73:13 (cluster-robust variance of a mean).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

SATURDAY = 5  # days of the week from Monday, 0
LEAST_UNITS = 30
NOTABLE_BIAS = 0.001
QUANTILE = 1.645  # one-sided 95%: with this allowance the null holds for 95% of reference draws
SKEWED = (2 * QUANTILE**2 + 1) / 6  # how far a skewness of 1 moves that quantile of a t statistic
MIX_DAYS = 28
MIX_ITEMS = 30


@dataclass(frozen=True)
class ReferenceError:
    """How wrong the baseline of one series may be.

    error: standard error of the mean effect at the reference's own mix of cells. bias: how far shrinkage leans the
    baseline towards harm at that mix. units: reference units behind it. cells: for each fitted value its variance and
    its lean and its third moment, for other mixes. weekday, weekend: what to concede at the mix of cohorts of these
    days, where it is known. tilt: what the skewness of rare failures adds to the quantile at the reference's mix.
    """

    error: float
    bias: float
    units: int
    cells: dict[int, tuple[float, float, float]]
    weekday: float | None = None
    weekend: float | None = None
    tilt: float = 0.0

    def allowance(self) -> float:
        """What to concede at the reference's own mix."""
        return QUANTILE * self.error + self.tilt + self.bias

    def allowances(self, days: Codes) -> Array:
        """What to concede on each of these days at the mix that the reference had on such days; shape as given."""
        kinds = [self.allowance() if known is None else known for known in (self.weekday, self.weekend)]
        result: Array = np.array(kinds)[is_weekend(days).astype(np.int64)]
        return result


def reference_error(
    effects: Array,
    outcomes: Array,
    cells: Codes,
    units: Codes,
    users: Codes,
    cohorts: Codes,
    days: Codes,
    leans: Mapping[int, float],
) -> ReferenceError:
    """Standard error of the mean effect against a baseline fitted on the same reference.

    Arrays: shape (reference items,). effects: the score of each item against its own baseline. leans: by cell, how far
    the fitted value lies above the cell's own mean, where the caller knows; elsewhere it is the cell's mean effect. The
    lean of a whole mix counts when it exceeds 0.1 point.
    The variance is that of unit means; of sums over users where those vary more (users return); plus what one success
    and one failure more would add to each fitted cell, so that an all-success cell never claims zero error. Error and
    lean are told for the mix of cohorts of all days, of weekdays and of weekends.
    Few units show too few rare failures more often than in 5%; the skewness of the mean is conceded for it.
    Assumption: users are independent.

    >>> rng = np.random.default_rng(0); n = 2000; worked = (rng.random(n) < 0.7).astype(float); codes = np.arange(n)
    >>> residual, zero = worked.mean() - worked, codes * 0
    >>> found = reference_error(residual, worked, zero, codes, codes, zero, codes % 7, {})
    >>> round(found.error, 3), found.bias, found.units
    (0.01, 0.0, 2000)
    """
    if not effects.size:
        return ReferenceError(1.0, 0.0, 0, {})
    unit, index = np.unique(units, return_inverse=True)
    means = np.bincount(index, effects) / np.bincount(index)
    mean = float(means.mean())
    first = np.unique(index, return_index=True)[1]
    deviations = means - mean
    unseen = _unseen(outcomes, cells)
    extra = np.sum(list(unseen.values()), axis=0) if unseen else np.zeros(2)
    plain = _moments(deviations, users[first])
    error, tilt = _claimed(plain + extra, unit.size)
    lean_of = {**_mean_effects(effects, cells), **leans}
    lean = np.array([lean_of[cell] for cell in cells.tolist()])

    def at_mix(weight: Array | None) -> float | None:
        if weight is None:
            return None
        moved = weight * (deviations - np.mean(weight * deviations))
        error, tilt = _claimed(_moments(moved, users[first]) + extra, unit.size)
        return QUANTILE * error + tilt + _notable(float(np.mean(weight * lean[first])))

    weekday, weekend = map(at_mix, _mixes(cohorts[first], days[first]))
    dependence = max(1.0, plain[0] / max(float(deviations @ deviations), 1e-12))
    table = {
        number: (variance, lean_of[number], third)
        for number, variance, third in _of_cells(effects, cells, unseen, dependence)
    }
    return ReferenceError(error, _notable(float(lean.mean())), unit.size, table, weekday, weekend, tilt)


def allowance_by_day(baseline: ReferenceError, days: Codes, cells: Codes) -> tuple[Codes, Array]:
    """What to concede on each day: the baseline's error at the mix of cells of the 28 days before.

    A policy that is selected for its reward moves its traffic to few cells, where the baseline stands on few units;
    the error at the reference's mix would be far too small there. Weekdays look back at weekdays and weekends at
    weekends, whose traffic differs, and at all days where such days had too few items. The mix of earlier days is known
    before the day starts, as the detector's guarantee asks. days, cells: shape (monitored items,).
    Returns the distinct days, ascending, and the allowance of each; never less than at the reference's own mix of such
    days.

    >>> thin = ReferenceError(0.01, 0.0, 1000, {0: (0.0001, 0.0, 0.0), 1: (0.0025, 0.0, 0.0)})
    >>> moved = allowance_by_day(thin, np.repeat([1, 2], 50), np.ones(100, np.int64))
    >>> [round(float(value), 3) for value in moved[1]]
    [0.016, 0.082]
    """
    distinct, day_index = np.unique(days, return_inverse=True)
    numbers, cell_index = np.unique(cells, return_inverse=True)
    counts = np.zeros((distinct.size + 1, numbers.size))
    np.add.at(counts, (day_index + 1, cell_index), 1.0)
    recent = _recent(counts, distinct)
    total = recent.sum(axis=1)
    share = recent / np.maximum(total, 1.0)[:, None]
    variance, bias, third = _looked_up(baseline, numbers)
    squared = share**2 @ variance
    tilt = SKEWED * np.maximum(share**3 @ third, 0.0) / np.maximum(squared, 1e-12)
    moved = QUANTILE * np.sqrt(squared) + tilt + np.maximum(share @ bias, 0.0)
    own = baseline.allowances(distinct)
    return distinct, np.where(total >= MIX_ITEMS, np.maximum(moved, own), own)


def is_weekend(days: Codes) -> NDArray[np.bool_]:
    """Whether days since 1970-01-01 are a Saturday or a Sunday; shape as given.

    >>> is_weekend(np.array([1, 2, 3, 4])).tolist()
    [False, True, True, False]
    """
    result: NDArray[np.bool_] = (days + 3) % 7 >= SATURDAY
    return result


def _recent(counts: Array, distinct: Codes) -> Array:
    """Items by cell of the 28 days before each day: of days of its kind, of all days if those had too few."""
    weekend = is_weekend(distinct)
    alike = np.where(
        weekend[:, None], _of_last_days(counts, distinct, weekend), _of_last_days(counts, distinct, ~weekend)
    )
    enough = alike.sum(axis=1, keepdims=True) >= MIX_ITEMS
    result: Array = np.where(enough, alike, _of_last_days(counts, distinct, weekend | ~weekend))
    return result


def _of_last_days(counts: Array, distinct: Codes, mine: NDArray[np.bool_]) -> Array:
    """Items by cell of those of the 28 days before each day that are mine; row 0 of counts belongs to no day."""
    until = np.cumsum(np.concatenate([[False], mine])[:, None] * counts, axis=0)
    result: Array = until[:-1] - until[np.searchsorted(distinct, distinct - MIX_DAYS)]
    return result


def _looked_up(baseline: ReferenceError, numbers: Codes) -> tuple[Array, Array, Array]:
    """Variance, lean and third moment of each cell; one the reference did not have is as uncertain as the worst one."""
    variance, _, third = max(baseline.cells.values(), default=(1.0, 0.0, 0.0))
    rows = [baseline.cells.get(int(number), (variance, 0.0, third)) for number in numbers]
    table = np.array(rows, float).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _of_cells(
    effects: Array, cells: Codes, unseen: Mapping[int, Array], dependence: float
) -> Iterator[tuple[int, float, float]]:
    """Variance and third moment of the mean effect of each cell."""
    numbers, index = np.unique(cells, return_inverse=True)
    n = np.bincount(index)
    deviations = effects - (np.bincount(index, effects) / n)[index]
    extra = np.array([unseen.get(number, np.array([1.0, 0.0])) for number in numbers.tolist()])
    variance = (np.bincount(index, deviations**2) * dependence + extra[:, 0]) / n**2
    third = (np.bincount(index, deviations**3) * dependence**2 + extra[:, 1]) / n**3
    return zip(numbers.tolist(), variance.tolist(), third.tolist(), strict=True)


def _mean_effects(effects: Array, cells: Codes) -> dict[int, float]:
    """Mean effect of each cell: how far the baseline lies above (or below) what the cell itself saw."""
    numbers, index = np.unique(cells, return_inverse=True)
    means = np.bincount(index, effects) / np.bincount(index)
    return dict(zip(numbers.tolist(), means.tolist(), strict=True))


def _notable(lean: float) -> float:
    return lean if lean > NOTABLE_BIAS else 0.0


def _moments(deviations: Array, users: Codes) -> Array:
    """Sums of squares and of cubes, of units or of users' sums, whichever vary more."""
    sums = np.bincount(np.unique(users, return_inverse=True)[1], deviations)
    terms = sums if sums @ sums > deviations @ deviations else deviations
    return np.array([terms @ terms, (terms**3).sum()])


def _claimed(moments: Array, units: int) -> tuple[float, float]:
    """Standard error of a mean of so many units, and what its skewness adds to the quantile.

    Source: Hall 1992, On the removal of skewness by transformation.
    """
    squares, cubes = moments.tolist()
    return float(np.sqrt(squares)) / units, SKEWED * max(cubes, 0.0) / max(squares * units, 1e-12)


def _mixes(cohorts: Codes, days: Codes) -> list[Array | None]:
    """Weight of each unit under the mix of cohorts on weekdays and on weekends; None where there are too few units."""
    _, index = np.unique(cohorts, return_inverse=True)
    overall = np.bincount(index) / index.size
    weights: list[Array | None] = []
    for part in (~is_weekend(days), is_weekend(days)):
        share = np.bincount(index[part], minlength=overall.size) / max(part.sum(), 1)
        weights.append((share / overall)[index] if part.sum() >= LEAST_UNITS else None)
    return weights


def _unseen(outcomes: Array, cells: Codes) -> dict[int, Array]:
    """Squares and cubes of the effect that one success and one failure more would add to each fitted cell."""
    known = ~np.isnan(outcomes)
    numbers, index = np.unique(cells[known], return_inverse=True)
    powers = [np.bincount(index, outcomes[known] ** power).astype(float) for power in range(4)]
    seen, padded = _central(powers), _central([powers[0] + 2, *(power + 1 for power in powers[1:])])
    more = np.maximum(powers[0] * (padded - seen), 0.0)
    return dict(zip(numbers.tolist(), more.T, strict=True))


def _central(powers: Sequence[Array]) -> Array:
    """Second and third central moment, the third of the loss, from the sums of powers 0 to 3 of the outcome."""
    mean, squares, cubes = (power / powers[0] for power in powers[1:])
    return np.array([squares - mean**2, -(cubes - 3 * mean * squares + 2 * mean**3)])
