"""Which curves were refused as calibrators? Kept to be measured beside the one in use.

Isotonic regression over bins of at least 30, and a logistic curve a cohort, each shrunk to its pooled fit by
m_g(r) = (n_g(r) o_g(r) + 20 m(r)) / (n_g(r) + 20).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit

from monitor.statistics.calibrate import BIN_UNITS, MOST_BINS, SHRINKAGE, Calibrator, Curve, _bins, _means

Array = np.ndarray


@dataclass(frozen=True)
class BlockCurve(Curve):
    """A curve of which neighbouring knots share a fitted value; support and lean by block."""

    blocks: Array

    def nearest(self, rewards: Array) -> Array:
        """Number of the block of the nearest knot."""
        return self.blocks[super().nearest(rewards)]


def isotonic(rewards: Array, outcomes: Array, cohorts: Array) -> Calibrator:
    """Isotonic regression of each cohort's bins."""
    pooled, curves = _isotonic_curve(rewards, outcomes), {}
    for cohort in np.unique(cohorts):
        own = _isotonic_curve(rewards[cohorts == cohort], outcomes[cohorts == cohort])
        support = own.support[own.blocks]
        lean = SHRINKAGE * (pooled(own.rewards) - own.values) / (support + SHRINKAGE)
        by_block = np.bincount(own.blocks, lean) / np.bincount(own.blocks)
        curves[int(cohort)] = BlockCurve(own.rewards, own.values + lean, own.support, by_block, own.blocks)
    return Calibrator(pooled, curves)


def _isotonic_curve(rewards: Array, outcomes: Array) -> BlockCurve:
    bins = _means(rewards, outcomes, _bins(rewards, MOST_BINS, BIN_UNITS))
    fitted = isotonic_regression(bins.values, weights=bins.support)
    sizes = np.diff(fitted.blocks)
    blocks = np.repeat(np.arange(sizes.size), sizes)
    return BlockCurve(bins.rewards, fitted.x, np.bincount(blocks, bins.support), np.zeros(sizes.size), blocks)


@dataclass(frozen=True)
class Logit:
    """A logistic curve; covariance of its two coefficients, robust to a wrong shape, and as the model says."""

    coefficients: Array
    covariance: Array
    modelled: Array

    def __call__(self, rewards: Array) -> Array:
        return expit(_design(rewards) @ self.coefficients)


@dataclass(frozen=True)
class LogisticCalibrator:
    """One logistic curve a cohort; n_g(r) is the number of units that would tell o_g(r) as well as the curve does."""

    pooled: Logit
    cohorts: dict[int, Logit]

    def told(self, rewards: Array, cohort: int) -> tuple[Array, float, float]:
        """Value at each reward of a mix; variance of their mean before shrinkage; mean lean of shrinkage."""
        own = self.cohorts.get(cohort, self.pooled)
        values, columns = own(rewards), _design(rewards)
        spread = values * (1 - values)
        units = 1 / np.maximum(spread * np.einsum("ij,jk,ik->i", columns, own.modelled, columns), 1e-9)
        lean = SHRINKAGE * (self.pooled(rewards) - values) / (units + SHRINKAGE)
        gradient = (spread[:, None] * columns).mean(axis=0)
        return values + lean, float(gradient @ own.covariance @ gradient), float(lean.mean())


def logistic(rewards: Array, outcomes: Array, cohorts: Array) -> LogisticCalibrator:
    """Maximum likelihood by Newton's method, with half a success and half a failure more in the middle."""
    curves = {int(c): _fit_logit(rewards[cohorts == c], outcomes[cohorts == c]) for c in np.unique(cohorts)}
    return LogisticCalibrator(_fit_logit(rewards, outcomes), curves)


def _fit_logit(rewards: Array, outcomes: Array) -> Logit:
    columns, coefficients = _design(rewards), np.zeros(2)
    for _ in range(20):
        chance, middle = expit(columns @ coefficients), expit(coefficients[0])
        information = (columns * (chance * (1 - chance))[:, None]).T @ columns
        information += np.diag([middle * (1 - middle), 0.1])
        score = columns.T @ (outcomes - chance) + [0.5 - middle, -0.1 * coefficients[1]]
        coefficients = coefficients + np.clip(np.linalg.solve(information, score), -3, 3)
    inverse, scores = np.linalg.inv(information), columns * (outcomes - expit(columns @ coefficients))[:, None]
    return Logit(coefficients, inverse @ (scores.T @ scores) @ inverse, inverse)


def _design(rewards: Array) -> Array:
    return np.column_stack([np.ones_like(rewards), rewards - 0.5])
