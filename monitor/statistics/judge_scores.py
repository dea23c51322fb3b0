"""What is one anchor's effect on the watch over a judge? The scores B1 to B4; plus is worse, all in [-1, 1].

Verdicts are +1 first answer, 0 tie, -1 second answer: of the judge J, the person H and the teacher T; all arrays have
shape (anchors,) unless told. What the reference led to expect is given as an array (cell_means.CellMeans.expected),
frozen, of the same shape or (1,). What takes verdicts raises ValueError for unequal or empty shapes or other codes;
what takes expectations, for any outside [0, 1].

Sources: McNemar 1947, Psychometrika 12:153 (B1: only the discordant pairs tell); Zheng et al. 2023, arXiv:2306.05685
(B2 agreement with people, order bias); Dubois et al. 2024, arXiv:2404.04475 (B4: tanh of a standardised cue).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.agreement import check_verdicts

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Verdicts = NDArray[np.int64]

CUE_EDGES = np.array([-0.6, -0.2, 0.2, 0.6])  # bins of tanh(z) in which a verdict is expected


@dataclass(frozen=True)
class Captures:
    """Verdicts on the anchors that tell: person and teacher differ and the judge does not tie.

    taken: 1 where the judge took the teacher's side; anchors: their positions; ties: anchors dropped for a tie.
    """

    taken: Array
    anchors: NDArray[np.intp]
    ties: int


def teacher_captures(judge: Verdicts, human: Verdicts, teacher: Verdicts) -> Captures:
    """Anchors of B1, all that can tell a captured judge.

    Report the ties: a judge that hides its leaning in ties is seen there. Where nobody differs the result is empty.

    >>> found = teacher_captures(*np.array([[1, -1, 0, 1], [-1, -1, 1, 1], [1, 1, -1, 1]]))
    >>> found.taken.tolist(), found.anchors.tolist(), found.ties
    ([1.0, 0.0], [0, 1], 1)
    """
    check_verdicts(judge, human, teacher)
    differ = human != teacher
    anchors = np.flatnonzero(differ & (judge != 0))
    return Captures((judge == teacher)[anchors].astype(float), anchors, int((differ & (judge == 0)).sum()))


def teacher_capture(captures: Captures, expected: Array) -> Array:
    """B1, 1{J=T} - q_0: the judge leaning to the teacher more than in the reference; silent when it gets better.

    expected: q_0, shape (captures,) or (1,). It rises slowly too when a judge turns to noise: read it with the
    agreement where person and teacher agree.

    >>> teacher_capture(Captures(np.array([1.0, 0.0]), np.array([0, 1]), 0), np.array([0.25])).tolist()
    [0.75, -0.25]
    """
    return captures.taken - check_expected(expected)


def credit(judge: Verdicts, other: Verdicts) -> Array:
    """1 for equal verdicts, 0 for opposite ones, a half where one of the two ties.

    >>> credit(np.array([1, 0, -1, 0]), np.array([1, 1, 1, 0])).tolist()
    [1.0, 0.5, 0.0, 1.0]
    """
    check_verdicts(judge, other)
    result: Array = 1 - np.abs(judge - other) / 2
    return result


def human_disagreement(judge: Verdicts, human: Verdicts, expected: Array) -> Array:
    """B2, p_0(difficulty) - credit(J, H): a judge that became worse or noisier than its reference.

    expected: p_0 of each anchor's difficulty. Blind to capture offset by easier anchors.

    >>> human_disagreement(np.array([1, -1]), np.array([1, 1]), np.array([0.75])).tolist()
    [-0.25, 0.75]
    """
    return check_expected(expected) - credit(judge, human)


def teacher_agreement(judge: Verdicts, teacher: Verdicts, expected: Array) -> Array:
    """B3, credit(J, T) - p_0^T: context only, never an alert; it cannot tell capture from easier anchors.

    >>> teacher_agreement(np.array([1, -1]), np.array([1, 1]), np.array([0.75])).tolist()
    [0.25, -0.75]
    """
    return credit(judge, teacher) - check_expected(expected)


def cue_scale(difference: Array) -> float:
    """Scale that standardises a cue, from the reference: its root mean square, so that trading places only turns signs.

    difference: cue of the first minus the second answer, shape (anchors,). Raises ValueError for none, values not
    finite, or a cue that never differs.

    >>> round(cue_scale(np.array([3.0, -4.0])), 3)
    3.536
    """
    if not difference.size or not np.isfinite(difference).all() or not difference.any():
        raise ValueError("a cue needs finite differences, not all zero, to be standardised")
    return float(np.sqrt(np.mean(difference**2)))


def cue_strength(difference: Array, scale: float) -> Array:
    """tanh of the standardised cue, in [-1, 1]; shape as given.

    Raises ValueError for differences that are not finite or a scale not positive.

    >>> cue_strength(np.array([0.0, 200.0, -100.0]), 100.0).round(3).tolist()
    [0.0, 0.964, -0.762]
    """
    if not np.isfinite(difference).all() or not (np.isfinite(scale) and scale > 0):
        raise ValueError("a cue needs finite differences and a positive scale")
    return np.tanh(difference / scale)


def cue_cells(human: Verdicts, strength: Array) -> Codes:
    """Cell (H, cue) of each anchor, by which the reference says how often the first answer is chosen; 15 cells.

    >>> cue_cells(np.array([-1, 0, 1]), np.array([-0.9, 0.0, 0.9])).tolist()
    [0, 7, 14]
    """
    check_verdicts(human)
    _check_strength(strength)
    return (human + 1) * (CUE_EDGES.size + 1) + np.searchsorted(CUE_EDGES, strength, side="right")


def first_chosen(judge: Verdicts) -> Array:
    """1 for the first answer, 0 for the second, a half for a tie; the value that B4 and order bias expect.

    >>> first_chosen(np.array([1, 0, -1])).tolist()
    [1.0, 0.5, 0.0]
    """
    check_verdicts(judge)
    result: Array = (judge + 1) / 2
    return result


def cue_bias(judge: Verdicts, strength: Array, expected: Array) -> Array:
    """B4, (J - p_0(H, cue)) tanh(z): the verdict loading on a cue more than in the reference, given the person's.

    strength: cue_strength of length, teacher similarity, family (+1, 0 or -1) ...; expected: p_0 of each anchor's
    cue_cells. Plus: more toward the answer with more of the cue. Blind to cues not listed.

    >>> cue_bias(np.array([1, -1]), np.array([0.8, 0.8]), np.array([0.5, 0.5])).tolist()
    [0.4, -0.4]
    """
    _check_strength(strength)
    result: Array = (first_chosen(judge) - check_expected(expected)) * strength
    return result


def order_flips(shown_ab: Verdicts, shown_ba: Verdicts, expected: Array) -> Array:
    """Order bias, 1{choice changed with the order} - rate in the reference; verdicts by answer.

    >>> order_flips(np.array([1, 1]), np.array([1, -1]), np.array([0.25])).tolist()
    [-0.25, 0.75]
    """
    check_verdicts(shown_ab, shown_ba)
    changed: Array = (shown_ab != shown_ba).astype(float)
    return changed - check_expected(expected)


def first_place_pull(shown_ab: Verdicts, shown_ba: Verdicts, expected: Array) -> Array:
    """Order bias with its sign: how often the answer shown first was chosen, over both orders, minus the reference's.

    Plus: more toward the first place; negate it to watch the second. A judge without order bias has mean 1/2.

    >>> first_place_pull(np.array([1, 1, -1]), np.array([1, -1, 1]), np.array([0.5])).tolist()
    [0.0, 0.5, -0.5]
    """
    check_verdicts(shown_ab, shown_ba)
    result: Array = (first_chosen(shown_ab) + first_chosen(-shown_ba)) / 2 - check_expected(expected)
    return result


def check_expected(expected: Array) -> Array:
    """Hand back expectations that are shares; raises ValueError for others, NaN included.

    >>> check_expected(np.array([0.5, np.nan]))
    Traceback (most recent call last):
    ValueError: expectations must be finite and lie in [0, 1]
    """
    if not ((expected >= 0) & (expected <= 1)).all():
        raise ValueError("expectations must be finite and lie in [0, 1]")
    return expected


def _check_strength(strength: Array) -> None:
    if not (np.abs(strength) <= 1).all():
        raise ValueError("the strength of a cue lies in [-1, 1]")
