"""How are two checkpoints told apart on one test: item by item, as two reported means, or as a census of items?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.check import FloatArray, Interval, Measurement, Slice
from monitor.detection.fixed_sample import FixedSample


@dataclass(frozen=True)
class PairedSample(Measurement):
    """Effects of items that candidate and reference both answered, to be inferred once (`sample_test.open_test`).

    effects: the middle of what each item allows, shape (items,); least, most: its ends, which differ where a result
    failed on either side. items: how many. failed: of how many something is missing. paired: always; each effect is the
    difference on one item. note: what else a reader must know: items left out, a reference that was evaluated again.
    """

    least: FloatArray = field(default_factory=lambda: np.zeros(0))
    most: FloatArray = field(default_factory=lambda: np.zeros(0))
    items: int = 0
    failed: int = 0
    paired: bool = True


@dataclass(frozen=True)
class OpenCensus(FixedSample):
    """Every item was looked at, and the claim is about these items alone: no chance is in its interval.

    interval: the share of items that are harmed; from those seen to be, to those and all whose result is missing.
    Below the tolerance it is a PASS, above it a FAIL, as of a `FixedSample`.
    """


def paired_sample(
    part: Slice, least: FloatArray, most: FloatArray, tolerance: float, day: int, note: str
) -> Measurement:
    """Items as one sample of what the test stands for. least, most: shape (items,), in [-1, 1], at least one item."""
    return PairedSample(
        slice=part,
        effects=(least + most) / 2,
        tolerance=tolerance,
        days=np.full(least.size, day, np.int64),
        baseline_allowance=np.zeros(least.size),
        baseline_units=int(least.size),
        note=note,
        least=least,
        most=most,
        items=int(least.size),
        failed=int(np.sum(least < most)),
    )


def open_census(part: Slice, least: FloatArray, most: FloatArray, tolerance: float, told: str) -> OpenCensus:
    """Items as all that is claimed of. least, most: shape (items,), in [0, 1], the harm of each, at least one item."""
    low, high = float(least.mean()), float(most.mean())
    return OpenCensus(
        part, np.array([(low + high) / 2]), tolerance, exact=True, interval=Interval((low + high) / 2, low, high),
        n=int(least.size), told=told,
    )  # fmt: skip


def named(items: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are.

    >>> named(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    told = ", ".join(items[:most])
    return told if len(items) <= most else f"{told} and {len(items) - most} more"
