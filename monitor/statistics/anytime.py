"""May the gate decide now, looking after every label?

Two evidence processes with a start fixed beforehand. Label t brings the paired effect d_t (positive is worse), the
judge's own effect f_t, and the mean g_t of a fresh batch of the judge's effects on unlabelled prompts, each used once:

    Z_t = d_t - w_t (f_t - g_t),   E[Z_t | past] = E d whatever the judge,   w_t from earlier labels only
    GO multiplies 1 + c (margin - Z_t), NO-GO 1 + c (Z_t - margin), mixed over c in STAKES

Assumption: labelled prompts come one by one at random from the traffic of the unlabelled ones; effects in [-1, 1].
Guarantee: under E d >= margin, GO ever reaches 1 / alpha with chance at most alpha, and likewise NO-GO under
E d <= margin, at every look together and for any number of unlabelled prompts.
Sources: Ville 1939; Waudby-Smith and Ramdas 2024, arXiv:2010.09686 (betting); Angelopoulos et al. 2023,
arXiv:2311.01453 (judge weight).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
CAP = 0.9  # of the stake that could lose everything
FIRST_WEIGHTED = 20  # labels before the judge gets a weight


@dataclass(frozen=True)
class GatePath:
    """Log e-values after each label, shape (..., n): for "harm is below the margin" and for "above"."""

    go: Array
    no_go: Array

    def decision(self, alpha: float = 0.05) -> tuple[Literal["GO", "NO-GO", "INCONCLUSIVE"], int]:
        """The first answer of one path (shape (n,)) and the labels it took; all of them while there is none.

        Raises ValueError for alpha outside (0, 1).

        >>> gate_path(np.full(99, -0.2), np.zeros(99), np.zeros(0), 99, margin=0.03).decision()
        ('GO', 28)
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
        go, no_go = (_first(path, -np.log(alpha)) for path in (self.go, self.no_go))
        if min(go, no_go) > self.go.size:
            return "INCONCLUSIVE", self.go.size
        return ("GO", go) if go < no_go else ("NO-GO", no_go)


def gate_path(effects: Array, judged: Array, unlabelled: Array, planned: int, margin: float) -> GatePath:
    """Evidence after each label. Replaying with more labels leaves the earlier path as it was.

    effects, judged: shape (..., n), d and the judge's d in order of labelling, in [-1, 1]; rows are separate gates.
    unlabelled: shape (..., N), the judge's d on further prompts, in an order blind to it. planned: labels at most,
    fixed beforehand; each gets a batch of N // planned, and labels beyond it, or N < planned, go without the judge.
    margin: share in [0, 1). Several judges: combine them by a rule fixed beforehand.
    Raises ValueError for values out of range or not finite, shapes that differ, or planned < 1.

    >>> path = gate_path(np.zeros(4), np.zeros(4), np.zeros(0), 4, margin=0.03)
    >>> path.go.round(4).tolist()
    [0.0078, 0.0157, 0.0237, 0.0317]
    """
    effects, judged, unlabelled = (np.asarray(part, dtype=np.float64) for part in (effects, judged, unlabelled))
    if effects.shape != judged.shape or effects.shape[:-1] != unlabelled.shape[:-1]:
        raise ValueError(f"need equal shapes, got {effects.shape}, {judged.shape}, {unlabelled.shape}")
    if not all((np.abs(part) <= 1).all() for part in (effects, judged, unlabelled)):
        raise ValueError("effects must be finite and lie in [-1, 1]")
    if planned < 1 or not 0 <= margin < 1:
        raise ValueError(f"need planned >= 1 and a margin in [0, 1), got {planned} and {margin}")
    batch = unlabelled.shape[-1] // planned
    used = min(planned, effects.shape[-1]) if batch else 0
    means = unlabelled[..., : used * batch].reshape(*effects.shape[:-1], used, max(batch, 1)).mean(axis=-1)
    weights = _judge_weights(effects, judged) * batch / (batch + 1)
    weights[..., used:] = 0.0
    surprise = effects - margin
    surprise[..., :used] -= weights[..., :used] * (judged[..., :used] - means)
    most = 1 + 2 * np.abs(weights) + margin
    return GatePath(_log_evidence(-surprise, most), _log_evidence(surprise, most))


def _judge_weights(effects: Array, judged: Array) -> Array:
    """Regression of effect on judge over the labels before each one, in [-1, 1], damped while there are few."""
    count = np.arange(1, effects.shape[-1] + 1)
    total, scores = np.cumsum(effects, axis=-1), np.cumsum(judged, axis=-1)
    shared = np.cumsum(effects * judged, axis=-1) - total * scores / count
    spread = np.cumsum(judged**2, axis=-1) - scores**2 / count
    fitted = np.where(count >= FIRST_WEIGHTED, np.clip(shared / (spread + 1), -1, 1), 0.0)
    weights: Array = np.zeros_like(effects)
    weights[..., 1:] = fitted[..., :-1]
    return weights


def _log_evidence(gains: Array, most: Array) -> Array:
    """Running log of the mean over stakes of the product of 1 + stake * gain, where gain > -most."""
    paths = [np.cumsum(np.log1p(np.minimum(stake, CAP / most) * gains), axis=-1) for stake in STAKES]
    result: Array = np.logaddexp.reduce(paths) - np.log(len(STAKES))
    return result


def _first(path: Array, threshold: float) -> int:
    crossed = np.flatnonzero(path >= threshold)
    return int(crossed[0]) + 1 if crossed.size else path.size + 1
