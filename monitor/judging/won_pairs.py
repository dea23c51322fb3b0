"""How often does a judge take a checkpoint's answer, and by how much more than the reference's?

Head to head where checkpoint and reference meet in enough pairs; else against the opponent that both met most often. A
judgment that failed stays in, at its worst for either end.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.check import Interval
from monitor.statistics.clustered import ENOUGH_CLUSTERS, mean_difference
from monitor.statistics.coverage_bound import comparable, covered

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """Win rate of a checkpoint above the reference's, or above a half head to head; plus is better.

    change: value among verdicts, ends with failed judgments at their worst. pairs: that were offered. is_comparable:
    whether as many judgments failed on one side as on the other. coverage: of the checkpoint's pairs and of the others.
    """

    change: Interval
    opponent: str
    pairs: int
    is_comparable: bool
    coverage: tuple[float, float]


def gain_of(judged: pd.DataFrame, checkpoint: str, reference: str, confidence: float = 0.95) -> Gain | None:
    """The gain under one judge; None where there are too few pairs.

    judged: of `Preferences.judged_by`. Raises nothing.
    """
    direct = _met(judged, checkpoint, reference)
    if _enough(direct):
        return _gain(direct, None, reference, confidence)
    names = np.union1d(judged["a_checkpoint"].astype(str), judged["b_checkpoint"].astype(str))
    both = {name: (_met(judged, checkpoint, name), _met(judged, reference, name)) for name in map(str, names)}
    met = {
        name: sides
        for name, sides in both.items()
        if name not in ("", checkpoint, reference) and min(map(_enough, sides))
    }
    if not met:
        return None
    opponent = min(met, key=lambda name: (-min(len(side) for side in met[name]), name))
    return _gain(*met[opponent], opponent, confidence)


def _met(judged: pd.DataFrame, checkpoint: str, opponent: str) -> pd.DataFrame:
    """Pairs of the two: `won` by the checkpoint (1, .5 tie, 0, NaN failed) and what hangs together."""
    a, b = judged["a_checkpoint"], judged["b_checkpoint"]
    sign = np.select([(a == checkpoint) & (b == opponent), (a == opponent) & (b == checkpoint)], [1.0, -1.0], np.nan)
    here = judged[~np.isnan(sign)]
    won = (here["verdict"].to_numpy(float) * sign[~np.isnan(sign)] + 1) / 2
    prompt = here["prompt_id"].astype(object).where(here["prompt_id"] != "", "p:" + here["pair_id"].astype(object))
    return pd.DataFrame({"won": won, "prompt": prompt.to_numpy(object)})


def _enough(met: pd.DataFrame) -> bool:
    return bool(met.loc[met["won"].notna(), "prompt"].nunique() >= ENOUGH_CLUSTERS)


def _gain(new: pd.DataFrame, old: pd.DataFrame | None, opponent: str, confidence: float) -> Gain:
    sides = [new] if old is None else [new, old]
    codes = np.split(pd.factorize(pd.concat([side["prompt"] for side in sides]))[0].astype(np.int64), [len(new)])
    won = [side["won"].to_numpy(float) for side in sides]
    rates = [covered(one) for one in won]
    least, most = ([np.nan_to_num(one, nan=end) for one in won] for end in (0.0, 1.0))
    others = (most[1], least[1]) if old is not None else (np.zeros(0), np.zeros(0))
    ends = [mean_difference(mine, other, *codes) for mine, other in zip((least[0], most[0]), others, strict=True)]
    start = 0.5 if old is None else rates[1].value or 0.0
    half = 0.5 if old is None else 0.0
    change = Interval(
        (rates[0].value or 0.0) - start,
        ends[0].value - half - ends[0].reach(confidence),
        ends[1].value - half + ends[1].reach(confidence),
    )
    coverage = (rates[0].coverage, rates[-1].coverage)
    return Gain(change, opponent, sum(map(len, sides)), comparable(rates[0], rates[-1]), coverage)
