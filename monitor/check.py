"""What is a check? A question, answered with measurements; the runner turns measurements into findings."""

import enum
import functools
import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from monitor.snapshot import Snapshot

Slice = Mapping[str, str]
FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int], np.dtype[np.int64]]


class Verdict(enum.StrEnum):
    """PASS: interval at or under the tolerance. FAIL: shown harmful. INCONCLUSIVE: neither. ERROR: the check broke."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Interval:
    """A value with its 95% interval; all None when there is no data."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measurement:
    """Per-unit effects of one series: what a check measured, before any inference.

    series: the score that made it (statistics.md: "A1", "A2", ...); one (check, series, slice) is one series.
    effects: shape (units,), in [-1, 1], positive is worse.
    days: shape (units,), the day (since 1970-01-01) on which each unit matured; empty for `exact`.
    tolerance: the most harm a PASS may leave open; share in [0, 1].
    baseline_error: standard error of the frozen baseline the effects are measured against.
    baseline_allowance: shape (units,), what to concede to the baseline on each unit's day, fixed before that day.
    baseline_units: how many reference units stand behind that baseline.
    baseline_level: what the reference led to expect, on average; None where that is of no use to a reader.
    exact: a census (every member was looked at): no interval, and no effects means INCONCLUSIVE.
    needs: what is missing when there are no effects, for the reader. note: what else a reader must know of it.
    """

    slice: Slice
    effects: FloatArray
    tolerance: float
    series: str = ""
    days: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    baseline_error: float = 0.0
    baseline_allowance: FloatArray = field(default_factory=lambda: np.zeros(0))
    baseline_units: int = 0
    exact: bool = False
    needs: str = ""
    note: str = ""
    baseline_level: float | None = None


@dataclass(frozen=True)
class Finding:
    """What was inferred from one check on one slice.

    reward_change, outcome_change: new minus reference, plus is better; of checks that compare both.
    """

    check: str
    slice: Slice
    verdict: Verdict
    effect: Interval
    tolerance: float
    n: int
    message: str
    reward_change: Interval = Interval()
    outcome_change: Interval = Interval()


CheckFunction = Callable[..., Iterator[Measurement]]


@dataclass(frozen=True)
class Check:
    """A registered check: `name` is file, function and id in one; `question` is the module's first line."""

    name: str
    question: str
    family: str
    on: frozenset[str]
    severity: str
    function: CheckFunction
    defaults: Mapping[str, Any]

    def measure(self, snapshot: "Snapshot", overrides: Mapping[str, Any]) -> list[Measurement]:
        """Run the check with its defaults overridden. Whatever the check raises passes through to the runner."""
        return list(self.function(snapshot, **{**self.defaults, **overrides}))


class CheckError(Exception):
    """A check is declared wrongly; the message says which rule of the house it breaks."""


REGISTRY: dict[str, Check] = {}


def check(*, family: str, on: set[str], severity: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check. `on`: production | checkpoint | gate. `severity`: the most it may raise."""

    def register(function: CheckFunction) -> CheckFunction:
        module = inspect.getmodule(function)
        question = (inspect.getdoc(module) or "").partition("\n")[0]
        if module is None or module.__name__.rpartition(".")[2] != function.__name__:
            raise CheckError(f"check {function.__name__} must live in a file of its own name")
        if not question.endswith("?"):
            raise CheckError(f"the docstring of {module.__name__} must begin with a question, got {question!r}")
        settings = list(inspect.signature(function).parameters.values())[1:]
        if any(s.kind is not s.KEYWORD_ONLY or s.default is s.empty for s in settings):
            raise CheckError(f"settings of {function.__name__} must be keyword-only with defaults")
        REGISTRY[function.__name__] = Check(
            name=function.__name__,
            question=question,
            family=family,
            on=frozenset(on),
            severity=severity,
            function=function,
            defaults={s.name: s.default for s in settings},
        )
        return function

    return register


def load_checks() -> dict[str, Check]:
    """Import every file of monitor/checks and every `reward_drift.checks` entry point; return the registry."""
    _import_checks()
    return dict(sorted(REGISTRY.items()))


@functools.cache  # every look asks for the checks several times, and entry points are read from all that is installed
def _import_checks() -> None:
    package = importlib.import_module("monitor.checks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"monitor.checks.{module.name}")
    for entry in importlib.metadata.entry_points(group="reward_drift.checks"):
        entry.load()
