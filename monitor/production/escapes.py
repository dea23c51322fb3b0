"""Who was asked for a reward, or an outcome, and gave none?

Nobody says whom they ask. Of a reward or an outcome that at least half of the reference had, everybody counts as asked;
of a rarer one only those of whom a scorer says that it could not score them. Where everybody else was silent that day
too, nobody was asked: a scorer that is gone is a fault of the data and no evasion.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

Kind = Literal["reward", "outcome"]
KINDS: tuple[Kind, ...] = ("reward", "outcome")
MOST = 0.5  # share of the reference from which on everybody counts as asked


def asks_everybody(answering: Array) -> bool:
    """Whether so many of the reference answered that the others must have been asked too.

    answering: share that answered by cohort, over all of them last.
    """
    return bool(answering[-1] >= MOST)


def answered(frame: pd.DataFrame, kind: Kind, everybody: bool) -> Array:
    """1 for an item that gave a reward (an outcome), 0 for one that was asked and escaped, NaN for one not asked.

    frame: items of whole days. everybody: all items count as asked, not only those that a scorer could not score.
    """
    gave = frame[kind].notna().to_numpy(bool)
    tried = gave | frame["unscoreable"].to_numpy(bool) if kind == "reward" else gave
    day = pd.factorize(frame["day"])[0]
    asking = np.bincount(day, tried) > 0
    asked = asking[day] & (tried if not everybody else True)
    return np.where(asked, gave.astype(float), np.nan)
