"""Has optimising further against the reward begun to cost outcome? (A5)

With D = sqrt(KL(policy || initial policy)) the outcome of checkpoint after checkpoint follows

    best of n    c + D (a - b D)                        peak at D = a / 2b
    RL           c + D (a - b log D)                    peak at D = exp(a/b - 1)
    k rounds     c + D (a - b log D + b log k)          peak at D = k exp(a/b - 1)

all linear in (c, a, b): weighted least squares over the checkpoints. Assumptions: the law holds (`misfit` tests it),
checkpoints are measured on independent units and their standard errors are known. Says that the peak is passed, not
why: other causes that grow with training look the same.

Sources: Gao, Schulman, Hilton 2022, arXiv:2210.10760, section 3.1 (both laws; there without c); Wolf, Kirk, Musolesi
2025, arXiv:2505.18126 (rounds); Fieller 1954, J. R. Stat. Soc. B 16:175 (interval of a ratio).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtr, ndtri

Array = NDArray[np.float64]
Segments = tuple[tuple[float, float], ...]

FEWEST_CHECKPOINTS = 5
WORST_CONDITION = 1e8  # of the scaled design: beyond it the columns cannot be told apart


@dataclass(frozen=True)
class Law:
    """One law c + a D - b bend(D): the bend and its slope at D, and the peak that belongs to a ratio a/b."""

    bend: Callable[[Array], Array]
    slope: Callable[[float], float]
    peak: Callable[[float], float]


BEST_OF_N = Law(bend=np.square, slope=lambda distance: 2 * distance, peak=lambda ratio: max(ratio, 0.0) / 2)


def iterated(rounds: Array) -> Law:
    """Law of iterated training; rounds: shape (checkpoints,), the round k >= 1 in which each was made.

    Slope and peak are those of the last checkpoint's round. Raises ValueError for rounds under 1.

    >>> float(iterated(np.array([1.0, 2.0])).peak(1.0))
    2.0
    """
    if not rounds.size or not (np.isfinite(rounds) & (rounds >= 1)).all():
        raise ValueError("rounds must be finite and at least 1")
    last = float(rounds[-1])
    return Law(
        bend=lambda distance: distance * np.log(np.where(distance > 0, distance, 1.0) / rounds),
        slope=lambda distance: float(1 + np.log(distance / last)) if distance > 0 else float("-inf"),
        peak=lambda ratio: last * float(np.exp(min(ratio - 1, 700.0))),
    )


RL = iterated(np.ones(1))


@dataclass(frozen=True)
class Slope:
    """Change of the outcome per unit of D at one place; p_past_peak: one-sided p-value of "it does not fall here"."""

    distance: float
    value: float
    low: float
    high: float
    p_past_peak: float


@dataclass(frozen=True)
class Peak:
    """Where the outcome is best. distance: None unless b is significantly positive.

    segments: the Fieller set in D. One bounded segment if b differs from 0 at the level asked, else unbounded: (0, inf)
    when nothing is excluded, or two segments when a middle range is.
    """

    distance: float | None
    segments: Segments

    @property
    def bounded(self) -> bool:
        """Whether the data place the peak at all."""
        return bool(np.isfinite(self.segments[-1][1]))


@dataclass(frozen=True)
class Curve:
    """A fitted law. coefficients (c, a, b) with their covariance; misfit: p-value of "the law holds".

    last: D of the newest checkpoint. shape_only: D was sqrt(steps), so a and b have no meaning beyond the shape.
    """

    law: Law
    coefficients: Array
    covariance: Array
    last: float
    misfit: float
    shape_only: bool

    def slope(self, distance: float | None = None, confidence: float = 0.95) -> Slope:
        """Slope a - b bend'(D), at the newest checkpoint unless told; two-sided interval, one-sided p-value.

        Guarantee: at the true peak p_past_peak <= alpha with probability alpha. Raises ValueError for D not positive or
        a confidence outside (0, 1).
        """
        _check_level(confidence)
        place = self.last if distance is None else distance
        if not place > 0:
            raise ValueError(f"the slope is defined at a positive distance, got {place}")
        direction = np.array([1.0, -self.law.slope(place)])
        value = float(direction @ self.coefficients[1:])
        error = float(np.sqrt(direction @ self.covariance[1:, 1:] @ direction))
        reach = float(ndtri((1 + confidence) / 2)) * error
        return Slope(place, value, value - reach, value + reach, float(ndtr(value / error)))

    def peak(self, confidence: float = 0.95) -> Peak:
        """Peak with Fieller's set: all x = a/b with (a - x b)^2 <= z^2 Var(a - x b), sent through the law.

        Guarantee: holds the true peak with probability `confidence`, whatever the sign and size of b, for normal errors
        of known variance. `distance` is given if b > 0 at one-sided level (1 - confidence) / 2: then the set is bounded
        too. Among the fits that place a peak the guarantee fails where few do: long before the peak is in sight, a
        placed one was placed by luck. Raises ValueError for a confidence outside (0, 1).
        """
        _check_level(confidence)
        z = float(ndtri((1 + confidence) / 2))
        _, a, b = self.coefficients
        placed = b > z * np.sqrt(self.covariance[2, 2])
        ratios = fieller(a, b, self.covariance[1:, 1:], z)
        segments = tuple((self._peak_at(low), self._peak_at(high)) for low, high in ratios)
        return Peak(self.law.peak(float(a / b)) if placed else None, segments)

    def _peak_at(self, ratio: float) -> float:
        if np.isinf(ratio):
            return float("inf") if ratio > 0 else 0.0
        return float(self.law.peak(ratio))


def fieller(top: float, bottom: float, covariance: Array, z: float) -> Segments:
    """All ratios x with (top - x bottom)^2 <= z^2 (V_tt - 2 x V_tb + x^2 V_bb), in ascending segments.

    covariance: shape (2, 2), of (top, bottom). Bounded if bottom^2 > z^2 V_bb; otherwise all numbers, or all but a
    bounded gap. Never empty.

    >>> [(round(low, 2), round(high, 2)) for low, high in fieller(4.0, 2.0, np.eye(2) * 0.04, 1.96)]
    [(1.63, 2.53)]
    >>> fieller(0.1, 0.2, np.eye(2), 1.96)
    ((-inf, inf),)
    """
    square = bottom**2 - z**2 * covariance[1, 1]
    middle = top * bottom - z**2 * covariance[0, 1]
    discriminant = middle**2 - square * (top**2 - z**2 * covariance[0, 0])
    if square == 0 or (square < 0 and discriminant <= 0):
        return ((-np.inf, np.inf),)
    root = float(np.sqrt(max(discriminant, 0.0)))
    low, high = sorted((float((middle - root) / square), float((middle + root) / square)))
    return ((low, high),) if square > 0 else ((-np.inf, low), (high, np.inf))


def fit_curve(distance: Array, outcome: Array, errors: Array, law: Law, shape_only: bool = False) -> Curve:
    """Fit c, a and b by least squares with weights 1 / errors^2.

    distance: D of each checkpoint in the order of training, shape (checkpoints,), see distance_of_kl and
    distance_of_steps (then shape_only=True). outcome: mean outcome, and errors: its standard error, same shape.
    Raises ValueError for fewer than 5 checkpoints, unequal shapes, values that are not finite, a negative distance,
    errors not positive, or distances that cannot tell the law's columns apart (all equal, or rounds of equal steps).

    >>> distance = np.linspace(0, 4, 9)
    >>> curve = fit_curve(distance, 0.5 + distance * (0.2 - 0.04 * distance), np.full(9, 0.01), BEST_OF_N)
    >>> curve.coefficients.round(3).tolist(), round(curve.peak().distance, 3), curve.slope().p_past_peak < 0.05
    ([0.5, 0.2, 0.04], 2.5, True)
    """
    _validate(distance, outcome, errors)
    columns = np.stack([np.ones_like(distance), distance, -law.bend(distance)], axis=1) / errors[:, None]
    scale = np.linalg.norm(columns, axis=0)
    if not (scale > 0).all() or np.linalg.cond(columns / scale) > WORST_CONDITION:
        raise ValueError("these distances cannot tell rise from bend: checkpoints must lie at three distances or more")
    covariance = np.linalg.inv(columns.T @ columns).astype(np.float64)
    coefficients = covariance @ (columns.T @ (outcome / errors))
    residual = float(np.sum((outcome / errors - columns @ coefficients) ** 2))
    misfit = float(chdtrc(distance.size - 3, residual))
    return Curve(law, coefficients, covariance, float(distance[-1]), misfit, shape_only)


def distance_of_kl(kl_nats: Array) -> Array:
    """D = sqrt(KL) of each checkpoint from the initial policy, shape as given; KL in nats.

    Raises ValueError for a KL that is not finite and at least 0.

    >>> distance_of_kl(np.array([0.0, 4.0])).tolist()
    [0.0, 2.0]
    """
    if not (np.isfinite(kl_nats) & (kl_nats >= 0)).all():
        raise ValueError("KL must be finite and not negative")
    return np.sqrt(kl_nats)


def distance_of_steps(steps: Array) -> Array:
    """Stand-in for D where KL is unknown: sqrt of cumulative training steps. It shows a course, not coefficients.

    steps: shape (checkpoints,). Raises ValueError for steps that are negative or fall.

    >>> distance_of_steps(np.array([0.0, 100.0])).tolist()
    [0.0, 10.0]
    """
    if not (np.isfinite(steps) & (steps >= 0)).all() or (np.diff(steps) < 0).any():
        raise ValueError("cumulative steps must be finite, not negative and not falling")
    return np.sqrt(steps)


def _check_level(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")


def _validate(distance: Array, outcome: Array, errors: Array) -> None:
    if distance.ndim != 1 or not distance.shape == outcome.shape == errors.shape:
        raise ValueError(f"need three equal shapes, got {distance.shape}, {outcome.shape} and {errors.shape}")
    if distance.size < FEWEST_CHECKPOINTS:
        raise ValueError(f"a curve needs at least {FEWEST_CHECKPOINTS} checkpoints, got {distance.size}")
    if not np.isfinite([distance, outcome, errors]).all() or (distance < 0).any() or not (errors > 0).all():
        raise ValueError("distances must be finite and not negative, outcomes finite, standard errors positive")
