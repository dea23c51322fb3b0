"""Was each cohort shown safe, where cohorts may borrow from each other no more than somebody declared?

Alone, a cohort is told by its own units. If no cohort's mean effect lies further than a declared spread from that of
all of them (by traffic), w of its own estimate and 1 - w of the pooled one are off by at most (1 - w) spread, and w is
chosen for the narrowest bound. If the spread is instead a normal deviation, known from what cohorts of this and of
earlier gates differed by, it is conceded at its upper limit.
Assumption: units as in `sample_test`, cohorts drawn independently; and the spread, which the data of one gate cannot
vouch for. Guarantee: errors at most alpha for every cohort while the spread holds (for a normal deviation: on average
over cohorts); none for a cohort that lies further away. Testing first whether cohorts differ, and pooling if they do
not seem to, keeps no such promise and is not offered.
Sources: Armstrong and Kolesar 2018, arXiv:1511.06028 (bounds that concede a bias); Viechtbauer 2007, Statistics in
Medicine 26:37 (limits of a deviation between groups by Q).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from monitor.statistics.intervals import ENOUGH_UNITS, ENOUGH_VARIATION
from monitor.statistics.non_inferiority import POWER
from monitor.statistics.one_sided import Studentised, with_error
from monitor.statistics.prediction_powered import STRATUM_LABELS, Estimate, Strata, strata_of
from monitor.statistics.sample_test import ALPHA, SampleTest, best_estimate, sample_test

Array = NDArray[np.float64]

OWN_WEIGHTS = np.linspace(0.0, 1.0, 41)
FOR_DEVIATION = 0.2  # share of alpha spent on the limit of a deviation
FINEST = 1e-4  # spread


@dataclass(frozen=True)
class CohortSample:
    """The units of one cohort, arguments of `sample_test`; share: of the traffic, any scale.

    baseline_error: of a baseline of its own, which no other cohort shares.
    """

    effects: Array
    share: float
    judged: Array | None = None
    unlabelled: Array | None = None
    chances: Array | None = None
    everyone: Array | None = None
    baseline_error: float = 0.0


@dataclass(frozen=True)
class CohortTests:
    """tests: by cohort; method "pooled" where it borrowed. own: by its own units alone. assumption: the sentence to
    print beside them.
    """

    tests: Mapping[str, SampleTest]
    own: Mapping[str, SampleTest]
    assumption: str


@dataclass(frozen=True)
class Pool:
    """The cohorts that may lend and borrow. places: of each name in the arrays. shares: of their traffic, summing to 1,
    shape (cohorts,)."""

    places: Mapping[str, int]
    strata: Strata
    shares: Array


@dataclass(frozen=True)
class Mixed:
    """One cohort's estimate with a share of its own that gives the narrowest bound.

    lean: by how much it may be off. noise, leans: variance and lean by each weight of its own; chosen: which was taken.
    """

    source: Studentised
    lean: float
    noise: Array
    leans: Array
    chosen: int

    def p_values(self, tolerance: float, paid: float) -> tuple[float, float]:
        """p of "at most the tolerance", and of "at least", with the lean conceded. paid: share of alpha left for it."""
        harm = self.source.p_values(tolerance + self.lean)[0]
        safe = self.source.p_values(tolerance - self.lean)[1]
        return min(harm / paid, 1.0), min(safe / paid, 1.0)


@dataclass(frozen=True)
class PastGate:
    """What an earlier gate of the same traffic found by cohort: mean effects and their variances, shape (cohorts,)."""

    values: Array
    variances: Array


def cohort_tests(
    cohorts: Mapping[str, CohortSample],
    tolerance: float,
    *,
    spread: float | None = None,
    past: Sequence[PastGate] | None = None,
    alpha: float = ALPHA,
) -> CohortTests:
    """Test every cohort against the tolerance; each must pass for a GO (`multiplicity.all_pass`).

    spread: declared, how far a cohort's mean effect may lie from that of all cohorts, in [0, 1]; None: each is told by
    its own units alone. past: instead, earlier gates that tell how far cohorts differ. Cohorts with fewer than 20
    labels neither lend nor borrow. Raises ValueError for no cohort, shares that are not positive, a spread out of
    range, both a spread and past gates, and as `sample_test` does.

    >>> units = np.tile([0.0] * 8 + [1.0, -1.0], 20)
    >>> few = {name: CohortSample(units, 1.0) for name in ("eu", "us", "asia", "africa", "latin")}
    >>> [cohort_tests(few, 0.05, spread=spread).tests["eu"].p_safe < 0.05 for spread in (None, 0.02)]
    [False, True]
    """
    _checked(cohorts, spread, past)
    own = {name: _alone(one, tolerance, alpha) for name, one in cohorts.items()}
    pool = _pool(cohorts)
    if spread is not None:
        tests = _borrowed(own, pool, tolerance, alpha, spread, 0.0)
        return CohortTests(tests, own, _declared(spread))
    if past is not None and pool:
        now = PastGate(pool.strata.value, pool.strata.variance)
        limit = deviation_limit([*past, now], FOR_DEVIATION * alpha)
        tests = _borrowed(own, pool, tolerance, alpha, 0.0, limit)
        return CohortTests(tests, own, _estimated(limit, len(past) + 1))
    return CohortTests(own, own, "Each cohort is told by its own units alone: nothing is assumed of the others.")


def most_spread(cohorts: Mapping[str, CohortSample], tolerance: float, alpha: float = ALPHA) -> float | None:
    """The widest spread with which every cohort would pass, to .01 points: what one would have to believe for a GO.

    None where even cohorts that are all alike would not pass. Arguments and errors as of `cohort_tests`.

    >>> units = np.tile([0.0] * 8 + [1.0, -1.0], 20)
    >>> few = {name: CohortSample(units, 1.0) for name in ("eu", "us", "asia", "africa", "latin")}
    >>> round(most_spread(few, 0.05), 3), most_spread(few, 0.01)
    (0.034, None)
    """
    _checked(cohorts, None, None)
    own = {name: _alone(one, tolerance, alpha) for name, one in cohorts.items()}
    pool = _pool(cohorts)

    names = list(own)

    def all_pass(spread: float) -> bool:
        """Whoever fails is asked first the next time: a spread that is too wide is then known at once."""
        for name in names:
            if not _p_safe(name, own[name], pool, tolerance, alpha, spread) < alpha:
                names.insert(0, names.pop(names.index(name)))
                return False
        return True

    low, high = 0.0, 1.0
    if not all_pass(low) or all_pass(high):
        return 1.0 if all_pass(high) else None
    while high - low > FINEST:
        middle = (low + high) / 2
        low, high = (middle, high) if all_pass(middle) else (low, middle)
    return low


def deviation_limit(gates: Sequence[PastGate], alpha: float = ALPHA) -> float:
    """Upper limit of the normal deviation of cohorts' mean effects around each gate's own mean.

    Within a gate sum (x - mean)^2 / (variance + deviation^2) is chi-square with cohorts - 1 degrees of freedom.
    Guarantee: below the true deviation with chance at most alpha. 2.0 if the gates allow any. Raises ValueError for no
    gate with two cohorts, variances that are not positive, or values that are not finite.

    >>> gate = PastGate(np.array([0.01, -0.01, 0.0, 0.02, -0.02]), np.full(5, 0.0004))
    >>> [round(deviation_limit([gate] * count), 3) for count in (1, 20)]
    [0.032, 0.0]
    """
    freedom = sum(gate.values.size - 1 for gate in gates)
    for gate in gates:
        if (
            gate.values.shape != gate.variances.shape
            or not (gate.variances > 0).all()
            or not np.isfinite(gate.values).all()
        ):
            raise ValueError("need finite mean effects and one positive variance each")
    if freedom < 1:
        raise ValueError("need a gate with two cohorts")
    least = float(special.chdtri(freedom, 1 - alpha))

    def left(squared: float) -> float:
        return sum(_dispersion(gate, squared) for gate in gates) - least

    if left(0.0) <= 0:
        return 0.0
    return float(np.sqrt(optimize.brentq(left, 0.0, 4.0))) if left(4.0) < 0 else 2.0


def _dispersion(gate: PastGate, squared: float) -> float:
    weights = 1 / (gate.variances + squared)
    return float(weights @ (gate.values - weights @ gate.values / weights.sum()) ** 2)


def _alone(one: CohortSample, tolerance: float, alpha: float) -> SampleTest:
    return sample_test(
        one.effects,
        tolerance,
        judged=one.judged,
        unlabelled=one.unlabelled,
        chances=one.chances,
        everyone=one.everyone,
        baseline_error=one.baseline_error,
        alpha=alpha,
    )


def _pool(cohorts: Mapping[str, CohortSample]) -> Pool | None:
    """The cohorts that may lend and borrow; None where t may not be trusted."""
    kept = {name: one for name, one in cohorts.items() if len(one.effects) >= STRATUM_LABELS}
    found = [_estimated_mean(one) for one in kept.values()]
    units = sum(estimate.n for estimate in found)
    varied = sum(estimate.variance * estimate.effective * estimate.n for estimate in found)
    enough = len(found) > 1 and units >= ENOUGH_UNITS and varied >= ENOUGH_VARIATION
    if not (enough and all(estimate.variance > 0 for estimate in found)):
        return None
    total = sum(one.share for one in kept.values())
    shares = np.array([one.share / total for one in kept.values()])
    return Pool({name: place for place, name in enumerate(kept)}, strata_of(found), shares)


def _estimated_mean(one: CohortSample) -> Estimate:
    units = np.asarray(one.effects, dtype=np.float64)
    found = best_estimate(units, one.judged, one.unlabelled, one.chances, one.everyone)
    if not (found.variance > 0 and one.baseline_error > 0):
        return found
    return with_error(found, one.baseline_error)


def _borrowed(
    own: Mapping[str, SampleTest], pool: Pool | None, tolerance: float, alpha: float, spread: float, deviation: float
) -> dict[str, SampleTest]:
    return {name: _pooled(name, test, pool, tolerance, alpha, spread, deviation) for name, test in own.items()}


def _pooled(
    name: str,
    own: SampleTest,
    pool: Pool | None,
    tolerance: float,
    alpha: float,
    spread: float,
    deviation: float,
) -> SampleTest:
    """The test of one cohort with what it may borrow; its own where that is all."""
    paid = 1 - FOR_DEVIATION if deviation else 1.0
    mixed = _mixed(name, pool, paid * alpha, spread, deviation)
    if pool is None or mixed is None:
        return own
    low, high = mixed.source.ends(paid * alpha)
    p_harm, p_safe = mixed.p_values(tolerance, paid)
    quantile = float(special.ndtri(1 - paid * alpha))
    reach = quantile + float(special.ndtri(POWER))
    noise, lean = mixed.noise, mixed.lean
    needed = float(((reach / np.maximum(tolerance - mixed.leans, 1e-12)) ** 2 * noise).min()) * own.n
    hopeless = deviation > 0 or needed > 1e9
    error = float(np.sqrt(noise[mixed.chosen]))
    return SampleTest(
        value=mixed.source.estimate.value,
        low=max(low - lean, -1.0),
        high=min(high + lean, 1.0),
        n=own.n,
        effective=own.effective * float(pool.strata.variance[pool.places[name]] / noise[mixed.chosen]),
        p_harm=p_harm,
        p_safe=p_safe,
        needed=0 if p_safe < alpha else own.needed if hopeless else int(np.ceil(needed)),
        visible=min(1.0, tolerance + (lean + reach * error)),
        power=float(special.ndtr((tolerance - lean) / error - quantile)),
        method="pooled",
    )


def _p_safe(name: str, own: SampleTest, pool: Pool | None, tolerance: float, alpha: float, spread: float) -> float:
    mixed = _mixed(name, pool, alpha, spread, 0.0)
    return own.p_safe if mixed is None else mixed.p_values(tolerance, 1.0)[1]


def _mixed(name: str, pool: Pool | None, alpha: float, spread: float, deviation: float) -> Mixed | None:
    """None where nothing can be, or had better be, borrowed."""
    if pool is None or name not in pool.places:
        return None
    place = pool.places[name]
    noise = _variances(OWN_WEIGHTS, pool.strata.variance, pool.shares, place, deviation)
    leans = (1 - OWN_WEIGHTS) * spread
    chosen = int(np.argmin(leans + float(special.ndtri(1 - alpha)) * np.sqrt(noise)))
    if OWN_WEIGHTS[chosen] == 1:
        return None
    mean = pool.strata.mean(_coefficients(OWN_WEIGHTS[chosen], pool.shares, place))
    skewness = mean.skewness * (mean.variance / noise[chosen]) ** 1.5
    widened = replace(mean, variance=float(noise[chosen]), skewness=skewness)
    return Mixed(Studentised(widened), float(leans[chosen]), noise, leans, chosen)


def _coefficients(weight: float, shares: Array, place: int) -> Array:
    found: Array = (1 - weight) * shares
    found[place] += weight
    return found


def _variances(weights: Array, variances: Array, shares: Array, place: int, deviation: float) -> Array:
    """Variance of the mixed estimate around the cohort's own effect, for each weight of its own."""
    pooled = float(shares**2 @ variances)
    apart = (1 - shares[place]) ** 2 + float(shares @ shares) - shares[place] ** 2
    rest = 1 - weights
    own = (weights**2 + 2 * weights * rest * shares[place]) * variances[place]
    result: Array = own + rest**2 * (pooled + deviation**2 * apart)
    return result


def _declared(spread: float) -> str:
    return (
        f"Assumed, as declared: no cohort's harm differs from the average of all cohorts by more than {100 * spread:g}"
        " points. The data of one gate cannot show that; a cohort further away may pass or fail wrongly."
    )


def _estimated(limit: float, gates: int) -> str:
    return (
        f"Assumed: cohorts differ from their average by chance, normally, as in {gates} gates so far, with a deviation"
        f" of at most {100 * limit:.1f} points. A cohort that stands out by more may pass or fail wrongly."
    )


def _checked(cohorts: Mapping[str, CohortSample], spread: float | None, past: Sequence[PastGate] | None) -> None:
    if not cohorts or not all(one.share > 0 for one in cohorts.values()):
        raise ValueError("need at least one cohort, each with a positive share of the traffic")
    if spread is not None and past is not None:
        raise ValueError("declare a spread or give past gates, not both")
    if spread is not None and not 0 <= spread <= 1:
        raise ValueError(f"a spread is a share in [0, 1], got {spread}")
