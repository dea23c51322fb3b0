"""How far is the candidate from the reference in one slice: prompt by prompt, or as two samples?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitor.check import FloatArray, IntArray, Measurement
from monitor.snapshot import Array, Codes, Part
from monitor.statistics.coverage_bound import MOST_APART
from monitor.statistics.sample_test import SampleTest

Flags = NDArray[np.bool_]

SIDES = ("monitored", "reference")
NOTABLE = 2.58  # standard errors, .01 at both sides together
NOT_ASKED = ("A1", "A6")  # without a wait for the story to unfold A2, A4 and A7 tell all that these do
OF_REWARDS = ("A4", "A7")  # series that a failing scorer leaves open


@dataclass(frozen=True)
class Sampled(Measurement):
    """Effects of a candidate beside a reference, to be inferred once.

    paired: each is the difference on one prompt, so that no baseline can err. judged: shape (units,), the loss that the
    rewards alone lead one to expect; unlabelled: the same of units without an outcome. Both are empty unless an audit
    asked for outcomes with a known chance: only then do the labelled units speak for the others. clusters: shape
    (units,), equal numbers hang together. undecided: why neither harm nor its absence may be concluded; "" where either
    may. borrowed: the test of a cohort that may borrow from others.
    """

    paired: bool = False
    judged: FloatArray = field(default_factory=lambda: np.zeros(0))
    unlabelled: FloatArray = field(default_factory=lambda: np.zeros(0))
    clusters: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    undecided: str = ""
    borrowed: SampleTest | None = None


@dataclass(frozen=True)
class TrialPart(Part):
    """A slice of a trial: the candidate's answers are `monitored`.

    prompt: code of each item's prompt, -1 without one. asked_for: whether the outcome's chance is known. unscoreable:
    the scorer answered without a number. paired: compare prompt by prompt. complete: an absent outcome means that
    nothing was told, and not that it did not happen.
    """

    prompt: Codes
    asked_for: Flags
    unscoreable: Flags
    paired: bool
    complete: bool

    def measure(
        self, series: str, effects: Array, cells: Codes, tolerance: float, leans: Mapping[int, float] | None = None
    ) -> Sampled:
        """The effects of the candidate: minus the reference's on the same prompt, or against the reference's means."""
        if series in NOT_ASKED:
            return Sampled(self.slice, np.zeros(0), tolerance, series=series, needs="nothing: a trial does not ask it")
        if self.paired:
            found = self._by_prompt(series, effects, tolerance)
        else:
            found = self._by_unit(super().measure(series, effects, cells, tolerance, leans), effects)
        before = self.outcome[(self.role == "reference") & ~np.isnan(self.outcome)]
        level = float(before.mean()) if before.size else None
        return replace(found, undecided=self._undecided(series), baseline_level=level)

    def _by_prompt(self, series: str, effects: Array, tolerance: float) -> Sampled:
        prompts, new, old = on_both(self.prompt, self.role, effects)
        mine = np.flatnonzero((self.role == "monitored") & np.isin(self.prompt, prompts))
        last = mine[np.lexsort((self.day[mine], self.prompt[mine]))]
        first = np.unique(self.prompt[last][::-1], return_index=True)[1]
        newest = last[::-1][first]  # the candidate's newest answer to each prompt
        judged, unlabelled = self._expected_by_prompt(prompts)
        return Sampled(
            slice=self.slice,
            effects=np.clip(new - old, -1.0, 1.0),  # A7 may reach 1.1; it is cut there for one item, too
            tolerance=tolerance,
            series=series,
            days=self.day[newest],
            baseline_allowance=np.zeros(prompts.size),
            baseline_units=prompts.size,
            needs="" if prompts.size else "outcomes of both checkpoints on the same prompts",
            paired=True,
            judged=judged,
            unlabelled=unlabelled,
            clusters=self.user[newest],
        )

    def _expected_by_prompt(self, labelled: Codes) -> tuple[Array, Array]:
        """Loss that the rewards lead one to expect: on the labelled prompts, and on the others; or nothing."""
        if not self._is_audited:
            return np.zeros(0), np.zeros(0)
        prompts, new, old = on_both(self.prompt, self.role, self.expected)
        known = np.isin(prompts, labelled)
        if known.sum() < labelled.size:
            return np.zeros(0), np.zeros(0)
        return (old - new)[known], (old - new)[~known]

    def _by_unit(self, found: Measurement, effects: Array) -> Sampled:
        mine = self.role == "monitored"
        units = self.means(effects, mine)[0][: found.effects.size]
        expected_of, expected = self._expected_by_unit
        known = _is_among(expected_of, units)
        judges = self._is_audited and known.sum() == units.size
        first = self._first_of_unit[np.searchsorted(self.coded_units[0], units)]
        return Sampled(
            **vars(found),
            judged=expected[known] if judges else np.zeros(0),
            unlabelled=expected[~known] if judges else np.zeros(0),
            clusters=self.user[first],
        )

    @cached_property
    def _first_of_unit(self) -> Codes:
        """The candidate's first item of each unit of the slice; the number of items for one that is not its."""
        units, index = self.coded_units
        mine = np.flatnonzero(self.role == "monitored")
        first = np.full(units.size, self.unit.size)
        np.minimum.at(first, index[mine], mine)
        return first

    @cached_property
    def _expected_by_unit(self) -> tuple[Codes, Array]:
        """Each unit of the candidate and the loss that its rewards lead one to expect."""
        mine = self.role == "monitored"
        units, _, expected = self.means(self.mean_outcome - self.expected, mine)
        return units, expected

    @cached_property
    def _is_audited(self) -> bool:
        told = ~np.isnan(self.told)
        return bool(told.any() and self.asked_for[told].all())

    def _undecided(self, series: str) -> str:
        """Whether what is missing is missing more often on one side, so that what is left may mislead."""
        if self.complete and not self._is_audited and (gap := self._gap(~np.isnan(self.told))):
            return f"outcomes are there for {gap}: what is missing may hide either"
        if series in OF_REWARDS and self.unscoreable.any() and (gap := self._gap(~self.unscoreable)):
            return f"the scorer gave a number for {gap}: what failed may hide either"
        return ""

    def _gap(self, there: Flags) -> str:
        """Both shares in words if they lie more than 2 points apart, beyond what chance alone does; else ""."""
        new, old = (there[self.role == side] for side in SIDES)
        n, m = new.size, old.size
        if not n or not m:
            return ""
        shares = new.mean(), old.mean()
        pooled = (shares[0] * n + shares[1] * m) / (n + m)
        noise = NOTABLE * np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        if abs(shares[0] - shares[1]) <= max(MOST_APART, noise):
            return ""
        return f"{shares[0]:.1%} of the candidate's answers and {shares[1]:.1%} of the reference's"


def _is_among(values: Codes, known: Codes) -> Flags:
    """Which values are known. Both ascending."""
    if not known.size:
        return np.zeros(values.size, bool)
    at = np.minimum(np.searchsorted(known, values), known.size - 1)
    result: Flags = known[at] == values
    return result


def on_both(prompt: Codes, role: NDArray[np.str_], values: Array) -> tuple[Codes, Array, Array]:
    """Prompts for which both checkpoints have a value, ascending, and the mean of the candidate and of the reference.

    prompt: -1 for none. values: NaN where not known. Shapes (items,).

    >>> role = np.array(["reference", "monitored", "monitored", "reference"])
    >>> [found.tolist() for found in on_both(np.array([5, 5, 5, 7]), role, np.array([1.0, 0.0, 0.5, 1.0]))]
    [[5], [0.25], [1.0]]
    """
    sides = []
    for name in SIDES:
        mine = (role == name) & (prompt >= 0) & ~np.isnan(values)
        codes, index = np.unique(prompt[mine], return_inverse=True)
        sides.append((codes, np.bincount(index, values[mine]) / np.bincount(index)))
    shared, here, there = np.intersect1d(sides[0][0], sides[1][0], assume_unique=True, return_indices=True)
    return shared, sides[0][1][here], sides[1][1][there]
