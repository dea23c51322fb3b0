"""Is it worth asking again, and when? Exponential back-off with full jitter, unless the server says how long.

Source: AWS Architecture Blog 2015, "Exponential Backoff and Jitter": full jitter keeps many clients out of step.
"""

import datetime as dt
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
_PASSING = frozenset({408, 409, 425, 429})


def is_passing(status: int) -> bool:
    """Can an HTTP status be another one next time?"""
    return status in _PASSING or status >= 500


def back_off_seconds(attempts: int, chance: float) -> float:
    """How long to wait after so many failed attempts, at least 1. chance: uniform on [0, 1).

    >>> [back_off_seconds(attempts, 1.0) for attempts in (1, 2, 3, 10)]
    [1.0, 2.0, 4.0, 60.0]
    """
    return chance * min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempts - 1, 30))


def asked_seconds(retry_after: str | None, now: float) -> float | None:
    """What a Retry-After header asks for: seconds, or a date. now: unix seconds. None if there is nothing to be read.

    >>> asked_seconds("20", 0), asked_seconds("Thu, 01 Jan 1970 00:01:00 GMT", 15), asked_seconds("soon", 0)
    (20.0, 45.0, None)
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return max(0.0, aware.timestamp() - now)


@dataclass(frozen=True)
class Timing:
    """Time and chance, as the system gives them. clock: seconds, never set back; wall: unix seconds."""

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
