"""Does a text sound more like the teacher than texts of its kind did? The score D; plus is nearer to the teacher.

s(text) = P(teacher | text) comes from a frozen classifier that was trained on reference student against teacher on the
same prompts. It is blind to a voice that moves in a direction unrelated to the teacher.
Source: Koppel and Winter 2014, J. Assoc. Inf. Sci. Technol. 65:178 (telling authors apart by how they write).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def _share(values: Array, name: str, other: Array) -> Array:
    if values.shape != other.shape:
        raise ValueError(f"need two equal shapes, got {values.shape} and {other.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{name} must be finite and lie in [0, 1]")
    return values
