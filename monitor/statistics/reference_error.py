"""How far may the frozen baseline be off? Without this allowance every false-alert promise breaks.

Source: Liang and Zeger 1986, Biometrika 73:13 (cluster-robust variance of a mean).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

WEEKEND = (5, 6)
LEAST_UNITS = 30
NOTABLE_BIAS = 0.001
QUANTILE = 1.645  # one-sided 95%: with this allowance the null holds for 95% of reference draws
MIX_DAYS = 28
MIX_ITEMS = 30


@dataclass(frozen=True)
class ReferenceError:
    """How wrong the baseline of one series may be.

    error: standard error of the mean effect at the reference's own mix of cells. bias: how far shrinkage leans the
    baseline towards harm at that mix. units: reference units behind it. cells: for each fitted value its variance and
    its lean, for other mixes. weekday, weekend: what to concede at the mix of cohorts of these days, where it is known.
    """

    error: float
    bias: float
    units: int
    cells: dict[int, tuple[float, float]]
    weekday: float | None = None
    weekend: float | None = None

    def allowance(self) -> float:
        """What to concede at the reference's own mix."""
        return QUANTILE * self.error + self.bias

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
    squared = _squares(deviations, users[first])
    numbers, unseen = _unseen(outcomes, cells)
    error = float(np.sqrt(squared + unseen.sum())) / unit.size
    lean_of = {**_mean_effects(effects, cells), **leans}
    lean = np.array([lean_of[cell] for cell in cells.tolist()])
    weekday, weekend = (
        None
        if weight is None
        else QUANTILE * float(np.sqrt(_squares(deviations * weight, users[first]) + unseen.sum())) / unit.size
        + _notable(float(np.mean(weight * lean[first])))
        for weight in _mixes(cohorts[first], days[first])
    )
    dependence = max(1.0, squared / max(float(deviations @ deviations), 1e-12))
    extra = dict(zip(numbers.tolist(), unseen.tolist(), strict=True))
    table = {number: (variance, lean_of[number]) for number, variance in _variances(effects, cells, extra, dependence)}
    return ReferenceError(error, _notable(float(lean.mean())), unit.size, table, weekday, weekend)


def allowance_by_day(baseline: ReferenceError, days: Codes, cells: Codes) -> tuple[Codes, Array]:
    """What to concede on each day: the baseline's error at the mix of cells of the 28 days before.

    A policy that is selected for its reward moves its traffic to few cells, where the baseline stands on few units;
    the error at the reference's mix would be far too small there. Weekdays look back at weekdays and weekends at
    weekends, whose traffic differs, and at all days where such days had too few items. The mix of earlier days is known
    before the day starts, as the detector's guarantee asks. days, cells: shape (monitored items,).
    Returns the distinct days, ascending, and the allowance of each; never less than at the reference's own mix of such
    days.

    >>> thin = ReferenceError(0.01, 0.0, 1000, {0: (0.0001, 0.0), 1: (0.0025, 0.0)})
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
    variance, bias = _looked_up(baseline, numbers)
    moved = QUANTILE * np.sqrt(share**2 @ variance) + np.maximum(share @ bias, 0.0)
    own = baseline.allowances(distinct)
    return distinct, np.where(total >= MIX_ITEMS, np.maximum(moved, own), own)


def is_weekend(days: Codes) -> NDArray[np.bool_]:
    """Whether days since 1970-01-01 are a Saturday or a Sunday; shape as given.

    >>> is_weekend(np.array([1, 2, 3, 4])).tolist()
    [False, True, True, False]
    """
    return np.isin((days + 3) % 7, WEEKEND)


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


def _looked_up(baseline: ReferenceError, numbers: Codes) -> tuple[Array, Array]:
    """Variance and bias of each cell; a cell the reference did not have is as uncertain as the worst one."""
    worst = max((variance for variance, _ in baseline.cells.values()), default=1.0)
    rows = [baseline.cells.get(int(number), (worst, 0.0)) for number in numbers]
    table = np.array(rows, float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _variances(
    effects: Array, cells: Codes, unseen: Mapping[int, float], dependence: float
) -> Iterator[tuple[int, float]]:
    """Variance of the mean effect of each cell."""
    numbers, index = np.unique(cells, return_inverse=True)
    n, total = np.bincount(index), np.bincount(index, effects)
    squares = np.bincount(index, effects**2) - total**2 / n
    extra = np.array([unseen.get(number, 1.0) for number in numbers.tolist()])
    return zip(numbers.tolist(), ((squares * dependence + extra) / n**2).tolist(), strict=True)


def _mean_effects(effects: Array, cells: Codes) -> dict[int, float]:
    """Mean effect of each cell: how far the baseline lies above (or below) what the cell itself saw."""
    numbers, index = np.unique(cells, return_inverse=True)
    means = np.bincount(index, effects) / np.bincount(index)
    return dict(zip(numbers.tolist(), means.tolist(), strict=True))


def _notable(lean: float) -> float:
    return lean if lean > NOTABLE_BIAS else 0.0


def _squares(deviations: Array, users: Codes) -> float:
    """Sum of squares, of units or of users' sums, whichever is larger."""
    _, index = np.unique(users, return_inverse=True)
    return max(float(deviations @ deviations), float((np.bincount(index, deviations) ** 2).sum()))


def _mixes(cohorts: Codes, days: Codes) -> list[Array | None]:
    """Weight of each unit under the mix of cohorts on weekdays and on weekends; None where there are too few units."""
    _, index = np.unique(cohorts, return_inverse=True)
    overall = np.bincount(index) / index.size
    weights: list[Array | None] = []
    for part in (~is_weekend(days), is_weekend(days)):
        share = np.bincount(index[part], minlength=overall.size) / max(part.sum(), 1)
        weights.append((share / overall)[index] if part.sum() >= LEAST_UNITS else None)
    return weights


def _unseen(outcomes: Array, cells: Codes) -> tuple[Codes, Array]:
    """Squared error that one success and one failure more would add to each fitted cell."""
    known = ~np.isnan(outcomes)
    numbers, index = np.unique(cells[known], return_inverse=True)
    values = outcomes[known]
    n, total, squares = (np.bincount(index, weights) for weights in (np.ones(values.size), values, values**2))
    seen = squares - total**2 / n
    padded = n * ((squares + 1) / (n + 2) - ((total + 1) / (n + 2)) ** 2)
    return numbers, np.maximum(padded - seen, 0.0)
