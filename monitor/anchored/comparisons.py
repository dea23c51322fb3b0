"""What was found on each anchor set, or of each voice, checkpoint by checkpoint, and which comparisons raise an alert?

A comparison is one test of one checkpoint on one set, at the close of a day on which something new was told of it. It
is remembered, so that a day without news reads no old answers, and so that what was spent stays spent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.anchored.anchored_pairs import PairedMeasurement
from monitor.check import REGISTRY, FloatArray, Interval, Slice
from monitor.oncall.alerts import SEVERITIES
from monitor.statistics.attribution import Stream, label_shares
from monitor.statistics.family import ANCHORED_WEIGHT, VOICE_WEIGHT
from monitor.statistics.paired import mean_error, open_interval, p_no_harm, purse

CHECK = "anchored_decoupling"
VOICE_CHECK = "teacher_style_convergence"
WEIGHTS = {CHECK: ANCHORED_WEIGHT, VOICE_CHECK: VOICE_WEIGHT}
RULES = {CHECK: "anchored", VOICE_CHECK: "voice"}
MOST_FAILED = 0.1  # share of items; where more of them lack something nothing is tested, and nothing spent
FULL_DAYS = 28.0  # of budget, the most that a wait for the next checkpoint saves up


@dataclass(frozen=True)
class Comparison:
    """One checkpoint against the reference on one set, at the close of a day.

    place: of the checkpoint among those of the set, the newest highest. items: of which `failed` lack something.
    effect: plus is worse; reward, outcome: new minus reference; each with its 95% interval, failed items at their
    worst for either end. p: of "no harm beyond what nobody would act on". tested: whether that is a test, which spends
    budget. error: of the mean effect. shares: of the evidence, by label. needs: why no reward difference is formed.
    Of a voice the set is the teacher's name, and no reward or outcome is compared. words: what else was measured.
    """

    anchor_set: str
    checkpoint: str
    reference: str
    place: int
    day: int
    items: int
    failed: int
    tolerance: float
    effect: Interval
    reward: Interval
    outcome: Interval
    p: float
    tested: bool
    error: float
    needs: str
    shares: Mapping[str, float] = field(default_factory=dict)
    check: str = CHECK
    words: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """The set and the checkpoint."""
        return self.anchor_set, self.checkpoint

    @property
    def part(self) -> Slice:
        """The slice under which its alerts are known."""
        return {"teacher" if self.check == VOICE_CHECK else "anchor_set": self.anchor_set}


def compare(measured: PairedMeasurement, material_harm: float) -> Comparison:
    """What the effects of one checkpoint on one set show, failed items at their worst."""
    items, least, failed = measured.outcome[0].size, measured.least, measured.failed
    return Comparison(
        anchor_set=measured.slice["anchor_set"],
        checkpoint=measured.checkpoint,
        reference=measured.reference,
        place=measured.place,
        day=measured.day,
        items=items,
        failed=failed,
        tolerance=measured.tolerance,
        effect=_interval(least, measured.most),
        reward=_interval(*measured.reward),
        outcome=_interval(*measured.outcome),
        p=p_no_harm(least, material_harm),
        tested=bool(least.size) and failed <= MOST_FAILED * items,
        error=mean_error(least) if least.size else 0.0,
        needs=measured.needs,
        shares=_shares(measured) if least.size else {},
    )


def remember(fresh: Iterable[Comparison], before: Sequence[Comparison] | None, closed: int) -> list[Comparison]:
    """What stays on record: comparisons of days decided as they were, later ones anew, by day and pair.

    before: what the last look left; None if none is gone on from. closed: the first day not decided yet. What came late
    and changes a pair on a day decided already is looked at on the first day that is not.
    """
    fresh = sorted(fresh, key=lambda one: one.day)
    if before is None:
        return fresh
    places = {one.pair: one.place for one in fresh}
    decided = [replace(one, place=places.get(one.pair, one.place)) for one in before if one.day < closed]
    known, told = ({one.pair: one for one in some if one.day < closed} for some in (decided, fresh))
    late = [one for pair, one in told.items() if pair not in known or not _same(one, known[pair])]
    later = {(closed, one.pair): replace(one, day=closed) for one in late}
    later |= {(one.day, one.pair): one for one in fresh if one.day >= closed}
    return [*decided, *(later[key] for key in sorted(later))]


def spent(comparisons: Iterable[Comparison], close: int) -> Mapping[int, float]:
    """By day of those before `close`: what each of its tests may spend, in days of budget."""
    return purse(Counter(one.day for one in comparisons if one.tested and one.day < close), FULL_DAYS)


def evidence(one: Comparison, shares: Mapping[int, float]) -> float:
    """The p-value as days of mean time to a false alert over the whole family: what thresholds are compared with."""
    return WEIGHTS[one.check] * shares[one.day] / max(one.p, 1e-300) if one.tested else 0.0


def level(threshold: float, share: float, check: str = CHECK) -> float:
    """Level of one test at a threshold in days, of a test that may spend so many days of its check's budget."""
    return WEIGHTS[check] * share / threshold


def crossed(one: Comparison, shares: Mapping[int, float], thresholds: Mapping[str, float]) -> str | None:
    """The severest threshold that a comparison reached, up to the most its check may raise."""
    most = SEVERITIES.index(REGISTRY[one.check].severity)
    reached = [name for name in SEVERITIES[: most + 1] if evidence(one, shares) >= thresholds[name]]
    return reached[-1] if reached else None


def newest(comparisons: Iterable[Comparison], close: int) -> dict[tuple[str, str], Comparison]:
    """The last comparison of each pair before `close`, by set and place."""
    last = {one.pair: one for one in sorted(comparisons, key=lambda one: one.day) if one.day < close}
    return dict(sorted(last.items(), key=lambda item: (item[0][0], item[1].place)))


def _same(one: Comparison, other: Comparison) -> bool:
    return replace(one, day=0, place=0) == replace(other, day=0, place=0)


def _interval(least: FloatArray, most: FloatArray) -> Interval:
    return Interval(*open_interval(least, most)) if least.size else Interval()


def _shares(measured: PairedMeasurement) -> dict[str, float]:
    loss = one_sample(-(measured.outcome[0] + measured.outcome[1]) / 2)
    gained = one_sample((measured.reward[0] + measured.reward[1]) / 2)
    return label_shares(loss, gained, measured.gain, measured.reverse, measured.worth)


def one_sample(effects: FloatArray, baseline_error: float = 0.0) -> Stream:
    """All items as one day, on which the whole change is there; without an error of the baseline where paired."""
    variance = float(effects.var()) + 1 / effects.size
    return Stream(np.array([float(effects.size)]), np.array([float(effects.sum())]), variance, baseline_error)
