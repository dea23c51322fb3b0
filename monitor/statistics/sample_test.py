"""Was the candidate shown safe, or shown harmful, by one sample? Bounds and p-values that never disagree.

Effects in [-1, 1], one a unit, positive is worse: of pairs, or against what the reference led to expect. Judges help
where that can be trusted (`prediction_powered.judged_bounds`), labels of unequal chance are weighed, a frozen
baseline's error is conceded. Below the sizes at which t may be trusted, exact or betting bounds decide.
Assumption: units are independent and drawn from the traffic without sight of the outcome, with the chances told.
Guarantee: "safe" at a harm of the tolerance or more, and "harmful" at one of the tolerance or less, each with chance
at most alpha for exact and betting at any n, about alpha for the others. Ties alone pass only by betting, which takes
them for the luck of a sample: 190 of them at a tolerance of 3 points, never fewer.
Sources: Schuirmann 1987, Journal of Pharmacokinetics 15 (one-sided margins); those of `one_sided`, `bets` and
`prediction_powered`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.bets import bets
from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION
from monitor.statistics.one_sided import Exact, Source, Studentised, conceding
from monitor.statistics.outlook import Outlook, outlook
from monitor.statistics.prediction_powered import (
    ENOUGH_EVENTS,
    ENOUGH_SURPRISES,
    Estimate,
    estimate_mean,
    weighted_mean,
)

Array = NDArray[np.float64]

ALPHA = 0.05


@dataclass(frozen=True)
class SampleTest:
    """What a sample shows of a mean effect.

    low, high: one-sided bounds at alpha each. n: units. effective: units that would say as much without judges.
    p_harm: of the null "the mean effect is at most the tolerance"; below alpha exactly where low is above it. p_safe:
    of "at least"; below alpha exactly where high is below it. needed: units in all for a PASS with power .8 if the
    true effect is 0; 0 once passed, None if no number would do. visible: smallest true harm that would be shown with
    power .8, 1 at most. power: chance to pass with these units if the truth is 0. method: "t", "exact", "betting",
    "judged" or "weighted".
    """

    value: float
    low: float
    high: float
    n: int
    effective: float
    p_harm: float
    p_safe: float
    needed: int | None
    visible: float
    power: float
    method: str


def sample_test(
    effects: Array,
    tolerance: float,
    *,
    judged: Array | None = None,
    unlabelled: Array | None = None,
    chances: Array | None = None,
    everyone: Array | None = None,
    baseline_error: float = 0.0,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    binary: bool = False,
    alpha: float = ALPHA,
) -> SampleTest:
    """Test one sample of effects against a tolerance, on both sides.

    effects: shape (n,), n >= 1, in [-1, 1]. tolerance: in [0, 1). judged: shape (n,) or (n, judges), the judges' own
    effects; unlabelled: theirs on further units. chances: shape (n,), each unit's known chance to be labelled; then
    everyone: judged effects of ALL traffic. baseline_error: standard error of the baseline all effects share.
    clusters: shape (n,), units that hang together; their mean is one unit. binary: declares that an outcome is 0 or 1
    and its baseline one number, so that effects take two values 1 apart. Raises ValueError for no units, values that
    are not finite or out of range, shapes that differ, or clusters beside judges or chances (average those first).

    >>> found = sample_test(np.tile([0.0, 1.0, -1.0, 0.0, 0.0], 300), 0.05)
    >>> found.method, found.p_safe < 0.05, found.high < 0.05, found.needed
    ('t', True, True, 0)
    >>> ties = sample_test(np.zeros(60), 0.03)
    >>> ties.method, round(ties.high, 3), round(ties.p_safe, 2), ties.needed
    ('betting', 0.091, 0.54, 344)
    """
    units = _checked(effects, tolerance, baseline_error, alpha)
    if clusters is not None:
        if judged is not None or chances is not None:
            raise ValueError("clusters do not go with judges or chances: average each cluster first, labelled or not")
        units = _cluster_means(units, clusters)
    plain = _estimate(units, chances)
    method, sources = _classical(units, plain, chances, binary)
    used = plain if binary else best_estimate(units, judged, unlabelled, chances, everyone)
    if used.effective > plain.effective:
        rare = np.abs(units - np.median(units)).sum() < ENOUGH_EVENTS
        sources = [*sources, Studentised(used)] if rare else [Studentised(used)]
        method, used = (method, plain) if rare else ("judged" if chances is None else "weighted", used)
    others = 0 if unlabelled is None else len(unlabelled)
    ahead = outlook(used, tolerance, baseline_error, others, alpha, method)
    return _summed_up(used, tolerance, [conceding(one, baseline_error) for one in sources], ahead, alpha, method)


def best_estimate(
    effects: Array,
    judged: Array | None = None,
    unlabelled: Array | None = None,
    chances: Array | None = None,
    everyone: Array | None = None,
) -> Estimate:
    """The estimate of the mean effect with judges where they can be trusted and help, else without.

    Arguments and errors as of `sample_test`. Judges need 30 labels (as many as say so much, where chances differ) and
    residuals that sum to 3 squared. One unit alone has a variance of 1.

    >>> best_estimate(np.tile([0.0, 1.0], 30)).value
    0.5
    """
    plain = _estimate(effects, chances)
    if judged is None or plain.freedom + 1 < ENOUGH_UNITS:
        return plain
    found = _judged(effects, judged, unlabelled, chances, everyone)
    return found if found.surprises >= ENOUGH_SURPRISES and found.effective > plain.effective else plain


def open_test(least: Array, most: Array, tolerance: float, alpha: float = ALPHA) -> SampleTest:
    """Test effects that are known only between two ends: harm is shown by the least, safety by the most.

    least, most: shape (n,), in [-1, 1] (`paired.difference`). value: the middle of what they allow. Guarantee: as of
    `sample_test`, whatever the open units are. Raises ValueError as it does, and for a least above its most.

    >>> found = open_test(np.zeros(400), np.repeat([0.0, 1.0], [396, 4]), 0.05)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3), found.p_safe < 0.05
    (0.005, -0.014, 0.033, True)
    """
    below, above = sample_test(least, tolerance, alpha=alpha), sample_test(most, tolerance, alpha=alpha)
    if np.shape(least) != np.shape(most) or not (np.asarray(least) <= np.asarray(most)).all():
        raise ValueError("need as many least as most effects, none above its most")
    gap = (above.value - below.value) / 2
    ahead = outlook(_estimate(np.asarray(most, np.float64)), tolerance, 0.0, 0, alpha, above.method, gap)
    return replace(
        above,
        value=below.value + gap,
        low=below.low,
        p_harm=below.p_harm,
        needed=0 if above.p_safe < alpha else ahead.needed,
        visible=min(1.0, below.visible + gap),
        power=ahead.power,
    )


def _classical(units: Array, plain: Estimate, chances: Array | None, binary: bool) -> tuple[str, list[Source]]:
    """How the labels alone are told, by what their number and variation allow."""
    if binary:
        if chances is not None:
            raise ValueError("binary units of unequal chance have no exact test; leave binary out")
        return "exact", [_exact(units)]
    enough = plain.freedom + 1 >= ENOUGH_UNITS
    if enough and plain.surprises * ((plain.freedom + 1) / plain.n) ** 2 >= ENOUGH_VARIATION:
        return "t" if chances is None else "weighted", [Studentised(plain)]
    return "betting", [bets(units, chances)]


def _exact(units: Array) -> Exact:
    top = float(units.max() if units.max() > 0 else units.min() + 1)
    succeeded = np.abs(units - top + 1) < 1e-9
    if not (succeeded | (np.abs(units - top) < 1e-9)).all():
        raise ValueError("binary units must take two values that are 1 apart")
    return Exact(top, int(succeeded.sum()), units.size)


def _judged(
    units: Array, judged: Array, unlabelled: Array | None, chances: Array | None, everyone: Array | None
) -> Estimate:
    scores = np.asarray(judged, dtype=np.float64)
    if chances is None:
        return estimate_mean(units, scores, np.zeros((0, *scores.shape[1:])) if unlabelled is None else unlabelled)
    if everyone is None:
        raise ValueError("judges beside labels of unequal chance need the scores of everyone")
    return weighted_mean(units, scores, chances, everyone)


def _estimate(units: Array, chances: Array | None = None) -> Estimate:
    """Mean without judges; one unit has no variance of its own."""
    nobody = np.zeros(0)
    if chances is not None:
        return weighted_mean(units, np.zeros(units.size), chances, nobody) if units.size > 1 else _lone(units)
    return estimate_mean(units, np.zeros(units.size), nobody) if units.size > 1 else _lone(units)


def _lone(units: Array) -> Estimate:
    return Estimate(float(units[0]), 1.0, 0.0, 0.0, 1, 1.0, 0.0)


def _cluster_means(units: Array, clusters: Sequence[Hashable] | NDArray[Any]) -> Array:
    if len(clusters) != units.size:
        raise ValueError(f"need one cluster a unit, got {len(clusters)} for {units.size}")
    codes: dict[Hashable, int] = {}
    index = np.array([codes.setdefault(one, len(codes)) for one in np.asarray(clusters).tolist()])
    means: Array = np.bincount(index, units) / np.bincount(index)
    return means


def _summed_up(
    used: Estimate, tolerance: float, sources: Sequence[Source], ahead: Outlook, alpha: float, method: str
) -> SampleTest:
    """The widest bounds and the largest p-values of the sources."""
    ends = [one.ends(alpha) for one in sources]
    p_values = [one.p_values(tolerance) for one in sources]
    p_safe = max(safe for _, safe in p_values)
    return SampleTest(
        value=used.value,
        low=max(min(low for low, _ in ends), -1.0),
        high=min(max(high for _, high in ends), 1.0),
        n=used.n,
        effective=used.effective,
        p_harm=max(harm for harm, _ in p_values),
        p_safe=p_safe,
        needed=0 if p_safe < alpha else ahead.needed,
        visible=ahead.visible,
        power=ahead.power,
        method=method,
    )


def _checked(effects: Array, tolerance: float, baseline_error: float, alpha: float) -> Array:
    units = np.asarray(effects, dtype=np.float64)
    if units.ndim != 1 or not units.size or not (np.abs(units) <= 1).all():
        raise ValueError("need at least one unit, each finite and in [-1, 1]")
    if not (0 <= tolerance < 1 and 0 < alpha < 0.5 and 0 <= baseline_error < np.inf):
        raise ValueError(
            f"need a tolerance in [0, 1), alpha in (0, 0.5) and an error of at least 0:"
            f" {tolerance}, {alpha}, {baseline_error}"
        )
    return units
