"""How many more users, or fewer, stay under each checkpoint than in the reference?

Any outcome that says whether somebody stayed, however it is keyed, matured and counted as the loop's own outcome is.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import text

from monitor.check import Interval
from monitor.production.items import load_items
from monitor.settings import OutcomeSettings, RewardSettings
from monitor.snapshot import Snapshot
from monitor.statistics.clustered import ENOUGH_CLUSTERS, mean_difference

KNOWN = "SELECT EXISTS (SELECT 1 FROM outcome WHERE metric = :metric)"


@dataclass(frozen=True)
class Retention:
    """Outcomes of a metric by checkpoint. frame: checkpoint, user, outcome (0..1, plus is better), time_us."""

    frame: pd.DataFrame

    @property
    def checkpoints(self) -> list[str]:
        """In the order in which they began to serve."""
        return list(map(str, self.frame.groupby("checkpoint")["time_us"].min().sort_values(kind="stable").index))

    def change(self, checkpoint: str, reference: str, confidence: float = 0.95) -> tuple[Interval, int] | None:
        """Share that stayed, new minus reference, and the outcomes behind it; None where there are too few users."""
        sides = [self.frame[self.frame["checkpoint"] == name] for name in (checkpoint, reference)]
        if min(side["user"].nunique() for side in sides) < ENOUGH_CLUSTERS:
            return None
        codes = pd.factorize(pd.concat([side["user"] for side in sides]))[0].astype(np.int64)
        new, old = (side["outcome"].to_numpy(float) for side in sides)
        found = mean_difference(new, old, codes[: new.size], codes[new.size :])
        reach = found.reach(confidence)
        return Interval(found.value, found.value - reach, found.value + reach), new.size + old.size


def read_retention(snapshot: Snapshot, metric: str, higher_is_better: bool, told_either_way: bool) -> Retention | None:
    """The outcomes of a metric; None where there are none. The loop's own metric is read as its settings say."""
    own = snapshot.settings.outcome
    with snapshot.engine.connect() as connection:
        if not connection.execute(text(KNOWN), {"metric": metric}).scalar():
            return None
    missing = "exclude" if told_either_way else False
    chosen = OutcomeSettings(metric=metric, horizon=own.horizon, higher_is_better=higher_is_better, missing=missing)
    changed = {"outcome": own if metric == own.metric else chosen, "reward": RewardSettings()}
    items = load_items(snapshot.engine, snapshot.settings.model_copy(update=changed), snapshot.as_of).frame
    known = items[items["outcome"].notna()]
    user = known["user"].astype(object).where(known["user"].notna(), known["unit"])
    return Retention(known[["checkpoint", "outcome", "time_us"]].assign(user=user))
