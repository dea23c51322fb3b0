"""Do users of the new checkpoint fare worse than users kept on the frozen one, on the same day and in the same cohort?

Assumption: users are assigned to the arms at random and do not influence each other. Shocks common to both arms cancel
and no baseline exists to err, so the allowance is the material one alone.
Source: Fisher 1935, The Design of Experiments (comparison within blocks).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def disjoint_groups(
    outcome: Array, held_back: NDArray[np.bool_], cohort: Codes, day: Codes, lot: Codes, new_users: int
) -> tuple[Array, Codes]:
    """Effect O_hold - mean(O_new) of each disjoint group of one held back and `new_users` new users of a cohort-day.

    First five: shape (units,), one unit a user and day; outcome in [0, 1]. Within cohort, day and arm the units are
    taken in the order of their lots, which must be blind to the outcome (a hash of the user). Units that fill no group
    are left out. Returns effects in [-1, 1], plus is worse, and their days, shape (groups,).
    Guarantee: each unit is used once; without a difference between the arms the mean effect is exactly 0, whatever the
    day does to both. Raises ValueError for outcomes not finite in [0, 1], unequal shapes, or new_users < 1.

    >>> outcome, held_back = np.array([1.0, 0.0, 1.0, 0.0]), np.array([True, False, False, False])
    >>> disjoint_groups(outcome, held_back, *np.zeros((2, 4), int), np.arange(4), new_users=2)
    (array([0.5]), array([0]))
    """
    if new_users < 1:
        raise ValueError(f"a group needs at least one new user, got {new_users}")
    if len({part.shape for part in (outcome, held_back, cohort, day, lot)}) > 1:
        raise ValueError("outcome, held_back, cohort, day and lot must have equal shapes")
    if not ((outcome >= 0) & (outcome <= 1)).all():
        raise ValueError("outcomes must be finite and lie in [0, 1]")
    order = np.lexsort((lot, held_back, day, cohort))
    held, place = held_back[order], np.stack([cohort[order], day[order]])
    seat = _rank(np.concatenate([place, held[None]]))
    group = _group_codes(place, np.where(held, seat, seat // new_users))
    held_units, new_units = np.bincount(group, held), np.bincount(group, ~held)
    complete = (held_units == 1) & (new_units == new_users)
    kept = np.bincount(group, outcome[order] * held)
    fresh = np.bincount(group, outcome[order] * ~held) / new_users
    days = np.zeros(complete.size, np.int64)
    days[group] = day[order]
    return (kept - fresh)[complete], days[complete]


def variance_factor(new_users: int) -> float:
    """Variance of one group's effect in units of one user's: 1 + 1/m, 2 for pairs.

    Raises ValueError for m < 1.

    >>> variance_factor(1), variance_factor(4)
    (2.0, 1.25)
    """
    if new_users < 1:
        raise ValueError(f"a group needs at least one new user, got {new_users}")
    return 1 + 1 / new_users


def _rank(blocks: Codes) -> Codes:
    """Position of each sorted column within its run of equal columns."""
    size = blocks.shape[1]
    fresh = np.ones(size, bool)
    fresh[1:] = (blocks[:, 1:] != blocks[:, :-1]).any(axis=0)
    starts = np.flatnonzero(fresh)
    return np.arange(size) - np.repeat(starts, np.diff(np.append(starts, size)))


def _group_codes(place: Codes, number: Codes) -> Codes:
    """One code for each cohort, day and group number."""
    if not number.size:
        return number
    return np.unique(np.concatenate([place, number[None]]), axis=1, return_inverse=True)[1].ravel()
