"""When did a series of effects get worse, with a bounded number of false alerts?

The mixture e-Shiryaev-Roberts detector (e-SR). For bets k with weights w_k, restart mass r_d of day d and allowance e:

    start of day   M_k <- M_k + r_d
    each effect y  M_k <- M_k * (1 + bet_k * (y - e))
    statistic      M = sum_k w_k M_k

Assumption: under the null E[y | past] <= e for every effect; nothing on independence, variance or stationarity.
Guarantee: M minus the mass added so far is a supermartingale, so the expected number of crossings of A in T days of
total mass T is at most T / A, for any traffic and one look a day. The effects enter only through the daily sums of
log(1 + bet_k (y - e)), which are order-free and merge by addition.

Sources: Shin, Ramdas, Rinaldo 2022, arXiv:2203.03532 (e-detectors); Shiryaev 1963, Roberts 1966 (the statistic);
Ville 1939 (the known start).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BETS = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
BET_WEIGHTS = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9  # most on shifts of 3 to 8 points, which are those that happen
COMPANION_FLOOR = 10.0  # restart mass alone must never alert: some series' own e-CUSUM has to reach this


def log_factors(effects: Array, allowances: Array) -> Array:
    """log(1 + bet * (effect - allowance)) for every effect and bet.

    effects: shape (n,), in [-1, 1]; allowances: shape (n,) or (1,). Returns shape (n, bets). A bet not under
    1 / (1 + allowance) could make a factor negative: it sits that effect out, with factor 1.
    Raises ValueError for effects that are not finite or outside [-1, 1].

    >>> log_factors(np.array([0.5]), np.array([0.0])).round(3).tolist()
    [[0.025, 0.049, 0.095, 0.182, 0.336]]
    >>> (log_factors(np.array([-1.0]), np.array([0.3])) < -0.01).tolist()
    [[True, True, True, True, False]]
    """
    if effects.size and not (np.abs(effects) <= 1 + 1e-9).all():
        raise ValueError("effects must be finite and lie in [-1, 1]")
    placed = np.where((1 + allowances)[:, None] * BETS < 1, BETS, 0.0)
    result: Array = np.log1p(placed * (effects - allowances)[:, None])
    return result


def daily_log_sums(effects: Array, days: NDArray[np.int64], allowances: Array) -> tuple[NDArray[np.int64], Array]:
    """Sum the log factors of each day: all the detector needs to know of the day.

    effects, days: shape (n,); allowances: shape (n,) or (1,), fixed before each day starts. Returns the distinct days,
    ascending, and sums of shape (days, bets). Raises ValueError as log_factors does.

    >>> days, sums = daily_log_sums(np.array([0.1, 0.1, -0.1]), np.array([5, 5, 7]), np.zeros(1))
    >>> days.tolist(), sums[:, 0].round(4).tolist()
    ([5, 7], [0.01, -0.005])
    """
    distinct, index = np.unique(days, return_inverse=True)
    factors = log_factors(effects, allowances)
    return distinct, np.stack([np.bincount(index, column, minlength=distinct.size) for column in factors.T], axis=1)


@dataclass
class DetectorState:
    """Evidence of many series at the close of one day, in logs: shapes (series, bets).

    restarting: log M_k. companion: log e-CUSUM per bet, floored at 1 at the start of each day.
    """

    restarting: Array
    companion: Array

    @classmethod
    def start(cls, series: int) -> "DetectorState":
        """No evidence and no mass yet."""
        shape = (series, BETS.size)
        return cls(np.full(shape, -np.inf), np.zeros(shape))


def advance(state: DetectorState, log_sums: Array, log_mass: Array) -> DetectorState:
    """Close one day of every series: add its restart mass, multiply its factors.

    log_sums: shape (series, bets), 0 where a series had no effect that day.
    log_mass: shape (series,), log of the day's restart mass (the series' weight is in it).

    >>> state = advance(DetectorState.start(2), np.full((2, BETS.size), 0.2), np.log([1.0, 0.5]))
    >>> np.exp(mixture(state.restarting)).round(3).tolist()
    [1.221, 0.611]
    """
    return DetectorState(
        restarting=np.logaddexp(state.restarting, log_mass[:, None]) + log_sums,
        companion=np.maximum(state.companion, 0.0) + log_sums,
    )


def mixture(log_values: Array) -> Array:
    """Log of the weighted mean over the bets; shape (..., bets) -> (...).

    >>> float(np.exp(mixture(np.log(np.array([[1.0, 3.0, 2.0, 2.0, 1.0]])))[0]).round(6))
    2.0
    """
    peak = log_values.max(axis=-1)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        result: Array = np.log(np.exp(log_values - safe[..., None]) @ BET_WEIGHTS) + safe
    return result


def known_start(log_sums: Array, weights: Array) -> Array:
    """Log e-value of one series collection whose start was fixed beforehand: no restart, mass 1 once.

    log_sums: shape (days, series, bets). weights: shape (series,). Returns the running log of weight * mixture, shape
    (days, series). The sum over series of the exponentials crosses 1/alpha with probability at most alpha (Ville 1939).

    >>> np.exp(known_start(np.full((2, 1, BETS.size), 0.2), np.ones(1))).round(3).tolist()
    [[1.221], [1.492]]
    """
    with np.errstate(divide="ignore"):
        result: Array = mixture(np.cumsum(log_sums, axis=0)) + np.log(weights)
    return result


def guard_masses(days: int) -> Array:
    """Restart masses 1 / (d (d + 1)) of days d = 1, 2, ...: they sum to 1 over all time.

    With them the statistic is an e-process that is never reset: it crosses 1/alpha with probability at most alpha, for
    ever (Ville 1939), where one unit a day has only the bound T / A. A change on day d costs a factor of about d^2.

    >>> guard_masses(3).round(3).tolist(), float(guard_masses(999).sum().round(3))
    ([0.5, 0.167, 0.083], 0.999)
    """
    day = np.arange(1.0, days + 1)
    result: Array = 1.0 / (day * (day + 1))
    return result


def deployment_masses(deployed: NDArray[np.bool_]) -> Array:
    """Restart mass of each day when half of it is saved for the next deployment and handed out there.

    deployed: shape (days,), days on which a new checkpoint begins, known before the day's effects. What is saved after
    the last deployment is never handed out, so the mass added so far never exceeds the number of days: every bound in
    days stays as it is, whatever the cadence.

    >>> deployment_masses(np.array([False, True, False, False, True, False])).tolist()
    [0.5, 1.5, 0.5, 0.5, 2.0, 0.5]
    """
    day = np.arange(deployed.size)
    last = np.maximum.accumulate(np.where(deployed, day, -1))
    before = np.concatenate([[-1], last[:-1]]) if day.size else last
    result: Array = 0.5 + np.where(deployed, 0.5 * (day - before), 0.0)
    return result


def smallest_visible(n: int, deviation: float, allowance: float, threshold: float, weight: float) -> float:
    """Mean effect that n units would have carried over the threshold with probability about .9.

    deviation: standard deviation of one effect. threshold: days. weight: the series' restart mass a day.
    Approximation: the best bet grows by (shift - allowance)^2 / (2 deviation^2) a unit. Returns a share, 1.0 at most.

    >>> round(smallest_visible(4000, 0.45, 0.014, 365.0, 0.35), 3)
    0.05
    """
    if n < 1 or weight <= 0:
        return 1.0
    growth = np.sqrt(2 * np.log(threshold / weight)) + 1.28
    return float(min(1.0, allowance + deviation / np.sqrt(n) * growth))
