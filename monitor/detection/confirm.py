"""How strong is the evidence for each component of a story? From the book's daily sums.

All components speak of the time since one start, the day from which there is most evidence that the outcome moved: what
held before a change is no evidence of what holds since. The start is chosen by looking, which its mass pays for.

Every claim has the allowance for the baseline's error moved against it. A claim of change must exceed the allowance and
the harm that nobody would act on; a claim of no change means less than the allowance and the margin together.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.detection.book import SeriesBook, SeriesKey
from monitor.production.curve import CHECK as CURVE_CHECK
from monitor.statistics.claims import DailySums, blend, log_evidence, start_masses
from monitor.statistics.reference_error import QUANTILE

Array = NDArray[np.float64]

CHECK = "reward_outcome_decoupling"
MARGIN = 0.01  # what is measured, less than this, is called no change
MOVED = ("C", "O-", "O+")  # the outcome moved: what these say most of is the start of the story
LARGEST = 700.0  # log of the largest e-value told


@dataclass(frozen=True)
class _Claim:
    """Daily sums of a score, and what its baseline may be wrong by (in the score's unit)."""

    sums: DailySums
    error: float

    def __neg__(self) -> "_Claim":
        return replace(self, sums=-self.sums)


def component_evidence(
    book: SeriesBook, slice_name: str, material_harm: float, begin: int = 0, until: int | None = None
) -> dict[str, float]:
    """E-value of each component (statistics.verdicts) of a slice at the close of the last day before `until`.

    begin, until: indices of the book's days; begin is the last decision, from which evidence counts. A component whose
    series has no unit stays under 1. No day, no component.
    """
    days = slice(begin, book.days if until is None else until)
    if begin >= (book.days if until is None else until):
        return {}
    masses = start_masses(len(range(*days.indices(book.days))), _deployments(book, days))
    a1, a2, a4, a6, a7, held, beside = (
        _claim(book, SeriesKey(CHECK, series, slice_name), days, material_harm)
        for series in ("A1", "A2", "A4", "A6", "A7", "H", "P")
    )

    def more(claim: _Claim) -> Array:
        return log_evidence(claim.sums, claim.error + material_harm, masses)

    def less(claim: _Claim) -> Array:
        return log_evidence(-claim.sums, -MARGIN, masses)

    halfway = _Claim(blend(a4.sums, a6.sums, 1 / 2), (a4.error + a6.error) / 2)
    own_part = _Claim(blend(-held.sums, beside.sums, 1 / 3), held.error / 3)
    logs = {
        "O-": more(a2),
        "O+": more(-a2),
        "O0": less(a2),
        "C": np.logaddexp(more(a1), more(a7)) - np.log(2),
        "C0": np.minimum(less(a1), less(a7)),
        "R+": more(a4),
        "U": less(a4),
        "R-": log_evidence(-halfway.sums, halfway.error, masses),
        "R0": log_evidence(halfway.sums, halfway.error, masses),
        "V": more(a6),
        "H-": more(held),
        "P0": log_evidence(-own_part.sums, own_part.error, masses),
    }
    start = int(np.argmax(np.max([logs[name] for name in MOVED], axis=0)))
    return {name: float(np.exp(min(log[start], LARGEST))) for name, log in logs.items()}


def _claim(book: SeriesBook, key: SeriesKey, days: slice, material_harm: float) -> _Claim:
    if key not in book.column:
        nothing = np.zeros(len(range(*days.indices(book.days))))
        return _Claim(DailySums(nothing, nothing, nothing), 0.0)
    info = book.info[key]
    cells = book.cells[days, book.column[key], :3]
    return _Claim(DailySums(*cells.T), max(QUANTILE * info.baseline_error, info.allowance - material_harm))


def _deployments(book: SeriesBook, days: slice) -> list[int]:
    """Days, from the first of these on, on which a checkpoint's first unit matured."""
    columns = [book.column[key] for key in book.keys if key.check == CURVE_CHECK]
    served = book.cells[:, columns, 0] > 0
    first = served.argmax(axis=0)[served.any(axis=0)]
    last = days.indices(book.days)[1]
    return [int(day) - days.start for day in first if days.start <= day < last]
