"""How often would this gate be wrong on this loop's own data? The reference against itself, split at random.

Every repeat deals the reference's users into two halves by lot and tries one against the other: a NO-GO is then wrong.
Then the same halves once more, the candidate's outcomes worse by just the tolerance: a GO is then wrong.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from consumers.mendable import Mendable
from monitor.check import REGISTRY, load_checks
from monitor.gate.decoupling import CHECK as DECOUPLING
from monitor.gate.result import Decision
from monitor.gate.run import decide_trial
from monitor.gate.sides import trial_of
from monitor.gate.trial import Trial
from monitor.production.baseline import COHORT_UNITS
from monitor.production.items import Items, load_items
from monitor.settings import Settings
from monitor.statistics.shares import share_interval

CHECKS = (DECOUPLING, "cohort_regression")
FEWEST = 2 * COHORT_UNITS


class TooFewForHalves(Mendable):
    """The reference cannot be split: too few of its units have an outcome."""


@dataclass(frozen=True)
class AaReport:
    """What repeats of a gate between random halves of its own reference decided.

    tolerance: the harm that was planted, share of outcome. same: decisions where nothing differs; harmed: where the
    candidate's outcomes were made worse by just that; none where the outcome is too rare to fall so far. How many of
    `repeats`, by decision.
    """

    reference: str
    alpha: float
    tolerance: float
    units: int
    repeats: int
    same: "Counter[Decision]"
    harmed: "Counter[Decision]"

    @property
    def false_no_go(self) -> tuple[float, float, float]:
        """Share of NO-GO although nothing differs, with its 95% interval."""
        return share_interval(self.same[Decision.NO_GO], self.repeats)

    @property
    def false_go(self) -> tuple[float, float, float] | None:
        """Share of GO at a harm of just the tolerance, with its 95% interval; None where no such harm can be."""
        return share_interval(self.harmed[Decision.GO], self.repeats) if self.harmed else None

    @property
    def keeps_its_word(self) -> bool:
        """Whether neither rate lies above alpha by more than chance."""
        return all(rate is None or rate[1] <= self.alpha for rate in (self.false_no_go, self.false_go))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a script."""
        rates = {"false_no_go": self.false_no_go, "false_go": self.false_go}
        return {
            "reference": self.reference,
            "alpha": self.alpha,
            "tolerance": self.tolerance,
            "units": self.units,
            "repeats": self.repeats,
            **{name: rate and dict(zip(("value", "low", "high"), rate, strict=True)) for name, rate in rates.items()},
            "same": {one.value: self.same[one] for one in Decision},
            "harmed": {one.value: self.harmed[one] for one in Decision},
            "keeps_its_word": self.keeps_its_word,
        }


def run_aa(
    engine: Engine,
    settings: Settings,
    reference: str,
    as_of: dt.datetime,
    repeats: int = 200,
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> AaReport:
    """Try random halves of the reference against each other. done: told how many repeats are through.

    Raises TooFewForHalves.
    """
    items = _of_reference(load_items(engine, settings, as_of, of=(reference, reference)), reference)
    tolerance = float({**load_checks()[DECOUPLING].defaults, **settings.checks.get(DECOUPLING, {})}["tolerance"])
    rng = np.random.default_rng(seed)
    same: Counter[Decision] = Counter()
    harmed: Counter[Decision] = Counter()
    possible = float(items.frame["outcome"].mean()) > tolerance
    for number in range(repeats):
        halves = _dealt(items, reference, rng)
        frames = [(halves, same), *([(_worse(halves, reference, tolerance, rng), harmed)] if possible else [])]
        for frame, counted in frames:
            split = replace(items, frame=frame)
            counted[_decided(trial_of(split, engine, settings, _other(reference), reference, as_of, "offline"))] += 1
        done(number + 1)
    units = int(items.frame["unit"][items.frame["outcome"].notna()].nunique())
    return AaReport(reference, settings.gate.alpha, tolerance, units, repeats, same, harmed)


def _of_reference(items: Items, reference: str) -> Items:
    """Its items alone; named by no prompt, since no half answers the other's."""
    frame = items.frame[items.frame["checkpoint"] == reference].reset_index(drop=True)
    labelled = frame["unit"][frame["outcome"].notna()].nunique()
    if labelled < FEWEST:
        raise TooFewForHalves(f"{reference}: {labelled} units with an outcome; two halves need {FEWEST}")
    return replace(items, frame=frame, subject="half")


def _other(reference: str) -> str:
    return f"the other half of {reference}"


def _dealt(items: Items, reference: str, rng: np.random.Generator) -> pd.DataFrame:
    """Half of the users under another name; who is nobody known is dealt by unit."""
    frame = items.frame
    whom = frame["user"].astype(object).where(frame["user"].notna(), frame["unit"])
    codes, distinct = pd.factorize(whom)
    moved = rng.permutation(len(distinct)) < len(distinct) // 2
    return frame.assign(checkpoint=np.where(moved[codes], _other(reference), reference))


def _worse(frame: pd.DataFrame, reference: str, tolerance: float, rng: np.random.Generator) -> pd.DataFrame:
    """The same, the candidate's outcomes worse by the tolerance on average: successes that fail, values that shrink."""
    outcome = frame["outcome"].to_numpy(float)
    lost = tolerance / float(np.nanmean(outcome))
    binary = np.isin(outcome[~np.isnan(outcome)], (0.0, 1.0)).all()
    kept = (rng.random(outcome.size) >= lost).astype(float) if binary else 1 - lost
    theirs = (frame["checkpoint"] != reference).to_numpy(bool)
    return frame.assign(outcome=np.where(theirs, outcome * kept, outcome))


def _decided(trial: Trial) -> Decision:
    return decide_trial(trial, [REGISTRY[name] for name in CHECKS], (DECOUPLING,)).decision
