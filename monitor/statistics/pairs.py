"""Which disjoint pairs of one success and one failure can be formed, and does the reward rank them right?

Source: Hanley and McNeil 1982, Radiology 143:29 (the share of pairs ranked right is the area under the ROC curve).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def disjoint_pairs(
    reward: Array, success: NDArray[np.bool_], cohort: Codes, day: Codes, lot: Codes
) -> tuple[Array, Codes]:
    """Concordance of each pair: 1 if the success has the higher reward, 0.5 at a tie, 0 otherwise.

    All arguments: shape (units,). Within a cohort and day the i-th success meets the i-th failure in the order of their
    lots, which must be blind to reward (a hash of the unit's name). Returns concordance and day, shape (pairs,).
    Guarantee: each unit is used once, so that pairs of independent units are independent.

    >>> disjoint_pairs(np.array([0.9, 0.1, 0.5]), np.array([True, False, False]), *np.zeros((3, 3), int))
    (array([1.]), array([0]))
    """
    order = np.lexsort((lot, success, day, cohort))
    block = np.stack([cohort[order], day[order], success[order]])
    fresh = np.ones(order.size, bool)
    fresh[1:] = (block[:, 1:] != block[:, :-1]).any(axis=0)
    starts = np.flatnonzero(fresh)
    rank = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    again = np.lexsort((success[order], rank, day[order], cohort[order]))
    chosen = order[again]
    place = np.stack([cohort[chosen], day[chosen], rank[again]])
    twin = np.flatnonzero((place[:, 1:] == place[:, :-1]).all(axis=0) & success[chosen][1:] & ~success[chosen][:-1])
    failed, worked = chosen[twin], chosen[twin + 1]
    gap = reward[worked] - reward[failed]
    return np.where(gap > 0, 1.0, np.where(gap == 0, 0.5, 0.0)), day[worked]
