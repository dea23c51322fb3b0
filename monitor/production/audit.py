"""Whom did an audit ask for an outcome, and with what chance?

An outcome may carry the chance with which it was asked for; one without it was asked for in any case. What compares
means over all traffic needs a sample in which every item had the same chance. What compares outcomes of equal reward
and cohort (A1) does not, as long as the chance depended on nothing but reward, cohort and the past.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEAST_DAYS = 7  # a week holds every weekday's chances
LOT_KEY = "audit-lot-of-item"  # 16 characters and unlike other lots: who stays must not depend on who meets whom


def chances(frame: pd.DataFrame) -> Array:
    """Chance of each item's outcome to be asked for, in (0, 1]; 1 for an item without an outcome."""
    known = frame["propensity"].to_numpy(float)
    return np.where((known > 0) & frame["outcome"].notna().to_numpy(bool), known, 1.0)


def evenly_asked(frame: pd.DataFrame, role: NDArray[np.str_]) -> Flags:
    """Which items stay, so that every outcome of an arm had the same chance.

    One asked for with chance p stays if its lot, a hash of the response's id, is below least / p: least of the whole
    reference, or of the arm's seven days up to its own. An item without an outcome stays.
    """
    chance, day = chances(frame), frame["day"].to_numpy(np.int64)
    stays = np.ones(chance.size, bool)
    if (chance < 1).any():
        told = np.flatnonzero(frame["outcome"].notna())
        lots = np.zeros(chance.size)
        lots[told] = _lots(frame["response_id"].iloc[told])
        for arm in np.unique(role):
            mine = role == arm
            least = chance[mine].min() if arm == "reference" else least_lately(day[mine], chance[mine])
            stays[mine] = lots[mine] < least / chance[mine]
    return stays


def share_asked(frame: pd.DataFrame, role: NDArray[np.str_], least: float) -> Array:
    """A chance for each item at or below all in use then, in both arms: of so many every answer can be counted evenly.

    least: of the reference, which later ones never exceed, so that the reference's error suffices for them.
    """
    chance, day, later = chances(frame), frame["day"].to_numpy(np.int64), role != "reference"
    shares = np.full(chance.size, least)
    shares[later] = np.minimum(least, least_lately(day[later], chance[later]))
    return shares


def least_lately(day: Codes, chance: Array) -> Array:
    """Least chance of the seven days up to each item's own.

    >>> least_lately(np.array([1, 2, 8, 9]), np.array([0.1, 0.5, 0.5, 0.5])).tolist()
    [0.1, 0.1, 0.5, 0.5]
    """
    distinct, index = np.unique(day, return_inverse=True)
    least = np.full(distinct.size, np.inf)
    np.minimum.at(least, index, chance)
    since = np.searchsorted(distinct, distinct - LEAST_DAYS, side="right")
    lately = np.array([least[start : end + 1].min() for end, start in enumerate(since.tolist())])
    result: Array = lately[index] if index.size else np.zeros(0)
    return result


def _lots(names: "pd.Series[str]") -> Array:
    """A number in [0, 1) for each response, from its id alone."""
    hashed = pd.util.hash_pandas_object(names.astype(object), index=False, hash_key=LOT_KEY[:16], categorize=False)
    return (hashed.to_numpy(np.uint64) >> np.uint64(11)).astype(float) / 2**53
