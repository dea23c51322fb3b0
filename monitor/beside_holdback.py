"""How do units of new checkpoints fare beside units held back on the reference's, where there is such a holdback?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.check import Measurement
from monitor.snapshot import Part, unit_means
from monitor.statistics.holdback import disjoint_groups
from monitor.statistics.reference_error import MIX_DAYS
from monitor.statistics.scores import outcome_loss

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

HOLDBACK_SHARE = 0.01  # of the items of 28 days: from here on there is a holdback
MOST_NEW_UNITS = 4  # beside one held back: more would hardly lower the variance of 1 + 1/m


def measure_beside_holdback(part: Part, series: str, tolerance: float, without: bool) -> Measurement:
    """Loss of outcome: against users held back on the same day and in the same cohort, else against the reference.

    On days with a holdback the effects are those of disjoint groups and no baseline is conceded. without: also measure
    the days without one.
    """
    against = part.measure(series, outcome_loss(part.mean_outcome, part.outcome), part.cohort, tolerance)
    held_days = _days_with_holdback(part)
    values, days = _groups(part, held_days)
    kept = ~np.isin(against.days, held_days) & without
    return replace(
        against,
        effects=np.concatenate([against.effects[kept], values]),
        days=np.concatenate([against.days[kept], days]),
        baseline_allowance=np.concatenate([against.baseline_allowance[kept], np.zeros(days.size)]),
    )


def _days_with_holdback(part: Part) -> Codes:
    """Days on which the 28 days up to then had a holdback; what came of its items plays no part."""
    held, new = (np.sort(part.day[part.role == role]) for role in ("holdback", "monitored"))
    days = np.unique(np.concatenate([held, new]))
    recent_held, recent_new = (
        np.searchsorted(arm, days, side="right") - np.searchsorted(arm, days - MIX_DAYS, side="right")
        for arm in (held, new)
    )
    return days[(recent_held > 0) & (recent_held >= HOLDBACK_SHARE * (recent_held + recent_new))]


def _groups(part: Part, days: Codes) -> tuple[Array, Codes]:
    """Effect of each group of one unit held back and as many new ones as that day has for each, up to four."""
    both = (part.role == "holdback") | (part.role == "monitored")
    mine = both & np.isin(part.day, days) & ~np.isnan(part.outcome)
    units, day, outcome = unit_means(part.unit, part.day, part.outcome, mine)
    first = np.unique(part.unit[mine], return_index=True)[1]
    held, cohort = part.role[mine][first] == "holdback", part.cohort[mine][first]
    sizes = _new_units(day, held)
    found = [
        disjoint_groups(outcome[of], held[of], cohort[of], day[of], units[of], new_users=size)
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
