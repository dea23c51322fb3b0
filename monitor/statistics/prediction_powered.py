"""What is the true mean outcome, from few human labels and many judge scores?

Prediction-powered inference (PPI++): the judges' mean over all traffic, corrected by the labelled residuals. A drifted
or captured judge costs width, never validity. Assumption: the labels are a random sample of the traffic, chosen without
sight of the outcome, and items are independent.

    r_i = Y_i - w_(-i)' (f_i - mean f of the unlabelled)     value = mean r     Var = var(r) / n + w' S w / N

with S the judges' covariance and w_(-i) fitted without the fold of label i. Constant judges are left out; collinear
ones are held apart by a ridge on the scale of each judge's own deviation.
Sources: Angelopoulos et al. 2023, arXiv:2301.09633 and 2311.01453 (PPI++); Zrnic and Candes 2024,
arXiv:2309.16598 (cross-fitting).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.bounded import Bounds, mean_bounds, tail_reaches
from monitor.statistics.intervals import ENOUGH_UNITS

Array = NDArray[np.float64]

FOLDS = 5
RIDGE = 1e-3
ENOUGH_EVENTS = 10.0  # failures or discordant pairs among the labels
ENOUGH_SURPRISES = 3.0  # squared residuals: disagreements of a 0/1 judge. A judge never seen to err has no known error
STRATUM_LABELS = 20


@dataclass(frozen=True)
class Estimate:
    """An unbiased estimate of a mean with what its interval needs.

    variance, skewness: of the estimate itself. freedom: degrees of freedom of the variance. n: labels.
    effective: labels that would say as much without judges. surprises: sum of squared residuals.
    """

    value: float
    variance: float
    skewness: float
    freedom: float
    n: int
    effective: float
    surprises: float

    def bounds(self, confidence: float = 0.95) -> Bounds:
        """Equal-tailed t bounds, widened for skewness (see `bounded.tail_reaches`).

        Guarantee: covers at least as often as promised as n grows; about that from 20 labels on.
        Raises ValueError for less than one degree of freedom or a confidence outside (0, 1).
        """
        down, up = tail_reaches(self.freedom, self.skewness, (1 - confidence) / 2)
        error = float(np.sqrt(self.variance))
        return Bounds(self.value, self.value - down * error, self.value + up * error, self.n, self.effective, "judged")


def estimate_mean(labels: Array, judged: Array, unlabelled: Array) -> Estimate:
    """PPI++ with cross-fitted weights of several judges.

    labels: shape (n,), n >= 2, a random sample, in an order blind to the outcome. judged: shape (n,) or (n, judges),
    scores of the same items. unlabelled: shape (N,) or (N, judges), further items of the same traffic. N = 0, constant
    judges or n < 10 give the classical mean. Guarantee: unbiased; `bounds` covers as promised as n grows.
    Raises ValueError for fewer than two labels, shapes that differ, or values that are not finite.

    >>> truth = np.arange(100) % 2.0
    >>> judge = np.where(np.arange(2000) % 10 == 0, 0.5, np.arange(2000) % 2) + 0.3
    >>> found = estimate_mean(truth, judge[:100], judge[100:])
    >>> round(found.value, 2), round(found.effective)
    (0.49, 752)
    """
    labels, judged, unlabelled = _checked(labels, judged, unlabelled)
    n, others = labels.size, len(unlabelled)
    if not others or n < 2 * FOLDS or not judged.shape[1]:
        return _summed_up(labels, labels, 0.0)
    everyone = np.concatenate([judged, unlabelled])
    spread = np.atleast_2d(np.cov(everyone, rowvar=False))
    judged = judged - unlabelled.mean(axis=0)
    weights = _cross_fitted(labels, judged, np.ones(n), spread / n + spread / others)
    residuals = labels - (weights * judged).sum(axis=1)
    mean_weights = weights.mean(axis=0)
    return _summed_up(labels, residuals, float(mean_weights @ spread @ mean_weights) / others)


def judged_bounds(
    labels: Array, judged: Array, unlabelled: Array, confidence: float = 0.95, binary: bool = False
) -> Bounds:
    """Bounds of the mean of labels in [-1, 1]: with the judges where that can be trusted, else without.

    Arguments as of `estimate_mean`; binary: labels can only be 0 or 1. The judges are used with at least 30 labels and
    residuals that sum to 3 squared: with fewer surprises a judge that errs one way misses the truth more than twice too
    often (tests/benchmarks/results/interval_table.md). Else `mean_bounds` decides, and `method` tells which it was. It
    does so too with fewer than 10 failures or discordant pairs, but each end is then the wider of both: leaving the
    judges out just where the labels are lopsided by chance would miss what only the judges saw. One label is enough.
    Guarantee: covers about as often as promised at any n. Raises ValueError as `mean_bounds` and `estimate_mean` do.

    >>> judged_bounds(np.ones(12), np.ones(12), np.ones(500)).method
    'betting'
    """
    classical = mean_bounds(labels, confidence, binary)
    labels, judged, unlabelled = _checked(labels, judged, unlabelled, least=1)
    if classical.n < ENOUGH_UNITS:
        return classical
    estimate = estimate_mean(labels, judged, unlabelled)
    if estimate.surprises < ENOUGH_SURPRISES or estimate.effective <= classical.n:
        return classical
    found, least = estimate.bounds(confidence), 0.0 if binary else -1.0
    low, high = max(found.low, least), min(found.high, 1.0)
    if np.abs(labels - np.median(labels)).sum() < ENOUGH_EVENTS:
        return replace(classical, low=min(low, classical.low), high=max(high, classical.high))
    return replace(found, low=low, high=high)


@dataclass(frozen=True)
class Strata:
    """Estimates of strata (cohorts) as arrays, shape (strata,), to be mixed again and again.

    third: the third moment of each estimate; plain: its variance without judges. n, surprises: of all together.
    """

    value: Array
    variance: Array
    freedom: Array
    third: Array
    plain: Array
    n: int
    surprises: float

    def mean(self, shares: Array) -> Estimate:
        """`stratified_mean` of them. shares: shape (strata,), positive, summing to 1. Raises ValueError otherwise."""
        share = np.asarray(shares, dtype=np.float64)
        if share.size != self.value.size or not (share > 0).all() or abs(share.sum() - 1) > 1e-6:
            raise ValueError(f"need one positive share a stratum, summing to 1, got {share.tolist()}")
        parts = share**2 * self.variance
        variance = float(parts.sum())
        third, plain = float(sum(share**3 * self.third)), float(sum(share**2 * self.plain))
        return Estimate(
            value=float(share @ self.value),
            variance=variance,
            skewness=third / variance**1.5 if variance > 0 else 0.0,
            freedom=float(variance**2 / (parts**2 / self.freedom).sum()) if variance > 0 else float(self.freedom.sum()),
            n=self.n,
            effective=self.n * plain / variance if variance > 0 else self.n,
            surprises=self.surprises,
        )


def strata_of(estimates: Sequence[Estimate]) -> Strata:
    """Estimates of strata as arrays, to be weighed together.

    Raises ValueError for no stratum, or one with fewer than 20 labels: its own variance cannot be trusted.

    >>> strata_of([Estimate(0.4, 0.01, 0.0, 29, 30, 30, 8.0)] * 2).value.tolist()
    [0.4, 0.4]
    """
    if not estimates or min(one.n for one in estimates) < STRATUM_LABELS:
        raise ValueError(f"every stratum needs {STRATUM_LABELS} labels; merge the smaller ones")
    return Strata(
        value=np.array([one.value for one in estimates]),
        variance=np.array([one.variance for one in estimates]),
        freedom=np.array([one.freedom for one in estimates]),
        third=np.array([one.skewness * one.variance**1.5 for one in estimates]),
        plain=np.array([one.variance * one.effective / one.n for one in estimates]),
        n=sum(one.n for one in estimates),
        surprises=sum(one.surprises for one in estimates),
    )


def stratified_mean(strata: Sequence[Estimate], shares: Sequence[float]) -> Estimate:
    """Mean over strata (cohorts) of known traffic shares, with Satterthwaite's degrees of freedom.

    shares: one a stratum, positive, summing to 1. Raises ValueError for strata with fewer than 20 labels: merge them
    first; their own variance cannot be trusted.
    Source: Fisch et al. 2024, arXiv:2406.04291 (stratified PPI); Satterthwaite 1946, Biometrics 2.

    >>> one = Estimate(0.4, 0.01, 0.0, 29, 30, 30, 8.0)
    >>> both = stratified_mean([one, one], [0.5, 0.5])
    >>> both.value, both.variance, both.freedom
    (0.4, 0.005, 58.0)
    """
    return strata_of(strata).mean(np.asarray(shares, dtype=np.float64))


def weighted_mean(labels: Array, judged: Array, chances: Array, everyone: Array) -> Estimate:
    """PPI++ where each item's chance to be labelled is known by design and differs.

    labels: shape (n,). judged: shape (n,) or (n, judges). chances: shape (n,), in (0, 1]. everyone: scores of ALL
    traffic, labelled items included, since the rest of an unequal sample is biased. freedom is (sum w)^2 / sum w^2 - 1
    with w = 1 / chance. Raises ValueError as `estimate_mean` does, and for chances outside (0, 1].
    Source: Hajek 1971 (ratio estimator); Zrnic and Candes 2024, arXiv:2403.03208 (active inference).

    >>> found = weighted_mean(np.array([1.0, 0.0, 1.0]), np.zeros(3), np.array([0.5, 0.25, 0.25]), np.zeros(9))
    >>> round(found.value, 2), round(found.freedom, 2)
    (0.6, 1.78)
    """
    labels, judged, everyone = _checked(labels, judged, everyone)
    chances = np.asarray(chances, dtype=np.float64)
    if chances.shape != labels.shape or not ((chances > 0) & (chances <= 1)).all():
        raise ValueError("need one chance in (0, 1] a label")
    share = 1 / chances
    share *= labels.size / share.sum()
    if labels.size < 2 * FOLDS or not len(everyone) or not judged.shape[1]:
        return _summed_up(labels, labels, 0.0, share)
    judged = judged - everyone.mean(axis=0)
    spread = np.atleast_2d(np.cov(everyone, rowvar=False)) / len(everyone)
    centred = share[:, None] * (judged - share @ judged / labels.size)
    weights = _cross_fitted(labels, judged, share, centred.T @ centred / labels.size**2 + spread)
    mean_weights = share @ weights / labels.size
    residuals = labels - (weights * judged).sum(axis=1)
    return _summed_up(labels, residuals, float(mean_weights @ spread @ mean_weights), share)


def _summed_up(labels: Array, residuals: Array, judge_variance: float, share: Array | None = None) -> Estimate:
    """Mean, variance and skewness of the residuals, by weights that sum to n."""
    n = labels.size
    share = np.ones(n) if share is None else share
    value, plain = float(share @ residuals / n), float(share @ labels / n)
    squares = share**2 @ (residuals - value) ** 2
    unjudged = share**2 @ (labels - plain) ** 2 / (n * (n - 1))
    variance = float(squares / (n * (n - 1))) + judge_variance
    third = float((share**3 * (residuals - value) ** 3).sum()) / n**3
    return Estimate(
        value=value,
        variance=variance,
        skewness=third / variance**1.5 if variance > 0 else 0.0,
        freedom=float(n**2 / (share @ share)) - 1,
        n=n,
        effective=float(n * unjudged / variance) if variance > 0 else n,
        surprises=float(squares),
    )


def _cross_fitted(labels: Array, judged: Array, share: Array, variance: Array) -> Array:
    """Judge weights for each label, from the labels outside its fold: shape (n, judges).

    variance: of the difference between the labelled and the wider mean score. The weights are its inverse times the
    covariance of mean score and mean label.
    """
    n = labels.size
    scale = np.sqrt(np.outer(np.diag(variance), np.diag(variance)))
    inverse = np.linalg.inv(variance / scale + RIDGE * np.eye(len(variance))) / scale
    fold = np.arange(n) % FOLDS
    weights = np.empty(judged.shape)
    for each in range(FOLDS):
        kept = fold != each
        of = share[kept]
        scores = judged[kept] - of @ judged[kept] / of.sum()
        answers = labels[kept] - of @ labels[kept] / of.sum()
        weights[~kept] = inverse @ ((of**2 * answers) @ scores) / (n * (of.size - 1))
    return weights


def _checked(labels: Array, judged: Array, unlabelled: Array, least: int = 2) -> tuple[Array, Array, Array]:
    """Finite arrays of matching shapes, scores as (items, judges) without the judges that never vary."""
    labels = np.asarray(labels, dtype=np.float64)
    judged, unlabelled = (np.asarray(scores, dtype=np.float64) for scores in (judged, unlabelled))
    judged = judged[:, None] if judged.ndim == 1 else judged
    unlabelled = unlabelled.reshape(-1, judged.shape[1]) if unlabelled.ndim == 1 else unlabelled
    if (
        labels.ndim != 1
        or labels.size < least
        or len(judged) != labels.size
        or judged.shape[1:] != unlabelled.shape[1:]
    ):
        raise ValueError(
            f"need {least} labels and equal shapes, got {labels.shape}, {judged.shape}, {unlabelled.shape}"
        )
    if not all(np.isfinite(part).all() for part in (labels, judged, unlabelled)):
        raise ValueError("labels and scores must be finite")
    varying = np.ptp(judged, axis=0) > 1e-9 * (1 + np.abs(judged).max(axis=0, initial=0.0))
    return labels, judged[:, varying], unlabelled[:, varying]
