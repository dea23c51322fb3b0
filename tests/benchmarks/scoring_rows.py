"""What is a row of the results of scoring?"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured thing. met: whether the target is; a row without a target is told for comparison."""

    id: str
    what: str
    measured: str
    target: str = ""
    met: str = ""

    @classmethod
    def at_least(cls, id: str, what: str, ratios: Sequence[float], target: float) -> "Row":
        return cls(id, what, told(ratios), f">= {target}", verdict(statistics.median(ratios) >= target))

    @classmethod
    def at_most(cls, id: str, what: str, measured: float, target: float, form: str = ".3g") -> "Row":
        return cls(id, what, format(measured, form), f"<= {target:g}", verdict(measured <= target))


def told(ratios: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def verdict(met: bool) -> str:
    return "yes" if met else "**missed**"
