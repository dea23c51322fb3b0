"""What does the user want watched? One `reward-drift.yaml`, checked whole before anything starts."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from consumers.kafka_settings import KafkaSettings
from consumers.mendable import Mendable
from monitor.gate.settings import GateSettings
from monitor.oncall.freshness_settings import FreshnessSettings, Hour, Zone
from monitor.oncall.settings import ReceiverSettings, check_receivers
from monitor.section import Duration, Moment, Name, Range, Section
from monitor.serving.settings import ServeSettings
from monitor.web.settings import WebSettings
from monitor.yaml_section import load_section, parse_section


class SettingsError(Mendable):
    """The settings cannot be used; the message lists every problem with file, line, key and the nearest valid key."""


SliceName = Annotated[str, Field(pattern=r"^[^=]+=.+$")]
Restart = Literal["day", "deployment"]
Multiplier = Annotated[FiniteFloat, Field(gt=0)]


class RewardSettings(Section):
    """The number the loop optimises: a feedback signal (default thumbs) or the score of a scorer."""

    signal: Literal["thumbs", "rating"] | None = None
    scorer: Name | None = None
    range: Range | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "RewardSettings":
        if self.signal and self.scorer:
            raise ValueError("name a signal or a scorer, not both")
        if self.range and not self.range[0] < self.range[1]:
            raise ValueError("range needs low < high")
        return self

    @property
    def label(self) -> str:
        """How the reward is called in the output."""
        return self.scorer or self.signal or "thumbs"


class OutcomeSettings(Section):
    """What really happened: one metric, matured at a fixed horizon after the response."""

    metric: Name
    horizon: Duration = dt.timedelta(days=14)
    higher_is_better: bool = True
    range: Range = (0.0, 1.0)
    missing: Literal["exclude", False] = "exclude"

    @model_validator(mode="after")
    def _ordered(self) -> "OutcomeSettings":
        if not self.range[0] < self.range[1]:
            raise ValueError("range needs low < high")
        return self


class ReferenceSettings(Section):
    """The frozen baseline: a checkpoint, or a window of time. Neither: the first checkpoint."""

    checkpoint: Name | None = None
    from_: Moment | None = Field(None, alias="from")
    until: Moment | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ReferenceSettings":
        if self.checkpoint and (self.from_ or self.until):
            raise ValueError("name a checkpoint or from/until, not both")
        if (self.from_ is None) != (self.until is None):
            raise ValueError("from and until come together")
        if self.from_ and self.until and not self.from_ < self.until:
            raise ValueError("from must be before until")
        return self


class JudgeSettings(Section):
    """Names of judges: the watched ones, the teacher, the human."""

    watched: tuple[Name, ...] = ()
    teacher: Name | None = None
    human: Name | None = None


class AlertSettings(Section):
    """Mean time to a false alert over the whole family of series, the harm nobody would act on, and what slices weigh.

    risk: slice (`tier=enterprise`) -> how much more harm weighs there than its traffic says; 1 for the others.
    restart: deployment: half of what each day allows is kept for the day on which the next checkpoint begins.
    quiet_hours: from and until, of the time zone: a page about an outcome that takes more than a day waits for the day.
    """

    ticket: Duration = dt.timedelta(days=30)
    warning: Duration = dt.timedelta(days=365)
    page: Duration = dt.timedelta(days=3650)
    material_harm: float = Field(0.005, ge=0, lt=0.5)
    risk: dict[SliceName, Multiplier] = Field(default_factory=dict)
    restart: Restart = "day"
    timezone: Zone = "UTC"
    quiet_hours: tuple[Hour, Hour] | None = None

    @model_validator(mode="after")
    def _rising(self) -> "AlertSettings":
        if not self.ticket <= self.warning <= self.page:
            raise ValueError("ticket, warning and page must not fall")
        return self

    def days(self) -> dict[str, float]:
        """Severity -> threshold in days, mildest first."""
        return {name: getattr(self, name) / dt.timedelta(days=1) for name in ("ticket", "warning", "page")}


class LimitSettings(Section):
    """Bounds on what is read."""

    event_bytes: int = Field(1 << 20, ge=1024, le=64 << 20)


class RetentionSettings(Section):
    """How long words are kept: of events by when they happened, of rejected and conflicting ones by when they came."""

    texts: Duration = dt.timedelta(days=90)
    rejected: Duration = dt.timedelta(days=30)


class Settings(Section):
    """All of `reward-drift.yaml`. Every key has a default but `outcome.metric`."""

    loop: Name = "loop"
    reward: RewardSettings = RewardSettings()
    outcome: OutcomeSettings
    reference: ReferenceSettings = ReferenceSettings()
    cohorts: tuple[Name, ...] = ()
    unit: Literal["response", "conversation", "user-day", "user-week"] = "user-day"
    judges: JudgeSettings = JudgeSettings()
    gate: GateSettings = GateSettings()
    checks: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    alerts: AlertSettings = AlertSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    limits: LimitSettings = LimitSettings()
    kafka: KafkaSettings | None = None
    retention: RetentionSettings = RetentionSettings()
    serve: ServeSettings = ServeSettings()
    web: WebSettings = WebSettings()
    receivers: tuple[ReceiverSettings, ...] = ()

    @property
    def wait(self) -> dt.timedelta:
        """The longest time from a response until the unit it belongs to is complete."""
        return self.outcome.horizon + dt.timedelta(days=6 if self.unit == "user-week" else 0)

    @field_validator("receivers")
    @classmethod
    def _receivers_of_names(cls, receivers: tuple[ReceiverSettings, ...]) -> tuple[ReceiverSettings, ...]:
        return check_receivers(receivers)

    @model_validator(mode="after")
    def _risk_of_slices(self) -> "Settings":
        watched = {*self.cohorts, "checkpoint"}
        if unknown := [name for name in self.alerts.risk if name.partition("=")[0] not in watched]:
            raise ValueError(f"alerts.risk names {', '.join(unknown)}, but cohorts are {list(self.cohorts)}")
        return self


OTHERWISE = "`reward-drift init` writes a commented one"


def load_settings(path: Path) -> Settings:
    """Read and check a settings file.

    Raises SettingsError naming file, line, key and cause of every problem at once.
    """
    return load_section(path, Settings, SettingsError, OTHERWISE)


def parse_settings(text: str, name: str = "reward-drift.yaml") -> Settings:
    """Check the text of a settings file; `name` stands in the messages. Raises SettingsError."""
    return parse_section(text, name, Settings, SettingsError, OTHERWISE)
