"""What does a page say of answers that escape being judged? How many more, beside whom, and what that could hide."""

import numpy as np
import pandas as pd

from monitor.check import Interval
from monitor.production.baseline import Baseline
from monitor.settings import Settings
from monitor.statistics.evasion import Bounds, outcome_bounds, outcome_change_bounds

CHECK = "reward_evasion"


def escape_message(
    settings: Settings,
    baseline: Baseline,
    kind: str,
    effect: Interval,
    new: pd.DataFrame,
    held: pd.DataFrame | None,
    checkpoint: str,
    n: int,
) -> str:
    """The finding and the bounds it leaves: with the worst and with the best of what is missing.

    new, held: items since the likely start, of new checkpoints and of users held back; held is None when compared with
    the reference. n: effects behind `effect`, the change of the share that escapes.
    """
    beside = "the reference; users may have changed as well" if held is None else "users held back at the same time"
    after, before = _bounds(new), _reference_bounds(baseline) if held is None else _bounds(held)
    told = (
        f"{settings.loop}: more answers escape {'a' if kind == 'reward' else 'an'} {kind}: {_points(effect)} beside"
        f" {beside}, since the likely start, n={n:,}, mostly {checkpoint}."
    )
    if after is None or before is None:
        return told
    if not after.missing:
        return f"{told} None of {after.n:,} {settings.unit}s lacks an outcome."
    change = outcome_change_bounds(after, before)
    return (
        f"{told} {after.missing:,} of {after.n:,} {settings.unit}s have no outcome: whatever hides behind them,"
        f" {settings.outcome.metric} of all lies between {after.worst:.1%} and {after.best:.1%} (95%:"
        f" {after.low:.1%}..{after.high:.1%}), and changed by {100 * change.worst:+.1f} to {100 * change.best:+.1f} pt"
        f" (95%: {100 * change.low:+.1f}..{100 * change.high:+.1f})."
    )


def _bounds(items: pd.DataFrame) -> Bounds | None:
    if items.empty:
        return None
    return outcome_bounds(items.groupby("unit")["outcome"].mean().dropna().to_numpy(float), items["unit"].nunique())


def _reference_bounds(baseline: Baseline) -> Bounds:
    return outcome_bounds(np.full(baseline.labelled, baseline.mean_outcome[-1]), baseline.units)


def _points(change: Interval) -> str:
    if change.value is None or change.low is None or change.high is None:
        return "unknown"
    return f"{change.value * 100:+.1f} pt ({change.low * 100:+.1f}..{change.high * 100:+.1f})"
