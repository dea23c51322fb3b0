"""What is a part of the settings made of: durations, moments, names, and the rule that unknown keys are refused."""

import datetime as dt
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

UNITS_OF_TIME = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST_SECONDS = 100 * 366 * 86400


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", value.strip())):
        seconds = float(match[1]) * UNITS_OF_TIME[match[2]]
        if seconds <= LONGEST_SECONDS:
            return dt.timedelta(seconds=seconds)
        raise ValueError("a duration of at most 100 years")
    if isinstance(value, dt.timedelta):
        return value
    raise ValueError("a duration such as 14d, 12h or 30m")


def _midnight(value: object) -> object:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    return value


Duration = Annotated[dt.timedelta, BeforeValidator(_duration), Field(gt=dt.timedelta(0))]
Moment = Annotated[dt.datetime, BeforeValidator(_midnight)]
Range = tuple[FiniteFloat, FiniteFloat]
Name = Annotated[str, Field(min_length=1, max_length=512)]


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
