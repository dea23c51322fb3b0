"""How far apart are two means whose units hang together: a user's answers, one prompt's answers under two models?

Units of one cluster may depend on each other in any way, also across the two samples (the same prompt in both makes the
comparison a paired one). Assumption: clusters are independent, and at least 30 of them.
Sources: Liang and Zeger 1986, Biometrika 73:13 (errors of clusters); DeLong, DeLong, Clarke-Pearson 1988,
Biometrics 44:837 (errors of ranks, and of differences of them on the same units).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.calibrate import mid_ranks

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

ENOUGH_CLUSTERS = 30


class Difference(NamedTuple):
    """A difference of means with its standard error, and the clusters it comes from."""

    value: float
    error: float
    clusters: int

    def reach(self, confidence: float = 0.95) -> float:
        """Half the width of the two-sided t interval.

        Guarantee: covers about as often as promised from 30 clusters on. Raises ValueError below two clusters.

        >>> round(Difference(0.1, 0.05, 200).reach(), 4)
        0.0986
        """
        if self.clusters < 2:
            raise ValueError(f"need two clusters, got {self.clusters}")
        return self.error * float(special.stdtrit(self.clusters - 1, (1 + confidence) / 2))


def mean_difference(new: Array, old: Array, new_cluster: Codes, old_cluster: Codes) -> Difference:
    """Mean of `new` minus mean of `old`. `old` may be empty: then the mean of `new` alone.

    new, old: shapes (units,), in [-1, 1]. Clusters: same shapes, equal numbers for units that
    hang together. The error counts one discordant unit more, so that ties alone promise nothing. Raises ValueError for
    no `new` or shapes that differ.

    >>> both = np.array([1.0, 0.0, 1.0, 1.0])
    >>> found = mean_difference(both, both, np.arange(4), np.arange(4))
    >>> found.value, found.error, found.clusters
    (0.0, 0.25, 4)
    """
    if not new.size or new.shape != new_cluster.shape or old.shape != old_cluster.shape:
        raise ValueError("need at least one new unit and one cluster for each unit")
    parts = [(new, new_cluster, 1.0)] + ([(old, old_cluster, -1.0)] if old.size else [])
    pulls = np.concatenate([sign * (values - values.mean()) / values.size for values, _, sign in parts])
    _, index = np.unique(np.concatenate([cluster for _, cluster, _ in parts]), return_inverse=True)
    sums = np.bincount(index, pulls)
    n = sums.size
    spread = float(sums @ sums) * n / max(n - 1, 1)
    value = float(new.mean() - (old.mean() if old.size else 0.0))
    return Difference(value, float(np.sqrt(spread + 1 / min(new.size, old.size or new.size) ** 2)), n)


def excess_rank(
    new: tuple[Array, Array], old: tuple[Array, Array], new_cluster: Codes, old_cluster: Codes
) -> Difference:
    """How much more the first ruler thinks `new` gained over `old` than the second ruler does.

    new, old: scores by the two rulers of the same units, shapes (units,), finite, each ruler on a scale of its own.
    A gain is the chance that a new unit is above an old one, ties half, minus a half: mid-rank in `old`. The value lies
    in [-1, 1]; no monotone change of either scale matters. Raises ValueError for no unit or shapes that differ.

    >>> old = np.arange(40.0)
    >>> found = excess_rank((old + 10, old), (old, old), np.arange(40), np.arange(40))
    >>> round(found.value, 3), found.clusters
    (0.219, 40)
    """
    above = mid_ranks(old[0], new[0]) - mid_ranks(old[1], new[1])
    below = mid_ranks(new[0], old[0]) - mid_ranks(new[1], old[1])
    both = mean_difference(above, below, new_cluster, old_cluster)  # the two means are one number with two signs
    return both._replace(value=both.value / 2)
