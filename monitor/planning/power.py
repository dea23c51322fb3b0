"""What drop can be seen with these labels, by when, and what does each further label buy?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from monitor.planning.sight import Harm, Loop
from monitor.statistics.label_budget import plan_for_precision
from monitor.statistics.non_inferiority import labels_needed

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
