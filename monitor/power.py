"""What drop can be seen with these labels, by when, and what does each further label buy?"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.mendable import Mendable
from monitor.book import SeriesKey
from monitor.check import load_checks
from monitor.explain import DECOUPLING_CHECK, material_harm
from monitor.history import History
from monitor.items import DAY_US
from monitor.settings import Settings
from monitor.sight import Harm, Loop, Stake
from monitor.snapshot import Part, slice_name, unit_means
from monitor.statistics import scores
from monitor.statistics.family import SCORE_WEIGHTS
from monitor.statistics.label_budget import plan_for_precision
from monitor.statistics.non_inferiority import labels_needed
from monitor.statistics.reference_error import QUANTILE

Array = NDArray[np.float64]

LABELS = (0.5, 1.0, 2.0, 5.0)  # times the labels of today
REFERENCES = (0.5, 1.0, 2.0, 4.0)
MORE_REFERENCE = 1000
DROPS = (0.01, 0.02, 0.04, 0.06, 0.10)
WITHIN_DAYS = (28, 56, 112)
STORIES = {"drop": 0.0, "decoupling": 9 / 4}  # points of reward gained for each point of outcome lost
HEADLINE = "warning"  # the severity that stands where there is room for one
MARGINS = (0.01, 0.02, 0.03, 0.05)
CORRELATIONS = (0.5, 0.7, 0.85)  # of a judge's verdicts with people's
SCORE_COST = 0.01  # of one of its scores, in labels
RATE_DAYS = 28
LIKED = 0.5  # share of rewards that are 1, where only numbers are given
ATOM = 0.01  # effects of reference units closer than this are taken together


class NothingToPlanWith(Mendable):
    """A loop cannot be planned for; the message says what is missing or impossible."""


@dataclass(frozen=True)
class Delay:
    """Expected days until each severity; None where no alert is expected."""

    labels_a_day: float
    story: str
    harm: Harm
    days: Mapping[str, float | None]


@dataclass(frozen=True)
class SmallestDrop:
    """The smallest drop whose warning is expected within so many days; None where none is."""

    labels_a_day: float
    story: str
    within_days: int
    drop: float | None


@dataclass(frozen=True)
class LabelsNeeded:
    """Labels a day for a warning within so many days; None where no number is enough."""

    story: str
    harm: Harm
    within_days: int
    labels_a_day: float | None


@dataclass(frozen=True)
class ReferenceSize:
    """What a reference of so many units concedes, and the smallest drop warned of within 56 days."""

    units: int
    allowance: float
    smallest_drop: float | None


@dataclass(frozen=True)
class SliceSight:
    """What can be seen in one slice alone: smallest drop warned of, by days."""

    slice: str
    labels_a_day: float
    allowance: float
    smallest_drop: Mapping[int, float | None]


@dataclass(frozen=True)
class Judged:
    """Labels and further scores of a judge that say as much, at the least cost."""

    correlation: float
    labels: int
    scores: int


@dataclass(frozen=True)
class GateSize:
    """Labelled pairs for GO with power .8, if the candidate is no worse, at this margin; and with a judge's help."""

    margin: float
    labels: int
    days: float
    judged: Sequence[Judged]


@dataclass(frozen=True)
class Power:
    """Everything that `reward-drift power` answers. assumed: what was taken for granted, in words."""

    loop: Loop
    allowance: float
    delays: Sequence[Delay]
    smallest: Sequence[SmallestDrop]
    needed: Sequence[LabelsNeeded]
    reference: Sequence[ReferenceSize]
    slices: Sequence[SliceSight]
    gate: Sequence[GateSize]
    assumed: Sequence[str]

    @property
    def more(self) -> ReferenceSize | None:
        """What 1,000 more reference units would concede."""
        wanted = self.loop.reference + MORE_REFERENCE
        return next((row for row in self.reference if row.units == wanted), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; of the loop what can be read, not the units behind it."""
        told = asdict(replace(self, loop=replace(self.loop, stakes=())))
        del told["loop"]["stakes"]
        return told


def power(loop: Loop, slices: Mapping[str, Loop], assumed: Sequence[str] = ()) -> Power:
    """Every table for a loop; slices: by name, each as a loop of its own."""
    return Power(
        loop=loop,
        allowance=loop.allowance(),
        delays=list(_delays(loop)),
        smallest=list(_smallest(loop)),
        needed=list(_needed(loop)),
        reference=list(_references(loop)),
        slices=[_slice(name, part) for name, part in slices.items()],
        gate=list(_gate(loop)),
        assumed=assumed,
    )


def _harms(loop: Loop, drops: Sequence[float]) -> Iterator[tuple[str, Harm]]:
    for story, gain in STORIES.items():
        yield from ((story, Harm(drop, min(gain * drop, 1.0))) for drop in drops if drop <= loop.success)


def _delays(loop: Loop) -> Iterator[Delay]:
    for story, harm in _harms(loop, DROPS):
        for times in LABELS:
            days = {severity: _finite(day) for severity, day in loop.delays(harm, times).items()}
            yield Delay(times * loop.labels_a_day, story, harm, days)


def _finite(days: float) -> float | None:
    return days if np.isfinite(days) else None


def _smallest(loop: Loop) -> Iterator[SmallestDrop]:
    for story, gain in STORIES.items():
        for times in LABELS:
            for within in WITHIN_DAYS:
                drop = loop.smallest_drop(HEADLINE, within, gain, times)
                yield SmallestDrop(times * loop.labels_a_day, story, within, drop)


def _needed(loop: Loop) -> Iterator[LabelsNeeded]:
    for story, harm in _harms(loop, DROPS[1:4]):
        for within in WITHIN_DAYS:
            yield LabelsNeeded(story, harm, within, loop.labels_needed(HEADLINE, within, harm))


def _references(loop: Loop) -> Iterator[ReferenceSize]:
    for times in sorted({*REFERENCES, 1 + MORE_REFERENCE / loop.reference}):
        drop = loop.smallest_drop(HEADLINE, WITHIN_DAYS[1], 0.0, reference=times)
        yield ReferenceSize(round(times * loop.reference), loop.allowance(times), drop)


def _slice(name: str, part: Loop) -> SliceSight:
    drops = {within: part.smallest_drop(HEADLINE, within, 0.0) for within in WITHIN_DAYS}
    return SliceSight(name, part.labels_a_day, part.allowance(), drops)


def _gate(loop: Loop) -> Iterator[GateSize]:
    deviation = float(np.sqrt(2)) * loop.outcome_deviation()  # of two answers that share nothing but the prompt
    for margin in MARGINS:
        alone = labels_needed(margin, deviation)
        plans = [(r, plan_for_precision(alone, r, 1.0, SCORE_COST)) for r in CORRELATIONS]
        judged = [Judged(r, plan.n, plan.unlabelled) for r, plan in plans]
        yield GateSize(margin, alone, alone / loop.labels_a_day, judged)


def loop_of_numbers(
    labels_a_day: float, success: float, slope: float, reference: int, settings: Settings
) -> tuple[Loop, list[str]]:
    """A loop of outcomes that happen or not, rewarded by 0 or 1, and what is assumed of it.

    Raises NothingToPlanWith for numbers that no such loop can have.
    """
    rewards, outcomes = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    expected = success + slope * (rewards - LIKED)
    if not (0 < success < 1 and (expected >= 0).all() and (expected <= 1).all()):
        raise NothingToPlanWith(
            f"--success {success:g} --slope {slope:g}: success would be {expected[0]:.2f} after a 0 and"
            f" {expected[-1]:.2f} after a 1; both must lie in 0..1"
        )
    if not (labels_a_day > 0 and reference >= 2):
        raise NothingToPlanWith("--labels-per-day must be above 0, --reference at least 2")
    chances = 0.5 * np.where(outcomes > 0, expected, 1 - expected)
    worth, harm = worth_of(settings), settings.alerts.material_harm
    effects = {
        "A1": scores.calibration_residual(expected, outcomes),
        "A2": scores.outcome_loss(np.full(4, success), outcomes),
        "A7": scores.unearned_reward(rewards, np.full(4, LIKED), outcomes, np.full(4, success), worth),
    }
    lifts = _lifts(slope, worth)
    stakes = [
        Stake(
            values,
            outcomes,
            chances,
            lifts[name],
            QUANTILE * float(np.sqrt(chances @ values**2 / reference)),
            SCORE_WEIGHTS[name],
            labels_a_day,
        )
        for name, values in effects.items()
    ]
    loop = Loop(labels_a_day, success, slope, reference, _horizon_days(settings), harm, settings.alerts.days(), stakes)
    return loop, ["rewards are 0 or 1, half of them 1; every unit has a reward and an outcome; one cohort"]


def loops_of_history(history: History) -> dict[str, Loop]:
    """All traffic (named "") and every cohort slice, as loops. Raises NothingToPlanWith if all traffic is none."""
    loops = {}
    for part in history.snapshot.parts():
        stakes = list(_stakes(history, part))
        if stakes and "checkpoint" not in part.slice:
            loops[slice_name(part.slice)] = _loop_of_part(history, part, stakes)
    if "" not in loops:
        raise NothingToPlanWith("no unit of the reference has both a reward and an outcome: see `reward-drift status`")
    return loops


def _loop_of_part(history: History, part: Part, stakes: list[Stake]) -> Loop:
    name, labelled = slice_name(part.slice), (part.role == "reference") & ~np.isnan(part.outcome)
    _, _, outcomes = unit_means(part.unit, part.day, part.outcome, labelled)
    return Loop(
        labels_a_day=_units_a_day(history, "A2", name),
        success=float(outcomes.mean()),
        slope=history.memory.baseline.gain,
        reference=outcomes.size,
        horizon_days=_horizon_days(history.settings),
        material_harm=material_harm(history.snapshot),
        thresholds=history.case.thresholds,
        stakes=stakes,
    )


def _stakes(history: History, part: Part) -> Iterator[Stake]:
    """The series of a slice that can alert, as its reference shows them; none where it has no evidence of its own."""
    book, name, worth = history.memory.book, slice_name(part.slice), worth_of(history.settings)
    effects = {
        "A1": scores.calibration_residual(part.expected, part.outcome),
        "A2": scores.outcome_loss(part.mean_outcome, part.outcome),
        "A7": scores.unearned_reward(part.reward, part.mean_reward, part.outcome, part.mean_outcome, worth),
    }
    lifts = _lifts(history.memory.baseline.gain, worth)
    for score, values in effects.items():
        key = SeriesKey(DECOUPLING_CHECK, score, name)
        mine = (part.role == "reference") & ~np.isnan(values)
        rate = _units_a_day(history, score, name)
        if key in history.case.weights and mine.any() and rate > 0:
            conceded = book.info[key].allowance - material_harm(history.snapshot)
            yield Stake(*_atoms(part, values, mine), lifts[score], conceded, history.case.weights[key], rate)


def _atoms(part: Part, values: Array, mine: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Effect, outcome and share of reference units that are nearly alike; their mean effect is kept exactly."""
    _, _, effects = unit_means(part.unit, part.day, values, mine)
    _, _, outcomes = unit_means(part.unit, part.day, part.outcome, mine)
    rounded = np.round(np.stack([effects, outcomes]) / ATOM)
    _, index, counts = np.unique(rounded, axis=1, return_inverse=True, return_counts=True)
    means = [np.bincount(index.ravel(), column) / counts for column in (effects, outcomes)]
    return means[0], means[1], counts / counts.sum()


def _units_a_day(history: History, score: str, name: str) -> float:
    """Units with an effect a day, over the last 28 days of the watch; over the reference's days where none came yet."""
    book, window = history.memory.book, history.memory.baseline.window
    days = min(book.days, RATE_DAYS)
    n = book.sums(SeriesKey(DECOUPLING_CHECK, score, name), book.first_day + book.days - days)[0]
    if n:
        return n / days
    return book.info[SeriesKey(DECOUPLING_CHECK, score, name)].baseline_units / max(
        (window.end_us - window.start_us) / DAY_US, 1.0
    )


def _lifts(slope: float, worth: float) -> dict[str, float]:
    """What a point of reward adds to each score's effect."""
    return {"A1": slope, "A2": 0.0, "A7": worth}


def worth_of(settings: Settings) -> float:
    """The outcome, in points, that a point of reward must at least bring (of A7)."""
    return float({**load_checks()[DECOUPLING_CHECK].defaults, **settings.checks.get(DECOUPLING_CHECK, {})}["worth"])


def _horizon_days(settings: Settings) -> float:
    return settings.outcome.horizon / dt.timedelta(days=1)
