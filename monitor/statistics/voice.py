"""Does a text sound more like the teacher than texts of its kind did? The score D; plus is nearer to the teacher.

s(text) = P(teacher | text) comes from a frozen classifier that was trained on reference student against teacher on the
same prompts. It is blind to a voice that moves in a direction unrelated to the teacher. It knows two voices only, so
that a third one may score high without being near to either: whether texts as a whole came nearer is a second question.
Sources: Koppel and Winter 2014, J. Assoc. Inf. Sci. Technol. 65:178 (telling authors apart by how they write);
Bounliphone et al. 2016, arXiv:1511.04581 (a test of which of two samples is nearer to a third).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

ENOUGH_TEXTS = 30


def voice_gain(scores: Array, expected: Array) -> Array:
    """D, s(text) - s_0,g: nearer to the teacher than the mean reference text of its cohort.

    scores: P(teacher | text), expected: the frozen mean of the text's cohort (`cell_means`), both of shape (texts,), in
    [0, 1]. Returns effects in [-1, 1]. The baseline's own error has to be conceded beside it.
    Raises ValueError for unequal shapes or values outside [0, 1].

    >>> voice_gain(np.array([0.9, 0.2]), np.array([0.4, 0.4])).round(3).tolist()
    [0.5, -0.2]
    """
    return _share(scores, "scores", expected) - _share(expected, "expected", scores)


def voice_shift(scores: Array, reference_scores: Array) -> Array:
    """D paired by prompt, s(new answer) - s(reference answer): no baseline exists to err.

    Both: P(teacher | text) of the two answers to one prompt, shape (prompts,), in [0, 1]. Returns effects in [-1, 1].
    Raises ValueError for unequal shapes or values outside [0, 1].

    >>> voice_shift(np.array([0.9]), np.array([0.3])).round(3).tolist()
    [0.6]
    """
    return _share(scores, "scores", reference_scores) - _share(reference_scores, "reference_scores", scores)


def distance_parts(own: Array, squares: Array, toward: Array) -> Array:
    """What each text adds to the squared distance of its voice from the teacher's; only differences have a meaning.

    own: each text's inner product with the mean features of all texts of its voice, itself included; squares: with
    itself; toward: with the mean features of the teacher. All of shape (texts,), two texts or more. The mean of what is
    returned is ||m||^2 - 2 <m, teacher>, without the bias that a text's product with itself would bring, and its
    spread over sqrt(texts) is that mean's standard error (the projection of a U-statistic).
    Raises ValueError for unequal shapes or fewer than two texts.

    >>> distance_parts(np.array([0.5, 0.5]), np.ones(2), np.array([0.2, 0.4])).round(2).tolist()
    [-0.4, -0.8]
    """
    if not own.shape == squares.shape == toward.shape or own.size < 2:
        raise ValueError(f"need equal shapes of two texts or more, got {own.shape}, {squares.shape}, {toward.shape}")
    others = (own.size * own - squares) / (own.size - 1)
    return np.asarray(2 * others - others.mean() - 2 * toward)


def p_not_nearer(new: Array, old: Array, paired: bool) -> float:
    """One-sided p-value of "the new texts are as far from the teacher as the old ones, or farther".

    new, old: `distance_parts`, shape (texts,) each, in one order of prompts if paired. By t (Welch's, if not paired);
    1.0 below 30 texts on either side, where t may not be trusted. The teacher's voice is taken as known: it is what its
    texts say it is.

    >>> draw = np.random.default_rng(0).normal
    >>> p_not_nearer(draw(0.0, 1.0, 100), draw(1.0, 1.0, 100), paired=False) < 1e-6
    True
    """
    least = min(new.size, old.size)
    if least < ENOUGH_TEXTS:
        return 1.0
    if paired:
        nearer = old - new
        return _upper_tail(float(nearer.mean()), float(nearer.var(ddof=1)) / nearer.size, nearer.size - 1)
    variance = float(new.var(ddof=1)) / new.size + float(old.var(ddof=1)) / old.size
    return _upper_tail(float(old.mean() - new.mean()), variance, least - 1)


def _upper_tail(gain: float, variance: float, freedom: int) -> float:
    if not variance > 0:
        return 1.0
    return float(special.stdtr(freedom, -gain / np.sqrt(variance)))


def _share(values: Array, name: str, other: Array) -> Array:
    if values.shape != other.shape:
        raise ValueError(f"need two equal shapes, got {values.shape} and {other.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{name} must be finite and lie in [0, 1]")
    return values
