"""Who is hurt most? Every value of every declared cohort key, and every pair of values of two keys, is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.check import Interval, Measurement, Verdict
from monitor.gate.inference import Tested, in_points, nothing, staleness
from monitor.gate.result import GateFinding
from monitor.gate.trial import Trial
from monitor.gate.trial_part import on_both
from monitor.production.baseline import cohort_values
from monitor.statistics.worst_slice import SearchedSlice, worst_slice

Codes = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Searched(Measurement):
    """Loss of outcome of pairs of one answer of the candidate and one of the reference, each in the same cohort.

    codes: shape (pairs, keys), the value of each key of a pair, -1 where it has none. values: the names behind the
    codes, by key.
    """

    codes: Codes = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()


def pairs_by_cohort(trial: Trial, tolerance: float) -> Searched:
    """The candidate's outcomes beside the reference's on the same prompt, else on one of the same cohort, by lot."""
    new, old = _on_prompts(trial) if trial.pairs_prompts else _by_lot(trial)
    frame = trial.items.frame
    coded = [pd.factorize(values[new], sort=True) for values in cohort_values(frame, trial.settings.cohorts).values()]
    loss = trial.outcomes[old] - trial.outcomes[new]
    return Searched(
        slice={},
        effects=loss,
        tolerance=tolerance,
        days=frame["day"].to_numpy(np.int64)[new],
        baseline_allowance=np.zeros(new.size),
        needs="" if new.size else "outcomes of both checkpoints in the same cohorts",
        codes=np.stack([codes for codes, _ in coded], axis=1).astype(np.int64),
        values=tuple((key, tuple(names)) for key, (_, names) in zip(trial.settings.cohorts, coded, strict=True)),
    )


def searched(name: str, one: Searched, alpha: float, oldest: int) -> Iterator[Tested]:
    """A finding for each slice that was shown harmed among all that were searched; else one that tells of the worst.

    Its p-value has paid for the search. That none was shown is no pass. oldest: the day before which evidence is stale.
    """
    needs = staleness(one, oldest) if one.effects.size else one.needs
    if needs:
        yield nothing(name, {}, one.tolerance, needs)
        return
    found = worst_slice(one.effects, one.codes, one.tolerance, alpha=alpha)
    if found.worst is None:
        yield nothing(name, {}, one.tolerance, "a slice with 30 pairs")
    for worst in found.shown or filter(None, (found.worst,)):
        yield _told(name, one, worst, found.searched, bool(found.shown))


def _told(name: str, one: Searched, worst: SearchedSlice, slices: int, shown: bool) -> Tested:
    named = [(one.values[key], code) for key, code in zip(worst.keys, worst.codes, strict=True)]
    among = f"shown among {slices} slices searched" if shown else f"the worst of {slices} slices searched"
    finding = GateFinding(
        check=name,
        slice={key: values[code] for (key, values), code in named},
        verdict=Verdict.FAIL if shown else Verdict.INCONCLUSIVE,
        effect=Interval(worst.value),
        tolerance=one.tolerance,
        n=worst.n,
        n_needed=None,
        message=f"{in_points(-worst.value)} points, {among}; adjusted p {worst.adjusted:.2g}",
        method="search over cohorts, Holm",
    )
    return Tested(finding, worst.adjusted, 1.0)


def _on_prompts(trial: Trial) -> tuple[Codes, Codes]:
    """Rows of the newest answer of each side to each prompt that both answered with an outcome."""
    prompts, role, outcome = trial.prompts, trial.roles, trial.outcomes
    shared = on_both(prompts, role, outcome)[0]
    sides = []
    for side in ("monitored", "reference"):
        mine = np.flatnonzero((role == side) & np.isin(prompts, shared) & ~np.isnan(outcome))
        last = pd.Series(mine).groupby(prompts[mine]).last()  # in the order of the prompts' codes, as `shared` is
        sides.append(last.to_numpy(np.int64))
    return sides[0], sides[1]


def _by_lot(trial: Trial) -> tuple[Codes, Codes]:
    """Rows of one answer of each side: in each cohort the i-th of one meets the i-th of the other, one of each user."""
    told = np.flatnonzero(~np.isnan(trial.outcomes))
    frame, role = trial.items.frame.iloc[told], trial.roles[told]
    labels = pd.factorize(frame["cohort"].astype(object).where(frame["cohort"].notna(), ""))[0]
    lots = pd.util.hash_pandas_object(frame["response_id"].astype(object), index=False, categorize=False).to_numpy()
    whom = frame["user"].astype(object).where(frame["user"].notna(), frame["response_id"])
    sides = []
    for side in ("monitored", "reference"):
        mine = np.flatnonzero(role == side)
        mine = mine[np.argsort(lots[mine], kind="stable")]
        mine = mine[~whom.iloc[mine].duplicated().to_numpy()]
        place = pd.Series(labels[mine]).groupby(labels[mine]).cumcount().to_numpy()
        sides.append(pd.DataFrame({"cohort": labels[mine], "place": place, "row": mine}))
    met = sides[0].merge(sides[1], on=["cohort", "place"], suffixes=("_new", "_old"))
    return told[met["row_new"].to_numpy(np.int64)], told[met["row_old"].to_numpy(np.int64)]
