"""How old may the newest of each kind be before that is an alert of its own, and when may people be woken?"""

import datetime as dt
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from monitor.section import Duration, Section


def _hour(value: object) -> object:
    """YAML reads an unquoted 20:00 as the number of minutes."""
    if isinstance(value, dt.time):
        return value
    if isinstance(value, int) and 0 <= value < 24 * 60:
        return dt.time(value // 60, value % 60)
    try:
        return dt.time.fromisoformat(str(value))
    except ValueError:
        raise ValueError("an hour such as 20:00") from None


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r}; write one as Europe/Berlin or UTC") from None
    return name


Hour = Annotated[dt.time, BeforeValidator(_hour)]
Zone = Annotated[str, AfterValidator(_zone)]


class FreshnessSettings(Section):
    """The oldest that the newest of each stage may be.

    event: an answer in production. feedback, score: whichever is the reward. outcome: what really happened.
    anchors: an answer to a held-out item, once there was one. judgments: of a watched judge, once there was one.
    evaluation: a look at the loop.
    """

    event: Duration = dt.timedelta(days=1)
    feedback: Duration = dt.timedelta(days=3)
    score: Duration = dt.timedelta(days=3)
    outcome: Duration = dt.timedelta(days=7)
    anchors: Duration = dt.timedelta(days=35)
    judgments: Duration = dt.timedelta(days=35)
    evaluation: Duration = dt.timedelta(days=2)
