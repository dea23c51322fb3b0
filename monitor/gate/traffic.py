"""Which share of production was a checkpoint given, and which did it get?"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import Engine, text

from monitor.gate.artefacts import Told
from monitor.production.items import microseconds

STICKY = 0.5  # of the users who would meet both if each answer were assigned for itself: fewer met both
ANSWERS = """
    SELECT user_id, SUM(CASE WHEN checkpoint = :name THEN 1 ELSE 0 END) AS mine, COUNT(*) AS n FROM response
    WHERE environment = 'production' AND time_us >= :since AND time_us < :until GROUP BY user_id
"""


@dataclass(frozen=True)
class Declared:
    """A share of traffic, 0..1 exclusive, and the moment from which on it holds."""

    share: float
    since_us: int


@dataclass(frozen=True)
class Arm:
    """How many units of production were a checkpoint's, of how many. unit: user or answer."""

    unit: str
    mine: int
    all: int


def declared_share(told: Sequence[Told], checkpoint: str) -> Declared | None:
    """The share that a checkpoint was last given, from the first of the events on that agree; None for 0, 1 or none."""
    said = [one for one in told if one.checkpoint == checkpoint and one.traffic_share is not None]
    if not said or not 0 < (share := float(said[-1].traffic_share or 0.0)) < 1:
        return None
    since = said[-1].time_us
    for one in reversed(said):
        if one.traffic_share != share:
            break
        since = one.time_us
    return Declared(share, since)


def read_arm(engine: Engine, checkpoint: str, since_us: int, until: dt.datetime) -> Arm:
    """What a checkpoint got of production in [since, until).

    Units are users if they stay with a checkpoint, for then one user's answers are no independent assignments; a user
    counts where most of the answers were. Otherwise, and for answers without a user, each answer is one.
    """
    given: dict[str, str | int] = {"name": checkpoint, "since": since_us, "until": microseconds(until)}
    with engine.connect() as connection:
        frame = pd.read_sql_query(text(ANSWERS), connection, params=given)
    known, nobody = frame[frame["user_id"].notna()], frame[frame["user_id"].isna()]
    mine, n = (known[name].to_numpy(float) for name in ("mine", "n"))
    alone = int(nobody["mine"].sum()), int(nobody["n"].sum())
    share = mine.sum() / n.sum() if n.size else 0.0
    met_both = int(((mine > 0) & (mine < n)).sum())
    would_meet = float((1 - share**n - (1 - share) ** n).sum())
    if n.size and met_both <= STICKY * would_meet:
        return Arm("user", int((2 * mine > n).sum()) + alone[0], n.size + alone[1])
    return Arm("answer", int(mine.sum()) + alone[0], int(n.sum()) + alone[1])
