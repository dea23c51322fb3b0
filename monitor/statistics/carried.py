"""What have all weeks shown of a candidate that stays in canary because no gate could decide?

Two ways to look again that keep their errors over all weeks together, however many there are:

- evidence: the e-values of week t multiply those of earlier weeks (`anytime.gate_path` over all labels so far). Cohorts
  that passed in any week have passed; the candidate goes when all have. Harm is the mean e-value of the slices.
- looks: the k-th look at all labels so far may spend alpha / (k (k + 1)), whatever test it makes.

Assumption: candidate, reference, and null stay the same, and each week's labels are drawn at random from that week's
traffic, in an order blind to the outcome; else evidence starts anew.
Guarantee: a wrong GO ever, and a wrong NO-GO ever, with chance at most alpha each.
Sources: Ville 1939; Waudby-Smith and Ramdas 2024, arXiv:2010.09686 (betting); Vovk and Wang 2021, arXiv:1912.06116
(means of e-values).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.anytime import gate_path

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Week:
    """One week's labels of one slice. about: candidate, reference and null, anything that can be compared.

    effects, judged: shape (n,), paired effects and the judge's own, in order of labelling; unlabelled: shape (N,), the
    judge's effects on further prompts. All in [-1, 1].
    """

    about: Hashable
    effects: Array
    judged: Array
    unlabelled: Array


@dataclass(frozen=True)
class Carried:
    """Log evidence by the end of each week, shape (weeks,): go for "harm is below the tolerance", no_go for "above".

    best_go: the most there was at any label so far, which is what a level may be compared with.
    """

    go: Array
    no_go: Array
    best_go: Array


def carried(weeks: Sequence[Week], tolerance: float, batch: int = 0) -> Carried:
    """Evidence of one slice over the weeks of one candidate. A later week leaves the earlier ones as they were.

    batch: prompts with a judge's score alone that each label may use, fixed beforehand; a week that has fewer a label
    goes without the judge. Raises ValueError for no week, weeks about something else, a negative batch, or as
    `gate_path` does.

    >>> week = Week("v2 against v1", np.full(60, -0.1), np.zeros(60), np.zeros(0))
    >>> carried([week, week], 0.05).go.round(2).tolist()
    [5.06, 11.81]
    """
    if not weeks or any(week.about != weeks[0].about for week in weeks):
        raise ValueError("evidence carries only between weeks about the same candidate, reference and null")
    if batch < 0:
        raise ValueError(f"a batch has at least 0 prompts, got {batch}")
    parts = [_judged_week(week, batch) for week in weeks]
    effects = np.concatenate([week.effects for week in weeks])
    judged, unlabelled = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    path = gate_path(effects, judged, unlabelled, max(effects.size, 1), tolerance)
    ends = np.cumsum([len(week.effects) for week in weeks])
    return Carried(_at(path.go, ends), _at(path.no_go, ends), _at(np.maximum.accumulate(path.go), ends))


def carried_decision(
    slices: Mapping[str, Carried], alpha: float = 0.05
) -> tuple[Literal["GO", "NO-GO", "INCONCLUSIVE"], int]:
    """The first answer and its week, counted from 1; the last week while there is none. NO-GO wins a week with both.

    slices: those that must all pass, over the same weeks. Raises ValueError for no slice, or weeks that differ.

    >>> week = Week("v2 against v1", np.full(30, -0.1), np.zeros(30), np.zeros(0))
    >>> carried_decision({"eu": carried([week] * 3, 0.05), "us": carried([week] * 3, 0.03)})
    ('GO', 2)
    """
    if len({one.go.size for one in slices.values()}) != 1:
        raise ValueError("need at least one slice, and the same weeks of each")
    level = -np.log(alpha)
    passed = np.min([one.best_go for one in slices.values()], axis=0) >= level
    harmed = np.logaddexp.reduce([one.no_go for one in slices.values()]) - np.log(len(slices)) >= level
    for week in np.flatnonzero(passed | harmed).tolist():
        return ("NO-GO", week + 1) if harmed[week] else ("GO", week + 1)
    return "INCONCLUSIVE", int(passed.size)


def look_alpha(look: int, alpha: float = 0.05) -> float:
    """What the k-th look at the same candidate may spend; all looks together at most alpha.

    Raises ValueError for a look below 1.

    >>> [round(look_alpha(look), 4) for look in (1, 2, 3)]
    [0.025, 0.0083, 0.0042]
    """
    if look < 1:
        raise ValueError(f"looks count from 1, got {look}")
    return alpha / (look * (look + 1))


def _judged_week(week: Week, batch: int) -> tuple[Array, Array]:
    """Judge's scores and their batches, or zeros, which say nothing, where a batch a label cannot be had."""
    n = len(week.effects)
    if len(week.unlabelled) < n * batch or not batch:
        return np.zeros(n), np.zeros(n * batch)
    return week.judged, week.unlabelled[: n * batch]


def _at(path: Array, ends: NDArray[np.int64]) -> Array:
    found: Array = np.concatenate([[0.0], path])[ends]
    return found
