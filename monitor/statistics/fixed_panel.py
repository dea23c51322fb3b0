"""Has the judge moved toward the teacher on a fixed panel of anchors? (B6, with no baseline to estimate)

Anchors on which person and teacher differ are judged again. A flip toward the teacher and a flip away are equally
likely as long as stored and new verdict are exchangeable, however noisy the judge is.

Sources: McNemar 1947, Psychometrika 12:153 (only the flips tell); Ville 1939 (the bound); Vovk and Wang 2021,
arXiv:1912.06116 (averages).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Verdicts = NDArray[np.int64]


class Flips(NamedTuple):
    """Anchors whose verdict moved toward the teacher's, and away from it."""

    toward: int
    away: int


def count_flips(stored: Verdicts, now: Verdicts, human: Verdicts, teacher: Verdicts) -> Flips:
    """Count the moves of the judge among anchors on which person and teacher differ.

    All: shape (anchors,), +1 first answer, 0 tie, -1 second answer. A move is toward the teacher if the new verdict is
    nearer to the teacher's than the stored one (from a tie to the teacher's side too), away if it is farther.
    Raises ValueError for unequal shapes or other codes; no anchor gives no flips.

    >>> count_flips(*np.array([[1, 1, 0, -1, 1], [-1, 1, -1, -1, -1], [1, 1, 1, 1, 1], [-1, -1, -1, -1, 1]]))
    Flips(toward=2, away=0)
    """
    shapes = {stored.shape, now.shape, human.shape, teacher.shape}
    if len(shapes) > 1 or not all(np.isin(verdicts, (-1, 0, 1)).all() for verdicts in (stored, now, human, teacher)):
        raise ValueError(f"need verdicts -1, 0 or 1 in equal shapes, got shapes {sorted(shapes)}")
    nearer = np.abs(stored - teacher) - np.abs(now - teacher)
    differ = human != teacher
    return Flips(toward=int(((nearer > 0) & differ).sum()), away=int(((nearer < 0) & differ).sum()))


def panel_evidence(flips: Flips) -> float:
    """Log of the e-value against "a flip toward the teacher is no likelier than one away".

    For u flips toward, d away and N = u + d, the likelihood ratio of a chance uniform on [1/2, 1] against 1/2:

        e = 2^(N+1) B(u+1, d+1) P(Beta(u+1, d+1) > 1/2) = sum_{k <= u} C(N+1, k) / ((N+1) C(N, u))

    the second form free of underflow. Guarantee: E e = 1 exactly at chance 1/2 for every N, and at most 1 under it, so
    e >= 1/alpha with probability at most alpha, for one look at one panel. N = 0 gives e = 1. Checks at successive
    checkpoints share the stored verdicts: average their e-values or split alpha, never multiply them.
    Raises ValueError for a negative count.

    >>> round(float(np.exp(panel_evidence(Flips(toward=9, away=0)))), 1), panel_evidence(Flips(0, 0))
    (102.3, 0.0)
    """
    toward, away = flips
    if toward < 0 or away < 0:
        raise ValueError(f"flips are counts, got {toward} and {away}")
    n = toward + away
    terms = gammaln(n + 2) - gammaln(np.arange(toward + 1) + 1) - gammaln(n + 2 - np.arange(toward + 1))
    chosen = gammaln(n + 1) - gammaln(toward + 1) - gammaln(away + 1)
    return float(logsumexp(terms) - np.log(n + 1) - chosen)
