"""What could these units have shown, and how many more would settle it?

By normal approximation where t decides; by the growth of the bets where they do, which is slower.
Assumption: further units are like those seen, and a true effect of 0 leaves their spread as it is.
Guarantee: none: these are plans, held against simulated samples by a test. Raises ValueError as `labels_needed` does.
Sources: those of `non_inferiority`; Waudby-Smith and Ramdas 2024, arXiv:2010.09686 (growth of bets).
"""

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.statistics.bounded import STAKES
from monitor.statistics.intervals import ENOUGH_VARIATION
from monitor.statistics.label_budget import effective_labels, seen_correlation
from monitor.statistics.non_inferiority import POWER, labels_needed
from monitor.statistics.prediction_powered import Estimate

Array = NDArray[np.float64]

MOST_UNITS = 10**9  # nobody has more: no number would do


@dataclass(frozen=True)
class Outlook:
    """needed: units in all to pass if the truth is 0; None if no number would do. visible, power: as of SampleTest."""

    needed: int | None
    visible: float
    power: float


def outlook(
    seen: Estimate, tolerance: float, baseline_error: float, others: int, alpha: float, method: str, gap: float = 0.0
) -> Outlook:
    """What units as spread as those seen would show.

    others: units with a judge's score alone. gap: how far open units alone hold the mean effect from its worst end.

    >>> outlook(Estimate(0.0, 0.2 / 700, 0.0, 699.0, 700, 700.0, 140.0), 0.03, 0.0, 0, 0.05, "t").needed
    1384
    """
    margin = tolerance - gap
    spread = float(np.sqrt(seen.variance * seen.effective + 1 / seen.n))  # one discordant unit more
    if method == "betting":
        return _by_bets(seen.n, margin, tolerance, min(spread, 1.0), baseline_error, alpha)
    correlation = seen_correlation(seen.n, others, seen.effective)
    units = effective_labels(seen.n, others, correlation) if others else seen.effective
    error = float(np.sqrt(spread**2 / units + baseline_error**2))
    reach = float(special.ndtri(1 - alpha) + special.ndtri(POWER))
    left = margin**2 - (reach * baseline_error) ** 2 if margin > 0 else 0.0
    needed = None
    if left * MOST_UNITS > (reach * spread) ** 2:
        needed = labels_needed(float(np.sqrt(left)), spread, correlation, others, alpha=alpha)
        least = np.log(alpha) / np.log1p(-margin) if method == "exact" else ENOUGH_VARIATION / spread**2
        needed = max(needed, int(np.ceil(least)))
    power = float(special.ndtr(margin / error - special.ndtri(1 - alpha)))
    return Outlook(needed, min(1.0, tolerance + reach * error), power)


def _by_bets(n: int, margin: float, tolerance: float, spread: float, baseline_error: float, alpha: float) -> Outlook:
    """The same for bets: capital grows by its drift, less a quadratic loss of the spread, around which it varies."""
    stakes, target = np.array(STAKES), float(np.log(len(STAKES) / alpha))
    room = baseline_error * float(special.ndtri(1 - alpha / 10))
    harm = _least_harms(n, tolerance, alpha)
    visible = min(1.0, room + (float(special.betaincinv(harm, n - harm + 1, POWER)) if harm <= n else 1.0))
    gain = (margin - room) / (1 - tolerance)
    if gain <= 0:
        return Outlook(None, visible, 0.0)
    noise = stakes * spread / (1 - tolerance)
    drift = np.log1p(stakes * gain) - noise**2 / 2
    grows = drift > 0
    if not grows.any():
        return Outlook(None, visible, 0.0)
    swing = float(special.ndtri(POWER)) * noise
    roots = (swing + np.sqrt(swing**2 + 4 * np.maximum(drift, 0) * target))[grows] / (2 * drift[grows])
    power = special.ndtr((n * drift - target) / (noise * np.sqrt(n))).max()
    needed = float((roots**2).min())
    return Outlook(int(np.ceil(needed)) if needed < MOST_UNITS else None, visible, float(power))


def _least_harms(n: int, tolerance: float, alpha: float) -> int:
    """How many of n units must be harmed in full, the others tied, to be called harm; n + 1 if all are too few."""
    stakes = np.array(STAKES)
    won = np.log1p(stakes * (1 - tolerance) / (1 + tolerance))
    lost = np.log1p(-stakes * tolerance / (1 + tolerance))
    target = float(np.log(len(STAKES) / alpha))

    def shown(harmed: int) -> bool:
        return bool(np.logaddexp.reduce(harmed * won + (n - harmed) * lost) >= target)

    return bisect.bisect_left(range(n + 1), True, key=shown)
