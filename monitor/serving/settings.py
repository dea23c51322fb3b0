"""What does `reward-drift serve` do, and when?"""

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from monitor.section import UNITS_OF_TIME, Name, Section

UNITS = {"s": 1, **UNITS_OF_TIME}
SHORTEST = dt.timedelta(seconds=1)
LONGEST = dt.timedelta(weeks=52)
SAY = "a period such as 30s, 10m or 1d, or five fields as of cron such as '0 9 * * mon'"


def _period(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", value.strip())):
        return dt.timedelta(seconds=float(match[1]) * UNITS[match[2]])
    return value


def _when(value: object) -> object:
    period = _period(value)
    if isinstance(period, dt.timedelta) and SHORTEST <= period <= LONGEST:
        return period
    if isinstance(value, str) and len(value.split()) == 5:
        _refuse_unlikely(value)
        return " ".join(value.split())
    if value is False:
        return value
    raise ValueError(f"{SAY}; false: never")


def _refuse_unlikely(crontab: str) -> None:
    """Numbers of weekdays mean one thing to cron and another to the library that reads them."""
    if re.search(r"\d", crontab.split()[4]):
        raise ValueError("write weekdays as mon, tue, wed, thu, fri, sat, sun, not as numbers")
    from monitor.serving.slots import cron_slots

    try:
        cron_slots(crontab, "UTC")
    except ValueError as fault:
        raise ValueError(f"{crontab!r}: {fault}; write {SAY}") from None


Period = Annotated[dt.timedelta, BeforeValidator(_period), Field(ge=SHORTEST, le=LONGEST)]


When = Annotated[dt.timedelta | str | Literal[False], BeforeValidator(_when)]


class ScoringSettings(Section):
    """How checkpoints that events tell of are scored.

    checkpoints: the folder that holds them; an artefact that lies elsewhere is not opened. reward: sealed folder of the
    reward model, reward_name: what events call it. anchors: sealed sets. device, dtype, threads, token_budget,
    max_new_tokens: as of the command `score`.
    """

    checkpoints: Path
    reward: Path
    reward_name: Name | None = None
    anchors: Annotated[tuple[Path, ...], Field(min_length=1)]
    device: str = "auto"
    dtype: str = "auto"
    threads: Annotated[int | None, Field(ge=1)] = None
    token_budget: Annotated[int | None, Field(ge=64)] = None
    max_new_tokens: Annotated[int, Field(ge=1)] = 256


class DeadmanSettings(Section):
    """Who watches the watch: a URL outside that is called while all is well. allow_private: it may lie inside."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    allow_private: bool = False


class ServeSettings(Section):
    """Jobs and their times, a period or five fields as of cron in the zone `alerts.timezone`; false: never.

    tick: the look at the store. score: checkpoints that wait to be scored, by `scoring`. cards: the judges' cards.
    gate: the go/no-go of the newest candidate. retention: erasures that were asked for, and words that are too old.
    deliver: what waits to be sent. canary: how often an event of our own goes all the way; where none arrives, the
    dead-man's ping stops. lease: after how long a silence of the one process that works another takes over. patience:
    how long a long job may show no progress before it counts as stuck. reports: the folder that cards and gates are
    written to. deadman: where to ping, unless REWARD_DRIFT_DEADMAN_URL says so.
    """

    tick: When = dt.timedelta(hours=1)
    score: When = dt.timedelta(minutes=1)
    cards: When = "30 5 * * *"
    gate: When = "0 9 * * mon"
    retention: When = "10 3 * * *"
    deliver: Period = dt.timedelta(seconds=15)
    canary: Period = dt.timedelta(minutes=1)
    lease: Period = dt.timedelta(seconds=30)
    patience: Period = dt.timedelta(minutes=15)
    reports: Path = Path("reports")
    deadman: DeadmanSettings | None = None
    scoring: ScoringSettings | None = None

    @model_validator(mode="after")
    def _soon_enough(self) -> "ServeSettings":
        if self.deliver * 2 > self.canary:
            raise ValueError("deliver must be at most half of canary, or the ping comes too late")
        return self

    def times(self) -> dict[str, dt.timedelta | str]:
        """Job -> when it is due; without those that never are."""
        named = {
            "canary": self.canary,
            "tick": self.tick,
            "alerts": self.canary,
            "rules": self.deliver,
            "deliver": self.deliver,
            "score": self.score if self.scoring else False,
            "cards": self.cards,
            "gate": self.gate,
            "retention": self.retention,
        }
        return {name: when for name, when in named.items() if not isinstance(when, bool)}
