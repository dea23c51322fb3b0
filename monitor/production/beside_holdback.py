"""How do units of new checkpoints fare beside units held back on the reference's, where there is such a holdback?

Beside users held back, shocks common to both arms cancel and no baseline can be off; but an effect needs a unit of the
smaller arm, and 5% held back give a twentieth of the effects.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.check import Measurement
from monitor.snapshot import Part
from monitor.statistics.calibrate import Calibrator
from monitor.statistics.holdback import disjoint_groups
from monitor.statistics.reference_error import MIX_DAYS
from monitor.statistics.scores import outcome_loss

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

HOLDBACK_SHARE = 0.01  # of the items of 28 days: from here on there is a holdback
WEEK = 7  # days after which a holdback that served nobody has ended
MOST_NEW_UNITS = 4  # beside one held back: more would hardly lower the variance of 1 + 1/m
LEAST_HELD = 250  # units in a week from which on groups alone carry a check: they find +9/-4 in three weeks


def measure_beside_holdback(part: Part, series: str, tolerance: float, without: bool) -> Measurement:
    """Loss of outcome: against users held back on the same day and in the same cohort, else against the reference.

    On days with a holdback the effects are those of disjoint groups and no baseline is conceded. without: also measure
    the days without one.
    """
    against = part.measure(series, outcome_loss(part.mean_outcome, part.outcome), part.cohort, tolerance)
    held_days = _days_with_holdback(part)
    kept = ~np.isin(against.days, held_days) & without
    return _joined(against, kept, *_groups(part, part.outcome, held_days))


def beside_holdback(part: Part, against: Measurement, value: Array, least_held: int = 0) -> Measurement:
    """A score against the reference, on days with a holdback replaced by the loss of `value` beside users held back.

    value: shape (items,), in [0, 1] and plus is better, NaN where not known; what it loses is what the score gains, in
    proportion. least_held: units held back in a week below which the reference stays. So it does on a day on which one
    of the arms served nobody.
    """
    if not has_holdback(part):
        return against
    days = np.intersect1d(_days_with_holdback(part, least_held), _days_of_both(part))
    return _joined(against, ~np.isin(against.days, days), *_groups(part, value, days))


def has_holdback(part: Part) -> bool:
    """Whether any item is of a user held back."""
    return bool((part.role == "holdback").any())


def value_beyond_expected(part: Part, expects: Calibrator | None) -> Array:
    """What A1 loses beside a holdback: the outcome beyond what the reward meant, moved and scaled into [0, 1]; NaN
    where nobody was held back.

    The scale is 1 / (1 + s), s the widest spread of m_g(r) in a cohort: so much smaller are effects and growth.
    """
    if expects is None or not has_holdback(part):
        return np.full(part.reward.size, np.nan)
    curves = {**expects.cohorts, -1: expects.pooled}
    spread = max(float(np.ptp(curve.values)) for curve in curves.values())
    top = {code: float(curve.values.max()) for code, curve in curves.items()}
    highest = np.array([top.get(code, top[-1]) for code in part.cohort.tolist()])
    value: Array = np.clip((part.outcome - part.expected + highest) / (1 + spread), 0.0, 1.0)
    return value


def value_for_reward(part: Part, worth: float) -> Array:
    """What A7 loses beside a holdback: the outcome without what the reward must at least bring, scaled into [0, 1]."""
    value: Array = np.clip((part.outcome + worth * (1 - part.reward)) / (1 + worth), 0.0, 1.0)
    return value


def _joined(against: Measurement, kept: NDArray[np.bool_], values: Array, days: Codes) -> Measurement:
    return replace(
        against,
        effects=np.concatenate([against.effects[kept], values]),
        days=np.concatenate([against.days[kept], days]),
        baseline_allowance=np.concatenate([against.baseline_allowance[kept], np.zeros(days.size)]),
    )


def _days_with_holdback(part: Part, least_held: int = 0) -> Codes:
    """Days on which the 28 days, and the week, up to then had a holdback; what came of its items plays no part."""
    held, new = (np.sort(part.day[part.role == role]) for role in ("holdback", "monitored"))
    held_units = np.sort(part.means(np.zeros(part.day.size), part.role == "holdback")[1])
    days = np.unique(np.concatenate([held, new]))
    serving = np.ones(days.size, bool)
    for window in (MIX_DAYS, WEEK):
        recent_held, recent_new = _lately(held, days, window), _lately(new, days, window)
        serving &= (recent_held > 0) & (recent_held >= HOLDBACK_SHARE * (recent_held + recent_new))
    return days[serving & (_lately(held_units, days, WEEK) >= least_held)]


def _lately(of: Codes, days: Codes, window: int) -> Codes:
    """How many of these (sorted) days lie in the window up to each day."""
    return np.searchsorted(of, days, side="right") - np.searchsorted(of, days - window, side="right")


def _days_of_both(part: Part) -> Codes:
    return np.intersect1d(part.day[part.role == "holdback"], part.day[part.role == "monitored"])


def _groups(part: Part, value: Array, days: Codes) -> tuple[Array, Codes]:
    """Effect of each group of one unit held back and as many new ones as that day has for each, up to four."""
    both = (part.role == "holdback") | (part.role == "monitored")
    mine = both & np.isin(part.day, days) & ~np.isnan(value)
    units, day, values = part.means(value, mine)
    first = np.unique(part.unit[mine], return_index=True)[1]
    held, cohort = part.role[mine][first] == "holdback", part.cohort[mine][first]
    sizes = _new_units(day, held)
    found = [
        disjoint_groups(values[of], held[of], cohort[of], day[of], units[of], new_users=size)
        for size, of in ((size, sizes == size) for size in np.unique(sizes[sizes > 0]).tolist())
    ]
    effects, their_days = zip(*found, strict=True) if found else ([np.zeros(0)], [np.zeros(0, np.int64)])
    return np.concatenate(effects), np.concatenate(their_days)


def _new_units(day: Codes, held: NDArray[np.bool_]) -> Codes:
    """How many new units to put beside each one held back, by the unit's day; 0 where an arm is empty."""
    _, index = np.unique(day, return_inverse=True)
    kept, new = np.bincount(index, held), np.bincount(index, ~held)
    size = np.where(kept > 0, np.minimum(new // np.maximum(kept, 1), MOST_NEW_UNITS), 0)
    size = np.where((size == 0) & (kept > 0) & (new > 0), 1, size)
    return size.astype(np.int64)[index]
