"""What does a replay or a tick tell? One frozen object behind text, JSON and HTML."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.check import Finding, Interval
from monitor.statistics.verdicts import LEVEL


@dataclass(frozen=True)
class Example:
    """One response a person should read. `why` names the fixed rule that chose it."""

    response_id: str
    checkpoint: str
    why: str
    reward: float | None
    outcome: float | None
    prompt: str | None
    response: str | None


@dataclass(frozen=True)
class Evidence:
    """Why an alert fired: the null, its allowance, the statistic against its threshold.

    `statistic` and `threshold` are days of mean time to a false alert for `rule` "restarting" and a likelihood-ratio
    like e-value against 1/alpha for "known start" and "guard" (against the first baseline, for ever). Shares of a point
    (0.01 = one point) elsewhere.
    """

    rule: str
    null: str
    statistic: float
    threshold: float
    promise: str
    material_harm: float
    baseline_error: float
    baseline_version: str
    reference_units: int
    missing_share: float
    likely_start: dt.date
    heaviest_bet: float
    scores: Mapping[str, float]  # share of the statistic that each score contributes
    smallest_visible: float  # effect that would have been seen at this n with probability .9


@dataclass(frozen=True)
class Confirmed:
    """A verdict that is ever told wrongly with probability at most alpha, and its e-value, at least 1/alpha.

    >>> str(Confirmed("plain_harm", 43.2))
    'confirmed: plain harm (e-value 43, 1/alpha 20)'
    """

    verdict: str
    e_value: float

    def __str__(self) -> str:
        value = f"{self.e_value:,.0f}" if self.e_value < 1e9 else f"{self.e_value:.0e}"
        return f"confirmed: {self.verdict.replace('_', ' ')} (e-value {value}, 1/alpha {LEVEL:.0f})"


@dataclass(frozen=True)
class Alert:
    """One alert of one episode. Effects are shares in [-1, 1]; `effect` is positive when worse.

    evidence: None of an alert that stands on a count (records are missing), where there is nothing to infer.
    outcome_level: mean outcome of its units since the likely start, 0 to 1; None where it is not known, as where some
    units were likelier to be asked than others.
    """

    fingerprint: str
    check: str
    attribution: str
    severity: str
    slice: Mapping[str, str]
    checkpoint: str
    fired_at: dt.datetime
    leading: str
    shares: Mapping[str, float]
    effect: Interval
    reward_change: Interval
    outcome_change: Interval
    n: int
    message: str
    evidence: Evidence | None
    examples: Sequence[Example] = ()
    state: str = "firing"
    confirmed: Confirmed | None = None
    components: Mapping[str, float] = field(default_factory=dict)  # e-value of each claim behind a verdict
    outcome_level: float | None = None


@dataclass(frozen=True)
class CheckpointSummary:
    """Reward and outcome of one checkpoint's matured production units (or of one cohort of them)."""

    checkpoint: str
    slice: Mapping[str, str]
    role: str  # reference | monitored | holdback
    first: dt.date
    last: dt.date
    units: int
    labelled: int
    missing_share: float
    reward: Interval
    outcome: Interval
    reward_change: Interval  # against the reference, same slice
    outcome_change: Interval


@dataclass(frozen=True)
class EvidencePath:
    """Daily value of one slice's statistic, for drawing. Same length lists."""

    slice: Mapping[str, str]
    days: Sequence[dt.date]
    statistic: Sequence[float]


@dataclass(frozen=True)
class FeedbackSplit:
    """How many feedback events got each purpose, and which rule decided."""

    curation: int = 0
    reward: int = 0
    debugging: int = 0
    by_rule: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EventCounts:
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """The frozen baseline: which checkpoint or window, how many units, how sure."""

    name: str
    chosen_by_default: bool
    start: dt.datetime
    end: dt.datetime
    units: int
    version: str


@dataclass(frozen=True)
class Report:
    """Everything one replay or tick found."""

    loop: str
    as_of: dt.datetime
    reward: str
    outcome: str
    unit: str
    thresholds: Mapping[str, float]  # severity -> days
    reference: Reference | None
    events: EventCounts
    feedback: FeedbackSplit
    alerts: Sequence[Alert]
    findings: Sequence[Finding]
    checkpoints: Sequence[CheckpointSummary]
    paths: Sequence[EvidencePath]
    notes: Sequence[str]  # what a reader must know: pending units, refused cohorts, defaults taken
    smallest_visible: float | None = None  # drop of the outcome that would have been seen by now with probability .9
    horizon_days: float = 0.0  # from an answer to the day its outcome counts; dates of production are those of outcomes
    cohorts: Sequence[str] = ()  # the keys that the settings name

    def to_dict(self) -> dict[str, Any]:
        """The output contract as plain JSON types; NaN and infinite become null."""
        plain: dict[str, Any] = plain_json(dataclasses.asdict(self))
        return plain


def plain_json(value: Any) -> Any:
    """Dates to RFC 3339, non-finite numbers to None, mappings and sequences recursively."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return value
