"""What does each measurement show of the candidate: safe, harmful, or neither?

Each is tested for itself, once; `decide` then shares the chance of a wrong answer among all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from monitor.check import FloatArray, IntArray, Interval, Measurement, Slice, Verdict
from monitor.detection.fixed_sample import FixedSample
from monitor.gate.result import GateFinding
from monitor.gate.samples import OpenCensus
from monitor.gate.trial_part import Sampled
from monitor.production.items import date_of
from monitor.snapshot import slice_name
from monitor.statistics.intervals import ENOUGH_UNITS
from monitor.statistics.non_inferiority import labels_needed
from monitor.statistics.sample_test import SampleTest, open_test, sample_test

TO_AN_END = 1.959964  # standard errors to either end of the 95% interval of a fixed sample
FIRST = 1000  # units: hardly ever fewer than enough users
MOST_FAILED = 0.1  # share of open items beyond which nothing is concluded
OF_METHOD = {
    "t": "t interval",
    "exact": "exact interval",
    "betting": "betting bound, valid at any n",
    "judged": "prediction-powered, t",
    "weighted": "weighted by known chances, t",
    "pooled": "borrowing from the other cohorts, as declared, t",
}

NO_ROOM = {
    "two samples": "answers of both to the same prompts (there are too few results of the reference to compare"
    " with, however many answers the candidate has)",
    "paired": "a wider tolerance, or a result for each item that lacks one: no number of such items would do",
}


@dataclass(frozen=True)
class Tested:
    """A finding with what stands behind its verdict.

    p_harm: p-value of "no more harm than tolerated"; p_safe: of "at least as much". census: no chance is in it.
    """

    finding: GateFinding
    p_harm: float = 1.0
    p_safe: float = 1.0
    census: bool = False


Group = tuple[str, Slice, list[Measurement]]


def by_finding(measured: Iterable[tuple[str, Measurement]], candidate: str) -> list[Group]:
    """Measurements by check and slice; the candidate's own name in a slice is left out, since all speak of it."""
    groups: dict[tuple[str, str], Group] = {}
    for name, one in measured:
        part = {key: value for key, value in one.slice.items() if not (key == "checkpoint" and value == candidate)}
        groups.setdefault((name, slice_name(part)), (name, part, []))[2].append(one)
    return list(groups.values())


def tested(name: str, part: Slice, one: Measurement, alpha: float, oldest: int) -> Tested:
    """One measurement, tested by what it is: a census, an interval of its check's own, a sample, a sample with gaps.

    oldest: the day before which nothing is concluded from evidence that has no news since.
    """
    if isinstance(one, OpenCensus):
        return _of_open_census(name, part, one)
    if isinstance(one, FixedSample):
        return _of_interval(name, part, one, alpha)
    if one.exact:
        return _census(name, part, one)
    if not one.effects.size:
        return nothing(name, part, one.tolerance, one.needs)
    stale = staleness(one, oldest)
    least, most = getattr(one, "least", None), getattr(one, "most", None)
    if least is not None and most is not None:
        return _beside(_of_open(name, part, one, least, most, alpha, stale), one, alpha)
    if isinstance(one, Sampled):
        found, undecided = one.borrowed or sample(one, alpha), stale or one.undecided
    else:
        found, undecided = _against_baseline(one, alpha), stale
    return _beside(told(name, part, one.tolerance, found, alpha, undecided, pairing(one), one.note), one, alpha)


def staleness(one: Measurement, oldest: int) -> str:
    """Why evidence is too old to conclude anything from; "" where its newest is of day `oldest` or later."""
    newest = int(one.days.max())
    return f"newer evidence: the newest is of {date_of(newest)}, stale by gate.max_age" if newest < oldest else ""


def _beside(found: Tested, one: Measurement, alpha: float) -> Tested:
    """The finding with where the reference stands, and how many pairs would do where no number of answers would."""
    pairs = None
    if found.finding.needs == NO_ROOM["two samples"]:
        pairs = _pairs_needed(one, alpha)
    finding = replace(found.finding, baseline=one.baseline_level, pairs_needed=pairs)
    return _hollow(replace(found, finding=finding), one.baseline_level)


def _pairs_needed(one: Measurement, alpha: float) -> int | None:
    """Prompts answered by both that would pass, at most: as if the two answers to a prompt had nothing in common.

    An outcome in 0..1 of mean m varies by m (1 - m) at most.
    """
    level = one.baseline_level
    if level is None or not 0 <= level <= 1 or not one.tolerance or one.effects.size < 2:
        return None
    deviation = float(np.sqrt(one.effects.var(ddof=1) + level * (1 - level)))
    return labels_needed(one.tolerance, deviation, alpha=alpha)


def _against_baseline(one: Measurement, alpha: float) -> SampleTest:
    return sample_test(one.effects, one.tolerance, baseline_error=one.baseline_error, alpha=alpha)


def _hollow(found: Tested, level: float | None) -> Tested:
    """No PASS where the reference is so low that nothing could be lost beyond the tolerance."""
    finding = found.finding
    if level is None or level > finding.tolerance:
        return found
    stands = f"the outcome stands at {100 * level:.2g} points in the reference"
    lower = "" if level <= 0 else ", or a tolerance below that"
    needs = (
        f"an outcome that the reference reaches more often{lower}: {stands}, so that it cannot fall by"
        f" {100 * finding.tolerance:g}"
    )
    verdict = Verdict.INCONCLUSIVE if finding.verdict is Verdict.PASS else finding.verdict
    hollow = replace(finding, verdict=verdict, needs=needs, n_needed=None, pairs_needed=None)
    return replace(found, finding=hollow, p_safe=1.0)


def nothing(name: str, part: Slice, tolerance: float, needs: str) -> Tested:
    """Absence is never a pass."""
    what = needs or "data"
    words = f"no data: needs {what}"
    return Tested(GateFinding(name, part, Verdict.INCONCLUSIVE, Interval(), tolerance, 0, None, words, needs=what))


def sample(one: Sampled, alpha: float) -> SampleTest:
    """The test of a sample: with judges where an audit allows it, and with what returning users add to its error."""
    judges = one.unlabelled.size > 0
    few = not judges and _distinct(one.clusters) < min(ENOUGH_UNITS, one.clusters.size)
    return sample_test(
        one.effects,
        one.tolerance,
        judged=one.judged if judges else None,
        unlabelled=one.unlabelled if judges else None,
        baseline_error=0.0 if few and one.paired else error_beside(one),
        clusters=one.clusters if few else None,
        alpha=alpha,
    )


def _distinct(clusters: IntArray) -> int:
    """How many there are, or a number of them that is enough."""
    some = np.unique(clusters[:FIRST]).size
    return some if some >= ENOUGH_UNITS else np.unique(clusters).size


def error_beside(one: Sampled) -> float:
    """What is to be added to the standard error of the units: the baseline's, and what users who return add."""
    return float(np.hypot(0.0 if one.paired else one.baseline_error, shared_error(one.effects, one.clusters)))


def shared_error(effects: FloatArray, clusters: IntArray) -> float:
    """By how much the error of a mean is larger where effects of one user hang together; 0 where they do not.

    effects, clusters: shape (units,), equal numbers hang together. The square is the variance by users' sums less that
    by units, where it is larger. Source: Liang and Zeger 1986, Biometrika 73:13.

    >>> twice = np.repeat(np.tile([1.0, -1.0], 50), 2)
    >>> round(shared_error(twice, np.repeat(np.arange(100), 2)), 3), shared_error(twice, np.arange(200))
    (0.071, 0.0)
    """
    if not effects.size:
        return 0.0
    centred = effects - effects.mean()
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], centred)
    return float(np.sqrt(max(sums @ sums - centred @ centred, 0.0))) / effects.size


def pairing(one: Measurement) -> str:
    """How candidate and reference were compared, in words."""
    return "paired by item" if getattr(one, "paired", hasattr(one, "least")) else "two samples"


def told(
    name: str,
    part: Slice,
    tolerance: float,
    found: SampleTest,
    alpha: float,
    undecided: str,
    how: str,
    note: str = "",
) -> Tested:
    """What a test says as a finding; `undecided` bars either verdict."""
    verdict = Verdict.PASS if found.p_safe < alpha else Verdict.FAIL if found.p_harm < alpha else Verdict.INCONCLUSIVE
    words = [
        f"{in_points(found.value)} ({in_points(found.low)}..{in_points(found.high)}), tolerated {100 * tolerance:g}"
    ]
    words += [undecided] if undecided else []
    words += [note] if note else []
    no_room = NO_ROOM["two samples" if how == "two samples" else "paired"] if found.needed is None else ""
    finding = GateFinding(
        check=name,
        slice=part,
        verdict=Verdict.INCONCLUSIVE if undecided else verdict,
        effect=Interval(found.value, found.low, found.high),
        tolerance=tolerance,
        n=found.n,
        n_needed=None if undecided else found.needed,
        message="; ".join(words),
        visible=found.visible,
        method=f"{how}, {OF_METHOD[found.method]}",
        needs=undecided or no_room,
    )
    return Tested(finding) if undecided else Tested(finding, found.p_harm, found.p_safe)


def in_points(share: float) -> str:
    """A share as signed points.

    >>> in_points(0.0412), in_points(-0.02), in_points(0.0001)
    ('+4.1', '-2.0', '0.0')
    """
    value = round(100 * share, 1)
    return f"{value:+.1f}" if value else "0.0"


def _of_interval(name: str, part: Slice, one: FixedSample, alpha: float) -> Tested:
    """A check's own 95% interval, taken as of a normal estimate."""
    plain = one.finding(name)
    if not one.n:
        return nothing(name, part, one.tolerance, one.needs)
    value, low, high = one.interval.value, one.interval.low, one.interval.high
    finding = GateFinding(
        name, part, plain.verdict, one.interval, one.tolerance, one.n, None, plain.message,
        reward_change=one.reward_change, outcome_change=one.outcome_change, leading=one.leading, method="95% interval",
        needs=one.undecided,
    )  # fmt: skip
    if one.undecided or value is None or low is None or high is None:
        return Tested(replace(finding, verdict=Verdict.INCONCLUSIVE))
    below, above = (max(end, 1e-12) / TO_AN_END for end in (value - low, high - value))
    p_harm = float(special.ndtr(-(value - one.tolerance) / below))
    p_safe = float(special.ndtr((value - one.tolerance) / above))
    visible = min(1.0, one.tolerance + below * (special.ndtri(1 - alpha) + special.ndtri(0.8)))
    return Tested(replace(finding, visible=float(visible)), p_harm, p_safe)


def _of_open_census(name: str, part: Slice, one: OpenCensus) -> Tested:
    """All items were looked at: no chance is in it, but what lacks a result may be anything."""
    plain = one.finding(name)
    open_still = plain.verdict is Verdict.INCONCLUSIVE
    finding = GateFinding(
        name, part, plain.verdict, one.interval, one.tolerance, one.n, None if open_still else 0, plain.message,
        method="census", needs="a result for each item that lacks one" if open_still else "",
    )  # fmt: skip
    harmful, safe = (float(plain.verdict is not shown) for shown in (Verdict.FAIL, Verdict.PASS))
    return Tested(finding, harmful, safe, census=True)


def _of_open(
    name: str, part: Slice, one: Measurement, least: FloatArray, most: FloatArray, alpha: float, stale: str
) -> Tested:
    failed = int(np.sum(least < most))
    found = open_test(least, most, one.tolerance, alpha)
    much = f"{failed} of {least.size} items lack an outcome or a score" if failed > MOST_FAILED * least.size else ""
    left = f"{failed} items lack an outcome or a score and count at their worst" if failed and not much else ""
    return told(name, part, one.tolerance, found, alpha, stale or much, pairing(one), one.note or left)


def _census(name: str, part: Slice, one: Measurement) -> Tested:
    n = int(one.effects.size)
    if not n:
        return nothing(name, part, one.tolerance, one.needs)
    share = float(one.effects.mean())
    fine = share <= one.tolerance
    words = f"{round(share * n)} of {n}" + (f": {one.note}" if one.note else "")
    finding = GateFinding(
        name, part, Verdict.PASS if fine else Verdict.FAIL, Interval(share, share, share), one.tolerance, n, 0, words,
        method="census",
    )  # fmt: skip
    return Tested(finding, 1.0 if fine else 0.0, 0.0 if fine else 1.0, census=True)


def worst_of(tests: Sequence[Tested]) -> Tested:
    """Several tests of one slice as one: safe if all are, harmful if any is, each then paying its part.

    Guarantee: a wrong "safe" with chance at most alpha (intersection-union), a wrong "harmful" too (Bonferroni).
    """
    shown = max(tests, key=lambda one: one.finding.effect.value if one.finding.effect.value is not None else -2.0)
    findings = [one.finding for one in tests]
    needs = list(dict.fromkeys(one.needs for one in findings if one.needs))
    unsaid = [one for one in needs if one != shown.finding.needs]
    numbers = [one.n_needed for one in findings if one.n_needed is not None]
    pairs = [one.pairs_needed for one in findings if one.pairs_needed is not None]
    told = replace(
        shown.finding,
        message="; ".join([shown.finding.message, *unsaid]),
        n_needed=max(numbers) if len(numbers) == len(findings) else None,
        needs="; ".join(needs),
        pairs_needed=max(pairs, default=None),
    )
    return replace(
        shown,
        finding=told,
        p_harm=min(1.0, len(tests) * min(one.p_harm for one in tests)),
        p_safe=max(one.p_safe for one in tests),
        census=all(one.census for one in tests),
    )
